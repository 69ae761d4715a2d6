/**
 * Lists in a strategic merge patch: merging by key or value, deleting, and the order of the outcome, which is
 * `$setElementOrder` before the patch's own order before the live order.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { goValue } from './go-format.ts';
import { kindOf, StrategicPatchError, unknownDirective, withoutDirectives, wrongType } from './strategic-values.ts';

/** A list field as merging sees it. */
export interface MergeListType {
  /** Merged rather than replaced. */
  readonly merges: boolean;
  /** Empty for scalars. */
  readonly mergeKey: string;
  /** Merges a change into a live element. */
  readonly mergeElement: (element: JsonObject, change: JsonObject) => JsonObject;
}

type List = readonly JsonValue[];

/** Merges `patch` into `original`; with `isDeletion` takes its values out. */
export function mergeList(original: List, patch: List, type: MergeListType, isDeletion: boolean): List {
  if (original.length === 0 && patch.length === 0) return original;
  const kind = elementKind(original, patch);
  if (kind !== 'object') {
    if (isDeletion) {
      const deleted = new Set(patch);
      return original.filter((item) => !deleted.has(item));
    }
    const merged = withoutRepeats([...original, ...patch]);
    const inPatch = new Set(patch);
    return interleave(
      sortBy(
        merged.filter((item) => inPatch.has(item)),
        patch,
        '',
      ),
      sortBy(
        merged.filter((item) => !inPatch.has(item)),
        original,
        '',
      ),
      original,
      '',
    );
  }
  return mergeKeyed(original, patch, type).merged;
}

/** @returns also the live order that `$setElementOrder` goes by */
function mergeKeyed(
  original: List,
  patch: List,
  type: MergeListType,
): { readonly merged: List; readonly liveOrder: List } {
  const { mergeKey } = type;
  if (mergeKey === '') throw new StrategicPatchError('internal', 'cannot merge lists without merge key for struct');
  const { kept, changes, replaced } = applyElementDirectives(original, patch, mergeKey);
  const combined = mergeElements(kept, changes, type);
  const [patched, untouched] = partition(combined, changes, mergeKey);
  const merged = interleave(sortBy(patched, changes, mergeKey), sortBy(untouched, kept, mergeKey), kept, mergeKey);
  // Upstream appends new elements into the places that deleted ones left in the live list, and they then count as live there.
  const liveOrder = replaced ? original : combined.slice(0, Math.max(original.length, kept.length));
  return { merged, liveOrder };
}

/** A list with a `$setElementOrder`. `undefined`: it is neither in the object nor in the patch. */
export function orderList(
  current: List | undefined,
  change: List | undefined,
  order: List,
  type: MergeListType,
): List | undefined {
  const { mergeKey } = type;
  checkOrder(change ?? [], order, mergeKey);
  let merged: List;
  let liveOrder = current ?? [];
  if (current === undefined) {
    if (change === undefined) return undefined;
    merged = withoutDirectives(change) as List;
  } else if (change === undefined) merged = current;
  else if (!type.merges) merged = change;
  else if (mergeKey !== '' && current.length + change.length > 0 && elementKind(current, change) === 'object')
    ({ merged, liveOrder } = mergeKeyed(current, change, type));
  else merged = mergeList(current, change, type, false);
  const inOrder = new Set(order);
  const [patched, untouched] =
    mergeKey === ''
      ? [merged.filter((item) => inOrder.has(item)), merged.filter((item) => !inOrder.has(item))]
      : partition(merged, order, mergeKey);
  elementKind(current ?? [], change ?? []);
  return interleave(sortBy(patched, order, mergeKey), sortBy(untouched, liveOrder, mergeKey), liveOrder, mergeKey);
}

/** The patch's elements (deletions aside) must come in the order's sequence and be part of it. */
function checkOrder(patch: List, order: List, mergeKey: string): void {
  if (order.length === 0 || patch.length === 0) return;
  const present = mergeKey === '' ? patch : patch.filter((item) => asMap(item)['$patch'] !== 'delete');
  let next = 0;
  let position = 0;
  while (next < present.length && position < order.length) {
    const item = present[next]!;
    if (isMap(item) && Object.hasOwn(item, '$patch')) {
      next++;
      continue;
    }
    const same =
      mergeKey === '' ? item === order[position] : keyOf(item, mergeKey) === keyOf(order[position]!, mergeKey);
    if (same) next++;
    position++;
  }
  if (next < present.length)
    throw new StrategicPatchError(
      'internal',
      `The order in patch list:\n${goValue(patch)}\n doesn't match $setElementOrder list:\n${goValue(order)}\n`,
    );
}

/** Elements that are directives: `$patch: delete` takes a live element out, `$patch: replace` drops all live ones. */
function applyElementDirectives(
  original: List,
  patch: List,
  mergeKey: string,
): { readonly kept: List; readonly changes: List; readonly replaced: boolean } {
  let kept = original;
  let replace = false;
  const changes: JsonValue[] = [];
  for (const item of patch) {
    const element = asMap(item);
    if (!Object.hasOwn(element, '$patch')) {
      changes.push(item);
      continue;
    }
    switch (element['$patch']) {
      case 'delete': {
        const key = keyOf(item, mergeKey);
        kept = kept.filter((live) => asMap(live)[mergeKey] !== key);
        break;
      }
      case 'replace':
        replace = true;
        break;
      case 'merge':
        throw new StrategicPatchError('internal', 'merging lists cannot yet be specified in the patch');
      default:
        throw unknownDirective(element['$patch'], element);
    }
  }
  return replace ? { kept: changes, changes: [], replaced: true } : { kept, changes, replaced: false };
}

