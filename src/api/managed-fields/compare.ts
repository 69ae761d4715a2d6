/**
 * Which fields differ between two objects of one kind: what a writer gains, and what is gone. One walk over both trees; equal parts cost an
 * identity check where they are shared and a comparison where not. Source: structured-merge-diff/typed/compare.go.
 */
import { sameJson } from '../edit.ts';
import { sameEmptinessInLists } from '../explicit-empty.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compareElements, type DraftFieldSet, type FieldSet, leaf, scalarText, valueElement } from './field-set.ts';
import { deduced, memberPlan, type Plan, type StructPlan } from './type-plan.ts';

export interface Comparison {
  /** Added or modified. */
  readonly gained: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

/** Both in canonical form; `old` is the empty tree of the kind for a create. */
export function compareObjects(old: JsonObject, next: JsonObject, plan: StructPlan): Comparison {
  const walk = new Walk();
  const gained = walk.compare(old, next, plan);
  return { gained, removed: walk.removed };
}

class Walk {
  /** The second result of the latest `compare`: allocation-free where nothing was removed. */
  removed: FieldSet | undefined = undefined;

  /** @returns the gained part below this value */
  compare(old: JsonValue | undefined, next: JsonValue | undefined, plan: Plan): FieldSet | undefined {
    this.removed = undefined;
    if (old === next) return undefined;
    if (old === undefined) return added(next!, plan);
    switch (plan.kind) {
      case 'leaf':
        // A list that is kept whole is also changed by something empty where nothing was.
        return sameEmptinessInLists(old, next) ? this.#leaf(old, next) : leaf;
      case 'struct':
        return plan.rest === undefined ? this.#struct(old, next, plan) : this.#map(old, next, plan);
      case 'map':
        return this.#map(old, next, plan);
      case 'deduced':
        return this.compare(old, next, deduced(old, next));
      case 'set':
        return this.#set(old, next);
      case 'keyed':
        return this.#keyed(old, next, plan);
    }
  }

  #leaf(old: JsonValue | undefined, next: JsonValue | undefined): FieldSet | undefined {
    if (next === undefined) {
      this.removed = leaf;
      return undefined;
    }
    return old !== undefined && sameJson(old, next) ? undefined : leaf;
  }

