/** What drivers and the scheduler write into a claim: who may use it, which devices it got. */
import { sameJson } from '../edit.ts';
import { checkDns1123Label, checkQualifiedName } from '../names.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequestAllocationResult,
  ResourceClaim,
  ResourceClaimConsumerReference,
} from '../types/resource-v1.ts';
import { validateNodeSelector } from './affinity.ts';
import { validateObservedConditions } from './conditions.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import {
  type RequestNames,
  requestNamesOf,
  uniqueList,
  validateOpaque,
  validateRaw,
  validateReference,
  validateReferences,
} from './resource-claims.ts';
import { validateBinding, validateDriverName, validatePoolName } from './resource-slices.ts';

const maxConsumers = 256;
const maxResults = 32;
const maxConfigs = 64;
const maxDeviceConditions = 8;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function validateResourceClaimStatus(errors: ErrorList, next: ResourceClaim, previous: ResourceClaim): void {
  const { reservedFor = [], devices = [], allocation } = next.status ?? {};
  const names = requestNamesOf(next.spec?.devices ?? {});
  uniqueList(
    errors,
    reservedFor,
    ({ uid }) => uid,
    maxConsumers,
    'status.reservedFor',
    (consumer, path) => validateConsumer(errors, consumer, path),
  );
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceId));
  uniqueList(errors, devices, deviceId, undefined, 'status.devices', (device, path) =>
    validateDevice(errors, device, allocated, path),
  );
  if (reservedFor.length > 0) {
    const field = 'status.reservedFor';
    const had = previous.status?.reservedFor ?? [];
    if (!allocation) errors.forbidden(field, 'may not be specified when `allocated` is not set');
    else if (
      (next.metadata?.deletionTimestamp ?? null) !== null &&
      reservedFor.some((consumer) => !had.some((one) => sameJson(one, consumer)))
    )
      errors.forbidden(
        field,
        'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
      );
  }
  if (!allocation) return;
  const before = previous.status?.allocation;
  if (!before) validateAllocation(errors, allocation, names);
  else if (!sameJson(allocation, before))
    errors.invalid('status.allocation', internalForm(allocation, 'resource.AllocationResult'), immutable);
}

function validateConsumer(errors: ErrorList, consumer: ResourceClaimConsumerReference, field: string): void {
  for (const name of ['resource', 'name', 'uid'] as const) if (!consumer[name]) errors.required(`${field}.${name}`);
}

const deviceId = ({
  driver = '',
  pool = '',
  device = '',
  shareID = '',
}: Pick<AllocatedDeviceStatus, 'driver' | 'pool' | 'device' | 'shareID'>): string =>
  [driver, pool, device, ...(shareID === '' ? [] : [shareID])].join('/');

const shownId = ({ driver = '', pool = '', device = '', shareID = '' }: AllocatedDeviceStatus): object => ({
  Driver: driver,
  Pool: pool,
  Device: device,
  ShareID: shareID,
});

function validateDevice(
  errors: ErrorList,
  device: AllocatedDeviceStatus,
  allocated: ReadonlySet<string>,
  field: string,
): void {
  validateDriverName(errors, device.driver ?? '', `${field}.driver`);
  validatePoolName(errors, device.pool ?? '', `${field}.pool`);
  errors.invalidEach(`${field}.device`, device.device ?? '', checkDns1123Label(device.device ?? ''));
  validateShare(errors, device.shareID, `${field}.shareID`);
  const id = deviceId(device);
  if (!allocated.has(id)) errors.invalid(field, shownId(device), 'must be an allocated device in the claim');
  const conditions = device.conditions ?? [];
  if (conditions.length > maxDeviceConditions)
    errors.tooMany(`${field}.conditions`, conditions.length, maxDeviceConditions);
  validateObservedConditions(errors, conditions, `${field}.conditions`);
  if ((device.data ?? null) !== null) validateRaw(errors, device.data!, `${field}.data`);
}

function validateShare(errors: ErrorList, share: string | undefined, field: string): void {
  if ((share ?? null) === null || uuid.test(share!)) return;
  const length = share!.length;
  errors.invalid(
    field,
    share,
    length === 36 && uuid.test(share!.toLowerCase())
      ? 'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters'
      : `error validating uid: ${[32, 36, 38, 45].includes(length) ? 'invalid UUID format' : `invalid UUID length: ${length}`}`,
  );
}

function validateAllocation(errors: ErrorList, allocation: AllocationResult, names: RequestNames): void {
  const field = 'status.allocation';
  const { results = [], config = [] } = allocation.devices ?? {};
  if (results.length > maxResults) errors.tooMany(`${field}.devices.results`, results.length, maxResults);
  for (const [i, result] of results.slice(0, maxResults).entries())
    validateResult(errors, result, names, at(`${field}.devices.results`, i));
  if (config.length > maxConfigs) errors.tooMany(`${field}.devices.config`, config.length, maxConfigs);
  for (const [i, { source = '', requests = [], opaque }] of config.slice(0, maxConfigs).entries()) {
    const path = at(`${field}.devices.config`, i);
    if (source === '') errors.required(`${path}.source`);
    else if (source !== 'FromClaim' && source !== 'FromClass')
      errors.notSupported(`${path}.source`, source, ['FromClaim', 'FromClass']);
    validateReferences(errors, requests, names, `${path}.requests`);
    validateOpaque(errors, opaque, `${path}.opaque`);
  }
  if (allocation.nodeSelector) validateNodeSelector(errors, allocation.nodeSelector, `${field}.nodeSelector`);
}

function validateResult(
  errors: ErrorList,
  result: DeviceRequestAllocationResult,
  names: RequestNames,
  field: string,
): void {
  validateReference(errors, result.request ?? '', names, `${field}.request`);
  validateDriverName(errors, result.driver ?? '', `${field}.driver`);
  validatePoolName(errors, result.pool ?? '', `${field}.pool`);
  errors.invalidEach(`${field}.device`, result.device ?? '', checkDns1123Label(result.device ?? ''));
  validateBinding(errors, result, field);
  validateShare(errors, result.shareID, `${field}.shareID`);
}
