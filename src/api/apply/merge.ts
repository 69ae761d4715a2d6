/**
 * The applied configuration laid over the live object, by type: structs and maps per field, keyed lists and sets per item, everything else as
 * one. What changes nothing stays the live object's own value, so `===` tells whether anything is new.
 * Source: structured-merge-diff/typed/merge.go.
 */
import { sameJson } from '../edit.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { elementsOf } from '../managed-fields/compare.ts';
import { valueElement } from '../managed-fields/field-set.ts';
import { deduced, memberPlan, type Plan, type StructPlan } from '../managed-fields/type-plan.ts';

type Keyed = Extract<Plan, { kind: 'keyed' }>;

/** @param config checked against the type: no unknown fields, no two items of one key. Nulls are kept; decoding makes of them what it does. */
export function mergeConfig(
  live: JsonValue | undefined,
  config: JsonValue | undefined,
  plan: Plan,
): JsonValue | undefined {
  if (config === undefined || config === live) return live;
  if (live === undefined) return config;
  switch (plan.kind) {
    case 'leaf':
      return replaced(live, config);
    case 'deduced':
      return mergeConfig(live, config, deduced(live, config));
    case 'struct':
    case 'map':
      return mergeMembers(live, config, plan);
    case 'set':
    case 'keyed':
      return mergeLists(live, config, plan);
  }
}

const replaced = (live: JsonValue, config: JsonValue): JsonValue => (sameJson(live, config) ? live : config);

function mergeMembers(
  live: JsonValue,
  config: JsonValue,
  plan: StructPlan | Extract<Plan, { kind: 'map' }>,
): JsonValue {
  const before = live as JsonObject | null;
  const wanted = config as JsonObject | null;
  // An empty or null configuration asks for nothing, unless there is nothing yet.
  if (isEmpty(wanted)) return isEmpty(before) ? replaced(live, config) : live;
  if (isEmpty(before)) return config;
  let copy: Record<string, JsonValue | undefined> | undefined;
  const merge = (key: string, member: Plan): void => {
    const old = Object.hasOwn(before!, key) ? before![key] : undefined;
    const next = mergeConfig(old, wanted![key], member);
    if (next === old) return;
    copy ??= { ...before };
    if (key === '__proto__') Object.defineProperty(copy, key, { value: next, enumerable: true, writable: true });
    else copy[key] = next;
  };
  if (plan.kind === 'map' || plan.rest !== undefined)
    for (const key of Object.keys(wanted!)) merge(key, memberPlan(plan, key));
  else {
    const { names, plans } = plan;
    for (let i = 0; i < names.length; i++) if (wanted![names[i]!] !== undefined) merge(names[i]!, plans[i]!);
  }
  return (copy as JsonObject | undefined) ?? live;
}

function isEmpty(object: JsonObject | null): boolean {
  if (object === null) return true;
  for (const _key in object) return false;
  return true;
}

const scalarPlan: Plan = { kind: 'leaf' };

function mergeLists(live: JsonValue, config: JsonValue, plan: Keyed | { readonly kind: 'set' }): JsonValue {
  const before = (live ?? []) as readonly JsonValue[];
  const wanted = (config ?? []) as readonly JsonValue[];
  if (wanted.length === 0) return before.length === 0 ? replaced(live, config) : live;
  if (before.length === 0) return config;
  const oldElements = plan.kind === 'set' ? before.map(valueElement) : elementsOf(before, plan);
  const newElements = plan.kind === 'set' ? wanted.map(valueElement) : elementsOf(wanted, plan);
  const merged = interleave(before, wanted, oldElements, newElements, plan.kind === 'set' ? scalarPlan : plan.element);
  if (merged.length !== before.length) return merged;
  for (let i = 0; i < merged.length; i++) if (merged[i] !== before[i]) return merged;
  return live;
}

/**
 * Items in an order that keeps both lists' own as far as they agree: what only the live list has stays where it was, shared items come in the
 * order of the configuration.
 */
function interleave(
  before: readonly JsonValue[],
  wanted: readonly JsonValue[],
  oldElements: readonly string[],
  newElements: readonly string[],
  plan: Plan,
): JsonValue[] {
  /** Where each element stands in the live list; items that share one are merged with nothing. */
  const places = new Map<string, number>();
  for (let i = 0; i < oldElements.length; i++) {
    const element = oldElements[i]!;
    if (element !== '') places.set(element, places.has(element) ? repeated : i);
  }
  const asked = new Set(newElements);
  const shared = newElements.filter((element) => places.has(element));
  let nextShared = 0;
  const done = new Set<string>();
  const out: JsonValue[] = [];
  const take = (at: number): void => {
    const element = newElements[at]!;
    done.add(element);
    const place = places.get(element);
    const old = place === undefined ? undefined : place === repeated ? null : before[place]!;
    out.push(mergeConfig(old, wanted[at]!, plan)!);
  };
  let left = 0;
  let right = 0;
  while (left < before.length || right < wanted.length) {
    if (left < before.length && right < wanted.length) {
      const element = oldElements[left]!;
      if (element === newElements[right]) {
        take(right++);
        left++;
        nextShared++;
        continue;
      }
      // A shared item whose turn in the configuration's order is later.
      if (asked.has(element) && nextShared < shared.length && shared[nextShared] !== element) {
        left++;
        continue;
      }
    }
    if (left < before.length) {
      const element = oldElements[left]!;
      if (!asked.has(element)) {
        out.push(before[left++]!);
        continue;
      }
      if (done.has(element)) left++;
    }
    if (right < wanted.length) {
      if (shared[nextShared] === newElements[right]) nextShared++;
      take(right++);
    }
  }
  return out;
}

const repeated = -1;
