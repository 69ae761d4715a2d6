/** Devices that drivers publish (DRA). Source: pkg/apis/resource/validation's observable rules in v1.36. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import {
  checkCIdentifier,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkLabelValue,
  checkQualifiedName,
} from '../names.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';
import type {
  Device,
  DeviceAttribute,
  DeviceCapacity,
  DeviceTaint,
  ResourceSlice,
  ResourceSliceSpec,
} from '../types/resource-v1.ts';
import { validateNodeSelector } from './affinity.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalList } from './internal-form.ts';

const maxDevices = 128;
const maxAdvancedDevices = 64;
const maxCounterSets = 8;
const maxCounters = 32;
const maxConsumptions = 2;
const maxAttributesAndCapacities = 32;
const maxAttributeValues = 48;
const maxValueLength = 64;
const maxIdLength = 32;
const maxDomainLength = 63;
const maxPoolNameLength = 253;
const maxTaints = 16;
const maxConditions = 4;
const maxPolicyOptions = 10;
const effects = ['NoExecute', 'NoSchedule', 'None'];
const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$/;

export const validateResourceSlice = (errors: ErrorList, slice: ResourceSlice): void =>
  validateSpec(errors, slice.spec ?? ({} as ResourceSliceSpec), undefined);

export const validateResourceSliceUpdate = (errors: ErrorList, next: ResourceSlice, previous: ResourceSlice): void =>
  validateSpec(errors, next.spec ?? ({} as ResourceSliceSpec), previous.spec);

function validateSpec(errors: ErrorList, spec: ResourceSliceSpec, before: ResourceSliceSpec | undefined): void {
  validateDriverName(errors, spec.driver ?? '', 'spec.driver');
  validatePool(errors, spec.pool);
  if (before) {
    unchanged(errors, spec.pool?.name ?? '', before.pool?.name ?? '', 'spec.pool.name');
    unchanged(errors, spec.driver ?? '', before.driver ?? '', 'spec.driver');
    unchanged(errors, spec.nodeName ?? null, before.nodeName ?? null, 'spec.nodeName');
  }
  const set: string[] = [];
  const { nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec;
  if ((nodeName ?? null) !== null) {
    if (nodeName === '') errors.invalid('spec.nodeName', '', 'must be either unset or set to a non-empty string');
    else {
      set.push('`nodeName`');
      errors.invalidEach('spec.nodeName', nodeName, checkDns1123Subdomain(nodeName!));
    }
  }
  if (nodeSelector) {
    set.push('`nodeSelector`');
    validateNodeSelector(errors, nodeSelector, 'spec.nodeSelector');
    if ((nodeSelector.nodeSelectorTerms ?? []).length !== 1)
      errors.invalid(
        'spec.nodeSelector.nodeSelectorTerms',
        internalList(nodeSelector.nodeSelectorTerms, 'core.NodeSelectorTerm'),
        'must have exactly one node selector term',
      );
  }
  onlyTrue(errors, allNodes, 'spec.allNodes', '`allNodes`', set);
  onlyTrue(errors, perDeviceNodeSelection, 'spec.perDeviceNodeSelection', '`perDeviceNodeSelection`', set);
  const one = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (set.length === 0) errors.required('spec', one);
  else if (set.length > 1) errors.invalid('spec', `{${set.join(', ')}}`, `${one}, but multiple fields are set`);
  if (shownField(spec, 'sharedCounters') !== null && shownField(spec, 'devices') !== null)
    errors.invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed');
  validateDevices(errors, spec, before);
  unique(
    errors,
    spec.sharedCounters ?? [],
    ({ name }) => name,
    maxCounterSets,
    'spec.sharedCounters',
    ({ name, counters }, path) => {
      if (!name) errors.required(`${path}.name`);
      else errors.invalidEach(`${path}.name`, name, checkDns1123Label(name));
      validateCounters(errors, counters, `${path}.counters`);
    },
  );
}

function validateDevices(errors: ErrorList, spec: ResourceSliceSpec, before: ResourceSliceSpec | undefined): void {
  const devices = spec.devices ?? [];
  const advanced = devices.some(
    (device) =>
      device.taints?.length ||
      device.consumesCounters?.length ||
      Object.values(device.attributes ?? {}).some(
        (value) => value.bools || value.ints || value.strings || value.versions,
      ),
  );
  unique(
    errors,
    devices,
    ({ name }) => name,
    advanced ? maxAdvancedDevices : maxDevices,
    'spec.devices',
    (device, path) =>
      validateDevice(
        errors,
        device,
        before?.devices?.find(({ name }) => name === device.name),
        spec.perDeviceNodeSelection === true,
        path,
      ),
  );
}

function validateDevice(
  errors: ErrorList,
  device: Device,
  before: Device | undefined,
  choosesNodes: boolean,
  field: string,
): void {
  errors.invalidEach(`${field}.name`, device.name ?? '', checkDns1123Label(device.name ?? ''));
  const { attributes = {}, capacity = {} } = device;
  const total = Object.keys(attributes).length + Object.keys(capacity).length;
  if (total > maxAttributesAndCapacities)
    errors.invalid(
      field,
      total,
      `the total number of attributes and capacities must not exceed ${maxAttributesAndCapacities}`,
    );
  const values = Object.values(attributes).reduce((sum, { bools, ints, strings, versions }) => {
    const listed = [bools, ints, strings, versions].reduce((n, list) => n + (list?.length ?? 0), 0);
    return sum + (listed === 0 ? 1 : listed);
  }, 0);
  if (values > maxAttributeValues)
    errors.invalid(field, values, `the total number of attribute values must not exceed ${maxAttributeValues}`);
  for (const [key, value] of Object.entries(attributes)) {
    validateAttributeName(errors, key, `${field}.attributes`);
    validateAttribute(errors, value, `${field}.attributes[${shortened(key)}]`);
  }
  for (const [key, value] of Object.entries(capacity)) {
    validateAttributeName(errors, key, `${field}.capacity`);
    validateCapacity(errors, value, device.allowMultipleAllocations === true, `${field}.capacity[${shortened(key)}]`);
  }
  if (!before || !sameJson(before.taints ?? [], device.taints ?? []))
    limited(errors, device.taints ?? [], maxTaints, `${field}.taints`, (taint, path) =>
      validateTaint(errors, taint, path),
    );
  unique(
    errors,
    device.consumesCounters ?? [],
    ({ counterSet }) => counterSet,
    maxConsumptions,
    `${field}.consumesCounters`,
    ({ counterSet, counters }, path) => {
      if (!counterSet) errors.required(`${path}.counterSet`);
      else errors.invalidEach(`${path}.counterSet`, counterSet, checkDns1123Label(counterSet));
      validateCounters(errors, counters, `${path}.counters`);
    },
  );
  validatePlace(errors, device, choosesNodes, field);
  validateBinding(errors, device, field);
}

function validatePlace(errors: ErrorList, device: Device, choosesNodes: boolean, field: string): void {
  const { nodeName, nodeSelector, allNodes } = device;
  const any = (nodeName ?? null) !== null || (nodeSelector ?? null) !== null || (allNodes ?? null) !== null;
  if (!choosesNodes) {
    if (any)
      errors.invalid(
        field,
        null,
        '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
      );
    return;
  }
  const set: string[] = [];
  if ((nodeName ?? null) !== null) {
    if (nodeName === '') errors.invalid(`${field}.nodeName`, '', 'must not be empty');
    else {
      set.push('`nodeName`');
      errors.invalidEach(`${field}.nodeName`, nodeName, checkDns1123Subdomain(nodeName!));
    }
  }
  if (nodeSelector) {
    set.push('`nodeSelector`');
    validateNodeSelector(errors, nodeSelector, `${field}.nodeSelector`);
  }
  onlyTrue(errors, allNodes, `${field}.allNodes`, '`allNodes`', set);
  const one =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  if (set.length === 0) errors.required(field, one);
  else if (set.length > 1) errors.invalid(field, `{${set.join(', ')}}`, one);
}

/** Also of what a claim got. */
export function validateBinding(
  errors: ErrorList,
  device: Pick<Device, 'bindingConditions' | 'bindingFailureConditions'>,
  field: string,
): void {
  const [wanted, failing] = [device.bindingConditions ?? [], device.bindingFailureConditions ?? []];
  const lists = [
    ['bindingConditions', wanted],
    ['bindingFailureConditions', failing],
  ] as const;
  for (const [name, conditions] of lists)
    limited(errors, conditions, maxConditions, `${field}.${name}`, (condition, path) =>
      errors.invalidEach(path, condition, checkQualifiedName(condition)),
    );
  for (const [name, conditions] of lists)
    for (const [i, condition] of conditions.entries()) {
      const path = at(`${field}.${name}`, i);
      if (conditions.indexOf(condition) < i) errors.duplicate(path, condition);
      if (name === 'bindingFailureConditions' && wanted.includes(condition))
        errors.invalid(path, condition, 'bindingFailureConditions must not overlap with bindingConditions');
    }
  if (wanted.length === 0 && failing.length > 0)
    errors.invalid(
      `${field}.bindingConditions`,
      shownField(device, 'bindingConditions'),
      'bindingConditions are required to use bindingFailureConditions',
    );
  if (failing.length === 0 && wanted.length > 0)
    errors.invalid(
      `${field}.bindingFailureConditions`,
      shownField(device, 'bindingFailureConditions'),
      'bindingFailureConditions are required to use bindingConditions',
    );
}

