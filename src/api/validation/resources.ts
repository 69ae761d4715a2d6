/** Resource requirements of containers and pods. */
import { checkQualifiedName } from '../names.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';
import type { ResourceRequirements } from '../types/core-v1.ts';
import { at, type ErrorList, notNegative } from './error-list.ts';

const standard = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
  'storage',
]);
const forContainers = new Set(['cpu', 'memory', 'ephemeral-storage']);
const hugePages = 'hugepages-';
const nativeDomain = 'kubernetes.io';

export function validateResourceRequirements(
  errors: ErrorList,
  requirements: ResourceRequirements | undefined,
  field: string,
): void {
  if (!requirements) return;
  const { limits = {}, requests = {} } = requirements;
  for (const [name, quantity] of Object.entries(limits))
    validateOne(errors, name, quantity, at(`${field}.limits`, name));
  for (const [name, quantity] of Object.entries(requests)) {
    validateOne(errors, name, quantity, at(`${field}.requests`, name));
    const limit = limits[name];
    if (limit === undefined) {
      if (!isOvercommitAllowed(name))
        errors.required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
      continue;
    }
    const order = compareQuantities(parseQuantity(quantity), parseQuantity(limit));
    if (!isOvercommitAllowed(name) && order !== 0)
      errors.invalid(`${field}.requests`, quantity, `must be equal to ${name} limit of ${limit}`);
    else if (order > 0)
      errors.invalid(`${field}.requests`, quantity, `must be less than or equal to ${name} limit of ${limit}`);
  }
}

function validateOne(errors: ErrorList, name: string, quantity: string, field: string): void {
  errors.invalidEach(field, name, checkQualifiedName(name));
  if (!name.includes('/')) {
    if (!standard.has(name) && !name.startsWith(hugePages))
      errors.invalid(field, name, 'must be a standard resource type or fully qualified');
    if (!forContainers.has(name) && !name.startsWith(hugePages))
      errors.invalid(field, name, 'must be a standard resource for containers');
  }
  const parsed = parseQuantity(quantity);
  if (parsed.digits < 0n) errors.invalid(field, quantity, notNegative);
  const whole = !isNative(name) || name.startsWith(hugePages);
  if (whole && parsed.exponent < 0 && parsed.digits % 10n ** BigInt(-parsed.exponent) !== 0n)
    errors.invalid(field, quantity, 'must be an integer');
}

const isNative = (name: string): boolean =>
  !name.includes('/') || name.slice(0, name.indexOf('/')).endsWith(nativeDomain);
const isOvercommitAllowed = (name: string): boolean => isNative(name) && !name.startsWith(hugePages);
