/** Resource names and quantities, and the requirements of containers and pods. */
import { checkDns1123Label, checkQualifiedName } from '../names.ts';
import { compareQuantities, formatQuantity, parseQuantity, type Quantity, QuantityError, value } from '../quantity.ts';
import type { ResourceRequirements } from '../types/core-v1.ts';
import { at, type ErrorList, notInteger, notNegative } from './error-list.ts';

const standard: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'storage',
  'requests.storage',
  'services.nodeports',
  'services.loadbalancers',
]);
const counted: ReadonlySet<string> = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);
const hugePages = 'hugepages-';
export const isHugePages = (name: string): boolean => name.startsWith(hugePages);
export const isQuotaHugePages = (name: string): boolean => isHugePages(name) || name.startsWith('requests.hugepages-');
/** In the `kubernetes.io` namespace, where names without a prefix are too. */
export const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
export const isOvercommitAllowed = (name: string): boolean => isNative(name) && !isHugePages(name);
export const isExtended = (name: string): boolean =>
  !isNative(name) && !name.startsWith('requests.') && checkQualifiedName(`requests.${name}`).length === 0;

/** @returns whether the name is fine. */
export function validateResourceName(errors: ErrorList, name: string, field: string): boolean {
  const messages = checkQualifiedName(name);
  errors.invalidEach(field, name, messages);
  if (messages.length > 0) return false;
  if (name.includes('/') || standard.has(name) || isQuotaHugePages(name)) return true;
  errors.invalid(field, name, 'must be a standard resource type or fully qualified');
  return false;
}

export function validateContainerResourceName(errors: ErrorList, name: string, field: string): void {
  if (name === 'cpu' || name === 'memory' || name === 'ephemeral-storage') return;
  validateResourceName(errors, name, field);
  if (!name.includes('/')) {
    if (!isHugePages(name)) errors.invalid(field, name, 'must be a standard resource for containers');
  } else if (!isNative(name) && !isExtended(name))
    errors.invalid(field, name, "doesn't follow extended resource name standard");
}

function validatePodResourceName(errors: ErrorList, name: string, field: string): void {
  if (!validateResourceName(errors, name, field)) return;
  if (name !== 'cpu' && name !== 'memory' && !isHugePages(name))
    errors.notSupported(field, name, ['cpu', 'hugepages-', 'memory']);
}

/** Not negative, and whole where the resource is counted. */
export function validateQuantity(errors: ErrorList, name: string, text: string, field: string): Quantity {
  const quantity = parseQuantity(text);
  if (quantity.digits < 0n) errors.invalid(field, text, notNegative);
  if (!isWhole(quantity) && (counted.has(name) || isExtended(name))) errors.invalid(field, text, notInteger);
  return quantity;
}

const isWhole = ({ digits, exponent }: Quantity): boolean => exponent >= 0 || digits % 10n ** BigInt(-exponent) === 0n;

export const zeroQuantity = parseQuantity('0');
export const isPositive = (quantity: Quantity): boolean => quantity.digits > 0n;
export const basicResource = (errors: ErrorList, text: string, field: string): void => {
  const whole = value(parseQuantity(text));
  if (whole < 0) errors.invalid(field, whole, 'must be a valid resource quantity');
};

function validateHugePages(errors: ErrorList, name: string, quantity: Quantity, text: string, field: string): void {
  const size = pageSize(name);
  if (size === undefined || value(quantity) % size !== 0)
    errors.invalid(field, text, `${formatQuantity(quantity)} is not positive integer multiple of ${name}`);
}

function pageSize(name: string): number | undefined {
  try {
    const size = parseQuantity(name.slice(hugePages.length));
    return size.digits > 0n && isWhole(size) ? value(size) : undefined;
  } catch (error) {
    // A name that ends in no quantity has no size, which the caller reports.
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

export interface RequirementsOptions {
  readonly level?: 'container' | 'pod';
  /** Names of the pod's resource claims. */
  readonly claims?: ReadonlySet<string>;
}

export function validateResourceRequirements(
  errors: ErrorList,
  requirements: ResourceRequirements | undefined,
  field: string,
  { level = 'container', claims }: RequirementsOptions = {},
): void {
  if (!requirements) return;
  const { limits, requests } = requirements;
  if (!limits && !requests && !requirements.claims) return;
  const nameRule = level === 'pod' ? validatePodResourceName : validateContainerResourceName;
  let computes = false;
  let pages = false;
  const known = (name: string, text: string, path: string): Quantity => {
    nameRule(errors, name, path);
    return validateQuantity(errors, name, text, path);
  };
  const notice = (name: string, quantity: Quantity, text: string, path: string): void => {
    if (isHugePages(name)) {
      pages = true;
      validateHugePages(errors, name, quantity, text, path);
    }
    if (name === 'cpu' || name === 'memory') computes = true;
  };
  for (const name in limits) {
    const path = `${field}.limits[${name}]`;
    notice(name, known(name, limits[name]!, path), limits[name]!, path);
  }
  for (const name in requests) {
    const path = `${field}.requests[${name}]`;
    const text = requests[name]!;
    const quantity = known(name, text, path);
    const limit = limits?.[name];
    if (limit === undefined) {
      if (!isOvercommitAllowed(name))
        errors.required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
    } else if (limit !== text) {
      const order = compareQuantities(quantity, parseQuantity(limit));
      if (order !== 0 && !isOvercommitAllowed(name))
        errors.invalid(`${field}.requests`, text, `must be equal to ${name} limit of ${limit}`);
      else if (order > 0)
        errors.invalid(`${field}.requests`, text, `must be less than or equal to ${name} limit of ${limit}`);
    }
    notice(name, quantity, text, path);
  }
  if (pages && !computes) errors.forbidden(field, 'HugePages require cpu or memory');
  if (requirements.claims) validateClaimNames(errors, requirements.claims, claims ?? new Set(), `${field}.claims`);
}

function validateClaimNames(
  errors: ErrorList,
  given: NonNullable<ResourceRequirements['claims']>,
  known: ReadonlySet<string>,
  field: string,
): void {
  const seen = new Set<string>();
  for (const [i, { name, request = '' }] of given.entries()) {
    const path = at(field, i);
    if (!name) {
      errors.required(path);
      continue;
    }
    if (seen.has(name)) errors.duplicate(path, name);
    else {
      if (request) errors.invalidEach(`${path}.request`, request, checkDns1123Label(request));
      const key = request ? `${name}/${request}` : name;
      if (seen.has(key)) errors.duplicate(path, key);
      else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) errors.duplicate(path, name);
      seen.add(key);
    }
    if (!known.has(name))
      errors.notFound(
        path,
        name,
        `must be one of the names in pod.spec.resourceClaims${known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`}`,
      );
  }
}