/** Also of claims: where a device comes from. */
export function validatePoolName(errors: ErrorList, name: string, field: string): void {
  if (name === '') {
    errors.required(field);
    return;
  }
  if (Buffer.byteLength(name) > maxPoolNameLength) errors.tooLong(field, maxPoolNameLength);
  for (const part of name.split('/')) errors.invalidEach(field, part, checkDns1123Subdomain(part));
}

function validatePool(errors: ErrorList, pool: ResourceSliceSpec['pool'] | undefined): void {
  validatePoolName(errors, pool?.name ?? '', 'spec.pool.name');
  const count = Number(pool?.resourceSliceCount ?? 0);
  if (count <= 0) errors.invalid('spec.pool.resourceSliceCount', count, 'must be greater than zero');
  const generation = Number(pool?.generation ?? 0);
  if (generation < 0) errors.invalid('spec.pool.generation', generation, 'must be greater than or equal to zero');
}

/** Also of claims: who drives a device. */
export function validateDriverName(errors: ErrorList, name: string, field: string): void {
  if (name === '') {
    errors.required(field);
    return;
  }
  if (Buffer.byteLength(name) > maxDomainLength) errors.tooLong(field, maxDomainLength);
  errors.invalidEach(field, name, checkDns1123Subdomain(name.toLowerCase()));
}

