/**
 * Sets of field paths in their API form, `FieldsV1`: a tree whose keys are `f:NAME`, `k:{"KEY":VALUE}`, `v:VALUE` or `i:INDEX`. A node
 * without children is a member of the set; a node with children is one when it also holds `.`. The root is no member.
 * Sets are frozen and shared; every operation returns its argument when it changes nothing. Source: structured-merge-diff/fieldpath.
 */
import type { JsonObject, JsonValue } from '../json.ts';

export type FieldSet = JsonObject;
/** A set that is being built. */
export type DraftFieldSet = Record<string, JsonValue>;

/** A member without children. */
export const leaf: FieldSet = Object.freeze({});

/** Whether the path to this node is in the set, not only paths below it. */
export const isMember = (node: FieldSet): boolean => {
  for (const _key in node) return Object.hasOwn(node, '.');
  return true;
};

export const isEmptySet = (set: FieldSet | undefined): boolean => set === undefined || Object.keys(set).length === 0;

/** Members of either. */
export function unionOf(a: FieldSet, b: FieldSet): FieldSet {
  return uniteChildren(a, b, false);
}

function unite(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  return uniteChildren(a, b, isMember(a) || isMember(b));
}

function uniteChildren(a: FieldSet, b: FieldSet, member: boolean): FieldSet {
  const keys = Object.keys(a);
  let changed = member && !isMember(a);
  for (const key of Object.keys(b)) {
    if (key !== '.' && !Object.hasOwn(a, key)) {
      keys.push(key);
      changed = true;
    }
  }
  const children: [string, JsonValue][] = [];
  for (const key of keys) {
    if (key === '.') continue;
    const left = Object.hasOwn(a, key) ? (a[key] as FieldSet) : undefined;
    const right = Object.hasOwn(b, key) ? (b[key] as FieldSet) : undefined;
    const united = left && right ? unite(left, right) : (left ?? right!);
    if (united !== left) changed = true;
    children.push([key, united]);
  }
  if (!changed) return a;
  if (children.length === 0) return leaf;
  return buildNode(member, children);
}

/** Members of `a` that are not members of `b`; `undefined` when none are left. */
export function differenceOf(a: FieldSet, b: FieldSet): FieldSet | undefined {
  return subtract(a, b, false);
}

function subtract(a: FieldSet, b: FieldSet, member: boolean): FieldSet | undefined {
  let changed = false;
  const children: [string, JsonValue][] = [];
  let had = false;
  for (const key of Object.keys(a)) {
    if (key === '.') {
      had = true;
      continue;
    }
    const left = a[key] as FieldSet;
    const right = Object.hasOwn(b, key) ? (b[key] as FieldSet) : undefined;
    const rest = right === undefined ? left : subtract(left, right, isMember(left) && !isMember(right));
    if (rest !== left) changed = true;
    if (rest !== undefined) children.push([key, rest]);
  }
  if (children.length === 0) return member ? (a === leaf ? a : leaf) : undefined;
  if (!changed && had === member) return a;
  return buildNode(member, children);
}

/** Members of both; `undefined` when there are none. */
export function intersectionOf(a: FieldSet, b: FieldSet): FieldSet | undefined {
  return intersect(a, b, false);
}

function intersect(a: FieldSet, b: FieldSet, member: boolean): FieldSet | undefined {
  const children: [string, JsonValue][] = [];
  for (const key of Object.keys(a)) {
    if (key === '.' || !Object.hasOwn(b, key)) continue;
    const left = a[key] as FieldSet;
    const right = b[key] as FieldSet;
    const common = left === right ? left : intersect(left, right, isMember(left) && isMember(right));
    if (common !== undefined) children.push([key, common]);
  }
  if (children.length === 0) return member ? leaf : undefined;
  return buildNode(member, children);
}

/** Without these fields and all below them; `undefined` when nothing is left. Field names only. */
export function withoutFields(set: FieldSet, paths: readonly (readonly (string | number)[])[]): FieldSet | undefined {
  let rest: FieldSet | undefined = set;
  for (const path of paths) {
    if (rest === undefined) return undefined;
    rest = dropPath(rest, path, 0);
  }
  return rest;
}

function dropPath(node: FieldSet, path: readonly (string | number)[], depth: number): FieldSet | undefined {
  const key = `f:${path[depth]}`;
  if (!Object.hasOwn(node, key)) return node;
  const child = node[key] as FieldSet;
  const rest = depth === path.length - 1 ? undefined : dropPath(child, path, depth + 1);
  if (rest === child) return node;
  const copy: DraftFieldSet = {};
  let count = 0;
  for (const name of Object.keys(node)) {
    const value = name === key ? rest : node[name];
    if (value === undefined) continue;
    copy[name] = value;
    count++;
  }
  return count === 0 ? undefined : Object.freeze(copy);
}

