/** PATCH: JSON, merge and strategic merge patches as updates. Source: endpoints/handlers/patch.go. */
import {
  DecodeError,
  decodeObject,
  decodeUnstructured,
  encodeText,
  JsonSyntaxError,
  parseJson,
  StrictDecodeError,
  sortedKeys,
} from '../../api/codec/index.ts';
import { ApiError, isConflict } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { goValue } from '../../api/patch/go-format.ts';
import { applyPatch, type PatchType } from '../../api/patch/patch.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { RequestContext } from './context.ts';

/** Upstream: MaxRetryWhenPatchConflicts. */
const attempts = 5;

/** Repeats a patch that lost a race, unless it names a resourceVersion: then it fails the same way every time. */
export async function withPatchRetries<T>(patch: JsonValue, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === attempts || !isConflict(error) || namesRevision(patch)) throw error;
    }
  }
}

const namesRevision = (patch: JsonValue): boolean =>
  typeof (patch as { metadata?: { resourceVersion?: unknown } | null } | null)?.metadata?.resourceVersion === 'string';

/** A patch document and the members that came twice in it. */
export interface PatchDocument {
  readonly patch: JsonValue;
  /** `duplicate field "a.b"` */
  readonly strictErrors: readonly string[];
}

/** @throws ApiError 400 */
export function patchOf(
  context: RequestContext,
  type: PatchType,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
): PatchDocument {
  const { body } = context.request;
  if (body !== undefined && 'value' in body) return { patch: body.value, strictErrors: [] };
  try {
    const { value, duplicates } = parseJson(body?.bytes ?? new Uint8Array());
    if (fieldValidation === 'Ignore') return { patch: value, strictErrors: [] };
    const twice = duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`);
    if (type !== 'json') return { patch: value, strictErrors: twice };
    return { patch: value, strictErrors: [...twice, ...unknownOperationFields(value)].map((e) => `json patch ${e}`) };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    if (type === 'merge' && fieldValidation === 'Ignore') throw ApiError.badRequest('Invalid JSON Patch');
    const where =
      type === 'strategic' || (type === 'json' && fieldValidation === 'Ignore') ? '' : 'error decoding patch: ';
    throw ApiError.badRequest(`${where}${error.message}`);
  }
}

function unknownOperationFields(patch: JsonValue): string[] {
  if (!Array.isArray(patch)) return [];
  return (patch as readonly JsonValue[]).flatMap((operation, i) =>
    typeof operation !== 'object' || operation === null || Array.isArray(operation)
      ? []
      : Object.keys(operation)
          .filter((key) => !['op', 'path', 'from', 'value'].includes(key))
          .map((key) => `unknown field ${JSON.stringify(`[${i}].${key}`)}`),
  );
}

/** A strategic merge patch cannot change an object's kind or version: upstream's converter fills a value whose Go type says both. */
function asKindOf({ kind, apiVersion }: JsonObject, object: JsonObject): JsonObject {
  if (object.kind === kind && object.apiVersion === apiVersion) return object;
  return Object.freeze({ ...object, kind: kind!, apiVersion: apiVersion! });
}

/** @param current in the request's version. @returns the patched object, decoded into the canonical tree. @throws ApiError 422 */
export function patchedObject(
  type: PatchType,
  { patch, strictErrors }: PatchDocument,
  current: JsonObject,
  structType: StructType,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
  warnings: string[],
): JsonObject {
  const tree = applyPatch({ type, patch, object: current, structType });
  try {
    const found =
      type === 'strategic'
        ? decodeUnstructured(tree, structType, { fieldValidation })
        : decodeObject({ value: tree }, structType, { fieldValidation });
    if (fieldValidation === 'Strict' && strictErrors.length > 0) throw new StrictDecodeError(strictErrors);
    if (fieldValidation === 'Warn') warnings.push(...strictErrors);
    warnings.push(...found.warnings);
    return type === 'strategic' ? asKindOf(current, found.object) : found.object;
  } catch (error) {
    if (!(error instanceof StrictDecodeError) && !(error instanceof DecodeError)) throw error;
    const shown = type === 'strategic' ? goValue(patch) : shownTree(type, patch, current, tree);
    const why =
      error instanceof StrictDecodeError && error.errors !== strictErrors
        ? new StrictDecodeError([...strictErrors, ...error.errors]).message
        : error.message;
    throw ApiError.invalid({ group: '', kind: '' }, '', [
      { type: 'FieldValueInvalid', field: 'patch', message: `Invalid value: ${JSON.stringify(shown)}: ${why}` },
    ]);
  }
}

/**
 * A patched document as upstream prints it: what the patch went through was taken apart into Go maps and has its keys sorted, the rest stands as it was.
 */
function shownTree(type: PatchType, patch: JsonValue, current: JsonObject, tree: JsonValue): string {
  const shown = type === 'merge' ? mergedOrder(current, patch, tree) : walkedOrder(patch, tree);
  return encodeText(shown as unknown as JsonObject);
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mergedOrder(current: JsonValue | undefined, patch: JsonValue | undefined, tree: JsonValue): JsonValue {
  if (!isObject(tree)) return isObject(current) ? tree : sortedDeep(tree);
  if (!isObject(current)) return sortedDeep(tree);
  if (!isObject(patch)) return tree;
  return Object.fromEntries(
    sortedKeys(tree).map((key) => {
      const value = tree[key]!;
      if (!Object.hasOwn(patch, key)) return [key, value];
      const before = Object.hasOwn(current, key) ? current[key] : undefined;
      return [key, mergedOrder(before, patch[key], value)];
    }),
  );
}

function sortedDeep(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sortedDeep);
  if (!isObject(value)) return value;
  return Object.fromEntries(sortedKeys(value).map((key) => [key, sortedDeep(value[key]!)]));
}

/** Containers on the way to what the operations name. */
function walkedOrder(patch: JsonValue, tree: JsonValue): JsonValue {
  let shown = sortedTop(tree);
  for (const operation of Array.isArray(patch) ? (patch as readonly JsonObject[]) : [])
    for (const pointer of [operation.from, operation.path])
      if (typeof pointer === 'string')
        shown = sortedAlong(
          shown,
          pointer
            .split('/')
            .slice(1, -1)
            .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
        );
  return shown;
}

function sortedTop(value: JsonValue): JsonValue {
  return isObject(value) ? Object.fromEntries(sortedKeys(value).map((key) => [key, value[key]!])) : value;
}

function sortedAlong(value: JsonValue, steps: readonly string[]): JsonValue {
  const here = sortedTop(value);
  const [step, ...rest] = steps;
  if (step === undefined) return here;
  if (Array.isArray(here)) {
    const index = Number(step);
    return (here as readonly JsonValue[]).map((item, i) => (i === index ? sortedAlong(item, rest) : item));
  }
  if (!isObject(here) || !Object.hasOwn(here, step)) return here;
  return Object.fromEntries(
    Object.entries(here).map(([key, item]) => [key, key === step ? sortedAlong(item!, rest) : item]),
  );
}