  #struct(old: JsonValue | undefined, next: JsonValue | undefined, plan: StructPlan): FieldSet | undefined {
    const before = asObject(old);
    const after = asObject(next);
    if (isEmpty(before) && isEmpty(after)) return this.#leaf(old, next);
    const gained = new Draft(old === undefined);
    const removed = new Draft(next === undefined);
    const { names, elements, plans } = plan;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      const a = before?.[name];
      const b = after?.[name];
      if (a === b) continue;
      gained.add(elements[i]!, this.compare(a, b, plans[i]!));
      removed.add(elements[i]!, this.removed);
    }
    this.removed = removed.done();
    return gained.done();
  }

  #map(
    old: JsonValue | undefined,
    next: JsonValue | undefined,
    plan: StructPlan | Extract<Plan, { kind: 'map' }>,
  ): FieldSet | undefined {
    const before = asObject(old);
    const after = asObject(next);
    if (isEmpty(before) && isEmpty(after)) return this.#leaf(old, next);
    const gained = new Draft(old === undefined);
    const removed = new Draft(next === undefined);
    const hidden = plan.kind === 'struct' ? plan.hidden : undefined;
    for (const key of sortedKeys(before, after)) {
      if (hidden?.has(key)) continue;
      const a = before !== undefined && Object.hasOwn(before, key) ? before[key] : undefined;
      const b = after !== undefined && Object.hasOwn(after, key) ? after[key] : undefined;
      if (a === b) continue;
      const element = `f:${key}`;
      gained.add(element, this.compare(a, b, memberPlan(plan, key)));
      removed.add(element, this.removed);
    }
    this.removed = removed.done();
    return gained.done();
  }

  #set(old: JsonValue | undefined, next: JsonValue | undefined): FieldSet | undefined {
    const before = asList(old);
    const after = asList(next);
    if (isEmptyList(before) && isEmptyList(after)) return this.#leaf(old, next);
    return this.#items(old, next, before.map(valueElement), before, after.map(valueElement), after, leafPlan);
  }

  #keyed(
    old: JsonValue | undefined,
    next: JsonValue | undefined,
    plan: Extract<Plan, { kind: 'keyed' }>,
  ): FieldSet | undefined {
    const before = asList(old);
    const after = asList(next);
    if (isEmptyList(before) && isEmptyList(after)) return this.#leaf(old, next);
    return this.#items(old, next, tracked(before, plan), before, tracked(after, plan), after, plan.element);
  }

  /** Items by their path element. */
  #items(
    old: JsonValue | undefined,
    next: JsonValue | undefined,
    oldElements: readonly string[],
    before: readonly JsonValue[],
    nextElements: readonly string[],
    after: readonly JsonValue[],
    plan: Plan,
  ): FieldSet | undefined {
    if (before.length === 0) {
      const node = addedItems({}, nextElements, after, plan);
      return isEmpty(node) ? undefined : node;
    }
    const gained = new Draft(old === undefined);
    const removed = new Draft(next === undefined);
    const oldItems = group(oldElements, before);
    const nextItems = group(nextElements, after);
    const all = [...nextItems.keys()];
    for (const element of oldItems.keys()) if (!nextItems.has(element)) all.push(element);
    sortElementNames(all);
    for (const element of all) {
      const a = oldItems.get(element);
      const b = nextItems.get(element);
      if (a instanceof Duplicates || b instanceof Duplicates) this.#duplicates(element, a, b, plan, gained, removed);
      else if (a !== b) {
        gained.add(element, this.compare(a, b, plan));
        removed.add(element, this.removed);
      }
    }
    this.removed = removed.done();
    return gained.done();
  }

  /** Items that share a key are owned as one. */
  #duplicates(
    element: string,
    a: JsonValue | Duplicates | undefined,
    b: JsonValue | Duplicates | undefined,
    plan: Plan,
    gained: Draft,
    removed: Draft,
  ): void {
    if (a instanceof Duplicates && b instanceof Duplicates) {
      if (!sameJson(a.items, b.items)) gained.add(element, leaf);
    } else if (a instanceof Duplicates) {
      gained.add(element, this.compare(undefined, b as JsonValue | undefined, plan));
      removed.add(element, leaf);
    } else {
      this.compare(a, undefined, plan);
      removed.add(element, this.removed);
      gained.add(element, leaf);
    }
  }
}

/** Everything below a value that was not there before, and the value itself. */
function added(value: JsonValue, plan: Plan): FieldSet {
  switch (plan.kind) {
    case 'leaf':
      return leaf;
    case 'deduced':
      return added(value, deduced(value));
    case 'struct': {
      if (plan.rest !== undefined) return addedMembers(value, plan);
      const object = asObject(value);
      if (isEmpty(object)) return leaf;
      const node: DraftFieldSet = { '.': leaf };
      const { names, elements, plans } = plan;
      for (let i = 0; i < names.length; i++) {
        const child = object![names[i]!];
        if (child !== undefined) node[elements[i]!] = added(child, plans[i]!);
      }
      return Object.freeze(node);
    }
    case 'map':
      return addedMembers(value, plan);
    case 'set': {
      const list = asList(value);
      return list.length === 0 ? leaf : addedItems({ '.': leaf }, list.map(valueElement), list, leafPlan);
    }
    case 'keyed': {
      const list = asList(value);
      return list.length === 0 ? leaf : addedItems({ '.': leaf }, tracked(list, plan), list, plan.element);
    }
  }
}

function addedMembers(value: JsonValue, plan: StructPlan | Extract<Plan, { kind: 'map' }>): FieldSet {
  const object = asObject(value);
  if (isEmpty(object)) return leaf;
  const node: DraftFieldSet = { '.': leaf };
  for (const key of sortedKeys(undefined, object))
    if (object![key] !== undefined) node[`f:${key}`] = added(object![key]!, memberPlan(plan, key));
  return Object.freeze(node);
}

const leafPlan: Plan = { kind: 'leaf' };

