/**
 * Path-copy edits of frozen objects (decision 3): a new spine, shared leaves, the original untouched. Nothing is copied when nothing
 * changes, so `===` tells whether an edit did anything.
 *
 * Results are frozen along the new spine; new values given to an edit are frozen deeply and belong to the result.
 */
import { deepFreeze } from './freeze.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { KubeObject } from './object.ts';
import type { ObjectMeta, OwnerReference } from './types/meta-v1.ts';

/** Object keys and array indexes. */
export type JsonPath = readonly (string | number)[];

/** The value at a path, own properties only; `undefined` where a step is missing or not a container. */
export function getIn(value: JsonValue | undefined, path: JsonPath): JsonValue | undefined {
  let current: JsonValue | undefined = value;
  for (let i = 0; i < path.length; i++) {
    if (typeof current !== 'object' || current === null) return undefined;
    const step = path[i]!;
    current = Object.hasOwn(current, step) ? (current as JsonObject)[step] : undefined;
  }
  return current;
}

/**
 * Sets the value at a path; `undefined` removes the key. Missing objects on the way are made (unless removing). An array takes an index up
 * to its length; removing from an array closes the gap. @throws TypeError when a step meets a scalar or a wrong array index.
 */
export function setIn<T extends JsonValue | KubeObject>(object: T, path: JsonPath, value: unknown): T {
  return setAt(object as JsonValue, path, 0, value as JsonValue | undefined) as T;
}

function setAt(
  current: JsonValue | undefined,
  path: JsonPath,
  depth: number,
  value: JsonValue | undefined,
): JsonValue | undefined {
  if (depth === path.length) return deepFreeze(value);
  const step = path[depth]!;
  if (Array.isArray(current)) {
    if (typeof step !== 'number' || step < 0 || step > current.length)
      throw new TypeError(`No array index ${JSON.stringify(step)} at ${describe(path, depth)}`);
    const old = current[step] as JsonValue | undefined;
    const next = setAt(old, path, depth + 1, value);
    if (next === old) return current;
    const copy = current.slice();
    if (next === undefined) copy.splice(step, 1);
    else copy[step] = next;
    return Object.freeze(copy);
  }
  if (current !== undefined && current !== null && typeof current !== 'object')
    throw new TypeError(`Not an object at ${describe(path, depth)}`);
  const object = (current ?? {}) as JsonObject;
  const key = String(step);
  const old = Object.hasOwn(object, key) ? object[key] : undefined;
  if (value === undefined && old === undefined) return current;
  const next = setAt(old, path, depth + 1, value);
  if (next === old) return current;
  return Object.freeze(next === undefined ? withoutKey(object, key) : withKey(object, key, next));
}

const describe = (path: JsonPath, depth: number): string => (depth === 0 ? 'the root' : path.slice(0, depth).join('.'));

/** A shallow copy with one key set, in place when the key exists. Safe for `__proto__`. */
function withKey(object: JsonObject, key: string, value: JsonValue): JsonObject {
  const copy = { ...object };
  if (key === '__proto__')
    Object.defineProperty(copy, key, { value, enumerable: true, writable: true, configurable: true });
  else copy[key] = value;
  return copy;
}

function withoutKey(object: JsonObject, key: string): JsonObject {
  const { [key]: _dropped, ...rest } = object;
  return rest;
}

/** Replaces some top-level fields; `undefined` removes one. Returns the same object when nothing changes. */
export function withFields<T extends object>(object: T, fields: { readonly [K in keyof T]?: T[K] | undefined }): T {
  let changed = false;
  for (const key in fields) if (fields[key] !== object[key]) changed = true;
  if (!changed) return object;
  const copy: Partial<Record<string, unknown>> = { ...object };
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) delete copy[key];
    else copy[key] = deepFreeze(value);
  }
  return Object.freeze(copy) as T;
}

/** Sets metadata fields; `undefined` removes one. */
export function withMetadata<T extends { readonly metadata?: ObjectMeta }>(
  object: T,
  fields: { readonly [K in keyof ObjectMeta]?: ObjectMeta[K] | undefined },
): T {
  const metadata = withFields<ObjectMeta>(object.metadata ?? {}, fields);
  return metadata === object.metadata ? object : (Object.freeze({ ...object, metadata }) as T);
}

export function withLabel<T extends { readonly metadata?: ObjectMeta }>(
  object: T,
  key: string,
  value: string | undefined,
): T {
  return setIn(object as KubeObject & T, ['metadata', 'labels', key], value);
}

export function withAnnotation<T extends { readonly metadata?: ObjectMeta }>(
  object: T,
  key: string,
  value: string | undefined,
): T {
  return setIn(object as KubeObject & T, ['metadata', 'annotations', key], value);
}

export function withOwnerReferences<T extends { readonly metadata?: ObjectMeta }>(
  object: T,
  ownerReferences: readonly OwnerReference[],
): T {
  return withMetadata(object, { ownerReferences: ownerReferences.length === 0 ? undefined : ownerReferences });
}

/** Adds a finalizer at the end unless it is there. */
export function withFinalizer<T extends { readonly metadata?: ObjectMeta }>(object: T, finalizer: string): T {
  const finalizers = object.metadata?.finalizers ?? [];
  return finalizers.includes(finalizer) ? object : withMetadata(object, { finalizers: [...finalizers, finalizer] });
}

export function withoutFinalizer<T extends { readonly metadata?: ObjectMeta }>(object: T, finalizer: string): T {
  const finalizers = object.metadata?.finalizers ?? [];
  if (!finalizers.includes(finalizer)) return object;
  const rest = finalizers.filter((f) => f !== finalizer);
  return withMetadata(object, { finalizers: rest.length === 0 ? undefined : rest });
}

/** Same JSON value, whatever the order of keys. An undefined property counts as missing. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!sameJson(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  const left = a as JsonObject;
  const right = b as JsonObject;
  // Plain objects have no enumerable inherited keys, so `for in` sees the own ones without making a list of them.
  let count = 0;
  for (const key in left) {
    const value = left[key];
    if (value === undefined) continue;
    count++;
    const other = right[key];
    if (value !== other && (!Object.hasOwn(right, key) || !sameJson(value, other))) return false;
  }
  for (const key in right) if (right[key] !== undefined) count--;
  return count === 0;
}
