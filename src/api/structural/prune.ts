/**
 * What a schema does not name is taken away. Source: apiextensions-apiserver/pkg/apiserver/schema/pruning.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import {
  additionalOf,
  isEmbedded,
  isList,
  isObject,
  itemsOf,
  metaFields,
  preserves,
  type Structural,
  setMember,
} from './schema.ts';

export interface Pruned {
  /** The object itself when nothing went. */
  readonly value: JsonObject;
  /** Paths of what went, sorted: `spec.foo`, `spec.list[0].bar`. */
  readonly unknown: readonly string[];
}

/** @param schema of the whole object; kind, apiVersion and metadata are never pruned here. */
export function prune(object: JsonObject, schema: Structural | undefined): Pruned {
  const walk = new Walk();
  const root: Structural = { ...schema, 'x-kubernetes-embedded-resource': true };
  const value = walk.value(object, root, '') as JsonObject;
  return { value, unknown: walk.unknown.sort() };
}

class Walk {
  readonly unknown: string[] = [];

  value(value: JsonValue, schema: Structural | undefined, path: string): JsonValue {
    if (preserves(schema)) return this.#preserved(value, schema, path);
    if (isList(value)) return this.#items(value, (item, at) => this.value(item, itemsOf(schema), at), path);
    if (!isObject(value)) return value;
    const embedded = isEmbedded(schema);
    const additional = additionalOf(schema);
    const properties = schema?.properties;
    return this.#members(value, (member, key) => {
      if (embedded && metaFields.has(key)) return member;
      const at = path === '' ? key : `${path}.${key}`;
      if (properties !== undefined && Object.hasOwn(properties, key)) return this.value(member, properties[key], at);
      if (additional !== undefined) return this.value(member, additional === true ? undefined : additional, at);
      if (path !== '' || !metaFields.has(key)) this.unknown.push(at);
      return undefined;
    });
  }

  /** Unknown members stay; what the schema does name is looked into. */
  #preserved(value: JsonValue, schema: Structural | undefined, path: string): JsonValue {
    if (schema === undefined) return value;
    if (isList(value)) {
      const items = itemsOf(schema);
      return items === undefined ? value : this.#items(value, (item, at) => this.#preserved(item, items, at), path);
    }
    if (!isObject(value)) return value;
    const embedded = isEmbedded(schema);
    const additional = additionalOf(schema);
    const { properties } = schema;
    return this.#members(value, (member, key) => {
      if (embedded && metaFields.has(key)) return member;
      const at = path === '' ? key : `${path}.${key}`;
      if (properties !== undefined && Object.hasOwn(properties, key)) return this.value(member, properties[key], at);
      if (additional === undefined) return member;
      return this.value(member, additional === true ? undefined : additional, at);
    });
  }

  #items(
    items: readonly JsonValue[],
    visit: (item: JsonValue, path: string) => JsonValue,
    path: string,
  ): readonly JsonValue[] {
    let copy: JsonValue[] | undefined;
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!;
      if (typeof item !== 'object' || item === null) continue;
      const next = visit(item, `${path}[${i}]`);
      if (next !== item) (copy ??= [...items])[i] = next;
    }
    return copy ?? items;
  }

  #members(object: JsonObject, visit: (member: JsonValue, key: string) => JsonValue | undefined): JsonObject {
    let changed = false;
    const copy: Record<string, JsonValue | undefined> = {};
    for (const key of Object.keys(object)) {
      const member = object[key];
      if (member === undefined) continue;
      const next = visit(member, key);
      if (next !== member) changed = true;
      if (next !== undefined) setMember(copy, key, next);
    }
    return changed ? copy : object;
  }
}
