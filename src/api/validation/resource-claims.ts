/** Claims of devices (DRA): the grammar of the selectors' expressions is judged by whoever has a compiler. */
import { sameJson } from '../edit.ts';
import type { JsonValue } from '../json.ts';
import { checkDns1123Label, checkDns1123Subdomain, checkLabelValue, checkQualifiedName } from '../names.ts';
import type {
  DeviceClaim,
  DeviceClass,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceToleration,
  ExactDeviceRequest,
  OpaqueDeviceConfiguration,
  ResourceClaim,
  ResourceClaimTemplate,
} from '../types/resource-v1.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { type JudgeSelector, type RuleRequest, tooComplex } from './kind-rules.ts';
import { validateTemplateMetadata } from './metadata.ts';
import { validateAttributeName, validateDriverName } from './resource-slices.ts';
import { isExtended } from './resources.ts';

const maxItems = 32;
const maxSubrequests = 8;
const maxExpressionBytes = 10 * 1024;
const maxParameterBytes = 10 * 1024;
const modes = ['All', 'ExactCount'];
const notARequest =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/** Names of requests, and of a request and its alternative. */
export type RequestNames = ReadonlySet<string>;

export const validateResourceClaim = (
  errors: ErrorList,
  { spec }: ResourceClaim,
  { judgeSelector }: RuleRequest,
): void => validateDeviceClaim(errors, spec?.devices ?? {}, 'spec.devices', judgeSelector);

export function validateResourceClaimUpdate(errors: ErrorList, next: ResourceClaim, previous: ResourceClaim): void {
  if (!sameJson(next.spec, previous.spec))
    errors.invalid('spec', internalForm(next.spec, 'resource.ResourceClaimSpec'), immutable);
}

export function validateResourceClaimTemplate(
  errors: ErrorList,
  { spec }: ResourceClaimTemplate,
  { judgeSelector }: RuleRequest,
): void {
  validateTemplateMetadata(errors, spec?.metadata, 'spec.metadata');
  validateDeviceClaim(errors, spec?.spec?.devices ?? {}, 'spec.spec.devices', judgeSelector);
}

export function validateResourceClaimTemplateUpdate(
  errors: ErrorList,
  next: ResourceClaimTemplate,
  previous: ResourceClaimTemplate,
): void {
  if (!sameJson(next.spec, previous.spec))
    errors.invalid(
      'spec',
      { ...next.spec?.metadata, Spec: internalForm(next.spec?.spec, 'resource.ResourceClaimSpec') },
      immutable,
    );
}

export function validateDeviceClass(
  errors: ErrorList,
  { spec = {} }: DeviceClass,
  { judgeSelector }: RuleRequest,
): void {
  const { selectors = [], config = [], extendedResourceName } = spec;
  validateSelectors(errors, selectors, 'spec.selectors', judgeSelector);
  if (config.length > maxItems) errors.tooMany('spec.config', config.length, maxItems);
  for (const [i, { opaque }] of config.slice(0, maxItems).entries())
    validateOpaque(errors, opaque, `${at('spec.config', i)}.opaque`);
  if ((extendedResourceName ?? null) !== null && !isExtended(extendedResourceName!))
    errors.invalid('spec.extendedResourceName', extendedResourceName, 'must be a valid extended resource name');
}

function validateDeviceClaim(
  errors: ErrorList,
  claim: DeviceClaim,
  field: string,
  judge: JudgeSelector | undefined,
): void {
  const { constraints = [], config = [] } = claim;
  const requests = claim.requests ?? [];
  const names = requestNamesOf(claim);
  uniqueList(
    errors,
    requests,
    ({ name }) => name,
    maxItems,
    `${field}.requests`,
    (request, path) => validateRequest(errors, request, path, judge),
  );
  if (constraints.length > maxItems) errors.tooMany(`${field}.constraints`, constraints.length, maxItems);
  for (const [i, constraint] of constraints.slice(0, maxItems).entries())
    validateConstraint(errors, constraint, names, at(`${field}.constraints`, i));
  if (config.length > maxItems) errors.tooMany(`${field}.config`, config.length, maxItems);
  for (const [i, { requests: of = [], opaque }] of config.slice(0, maxItems).entries()) {
    const path = at(`${field}.config`, i);
    validateReferences(errors, of, names, `${path}.requests`);
    validateOpaque(errors, opaque, `${path}.opaque`);
  }
}

export const requestNamesOf = ({ requests }: DeviceClaim): RequestNames =>
  new Set(
    (requests ?? []).flatMap(({ name, firstAvailable = [] }) => [
      name,
      ...firstAvailable.map((sub) => `${name}/${sub.name}`),
    ]),
  );

export function uniqueList<T>(
  errors: ErrorList,
  items: readonly T[],
  key: (item: T) => string,
  max: number | undefined,
  field: string,
  validate: (item: T, path: string) => void,
): void {
  if (max !== undefined && items.length > max) {
    errors.tooMany(field, items.length, max);
    return;
  }
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    validate(item, at(field, i));
    if (seen.has(key(item))) errors.duplicate(at(field, i), key(item));
    seen.add(key(item));
  }
}

function validateRequestName(errors: ErrorList, name: string, field: string): void {
  errors.invalidEach(field, name ?? '', checkDns1123Label(name ?? ''));
}

