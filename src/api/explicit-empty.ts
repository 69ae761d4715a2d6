/**
 * Lists and maps that were given, but empty. Encoded they are the same as absent ones, so canonical objects do not hold them; upstream, whose
 * objects in memory tell `[]` from nil until they are stored, shows the difference in messages and in a few comparisons. The mark is a symbol's
 * property: it travels with path copies and is in nobody's way.
 */
import type { JsonObject, JsonValue } from './json.ts';

const mark: unique symbol = Symbol('given, but empty');
type Marked = { readonly [mark]?: Readonly<Record<string, JsonValue>> };

const emptyList: JsonValue = Object.freeze([]);
const emptyMap: JsonValue = Object.freeze({});

/** Notes on a struct under construction that its field was given, but empty. */
export function markEmpty(out: object, name: string, kind: 'list' | 'map'): void {
  const marked = out as { [mark]?: Readonly<Record<string, JsonValue>> };
  marked[mark] = { ...marked[mark], [name]: kind === 'list' ? emptyList : emptyMap };
}

/** Passes the marks on to an object that is built anew; those of fields that it has do no harm. */
export function keepMarks(from: object, to: object): void {
  const marked = (from as Marked)[mark];
  if (marked !== undefined) (to as { [mark]?: Readonly<Record<string, JsonValue>> })[mark] = marked;
}

/** @returns `[]` or `{}` where the absent field was given so, else undefined. */
export const givenEmpty = (object: object | null | undefined, name: string): JsonValue | undefined =>
  (object as Marked | null | undefined)?.[mark]?.[name];

/** The field as upstream prints it: its value, `[]` or `{}` as given, else null. */
export const shownField = (object: object | null | undefined, name: string): JsonValue =>
  (object as JsonObject | null | undefined)?.[name] ?? givenEmpty(object, name) ?? null;

/** The same where only the items of lists count: upstream compares lists as a whole, structs field by field without those that are empty. */
export function sameEmptinessInLists(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return true;
  if (Array.isArray(a)) return sameEmptiness(a as JsonValue, b);
  return Object.keys(a).every((name) => sameEmptinessInLists((a as JsonObject)[name], (b as JsonObject)[name]));
}

/** Whether the two differ only, or not even, in what is empty: upstream's reflect.DeepEqual where sameJson stands for its semantic one. */
export function sameEmptiness(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b)) return true;
    return a.every((item, i) => sameEmptiness(item as JsonValue, b[i] as JsonValue | undefined));
  }
  const [x, y] = [(a as Marked)[mark], (b as Marked)[mark]];
  for (const name of new Set([...Object.keys(x ?? {}), ...Object.keys(y ?? {})]))
    if ((a as JsonObject)[name] === undefined && (b as JsonObject)[name] === undefined && x?.[name] !== y?.[name])
      return false;
  return Object.keys(a).every((name) => sameEmptiness((a as JsonObject)[name], (b as JsonObject)[name]));
}