/** `name` or `dra.example.com/name`. */
export function validateAttributeName(errors: ErrorList, name: string, field: string): void {
  const parts = name.split('/');
  if (parts.length > 2) return;
  if (parts.length === 2) {
    if (parts[0] === '') errors.invalid(field, '', 'the domain must not be empty');
    else validateDriverName(errors, parts[0]!, field);
    if (parts[1] === '') errors.invalid(field, '', 'the name must not be empty');
    else validateIdentifier(errors, parts[1]!, field);
  } else validateIdentifier(errors, name, field);
}

function validateIdentifier(errors: ErrorList, id: string, field: string): void {
  if (Buffer.byteLength(id) > maxIdLength) errors.tooLong(field, maxIdLength);
  errors.invalidEach(field, id, checkCIdentifier(id));
}

const attributeKinds = ['bool', 'int', 'string', 'version', 'bools', 'ints', 'strings', 'versions'] as const;

function validateAttribute(errors: ErrorList, value: DeviceAttribute, field: string): void {
  const given = value as unknown as Readonly<Record<string, unknown>>;
  const set = attributeKinds.filter((kind) => (given[kind] ?? null) !== null);
  if (typeof value.string === 'string') validateText(errors, value.string, `${field}.string`);
  if (typeof value.version === 'string') validateVersion(errors, value.version, `${field}.version`);
  for (const kind of ['bools', 'ints', 'strings', 'versions'] as const)
    if (value[kind]?.length === 0) errors.invalid(`${field}.${kind}`, [], 'must not be empty if specified');
  for (const [i, text] of (value.strings ?? []).entries()) validateText(errors, text, at(`${field}.strings`, i));
  for (const [i, text] of (value.versions ?? []).entries()) validateVersion(errors, text, at(`${field}.versions`, i));
  if (set.length === 0) errors.invalid(field, '', 'exactly one value must be specified');
  else if (set.length > 1) errors.invalid(field, shownAttribute(given), 'exactly one value must be specified');
}

const shownAttribute = (given: Readonly<Record<string, unknown>>): object => ({
  IntValue: given.int ?? null,
  BoolValue: given.bool ?? null,
  StringValue: given.string ?? null,
  VersionValue: given.version ?? null,
  IntValues: given.ints ?? null,
  BoolValues: given.bools ?? null,
  StringValues: given.strings ?? null,
  VersionValues: given.versions ?? null,
});

function validateText(errors: ErrorList, text: string, field: string): void {
  if (Buffer.byteLength(text) > maxValueLength) errors.tooLong(field, maxValueLength);
}

function validateVersion(errors: ErrorList, text: string, field: string): void {
  if (!semver.test(text)) errors.invalid(field, text, 'must be a string compatible with semver.org spec 2.0.0');
  validateText(errors, text, field);
}