/**
 * Only these fields with all below them, and what stands on the way to them; `undefined` when nothing is left. `*` is any one step.
 * Source: structured-merge-diff/fieldpath/set.go (FilterIncludeMatches).
 */
export function onlyFields(
  set: FieldSet,
  paths: readonly (readonly (string | number)[])[],
  depth = 0,
): FieldSet | undefined {
  const node: DraftFieldSet = {};
  let count = 0;
  for (const key of Object.keys(set)) {
    const child = set[key] as FieldSet;
    if (key === '.') {
      node[key] = child;
      count++;
      continue;
    }
    const matching = paths.filter((path) => path[depth] === '*' || key === `f:${path[depth]}`);
    if (matching.length === 0) continue;
    const whole = isLeafNode(child) || matching.some((path) => path.length === depth + 1);
    const rest = whole ? child : onlyFields(child, matching, depth + 1);
    if (rest === undefined) continue;
    node[key] = rest;
    count++;
  }
  return count === 0 ? undefined : Object.freeze(node);
}

function isLeafNode(node: FieldSet): boolean {
  for (const _key in node) return false;
  return true;
}

function buildNode(member: boolean, children: [string, JsonValue][]): FieldSet {
  const node: DraftFieldSet = {};
  if (member) node['.'] = leaf;
  for (const [key, child] of sortElements(children)) node[key] = child;
  return Object.freeze(node);
}

/** Whether a value from outside has the form of a set, so that it may be worked with. */
export function isFieldSet(value: JsonValue | undefined): value is FieldSet {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const [key, child] of Object.entries(value as JsonObject)) {
    if (key !== '.' && !key.includes(':')) return false;
    if (!isFieldSet(child)) return false;
  }
  return true;
}

/** In upstream's order: names before keys before values before indexes; keys and values by what they hold. In place. */
export function sortElements<T>(entries: [string, T][]): [string, T][] {
  for (let i = 1; i < entries.length; i++)
    if (compareElements(entries[i - 1]![0], entries[i]![0]) > 0)
      return entries.sort((a, b) => compareElements(a[0], b[0]));
  return entries;
}

const rank = 'fkvi';

/** @returns negative, 0 or positive */
export function compareElements(a: string, b: string): number {
  if (a[0] !== b[0]) return rank.indexOf(a[0]!) - rank.indexOf(b[0]!);
  switch (a[0]) {
    case 'k': {
      const quick = compareInString(a, b);
      if (quick !== undefined) return quick;
      const [left, right] = [parse(a), parse(b)];
      if (typeof left === 'object' && typeof right === 'object' && left !== null && right !== null)
        return compareKeys(left as JsonObject, right as JsonObject);
      break;
    }
    case 'v':
    case 'i':
      return compareScalars(parse(a), parse(b));
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Decides without parsing when the first difference lies inside a string value, the usual case. */
function compareInString(a: string, b: string): number | undefined {
  let inString = false;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === backslash || right === backslash) return undefined;
    if (left !== right) return !inString ? undefined : left === quote ? -1 : right === quote ? 1 : left - right;
    if (left === quote) inString = !inString;
  }
  return a.length - b.length;
}
const quote = 0x22;
const backslash = 0x5c;

function compareKeys(a: JsonObject, b: JsonObject): number {
  const left = Object.entries(a);
  const right = Object.entries(b);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [name, other] = [left[i]![0], right[i]![0]];
    if (name !== other) return name < other ? -1 : 1;
    const order = compareScalars(left[i]![1], right[i]![1]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** Numbers before strings before booleans before null, as upstream compares values. */
function compareScalars(a: unknown, b: unknown): number {
  const order = kindRank(a) - kindRank(b);
  if (order !== 0) return order;
  if (typeof a === 'boolean' || typeof a === 'number' || typeof a === 'string' || typeof a === 'bigint')
    return a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0;
  return 0;
}

const kindRank = (value: unknown): number =>
  typeof value === 'number' || typeof value === 'bigint'
    ? 0
    : typeof value === 'string'
      ? 1
      : typeof value === 'boolean'
        ? 2
        : 3;

function parse(element: string): unknown {
  try {
    return JSON.parse(element.slice(2));
  } catch (error) {
    // Only a client's hand-written entry can be no JSON; it is ordered as text.
    if (error instanceof SyntaxError) return element;
    throw error;
  }
}

/** `v:"a"` */
export const valueElement = (value: JsonValue): string => `v:${scalarText(value)}`;

/** What is JSON as it stands: names, paths, images, numbers. */
const plainText = /^[\w\-./:=@ ]*$/;

/** JSON of a key or set value, with the characters escaped that Go's encoder escapes. */
export function scalarText(value: JsonValue): string {
  if (typeof value === 'string') {
    if (plainText.test(value)) return `"${value}"`;
    const text = JSON.stringify(value);
    return /[<>&\u2028\u2029]/.test(text)
      ? text.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
      : text;
  }
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
