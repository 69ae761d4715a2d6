/** Storage classes, attachments, CSI drivers, nodes and capacities, volume attributes. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import { checkDns1123Subdomain, checkQualifiedName, rangeMessage } from '../names.ts';
import { parseQuantity } from '../quantity.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
  VolumeError,
} from '../types/storage-v1.ts';
import { at, type ErrorList, immutable, nonNegative, notNegative } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateLabelSelector } from './metadata.ts';
import { validateVolumeSpec } from './persistent-volumes.ts';
import { validateCsiDriverName } from './volume-sources.ts';

const reclaimPolicies = ['Delete', 'Retain'];
const bindingModes = ['Immediate', 'WaitForFirstConsumer'];
const maxBytes = 256 * 1024;

export function validateStorageClass(errors: ErrorList, storageClass: StorageClass): void {
  const { provisioner, parameters = {}, reclaimPolicy, volumeBindingMode } = storageClass;
  validateProvisioner(errors, provisioner, 'provisioner');
  validateParameters(errors, parameters, { emptyAllowed: true });
  if (reclaimPolicy && !reclaimPolicies.includes(reclaimPolicy))
    errors.notSupported('reclaimPolicy', reclaimPolicy, reclaimPolicies);
  if (volumeBindingMode === undefined) errors.required('volumeBindingMode');
  else if (!bindingModes.includes(volumeBindingMode))
    errors.notSupported('volumeBindingMode', volumeBindingMode, bindingModes);
  validateTopologies(errors, storageClass);
}

function validateProvisioner(errors: ErrorList, name: string, field: string): void {
  if (!name) errors.required(field);
  else errors.invalidEach(field, name.toLowerCase(), checkQualifiedName(name.toLowerCase()));
}

function validateParameters(
  errors: ErrorList,
  parameters: Readonly<Record<string, string>>,
  { emptyAllowed }: { readonly emptyAllowed: boolean },
): void {
  const names = Object.keys(parameters);
  if (names.length > 512) {
    errors.tooLong('parameters', 512);
    return;
  }
  let bytes = 0;
  for (const name of names) {
    if (name === '') errors.invalid('parameters', name, 'field can not be empty.');
    bytes += Buffer.byteLength(name) + Buffer.byteLength(parameters[name]!);
  }
  if (bytes > maxBytes) errors.tooLong('parameters', maxBytes);
  if (!emptyAllowed && names.length === 0) errors.required('parameters', 'must contain at least one key/value pair');
}

function validateTopologies(errors: ErrorList, { allowedTopologies = [] }: StorageClass): void {
  // Upstream compares each term with as many empty ones as there are terms, and then with those before it.
  const terms: string[] = allowedTopologies.map(() => '[]');
  for (const [i, term] of allowedTopologies.entries()) {
    const path = `${at('allowedTopologies', i)}.matchLabelExpressions`;
    const keys = new Map<string, readonly string[]>();
    for (const [j, { key, ...expression }] of (term.matchLabelExpressions ?? []).entries()) {
      const values = expression.values ?? [];
      const entry = at(path, j);
      if (values.length === 0) errors.required(`${entry}.values`);
      const seen = new Set<string>();
      for (const [k, value] of values.entries()) {
        if (seen.has(value)) errors.duplicate(at(`${entry}.values`, k), value);
        seen.add(value);
      }
      errors.invalidEach(`${entry}.key`, key, checkQualifiedName(key));
      if (keys.has(key)) errors.duplicate(`${entry}.key`, key);
      keys.set(key, [...seen].sort());
    }
    const shape = JSON.stringify([...keys].sort(([a], [b]) => (a < b ? -1 : 1)));
    for (const term of terms) if (term === shape) errors.duplicate(path, '');
    terms.push(shape);
  }
}

export function validateStorageClassUpdate(errors: ErrorList, next: StorageClass, previous: StorageClass): void {
  for (const name of ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const)
    if (!sameJson(next[name], previous[name])) errors.invalid(name, shownField(next, name), immutable);
}

export function validateVolumeAttachment(errors: ErrorList, { spec, status }: VolumeAttachment): void {
  validateCsiDriverName(errors, spec?.attacher, 'spec.attacher');
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = spec?.source ?? {};
  const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inline === undefined && name === undefined) errors.required('spec.source', one);
  else if (inline !== undefined && name !== undefined) errors.forbidden('spec.source', one);
  else if (name === '')
    errors.required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName');
  else if (inline) validateVolumeSpec(errors, inline, '', 'spec.source.inlineVolumeSpec', { inline: true });
  const node = spec?.nodeName ?? '';
  errors.invalidEach('spec.nodeName', node, checkDns1123Subdomain(node));
  const bytes = Object.entries(status?.attachmentMetadata ?? {}).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (bytes > maxBytes) errors.tooLong('status.attachmentMetadata', maxBytes);
  validateVolumeError(errors, status?.attachError, 'status.attachError');
  validateVolumeError(errors, status?.detachError, 'status.detachError');
  if (name !== undefined) errors.invalidEach('spec.source.persistentVolumeName', name, checkDns1123Subdomain(name));
}

function validateVolumeError(errors: ErrorList, error: VolumeError | undefined, field: string): void {
  // The limit upstream names is not the one it checks.
  if (Buffer.byteLength(error?.message ?? '') > 1024) errors.tooLong(`${field}.message`, maxBytes);
  const code = error?.errorCode;
  if (code !== undefined && code < 0) errors.invalid(`${field}.errorCode`, code, rangeMessage(0, 2_147_483_647));
}

export function validateVolumeAttachmentUpdate(
  errors: ErrorList,
  next: VolumeAttachment,
  previous: VolumeAttachment,
): void {
  if (!sameJson(next.spec, previous.spec))
    errors.invalid('spec', internalForm(next.spec, 'storage.VolumeAttachmentSpec'), immutable);
}

export function validateCsiNode(errors: ErrorList, { spec }: CSINode): void {
  const names = new Set<string>();
  for (const [i, driver] of (spec?.drivers ?? []).entries()) {
    const path = at('spec.drivers', i);
    const { name, nodeID = '', allocatable, topologyKeys } = driver;
    validateCsiDriverName(errors, name, `${path}.name`);
    if (nodeID === '') errors.required(`${path}.nodeID`);
    if (nodeID.length > 256) errors.invalid(`${path}.nodeID`, nodeID, 'must be 256 characters or less');
    nonNegative(errors, allocatable?.count, `${path}.allocatable.count`);
    if (names.has(name)) errors.duplicate(`${path}.name`, name);
    names.add(name);
    const keys = new Set<string>();
    for (const key of topologyKeys ?? []) {
      if (key === '') errors.required(path);
      if (keys.has(key)) errors.duplicate(path, key);
      keys.add(key);
      errors.invalidEach(path, key, checkQualifiedName(key));
    }
  }
}

/** No keys are no keys, however they are written. */
const withKeys = <T extends { readonly topologyKeys?: readonly string[] }>(driver: T): object => ({
  ...driver,
  topologyKeys: driver.topologyKeys ?? [],
});