function validateRequest(
  errors: ErrorList,
  request: DeviceRequest,
  field: string,
  judge: JudgeSelector | undefined,
): void {
  const { name, firstAvailable = [], exactly } = request;
  const one = 'exactly one of `exactly` or `firstAvailable` is required';
  validateRequestName(errors, name, `${field}.name`);
  if (!exactly && firstAvailable.length === 0) errors.required(field, one);
  else if (exactly && firstAvailable.length > 0) errors.invalid(field, null, `${one}, but multiple fields are set`);
  else if (exactly) validateExact(errors, exactly, `${field}.exactly`, judge);
  else
    uniqueList(
      errors,
      firstAvailable,
      (sub) => sub.name,
      maxSubrequests,
      `${field}.firstAvailable`,
      (sub, path) => {
        validateRequestName(errors, sub.name, `${path}.name`);
        validateExact(errors, sub, path, judge);
      },
    );
}

function validateExact(
  errors: ErrorList,
  request: Pick<ExactDeviceRequest, 'deviceClassName' | 'selectors' | 'allocationMode' | 'count' | 'tolerations'>,
  field: string,
  judge: JudgeSelector | undefined,
): void {
  const { deviceClassName, selectors = [], allocationMode = '' } = request;
  const count = Number(request.count ?? 0);
  if (!deviceClassName) errors.required(`${field}.deviceClassName`);
  else errors.invalidEach(`${field}.deviceClassName`, deviceClassName, checkDns1123Subdomain(deviceClassName));
  validateSelectors(errors, selectors, `${field}.selectors`, judge);
  if (!modes.includes(allocationMode)) errors.notSupported(`${field}.allocationMode`, allocationMode, modes);
  else if (allocationMode === 'All' && count !== 0)
    errors.invalid(`${field}.count`, count, "must not be specified when allocationMode is 'All'");
  else if (allocationMode === 'ExactCount' && count <= 0)
    errors.invalid(`${field}.count`, count, 'must be greater than zero');
  for (const [i, toleration] of (request.tolerations ?? []).entries())
    validateToleration(errors, toleration, at(`${field}.tolerations`, i));
}

function validateToleration(errors: ErrorList, toleration: DeviceToleration, field: string): void {
  const { key, operator, value = '', effect } = toleration;
  if (key) errors.invalidEach(`${field}.key`, key, checkQualifiedName(key));
  if (operator === 'Exists') {
    if (value !== '') errors.invalid(`${field}.value`, value, 'must be empty for operator `Exists`');
  } else if (operator === 'Equal') errors.invalidEach(`${field}.value`, value, checkLabelValue(value));
  else if (!operator) errors.required(`${field}.operator`);
  else errors.notSupported(`${field}.operator`, operator, ['Equal', 'Exists']);
  const effects = ['NoExecute', 'NoSchedule', 'None'];
  if (effect && !effects.includes(effect)) errors.notSupported(`${field}.effect`, effect, effects);
}

function validateSelectors(
  errors: ErrorList,
  selectors: readonly DeviceSelector[],
  field: string,
  judge: JudgeSelector | undefined,
): void {
  if (selectors.length > maxItems) errors.tooMany(field, selectors.length, maxItems);
  for (const [i, { cel }] of selectors.slice(0, maxItems).entries()) {
    const path = `${at(field, i)}.cel`;
    if (!cel) errors.required(path);
    else if (Buffer.byteLength(cel.expression ?? '') > maxExpressionBytes)
      errors.tooLong(`${path}.expression`, maxExpressionBytes);
    else {
      const why = judge?.(cel.expression ?? '');
      if (why === tooComplex) errors.forbidden(`${path}.expression`, 'too complex, exceeds cost limit');
      else if (why !== undefined) errors.invalid(`${path}.expression`, cel.expression ?? '', why);
    }
  }
}

function validateConstraint(errors: ErrorList, constraint: DeviceConstraint, names: RequestNames, field: string): void {
  const { requests = [], matchAttribute, distinctAttribute } = constraint;
  validateReferences(errors, requests, names, `${field}.requests`);
  if ((matchAttribute ?? null) !== null) validateAttribute(errors, matchAttribute!, `${field}.matchAttribute`);
  else if ((distinctAttribute ?? null) !== null)
    validateAttribute(errors, distinctAttribute!, `${field}.distinctAttribute`);
  else
    errors.required(
      field,
      'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
    );
}

/** `dra.example.com/name`. */
function validateAttribute(errors: ErrorList, name: string, field: string): void {
  validateAttributeName(errors, name, field);
  if (!name.includes('/'))
    errors.invalid(field, name, 'a fully qualified name must be a domain and a name separated by a slash');
}

export function validateReferences(
  errors: ErrorList,
  references: readonly string[],
  names: RequestNames,
  field: string,
): void {
  uniqueList(
    errors,
    references,
    (reference) => reference,
    maxItems,
    field,
    (reference, path) => validateReference(errors, reference, names, path),
  );
}

export function validateReference(errors: ErrorList, reference: string, names: RequestNames, path: string): void {
  const segments = reference.split('/');
  if (segments.length > 2) {
    errors.invalid(path, reference, notARequest);
    return;
  }
  for (const segment of segments) validateRequestName(errors, segment, path);
  if (!names.has(reference)) errors.invalid(path, reference, notARequest);
}

export function validateOpaque(errors: ErrorList, opaque: OpaqueDeviceConfiguration | undefined, field: string): void {
  if (!opaque) {
    errors.required(field);
    return;
  }
  const { driver, parameters } = opaque;
  validateDriverName(errors, driver ?? '', `${field}.driver`);
  if (parameters === undefined || parameters === null) errors.required(`${field}.parameters`);
  else validateRaw(errors, parameters, `${field}.parameters`);
}

/** A JSON object of a driver's own. */
export function validateRaw(errors: ErrorList, value: JsonValue, field: string): void {
  if (Buffer.byteLength(JSON.stringify(value)) > maxParameterBytes) errors.tooLong(field, maxParameterBytes);
  else if (typeof value !== 'object' || value === null || Array.isArray(value))
    errors.invalid(field, '<value omitted>', 'must be a valid JSON object');
}
