/** Taking fields out of an object. Source: structured-merge-diff/typed/remove.go. */
import type { JsonObject, JsonValue } from '../json.ts';
import { elementsOf } from '../managed-fields/compare.ts';
import { type FieldSet, isMember, valueElement } from '../managed-fields/field-set.ts';
import { deduced, type Plan } from '../managed-fields/type-plan.ts';

/** Members of the set are gone with all below them. A container that becomes empty, or is owned as one, is null afterwards. */
export function removeFields(value: JsonValue, fields: FieldSet | undefined, plan: Plan): JsonValue {
  if (fields === undefined || typeof value !== 'object' || value === null) return value;
  switch (plan.kind) {
    case 'leaf':
      return null;
    case 'deduced':
      return removeFields(value, fields, deduced(value));
    case 'struct':
    case 'map':
      return fromMembers(value as JsonObject, fields, plan);
    case 'set':
    case 'keyed':
      return fromItems(value as readonly JsonValue[], fields, plan);
  }
}

const leafPlan: Plan = { kind: 'leaf' };

function fromMembers(object: JsonObject, fields: FieldSet, plan: Extract<Plan, { kind: 'struct' | 'map' }>): JsonValue {
  const entries: [string, JsonValue][] = [];
  let changed = false;
  for (const key of Object.keys(object)) {
    const member = object[key]!;
    const element = `f:${key}`;
    const node = Object.hasOwn(fields, element) ? (fields[element] as FieldSet) : undefined;
    if (node === undefined) entries.push([key, member]);
    else if (isMember(node)) changed = true;
    else {
      const rest = removeFields(member, node, plan.kind === 'map' ? plan.value : fieldPlan(plan, key));
      if (rest !== member) changed = true;
      entries.push([key, rest]);
    }
  }
  if (entries.length === 0) return null;
  return changed ? Object.fromEntries(entries) : object;
}

function fieldPlan(plan: Extract<Plan, { kind: 'struct' }>, name: string): Plan {
  const at = plan.names.indexOf(name);
  return at < 0 ? (plan.rest ?? leafPlan) : plan.plans[at]!;
}

function fromItems(
  items: readonly JsonValue[],
  fields: FieldSet,
  plan: Extract<Plan, { kind: 'set' | 'keyed' }>,
): JsonValue {
  const elements = plan.kind === 'set' ? items.map(valueElement) : elementsOf(items, plan);
  const kept: JsonValue[] = [];
  let changed = false;
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    const element = elements[i]!;
    const node = Object.hasOwn(fields, element) ? (fields[element] as FieldSet) : undefined;
    if (node === undefined) kept.push(item);
    else if (isMember(node)) changed = true;
    else {
      const rest = removeFields(item, node, plan.kind === 'set' ? leafPlan : plan.element);
      if (rest !== item) changed = true;
      kept.push(rest);
    }
  }
  if (kept.length === 0) return null;
  return changed ? kept : items;
}