function validateCapacity(errors: ErrorList, capacity: DeviceCapacity, shared: boolean, field: string): void {
  const policy = capacity.requestPolicy;
  if (!policy) return;
  const path = `${field}.requestPolicy`;
  if (!shared) {
    errors.forbidden(path, 'allowMultipleAllocations must be true');
    return;
  }
  const { validValues = [], validRange } = policy;
  if (validValues.length > 0 && validRange) {
    errors.forbidden(
      path,
      'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time',
    );
    return;
  }
  if (validValues.length > 0) {
    if (policy.default === undefined) errors.required(`${path}.default`, 'required when validValues is defined');
    else validateOptions(errors, validValues, policy.default, capacity.value, `${path}.validValues`);
  } else if (validRange && policy.default === undefined)
    errors.required(`${path}.default`, 'required when validRange is defined');
  else if (validRange) validateRange(errors, validRange, policy.default!, capacity.value, `${path}.validRange`);
}

const compare = (a: string, b: string): number => compareQuantities(parseQuantity(a), parseQuantity(b));

function validateOptions(
  errors: ErrorList,
  options: readonly string[],
  chosen: string,
  capacity: string,
  field: string,
): void {
  for (let i = 1; i < options.length; i++)
    if (compare(options[i - 1]!, options[i]!) > 0)
      errors.invalid(at(field, i), options[i], 'values must be sorted in ascending order');
  unique(
    errors,
    options,
    (option) => option,
    maxPolicyOptions,
    field,
    (option, path) => {
      if (compare(option, capacity) > 0)
        errors.invalid(path, option, `option is larger than capacity value: ${capacity}`);
    },
  );
  if (!options.some((option) => compare(option, chosen) === 0))
    errors.invalid(field, chosen, 'default value is not valid according to the requestPolicy');
}

function validateRange(
  errors: ErrorList,
  range: { readonly min?: string; readonly max?: string },
  chosen: string,
  capacity: string,
  field: string,
): void {
  const { min, max } = range;
  if (min === undefined) {
    errors.required(`${field}.min`, 'required when validRange is defined');
    return;
  }
  if (compare(min, capacity) > 0) errors.invalid(`${field}.min`, min, `min is larger than capacity value: ${capacity}`);
  if (compare(chosen, min) < 0) errors.invalid(`${field}.min`, chosen, `default is less than min: ${min}`);
  if (max === undefined) return;
  if (compare(min, max) > 0) errors.invalid(`${field}.max`, min, `min is larger than max: ${max}`);
  if (compare(max, capacity) > 0) errors.invalid(`${field}.max`, max, `max is larger than capacity value: ${capacity}`);
  if (compare(chosen, max) > 0) errors.invalid(`${field}.max`, chosen, `default is more than max: ${max}`);
}

function validateTaint(errors: ErrorList, { key = '', value, effect }: DeviceTaint, field: string): void {
  errors.invalidEach(`${field}.key`, key, checkQualifiedName(key));
  if (value) errors.invalidEach(`${field}.value`, value, checkLabelValue(value));
  if (!effect) errors.required(`${field}.effect`);
  else if (!effects.includes(effect)) errors.notSupported(`${field}.effect`, effect, effects);
}

function validateCounters(errors: ErrorList, counters: object | undefined, field: string): void {
  const names = Object.keys(counters ?? {});
  if (names.length === 0) errors.required(field);
  else if (names.length > maxCounters) errors.tooMany(field, names.length, maxCounters);
  else for (const name of names) errors.invalidEach(field, name, checkDns1123Label(name));
}

function onlyTrue(errors: ErrorList, value: boolean | undefined, field: string, name: string, set: string[]): void {
  if ((value ?? null) === null) return;
  if (value) set.push(name);
  else errors.invalid(field, false, 'must be either unset or set to true');
}

function unchanged(errors: ErrorList, now: string | null, before: string | null, field: string): void {
  if (now !== before) errors.invalid(field, now, immutable);
}

function limited<T>(
  errors: ErrorList,
  items: readonly T[],
  max: number,
  field: string,
  validate: (item: T, path: string) => void,
): boolean {
  if (items.length > max) {
    errors.tooMany(field, items.length, max);
    return false;
  }
  for (const [i, item] of items.entries()) validate(item, at(field, i));
  return true;
}

function unique<T>(
  errors: ErrorList,
  items: readonly T[],
  key: (item: T) => string,
  max: number,
  field: string,
  validate: (item: T, path: string) => void,
): void {
  if (!limited(errors, items, max, field, validate)) return;
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    const name = key(item) ?? '';
    if (seen.has(name)) errors.duplicate(at(field, i), name);
    seen.add(name);
  }
}

/** Long keys are cut in the middle in paths. */
function shortened(key: string): string {
  const max = maxDomainLength + 1 + maxIdLength;
  return key.length <= max ? key : `${key.slice(0, max / 2 - 2)}...${key.slice(-(max / 2 - 1))}`;
}