function mergeElements(original: List, changes: List, type: MergeListType): List {
  const { mergeKey } = type;
  const merged = [...original];
  const places = new Map<unknown, number>();
  for (const [i, item] of merged.entries()) {
    const element = asMap(item);
    if (Object.hasOwn(element, mergeKey) && !places.has(element[mergeKey])) places.set(element[mergeKey], i);
  }
  for (const change of changes) {
    const key = keyOf(change, mergeKey);
    const place = places.get(key);
    if (place !== undefined) merged[place] = type.mergeElement(merged[place] as JsonObject, change as JsonObject);
    else {
      places.set(key, merged.length);
      merged.push(change);
    }
  }
  return merged;
}

/** Elements whose key `by` has, and the others. */
function partition(list: List, by: List, mergeKey: string): readonly [List, List] {
  const keys = new Set<unknown>();
  for (const item of by) {
    const element = asMap(item);
    if (Object.hasOwn(element, mergeKey)) keys.add(element[mergeKey]);
  }
  const inside: JsonValue[] = [];
  const outside: JsonValue[] = [];
  for (const item of list) (keys.has(keyOf(item, mergeKey)) ? inside : outside).push(item);
  return [inside, outside];
}

/**
 * Sorts by the position in `order`. Where an element is not in it, upstream's comparison says "less" both ways and its stable sort then
 * turns the sequence round; the same insertion sort gives the same outcome.
 */
function sortBy(list: List, order: List, mergeKey: string): List {
  const position = positions(order, mergeKey);
  const index = (item: JsonValue): number => position.get(identity(item, mergeKey)) ?? -1;
  if (mergeKey !== '') for (const item of [...list, ...order]) keyOf(item, mergeKey);
  if (list.every((item) => index(item) >= 0)) return [...list].sort((a, b) => index(a) - index(b));
  const sorted = [...list];
  const less = (a: JsonValue, b: JsonValue): boolean => {
    const [i, j] = [index(a), index(b)];
    return i >= 0 && j >= 0 ? i < j : true;
  };
  for (let i = 1; i < sorted.length; i++)
    for (let j = i; j > 0 && less(sorted[j]!, sorted[j - 1]!); j--)
      [sorted[j], sorted[j - 1]] = [sorted[j - 1]!, sorted[j]!];
  return sorted;
}

/** Merges two sorted lists: a live element goes before a patched one only if the live order had them so. */
function interleave(patched: List, untouched: List, liveOrder: List, mergeKey: string): List {
  const position = positions(liveOrder, mergeKey);
  const merged: JsonValue[] = [];
  let i = 0;
  let j = 0;
  while (i < untouched.length && j < patched.length) {
    const left = position.get(identity(untouched[i]!, mergeKey));
    const right = position.get(identity(patched[j]!, mergeKey));
    merged.push(left !== undefined && right !== undefined && left < right ? untouched[i++]! : patched[j++]!);
  }
  while (i < untouched.length) merged.push(untouched[i++]!);
  while (j < patched.length) merged.push(patched[j++]!);
  return merged;
}

function positions(list: List, mergeKey: string): ReadonlyMap<unknown, number> {
  const map = new Map<unknown, number>();
  for (const [i, item] of list.entries()) {
    const id = identity(item, mergeKey);
    if (!map.has(id)) map.set(id, i);
  }
  return map;
}

const identity = (item: JsonValue, mergeKey: string): unknown =>
  mergeKey === '' ? item : isMap(item) ? item[mergeKey] : undefined;

/** Later repeats go; as upstream, the last element takes a removed one's place. */
function withoutRepeats(list: readonly JsonValue[]): List {
  const items = [...list];
  const seen = new Set<JsonValue>();
  for (let i = 0; i < items.length; i++) {
    while (i < items.length && seen.has(items[i]!)) {
      const last = items.pop()!;
      if (i < items.length) items[i] = last;
    }
    if (i < items.length) seen.add(items[i]!);
  }
  return items;
}

/** All elements must be of one kind, and lists of lists are not merged. */
function elementKind(...lists: readonly List[]): string {
  let kind: string | undefined;
  for (const list of lists)
    for (const item of list) {
      const next = kindOf(item);
      if (next === 'array') throw new StrategicPatchError('unprocessable', 'lists of lists are not supported');
      if (kind !== undefined && kind !== next)
        throw new StrategicPatchError('internal', `list element types are not identical: ${goValue(lists)}`);
      kind = next;
    }
  if (kind === undefined) throw new StrategicPatchError('internal', 'no elements in any of the given slices');
  return kind;
}

const isMap = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function asMap(value: JsonValue): JsonObject {
  if (isMap(value)) return value;
  throw wrongType('map[string]interface {}', value);
}

function keyOf(value: JsonValue, mergeKey: string): JsonValue {
  const element = asMap(value);
  const key = Object.hasOwn(element, mergeKey) ? element[mergeKey] : undefined;
  if (key === undefined)
    throw new StrategicPatchError(
      'internal',
      `map: ${goValue(element)} does not contain declared merge key: ${mergeKey}`,
    );
  return key;
}
