/**
 * An object as it comes back from upstream's store: fields in struct order, map keys in byte order, and lists and maps with nothing in them as the null that
 * protobuf makes of them. Decoding leaves the first two so; admission and strategies may not.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import type { StructType, TypeRef } from '../schema/model.ts';
import { setOwn, sortedKeys } from './own.ts';

/**
 * @param object canonical but for order.
 * @param base an object known to be so stored: what the two share is not looked at again.
 * @returns the same object when there is nothing to do; deep-frozen if the object is.
 */
export function asStored(object: JsonObject, type: StructType, base?: JsonObject): JsonObject {
  return structOf(object, type, base);
}

function structOf(object: JsonObject, type: StructType, base: JsonValue | undefined): JsonObject {
  if (object === base) return object;
  const known = isRecord(base) ? base : undefined;
  const { fieldsByName } = type;
  let last = -1;
  let ordered = true;
  let changes: Record<string, JsonValue> | undefined;
  for (const name in object) {
    const field = fieldsByName.get(name);
    if (field === undefined) return object; // no object of this type: it is not ours to arrange
    if (field.index < last) ordered = false;
    last = field.index;
    const value = object[name]!;
    if (typeof value !== 'object' || value === null) continue;
    const same = known?.[name];
    if (value === same) continue;
    const next =
      !field.pointer && !field.omitEmpty && isEmpty(value, field.type) ? null : arranged(value, field.type, same);
    if (next !== value) (changes ??= {})[name] = next;
  }
  if (ordered && changes === undefined) return object;
  const out: Record<string, JsonValue> = {};
  for (const { name } of type.fields) {
    const value = object[name];
    if (value !== undefined) out[name] = changes !== undefined && Object.hasOwn(changes, name) ? changes[name]! : value;
  }
  return Object.freeze(out);
}

const isRecord = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEmpty = (value: object, type: TypeRef): boolean =>
  type.kind === 'list'
    ? Array.isArray(value) && value.length === 0
    : type.kind === 'map' && Object.keys(value).length === 0;

function arranged(value: JsonValue, type: TypeRef, base: JsonValue | undefined): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  switch (type.kind) {
    case 'struct':
      return structOf(value as JsonObject, type.type, base);
    case 'list': {
      const list = value as readonly JsonValue[];
      if (type.element.kind === 'scalar') return value;
      const known = Array.isArray(base) ? (base as readonly JsonValue[]) : undefined;
      let copy: JsonValue[] | undefined;
      for (let i = 0; i < list.length; i++) {
        const next = arranged(list[i]!, type.element, known?.[i]);
        if (next !== list[i]) (copy ??= list.slice())[i] = next;
      }
      return copy === undefined ? value : Object.freeze(copy);
    }
    case 'map': {
      const map = value as JsonObject;
      const keys = sortedKeys(map);
      let moved = false;
      let i = 0;
      for (const key in map) if (key !== keys[i++]) moved = true;
      let copy: Record<string, JsonValue> | undefined;
      for (const key of keys) {
        const next = arranged(map[key]!, type.value, undefined);
        if (next === map[key] && !moved && copy === undefined) continue;
        if (copy === undefined) {
          copy = {};
          for (const each of keys) setOwn(copy, each, map[each]!);
        }
        setOwn(copy, key, next);
      }
      return copy === undefined ? value : Object.freeze(copy);
    }
    default:
      return value;
  }
}