function addedItems(
  node: DraftFieldSet,
  elements: readonly string[],
  items: readonly JsonValue[],
  plan: Plan,
): FieldSet {
  let ordered = elements[0] !== '';
  for (let i = 1; ordered && i < elements.length; i++)
    ordered = elements[i] !== '' && compareElements(elements[i - 1]!, elements[i]!) < 0;
  if (ordered) for (let i = 0; i < elements.length; i++) node[elements[i]!] = added(items[i]!, plan);
  else {
    const groups = group(elements, items);
    const all = [...groups.keys()];
    sortElementNames(all);
    for (const element of all) {
      const item = groups.get(element)!;
      node[element] = item instanceof Duplicates ? leaf : added(item, plan);
    }
  }
  return Object.freeze(node);
}

/** A node under construction: allocated with its first child, or at once when the node itself belongs to the set. */
class Draft {
  #node: DraftFieldSet | undefined;
  #children = false;
  constructor(member: boolean) {
    this.#node = member ? { '.': leaf } : undefined;
  }
  add(element: string, child: FieldSet | undefined): void {
    if (child === undefined) return;
    this.#node ??= {};
    this.#node[element] = child;
    this.#children = true;
  }
  done(): FieldSet | undefined {
    if (this.#node === undefined) return undefined;
    return this.#children ? Object.freeze(this.#node) : leaf;
  }
}

const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
const noItems: readonly JsonValue[] = Object.freeze([]);
const asList = (value: JsonValue | undefined): readonly JsonValue[] => (Array.isArray(value) ? value : noItems);
const isEmptyList = (list: readonly JsonValue[]): boolean => list.length === 0;

function isEmpty(object: JsonObject | undefined): boolean {
  for (const _key in object) return false;
  return true;
}

export function sortedKeys(a: JsonObject | undefined, b: JsonObject | undefined): readonly string[] {
  const keys = b === undefined ? [] : Object.keys(b);
  if (a !== undefined) for (const key of Object.keys(a)) if (b === undefined || !Object.hasOwn(b, key)) keys.push(key);
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return keys.sort();
  return keys;
}

export function sortElementNames(elements: string[]): void {
  for (let i = 1; i < elements.length; i++)
    if (compareElements(elements[i - 1]!, elements[i]!) > 0) {
      elements.sort(compareElements);
      return;
    }
}

/** An item of a list of maps without any of its keys: nobody can tell whose it is. */
export class UnkeyedItemError extends Error {
  override readonly name = 'UnkeyedItemError';
}

/** `k:{"containerPort":80,"protocol":"TCP"}` for each item; '' for one that has no key. */
export function elementsOf(items: readonly JsonValue[], plan: Extract<Plan, { kind: 'keyed' }>): string[] {
  const elements: string[] = [];
  const { keys } = plan;
  for (let i = 0; i < items.length; i++) {
    const object = asObject(items[i]);
    let text = '';
    for (let j = 0; j < keys.length; j++) {
      const key = keys[j]!;
      // A null is a value of its own, not an absence.
      const given = object?.[key.name];
      const value = given === undefined ? key.default : given;
      if (value === undefined) continue;
      text += `${text === '' ? '' : ','}"${key.name}":${scalarText(value)}`;
    }
    elements.push(text === '' ? '' : `k:{${text}}`);
  }
  return elements;
}

/** @throws UnkeyedItemError */
function tracked(items: readonly JsonValue[], plan: Extract<Plan, { kind: 'keyed' }>): string[] {
  const elements = elementsOf(items, plan);
  if (elements.includes('')) throw new UnkeyedItemError();
  return elements;
}

class Duplicates {
  readonly items: JsonValue[];
  constructor(first: JsonValue, second: JsonValue) {
    this.items = [first, second];
  }
}

function group(elements: readonly string[], items: readonly JsonValue[]): Map<string, JsonValue | Duplicates> {
  const groups = new Map<string, JsonValue | Duplicates>();
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    if (element === '') continue;
    const known = groups.get(element);
    if (known === undefined) groups.set(element, items[i]!);
    else if (known instanceof Duplicates) known.items.push(items[i]!);
    else groups.set(element, new Duplicates(known, items[i]!));
  }
  return groups;
}
