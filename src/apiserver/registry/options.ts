/**
 * The options of a request, from its query and (for deletions) its body, checked with upstream's words.
 * Source: k8s.io/apimachinery/pkg/apis/meta/{v1,internalversion}/validation.
 */
import { ApiError, type FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { isTrue } from '../request-info.ts';

export interface ListRequest {
  readonly watch: boolean;
  readonly limit: number;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutSeconds: number | undefined;
}

export interface WriteRequest {
  readonly dryRun: boolean;
  /** As given; empty when the request names none. */
  readonly fieldManager: string;
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
  readonly force: boolean | undefined;
}

export interface DeleteRequest {
  readonly dryRun: boolean;
  readonly gracePeriodSeconds: number | undefined;
  readonly preconditions: { readonly uid?: string; readonly resourceVersion?: string };
  readonly orphanDependents: boolean | undefined;
  readonly propagationPolicy: string | undefined;
}

const integer = /^[+-]?[0-9]+$/;

/** @throws ApiError 400 with strconv's message. */
export function parseInteger(text: string): number {
  if (!integer.test(text))
    throw ApiError.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (Math.abs(value) > 2 ** 63)
    throw ApiError.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  return value;
}

export function parseListOptions(query: URLSearchParams): ListRequest {
  const get = (name: string): string => query.get(name) ?? '';
  const limit = query.get('limit');
  const timeout = query.get('timeoutSeconds');
  const initial = query.get('sendInitialEvents');
  return {
    watch: isTrue(query.get('watch')),
    limit: limit === null ? 0 : parseInteger(limit),
    continue: get('continue'),
    resourceVersion: get('resourceVersion'),
    resourceVersionMatch: get('resourceVersionMatch'),
    labelSelector: get('labelSelector'),
    fieldSelector: get('fieldSelector'),
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: initial === null ? undefined : isTrue(initial),
    timeoutSeconds: timeout === null ? undefined : parseInteger(timeout),
  };
}

const match = 'resourceVersionMatch';

/** @throws ApiError 422 about ListOptions. */
export function checkListOptions(options: ListRequest): void {
  const errors: FieldError[] = options.watch ? watchErrors(options) : listErrors(options);
  if (errors.length > 0) throw ApiError.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
}

function listErrors({ resourceVersionMatch, resourceVersion, sendInitialEvents, continue: token }: ListRequest) {
  const errors: FieldError[] = [];
  if (resourceVersionMatch !== '') {
    if (resourceVersion === '')
      errors.push(forbidden(match, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (token !== '') errors.push(forbidden(match, 'resourceVersionMatch is forbidden when continue is provided'));
    if (resourceVersionMatch !== 'Exact' && resourceVersionMatch !== 'NotOlderThan')
      errors.push(unsupported(match, resourceVersionMatch, ['Exact', 'NotOlderThan', '']));
    if (resourceVersionMatch === 'Exact' && resourceVersion === '0')
      errors.push(forbidden(match, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (sendInitialEvents !== undefined)
    errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  return errors;
}

function watchErrors({ resourceVersionMatch, sendInitialEvents, continue: token }: ListRequest) {
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined && resourceVersionMatch === '')
    errors.push(forbidden(match, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  if (resourceVersionMatch !== '') {
    if (sendInitialEvents === undefined)
      errors.push(forbidden(match, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
    if (resourceVersionMatch !== 'NotOlderThan')
      errors.push(unsupported(match, resourceVersionMatch, ['NotOlderThan']));
  }
  // Said with or without a resourceVersionMatch.
  if (token !== '') errors.push(forbidden(match, 'resourceVersionMatch is forbidden when continue is provided'));
  return errors;
}

/** @param kind CreateOptions, UpdateOptions or PatchOptions. @throws ApiError 422. */
export function parseWriteOptions(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  apply = false,
): WriteRequest {
  const fieldManager = query.get('fieldManager') ?? '';
  const fieldValidation = query.get('fieldValidation') ?? '';
  const force = query.get('force');
  const errors: FieldError[] = [];
  if (kind === 'PatchOptions') {
    if (apply && fieldManager === '')
      errors.push({
        type: 'FieldValueRequired',
        field: 'fieldManager',
        message: 'Required value: is required for apply patch',
      });
    if (!apply && force !== null) errors.push(forbidden('force', 'may not be specified for non-apply patch'));
  }
  errors.push(...fieldManagerErrors(fieldManager));
  const dryRun = dryRunErrors(query.getAll('dryRun'), errors);
  if (!['', 'Ignore', 'Warn', 'Strict'].includes(fieldValidation))
    errors.push(unsupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']));
  if (errors.length > 0) throw ApiError.invalid({ group: 'meta.k8s.io', kind }, '', errors);
  return {
    dryRun,
    fieldManager,
    fieldValidation: fieldValidation === '' ? 'Warn' : (fieldValidation as 'Ignore' | 'Warn' | 'Strict'),
    force: force === null ? undefined : isTrue(force),
  };
}

function fieldManagerErrors(fieldManager: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(fieldManager) > 128)
    errors.push({
      type: 'FieldValueTooLong',
      field: 'fieldManager',
      message: 'Too long: may not be more than 128 bytes',
    });
  let position = 0;
  for (const character of fieldManager) {
    if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(character)) {
      const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
      errors.push({
        type: 'FieldValueInvalid',
        field: 'fieldManager',
        message: `Invalid value: ${goQuote(fieldManager)}: invalid character U+${code} (at position ${position})`,
      });
      break;
    }
    position += Buffer.byteLength(character);
  }
  return errors;
}

/** As Go's `%q`: what cannot be printed is written as an escape. */
const goQuote = (text: string): string =>
  JSON.stringify(text).replace(/\\u00([01][0-9a-f])|\x7f/g, (_, code: string | undefined) =>
    code === '07' ? '\\a' : code === '0b' ? '\\v' : `\\x${code ?? '7f'}`,
  );

function dryRunErrors(values: readonly string[], errors: FieldError[]): boolean {
  const given = values;
  if (given.some((v) => v !== 'All'))
    errors.push({
      type: 'FieldValueNotSupported',
      field: 'dryRun',
      message: `Unsupported value: ${JSON.stringify(given)}: supported values: "All"`,
    });
  return given.length > 0;
}

/** @param body a decoded DeleteOptions; the query is used only when there is none. @throws ApiError 422. */
export function parseDeleteOptions(query: URLSearchParams, body: JsonObject | undefined): DeleteRequest {
  const errors: FieldError[] = [];
  const request = body === undefined ? fromQuery(query, errors) : fromBody(body, errors);
  const { orphanDependents, propagationPolicy } = request;
  if (propagationPolicy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(propagationPolicy))
    errors.push(unsupported('propagationPolicy', propagationPolicy, ['Foreground', 'Background', 'Orphan', 'nil']));
  if (propagationPolicy !== undefined && orphanDependents !== undefined)
    errors.push(
      invalid('propagationPolicy', propagationPolicy, 'orphanDependents and deletionPropagation cannot be both set'),
    );
  if (errors.length > 0) throw ApiError.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  return request;
}

function fromQuery(query: URLSearchParams, errors: FieldError[]): DeleteRequest {
  const grace = query.get('gracePeriodSeconds');
  const orphan = query.get('orphanDependents');
  return {
    dryRun: dryRunErrors(query.getAll('dryRun'), errors),
    gracePeriodSeconds: grace === null ? undefined : parseInteger(grace),
    preconditions: {},
    orphanDependents: orphan === null ? undefined : isTrue(orphan),
    propagationPolicy: query.get('propagationPolicy') ?? undefined,
  };
}

function fromBody(body: JsonObject, errors: FieldError[]): DeleteRequest {
  const preconditions = (body.preconditions ?? {}) as { uid?: string; resourceVersion?: string };
  const grace = body.gracePeriodSeconds;
  return {
    dryRun: dryRunErrors((body.dryRun ?? []) as readonly string[], errors),
    gracePeriodSeconds: grace === undefined || grace === null ? undefined : Number(grace),
    preconditions,
    orphanDependents: typeof body.orphanDependents === 'boolean' ? body.orphanDependents : undefined,
    propagationPolicy: typeof body.propagationPolicy === 'string' ? body.propagationPolicy : undefined,
  };
}

const forbidden = (field: string, why: string): FieldError => ({
  type: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${why}`,
});
const invalid = (field: string, value: string, why: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
});
const unsupported = (field: string, value: string, supported: readonly string[]): FieldError => ({
  type: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}`,
});

/** A resourceVersion as a number. @returns undefined for empty; @throws via `bad` when it is no unsigned integer. */
export function parseResourceVersion(text: string, bad: (why: string) => ApiError): number {
  if (text === '') return 0;
  if (!/^[0-9]+$/.test(text))
    throw bad(
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  const value = Number(text);
  if (value >= 2 ** 64)
    throw bad(
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`,
    );
  return value;
}
