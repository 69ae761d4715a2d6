/** Pod-level resources against those of the containers (KEP-2837). */
import { shownField } from '../explicit-empty.ts';
import { addQuantities, compareQuantities, formatQuantity, parseQuantity, type Quantity } from '../quantity.ts';
import type { PodSpec } from '../types/core-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { isHugePages, validateResourceRequirements } from './resources.ts';

export function validatePodResources(
  errors: ErrorList,
  spec: PodSpec,
  claims: ReadonlySet<string>,
  field: string,
): void {
  const resources = spec.resources!;
  const path = `${field}.resources`;
  if (spec.os?.name === 'windows') {
    errors.forbidden(path, 'may not be set for a windows pod');
    return;
  }
  if (shownField(resources, 'claims') !== null)
    errors.forbidden(`${path}.claims`, 'claims may not be set for Resources at pod-level');
  validateResourceRequirements(errors, resources, path, { level: 'pod', claims });
  for (const [name, sum] of aggregate(spec, 'requests')) {
    const given = resources.requests?.[name];
    if (given !== undefined && compareQuantities(sum, parseQuantity(given)) > 0)
      errors.invalid(
        at(`${path}.requests`, name),
        given,
        `must be greater than or equal to aggregate container requests of ${formatQuantity(sum)}`,
      );
  }
  for (const [name, sum] of aggregate(spec, 'limits')) {
    const given = resources.limits?.[name];
    if (isHugePages(name) && given !== undefined && compareQuantities(sum, parseQuantity(given)) > 0)
      errors.invalid(
        at(`${path}.limits`, name),
        given,
        `must be greater than or equal to aggregate container limits of ${formatQuantity(sum)}`,
      );
  }
  for (const [i, container] of (spec.containers ?? []).entries())
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const given = resources.limits?.[name];
      if (given !== undefined && compareQuantities(parseQuantity(limit), parseQuantity(given)) > 0)
        errors.invalid(
          `${at(at(`${path}.containers`, i), name)}.limits`,
          limit,
          `must be less than or equal to pod limits of ${given}`,
        );
    }
}

type Sums = Map<string, Quantity>;

/** All containers together, or an init container at its turn with the sidecars before it, whichever is more. */
function aggregate(spec: PodSpec, which: 'requests' | 'limits'): Sums {
  const total: Sums = new Map();
  const sidecars: Sums = new Map();
  const peak: Sums = new Map();
  for (const container of spec.containers ?? []) add(total, container.resources?.[which]);
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      add(total, container.resources?.[which]);
      add(sidecars, container.resources?.[which]);
      raise(peak, sidecars);
    } else {
      const atItsTurn: Sums = new Map(sidecars);
      add(atItsTurn, container.resources?.[which]);
      raise(peak, atItsTurn);
    }
  }
  raise(total, peak);
  return total;
}

function add(sums: Sums, list: Readonly<Record<string, string>> | undefined): void {
  for (const name in list) {
    const quantity = parseQuantity(list[name]!);
    const known = sums.get(name);
    sums.set(name, known ? addQuantities(known, quantity) : quantity);
  }
}

function raise(sums: Sums, others: Sums): void {
  for (const [name, quantity] of others) {
    const known = sums.get(name);
    if (!known || compareQuantities(quantity, known) > 0) sums.set(name, quantity);
  }
}
