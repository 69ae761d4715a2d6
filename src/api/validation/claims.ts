/** Persistent volume claims, alone and as templates. */
import { sameJson } from '../edit.ts';
import { checkDns1123Label, checkDns1123Subdomain, checkQualifiedName } from '../names.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec, TypedObjectReference } from '../types/core-v1.ts';
import { at, type ErrorList, immutable, notNegative, positive } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { hasInvalidValues, validateLabelSelector } from './metadata.ts';
import { basicResource, isNative, isPositive } from './resources.ts';
import { jsonDiff } from './unified-diff.ts';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const volumeModes = ['Block', 'Filesystem'];

export function validateAccessModes(errors: ErrorList, modes: readonly string[] | undefined, field: string): void {
  let single = false;
  let shared = false;
  for (const mode of modes ?? []) {
    if (!accessModes.includes(mode)) errors.notSupported(field, mode, accessModes);
    else if (mode === 'ReadWriteOncePod') single = true;
    else shared = true;
  }
  if (single && shared) errors.forbidden(field, 'may not use ReadWriteOncePod with other access modes');
}

export interface ClaimOptions {
  /** The old claim had such values. */
  readonly allowInvalidSelector?: boolean;
  readonly allowInvalidSourceGroup?: boolean;
}

export function validateClaimSpec(
  errors: ErrorList,
  spec: PersistentVolumeClaimSpec | undefined,
  field: string,
  options: ClaimOptions = {},
): void {
  const { accessModes: modes, resources, storageClassName, volumeMode, dataSource, dataSourceRef } = spec ?? {};
  if (!modes?.length) errors.required(`${field}.accessModes`, 'at least 1 access mode is required');
  validateLabelSelector(errors, spec?.selector, `${field}.selector`, {
    allowInvalidValues: options.allowInvalidSelector === true,
  });
  validateAccessModes(errors, modes, `${field}.accessModes`);
  const storage = resources?.requests?.storage;
  const path = `${field}.resources[storage]`;
  if (storage === undefined) errors.required(path);
  else if (!isPositive(parseQuantity(storage))) errors.invalid(path, storage, positive);
  if (storageClassName)
    errors.invalidEach(`${field}.storageClassName`, storageClassName, checkDns1123Subdomain(storageClassName));
  if (volumeMode !== undefined && !volumeModes.includes(volumeMode))
    errors.notSupported(`${field}.volumeMode`, volumeMode, volumeModes);
  if (dataSource) validateDataSource(errors, dataSource, `${field}.dataSource`, options);
  if (dataSourceRef) {
    validateDataSource(errors, dataSourceRef, `${field}.dataSourceRef`, options);
    if (dataSourceRef.namespace)
      errors.invalidEach(
        `${field}.dataSourceRef.namespace`,
        dataSourceRef.namespace,
        checkDns1123Label(dataSourceRef.namespace),
      );
  }
  // Upstream shows an empty object here: the value is a path by mistake.
  if (dataSourceRef?.namespace) {
    if (dataSource) errors.invalid(field, {}, 'may not be specified when dataSourceRef.namespace is specified');
  } else if (
    dataSource &&
    dataSourceRef &&
    ((dataSource.apiGroup ?? undefined) !== (dataSourceRef.apiGroup ?? undefined) ||
      dataSource.kind !== dataSourceRef.kind ||
      dataSource.name !== dataSourceRef.name)
  )
    errors.invalid(field, {}, 'must match dataSourceRef');
  const attributes = spec?.volumeAttributesClassName;
  if (attributes)
    errors.invalidEach(`${field}.volumeAttributesClassName`, attributes, checkDns1123Subdomain(attributes));
}

