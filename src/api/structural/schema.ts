/**
 * Structural schemas (KEP-1693) as they stand in a CustomResourceDefinition: this room reads them where they are and converts nothing.
 * Validation (`api/validation/structural-schemas.ts`) has made sure that every value's type can be told without looking at the value.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.ts';

export type Structural = JSONSchemaProps;

/** Fields of every object that a schema need not name. */
export const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isList = (value: unknown): value is readonly JsonValue[] => Array.isArray(value);

/** The schema of a list's items. */
export const itemsOf = (schema: Structural | undefined): Structural | undefined =>
  isObject(schema?.items) ? (schema.items as Structural) : undefined;

/** What members that are not named must be: a schema, `true` (anything), or `undefined` (there are none). */
export function additionalOf(schema: Structural | undefined): Structural | true | undefined {
  const given = schema?.additionalProperties;
  if (given === true) return true;
  return isObject(given) ? (given as Structural) : undefined;
}

/** The schema of a member, by name or as one of those that are not named. */
export function memberOf(schema: Structural | undefined, key: string): Structural | undefined {
  const named = schema?.properties;
  if (named !== undefined && Object.hasOwn(named, key)) return named[key];
  const additional = additionalOf(schema);
  return additional === true ? undefined : additional;
}

export const preserves = (schema: Structural | undefined): boolean =>
  schema?.['x-kubernetes-preserve-unknown-fields'] === true;
export const isEmbedded = (schema: Structural | undefined): boolean =>
  schema?.['x-kubernetes-embedded-resource'] === true;
export const isIntOrString = (schema: Structural | undefined): boolean =>
  schema?.['x-kubernetes-int-or-string'] === true;

/** A default as it stands, `undefined` for none. */
export const defaultOf = (schema: Structural | undefined): JsonValue | undefined => schema?.default ?? undefined;

/** A copy with another member; the object itself when nothing changes. `undefined` takes the member away. */
export function withMember(object: JsonObject, key: string, value: JsonValue | undefined): JsonObject {
  if (value === undefined) {
    if (!Object.hasOwn(object, key)) return object;
    const { [key]: _gone, ...rest } = object;
    return rest;
  }
  if (object[key] === value) return object;
  const copy: Record<string, JsonValue | undefined> = { ...object };
  setMember(copy, key, value);
  return copy;
}

/** `__proto__` is a name like any other. */
export function setMember(object: Record<string, JsonValue | undefined>, key: string, value: JsonValue): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
