/**
 * Defaults of a structural schema. Source: apiextensions-apiserver/pkg/apiserver/schema/defaulting.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { additionalOf, defaultOf, isList, isObject, itemsOf, type Structural, setMember } from './schema.ts';

/** Absent members that have a default get it, and nulls that may not be null. @returns the value itself when nothing is absent. */
export function applySchemaDefaults<T extends JsonValue>(value: T, schema: Structural | undefined): T {
  return defaulted(value, schema) as T;
}

function defaulted(value: JsonValue, schema: Structural | undefined): JsonValue {
  if (schema === undefined) return value;
  if (isList(value)) return eachItem(value, (item, items) => filled(item, items), itemsOf(schema));
  if (!isObject(value)) return value;
  let copy: Record<string, JsonValue | undefined> | undefined;
  const set = (key: string, next: JsonValue): void => {
    copy ??= { ...value };
    setMember(copy, key, next);
  };
  const { properties = {} } = schema;
  for (const key of Object.keys(properties)) {
    const property = properties[key]!;
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    const wanted = given === undefined || (given === null && !property.nullable) ? defaultOf(property) : undefined;
    if (given === undefined && wanted === undefined) continue;
    const next = defaulted(wanted ?? given!, property);
    if (next !== given) set(key, next);
  }
  const additional = additionalOf(schema);
  if (additional !== undefined && additional !== true)
    for (const key of Object.keys(value)) {
      const given = value[key];
      if (given === undefined || Object.hasOwn(properties, key)) continue;
      const next = filled(given, additional);
      if (next !== given) set(key, next);
    }
  return copy ?? value;
}

/** An item or a member without a name: its null becomes the default, where it may not be null. */
function filled(value: JsonValue, schema: Structural): JsonValue {
  const wanted = value === null && !schema.nullable ? defaultOf(schema) : undefined;
  return defaulted(wanted ?? value, schema);
}

function eachItem(
  items: readonly JsonValue[],
  visit: (item: JsonValue, schema: Structural) => JsonValue,
  schema: Structural | undefined,
): readonly JsonValue[] {
  if (schema === undefined) return items;
  let copy: JsonValue[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const next = visit(items[i]!, schema);
    if (next !== items[i]) (copy ??= [...items])[i] = next;
  }
  return copy ?? items;
}

/** Nulls that stand for nothing go: members that may not be null and have no default. Source: PruneNonNullableNullsWithoutDefaults. */
export function withoutNulls(object: JsonObject, schema: Structural | undefined): JsonObject {
  return cleaned(object, schema) as JsonObject;
}

function cleaned(value: JsonValue, schema: Structural | undefined): JsonValue {
  if (schema === undefined || value === null) return value;
  if (isList(value)) return eachItem(value, cleaned, itemsOf(schema));
  if (!isObject(value)) return value;
  let copy: Record<string, JsonValue | undefined> | undefined;
  const { properties = {} } = schema;
  const additional = additionalOf(schema);
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    const named = Object.hasOwn(properties, key);
    const at = named ? properties[key] : additional === true ? undefined : additional;
    if (at === undefined) continue;
    if (member === null) {
      if (at.nullable || defaultOf(at) !== undefined) continue;
      copy ??= { ...value };
      delete copy[key];
      continue;
    }
    const next = cleaned(member, at);
    if (next === member) continue;
    copy ??= { ...value };
    setMember(copy, key, next);
  }
  return copy ?? value;
}