function validateDataSource(
  errors: ErrorList,
  source: Pick<TypedObjectReference, 'kind' | 'name'> & { readonly apiGroup?: string | null },
  field: string,
  { allowInvalidSourceGroup }: ClaimOptions,
): void {
  if (!source.name) errors.required(`${field}.name`);
  if (!source.kind) errors.required(`${field}.kind`);
  const group = source.apiGroup ?? '';
  if (group === '' && source.kind !== 'PersistentVolumeClaim')
    errors.invalid(field, source.kind ?? '', "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  if (group !== '' && !allowInvalidSourceGroup)
    errors.invalidEach(`${field}.apiGroup`, group, checkDns1123Subdomain(group));
}

export function validateClaim(errors: ErrorList, { spec }: PersistentVolumeClaim): void {
  validateClaimSpec(errors, spec, 'spec');
}

const betaClass = 'volume.beta.kubernetes.io/storage-class';

export function validateClaimUpdate(
  errors: ErrorList,
  next: PersistentVolumeClaim,
  previous: PersistentVolumeClaim,
): void {
  const spec = next.spec ?? {};
  const before = previous.spec ?? {};
  validateClaimSpec(errors, spec, 'spec', {
    allowInvalidSelector: hasInvalidValues(before.selector),
    allowInvalidSourceGroup: Boolean(before.dataSource?.apiGroup ?? before.dataSourceRef?.apiGroup),
  });
  const wanted: Record<string, unknown> = { ...spec };
  const old: Record<string, unknown> = { ...before };
  if (!before.volumeName) old.volumeName = spec.volumeName;
  const oldBeta = previous.metadata.annotations?.[betaClass];
  const newBeta = next.metadata.annotations?.[betaClass];
  const upgraded =
    oldBeta !== undefined &&
    before.storageClassName === undefined &&
    spec.storageClassName === oldBeta &&
    (newBeta === undefined || newBeta === oldBeta);
  if (upgraded) wanted.storageClassName = undefined;
  else {
    if ((oldBeta ?? '') !== (newBeta ?? ''))
      errors.invalid(`metadata.annotations.${betaClass}`, newBeta ?? '', immutable);
    if (
      spec.storageClassName !== undefined &&
      before.storageClassName === undefined &&
      (oldBeta === undefined || spec.storageClassName === oldBeta)
    )
      wanted.storageClassName = undefined;
  }
  if (next.status?.phase === 'Bound') {
    if (spec.resources?.requests)
      wanted.resources = {
        ...spec.resources,
        requests: { ...spec.resources.requests, storage: before.resources?.requests?.storage ?? '0' },
      };
    wanted.volumeAttributesClassName = before.volumeAttributesClassName;
  }
  const shown = internalForm(wanted, 'core.PersistentVolumeClaimSpec');
  const shownBefore = internalForm(old, 'core.PersistentVolumeClaimSpec');
  if (!sameJson(shown, shownBefore))
    errors.forbidden(
      'spec',
      `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${jsonDiff(shownBefore, shown)}`,
    );
  const size = parseQuantity(spec.resources?.requests?.storage ?? '0');
  const capacity = parseQuantity(previous.status?.capacity?.storage ?? '0');
  if (
    compareQuantities(size, parseQuantity(before.resources?.requests?.storage ?? '0')) < 0 &&
    compareQuantities(size, capacity) <= 0
  )
    errors.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity');
  if (spec.volumeMode !== before.volumeMode) errors.invalid('volumeMode', spec.volumeMode ?? null, immutable);
  if (
    spec.volumeAttributesClassName !== before.volumeAttributesClassName &&
    previous.status?.currentVolumeAttributesClassName !== undefined
  ) {
    const path = 'spec.volumeAttributesClassName';
    const when = 'is forbidden when status.currentVolumeAttributesClassName is not nil';
    if (spec.volumeAttributesClassName === undefined) errors.forbidden(path, `update to nil ${when}`);
    else if (spec.volumeAttributesClassName === '') errors.forbidden(path, `update to empty string ${when}`);
  }
}

const resizeStatuses = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

export function validateClaimStatusUpdate(errors: ErrorList, next: PersistentVolumeClaim): void {
  if (!next.spec?.accessModes?.length) errors.required('Spec.accessModes');
  const { capacity = {}, allocatedResourceStatuses = {}, allocatedResources = {} } = next.status ?? {};
  for (const [name, quantity] of Object.entries(capacity)) basicResource(errors, quantity, at('status.capacity', name));
  const statuses = 'status.allocatedResourceStatuses';
  for (const [name, status] of Object.entries(allocatedResourceStatuses)) {
    validateClaimResource(errors, name, statuses);
    if (!resizeStatuses.includes(status)) errors.notSupported(statuses, name, resizeStatuses);
  }
  const allocated = 'status.allocatedResources';
  for (const [name, quantity] of Object.entries(allocatedResources)) {
    if (!validateClaimResource(errors, name, allocated)) continue;
    const count = errors.errors.length;
    basicResource(errors, quantity, at(allocated, name));
    if (errors.errors.length === count && parseQuantity(quantity).digits < 0n)
      errors.invalid(at(allocated, name), quantity, notNegative);
  }
}

function validateClaimResource(errors: ErrorList, name: string, field: string): boolean {
  const messages = checkQualifiedName(name);
  errors.invalidEach(field, name, messages);
  if (messages.length > 0) return false;
  if (!isNative(name) || name === 'storage') return true;
  errors.notSupported(field, name, ['storage']);
  return false;
}
