/**
 * Which fields an object or a configuration holds, as its applier owns them: leaves, list items, members of maps, but not the structs and
 * lists around them. Source: structured-merge-diff/typed/tofieldset.go, fieldpath/set.go (EnsureNamedFieldsAreMembers).
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { elementsOf, sortElementNames, sortedKeys } from '../managed-fields/compare.ts';
import { type DraftFieldSet, type FieldSet, leaf, valueElement } from '../managed-fields/field-set.ts';
import { deduced, memberPlan, type Plan, type StructPlan } from '../managed-fields/type-plan.ts';

/** @returns `undefined` when there is none. */
export function fieldSetOf(object: JsonObject, plan: StructPlan): FieldSet | undefined {
  const set = below(object, plan, false);
  // Metadata without anything in it is owned by nobody.
  if (set?.['f:metadata'] !== leaf) return set;
  const { 'f:metadata': _empty, ...rest } = set;
  return isEmpty(rest as JsonObject) ? undefined : Object.freeze(rest);
}

/** @param owned whether the path to the value itself is in the set whatever the value is. */
function below(value: JsonValue, plan: Plan, owned: boolean): FieldSet | undefined {
  if (plan.kind === 'leaf') return leaf;
  if (plan.kind === 'deduced') return below(value, deduced(value), owned);
  if (typeof value !== 'object' || value === null) return value === null || owned ? leaf : undefined;
  const node: DraftFieldSet = owned ? { '.': leaf } : {};
  let empty = true;
  const add = (element: string, child: FieldSet | undefined): void => {
    if (child === undefined) return;
    node[element] = child;
    empty = false;
  };
  switch (plan.kind) {
    case 'struct': {
      const object = value as JsonObject;
      if (isEmpty(object)) return leaf;
      if (plan.rest !== undefined) {
        for (const key of sortedKeys(undefined, object))
          if (!plan.hidden?.has(key))
            add(`f:${key}`, below(object[key]!, memberPlan(plan, key), !plan.names.includes(key)));
        break;
      }
      const { names, elements, plans } = plan;
      for (let i = 0; i < names.length; i++) {
        const child = object[names[i]!];
        if (child !== undefined) add(elements[i]!, below(child, plans[i]!, false));
      }
      break;
    }
    case 'map': {
      const object = value as JsonObject;
      if (isEmpty(object)) return leaf;
      for (const key of sortedKeys(undefined, object)) add(`f:${key}`, below(object[key]!, plan.value, true));
      break;
    }
    case 'set':
    case 'keyed':
      addItems(value as readonly JsonValue[], plan, add);
      break;
  }
  if (empty) return owned ? leaf : undefined;
  return Object.freeze(node);
}

const itemPlan: Plan = { kind: 'leaf' };

/** Items that share an element are owned as one. */
function addItems(
  items: readonly JsonValue[],
  plan: Extract<Plan, { kind: 'set' | 'keyed' }>,
  add: (element: string, child: FieldSet | undefined) => void,
): void {
  const elements = plan.kind === 'set' ? items.map(valueElement) : elementsOf(items, plan);
  const places = new Map<string, number>();
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    if (element !== '') places.set(element, places.has(element) ? -1 : i);
  }
  const order = [...places.keys()];
  sortElementNames(order);
  for (const element of order) {
    const at = places.get(element)!;
    add(element, at < 0 ? leaf : below(items[at]!, plan.kind === 'set' ? itemPlan : plan.element, true));
  }
}

function isEmpty(object: JsonObject): boolean {
  for (const _key in object) return false;
  return true;
}

/** The set with every struct field on the way to a member, which sets leave out. */
export function withNamedFields(set: FieldSet, plan: Plan | undefined): FieldSet {
  return named(set, plan, false);
}

function named(set: FieldSet, plan: Plan | undefined, member: boolean): FieldSet {
  const node: DraftFieldSet = {};
  let changed = false;
  if (member) {
    node['.'] = leaf;
    changed = !Object.hasOwn(set, '.');
  }
  for (const key of Object.keys(set)) {
    if (key === '.') continue;
    const child = set[key] as FieldSet;
    if (child === leaf || isLeaf(child)) {
      node[key] = child;
      continue;
    }
    const next = childPlan(plan, key);
    const isField = plan?.kind === 'struct' && next !== undefined && key.startsWith('f:');
    const whole = named(child, next, isField || Object.hasOwn(child, '.'));
    if (whole !== child) changed = true;
    node[key] = whole;
  }
  return changed ? Object.freeze(node) : set;
}

const isLeaf = (node: FieldSet): boolean => {
  for (const _key in node) return false;
  return true;
};

function childPlan(plan: Plan | undefined, element: string): Plan | undefined {
  switch (plan?.kind) {
    case 'struct': {
      const at = plan.elements.indexOf(element);
      return at < 0 ? plan.rest : plan.plans[at];
    }
    case 'map':
      return plan.value;
    case 'deduced':
      return element.startsWith('f:') ? plan : undefined;
    case 'keyed':
      return plan.element;
    default:
      return undefined;
  }
}
