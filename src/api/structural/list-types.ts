/** What `x-kubernetes-list-type` promises: no item twice. Source: apiextensions-apiserver/pkg/apiserver/schema/listtype. */
import type { JsonObject, JsonValue } from '../json.ts';
import { at, type ErrorList } from '../validation/error-list.ts';
import { additionalOf, isList, isObject, itemsOf, type Structural } from './schema.ts';

export function validateListTypes(
  errors: ErrorList,
  value: JsonValue,
  schema: Structural | undefined,
  path = '',
): void {
  if (schema === undefined) return;
  if (isList(value)) {
    const type = schema['x-kubernetes-list-type'];
    if (type === 'set') for (const i of repeated(value)) errors.duplicate(at(path, i), value[i]);
    else if (type === 'map') listMap(errors, value, schema['x-kubernetes-list-map-keys'] ?? [], path);
    const items = itemsOf(schema);
    if (items) for (let i = 0; i < value.length; i++) validateListTypes(errors, value[i]!, items, at(path, i));
    return;
  }
  if (!isObject(value)) return;
  const additional = additionalOf(schema);
  const { properties = {} } = schema;
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    if (additional !== undefined && additional !== true) validateListTypes(errors, member, additional, at(path, key));
    if (Object.hasOwn(properties, key))
      validateListTypes(errors, member, properties[key], path === '' ? key : `${path}.${key}`);
  }
}

function listMap(errors: ErrorList, items: readonly JsonValue[], keys: readonly string[], path: string): void {
  for (let i = 0; i < items.length; i++)
    if (items[i] !== null && !isObject(items[i])) {
      errors.invalid(at(path, i), items[i], 'must be an object for an array of list-type map');
      return;
    }
  const keyed = items.map((item): JsonObject => {
    const object = (item ?? {}) as JsonObject;
    return Object.fromEntries(keys.filter((key) => object[key] !== undefined).map((key) => [key, object[key]]));
  });
  for (const i of repeated(keyed)) errors.duplicate(at(path, i), keyed[i]);
}

/** Where each repeated item comes for the second time. */
function repeated(items: readonly JsonValue[]): number[] {
  const seen = new Map<string, number>();
  const found: number[] = [];
  for (let i = 0; i < items.length; i++) {
    const text = textOf(items[i]!);
    const times = seen.get(text) ?? 0;
    if (times === 1) found.push(i);
    seen.set(text, times + 1);
  }
  return found;
}

function textOf(value: JsonValue): string {
  if (typeof value === 'bigint') return String(value);
  if (isList(value)) return `[${value.map(textOf).join(',')}]`;
  if (isObject(value))
    return `{${Object.keys(value)
      .sort()
      .filter((key) => value[key] !== undefined)
      .map((key) => `${JSON.stringify(key)}:${textOf(value[key]!)}`)
      .join(',')}}`;
  return JSON.stringify(value);
}