export function validateCsiNodeUpdate(errors: ErrorList, next: CSINode, previous: CSINode): void {
  for (const { allocatable: _old, ...before } of previous.spec?.drivers ?? [])
    for (const { allocatable: _new, ...driver } of next.spec?.drivers ?? [])
      if (driver.name === before.name && !sameJson(withKeys(driver), withKeys(before)))
        errors.invalid('spec.drivers', internalForm(driver, 'storage.CSINodeDriver'), immutable);
}

const fsGroupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType'];
const lifecycleModes = ['Persistent', 'Ephemeral'];

export function validateCsiDriver(errors: ErrorList, { spec = {} }: CSIDriver): void {
  if (spec.attachRequired === undefined) errors.required('spec.attachedRequired');
  if (spec.podInfoOnMount === undefined) errors.required('spec.podInfoOnMount');
  if (spec.storageCapacity === undefined) errors.required('spec.storageCapacity');
  if (spec.fsGroupPolicy !== undefined && !fsGroupPolicies.includes(spec.fsGroupPolicy))
    errors.notSupported('spec.fsGroupPolicy', spec.fsGroupPolicy, fsGroupPolicies);
  const audiences = new Set<string>();
  for (const [i, { audience = '', expirationSeconds }] of (spec.tokenRequests ?? []).entries()) {
    const path = at('spec.tokenRequests', i);
    if (audiences.has(audience)) {
      errors.duplicate(`${path}.audience`, audience);
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    const field = `${path}.expirationSeconds`;
    if (expirationSeconds < 600)
      errors.invalid(field, expirationSeconds, 'may not specify a duration less than 10 minutes');
    if (expirationSeconds > 2 ** 32)
      errors.invalid(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  }
  for (const mode of spec.volumeLifecycleModes ?? [])
    if (!lifecycleModes.includes(mode)) errors.notSupported('spec.volumeLifecycleModes', mode, lifecycleModes);
  if (spec.seLinuxMount === undefined) errors.required('spec.seLinuxMount');
  const period = spec.nodeAllocatableUpdatePeriodSeconds;
  if (period !== undefined && period < 10)
    errors.invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds');
  const inSecrets = spec.serviceAccountTokenInSecrets;
  if (inSecrets !== undefined && !spec.tokenRequests?.length)
    errors.invalid(
      'spec.serviceAccountTokenInSecrets',
      inSecrets,
      'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
    );
}

export function validateCsiDriverUpdate(errors: ErrorList, next: CSIDriver, previous: CSIDriver): void {
  const { spec = {} } = next;
  const before = previous.spec ?? {};
  if (spec.attachRequired !== before.attachRequired)
    errors.invalid('spec.attachedRequired', spec.attachRequired ?? null, immutable);
  if (!sameJson(spec.volumeLifecycleModes, before.volumeLifecycleModes))
    errors.invalid('spec.volumeLifecycleModes', shownField(spec, 'volumeLifecycleModes'), immutable);
}

export function validateStorageCapacity(errors: ErrorList, capacity: CSIStorageCapacity): void {
  const { nodeTopology, storageClassName = '', capacity: amount } = capacity;
  validateLabelSelector(errors, nodeTopology, 'nodeTopology');
  errors.invalidEach('storageClassName', storageClassName, checkDns1123Subdomain(storageClassName));
  if (amount !== undefined && parseQuantity(amount).digits < 0n) errors.invalid('capacity', amount, notNegative);
}

export function validateStorageCapacityUpdate(
  errors: ErrorList,
  next: CSIStorageCapacity,
  previous: CSIStorageCapacity,
): void {
  if (!sameJson(next.nodeTopology, previous.nodeTopology))
    errors.invalid('nodeTopology', next.nodeTopology ?? null, immutable);
  if (next.storageClassName !== previous.storageClassName)
    errors.invalid('storageClassName', next.storageClassName, immutable);
}

export function validateAttributesClass(
  errors: ErrorList,
  { driverName, parameters = {} }: VolumeAttributesClass,
): void {
  validateProvisioner(errors, driverName, 'driverName');
  validateParameters(errors, parameters, { emptyAllowed: false });
}

export function validateAttributesClassUpdate(
  errors: ErrorList,
  next: VolumeAttributesClass,
  previous: VolumeAttributesClass,
): void {
  if (next.driverName !== previous.driverName) errors.forbidden('driverName', 'updates to driverName are forbidden.');
  if (!sameJson(next.parameters ?? {}, previous.parameters ?? {}))
    errors.forbidden('parameters', 'updates to parameters are forbidden.');
}
