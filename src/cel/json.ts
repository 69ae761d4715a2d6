/** JSON as values of expressions, read where it stands, and back. With a schema, numbers and formats are what it says. Source: apiserver/pkg/cel/common/values.go. */
import type { JsonObject, JsonValue } from '../api/json.ts';
import { additionalOf, isIntOrString, isList, isObject, itemsOf, type Structural } from '../api/structural/schema.ts';
import { formatDuration, formatTimestamp, parseGoDuration, parseTimestamp } from './libraries/time.ts';
import { escapeField, unescapeField } from './names.ts';
import { CelError, Duration, ListValue, MapValue, Optional, Timestamp, TypeValue, Uint, type Value } from './values.ts';

export function fromJson(value: JsonValue, schema?: Structural): Value {
  if (value === null) return null;
  switch (typeof value) {
    case 'string':
      return schema?.format === undefined || schema.type !== 'string' ? value : formatted(value, schema.format);
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      if (schema?.type === 'number') return value;
      return Number.isInteger(value) ? BigInt(value) : value;
  }
  if (isList(value)) return new JsonList(value, schema);
  const object = value as JsonObject;
  if (schema?.properties !== undefined && !isIntOrString(schema)) return new JsonFields(object, schema);
  const additional = additionalOf(schema);
  return new JsonMap(object, additional === true ? undefined : additional);
}

function formatted(text: string, format: string): Value {
  try {
    switch (format) {
      case 'byte':
        return new Uint8Array(Buffer.from(text, 'base64'));
      case 'duration':
        return new Duration(parseGoDuration(text));
      case 'date':
        return parseTimestamp(`${text}T00:00:00Z`);
      case 'date-time':
        return parseTimestamp(text);
      default:
        return text;
    }
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new CelError(`Invalid ${format} formatted string ${JSON.stringify(text)}, err: ${error.message}`, {
      cause: error,
    });
  }
}

class JsonList extends ListValue {
  readonly #items: readonly JsonValue[];
  readonly #schema: Structural | undefined;
  readonly #of: Structural | undefined;
  constructor(items: readonly JsonValue[], schema: Structural | undefined) {
    super();
    this.#items = items;
    this.#schema = schema;
    this.#of = itemsOf(schema);
  }
  get size(): number {
    return this.#items.length;
  }
  at(index: number): Value {
    return fromJson(this.#items[index] ?? null, this.#of);
  }
  override get unordered(): boolean {
    const type = this.#schema?.['x-kubernetes-list-type'];
    return type === 'set' || type === 'map';
  }
  /** Sets take in what they lack; list maps replace items of one key, in place. */
  override concat(other: ListValue): ListValue {
    const type = this.#schema?.['x-kubernetes-list-type'];
    if (!(other instanceof JsonList) || (type !== 'set' && type !== 'map')) return super.concat(other);
    const keys = type === 'map' ? (this.#schema?.['x-kubernetes-list-map-keys'] ?? []) : undefined;
    const keyOf = (item: JsonValue): string =>
      JSON.stringify(keys === undefined || !isObject(item) ? item : keys.map((key) => item[key] ?? null));
    const merged = new Map(this.#items.map((item) => [keyOf(item), item]));
    for (const item of other.#items) {
      const key = keyOf(item);
      if (type === 'map' || !merged.has(key)) merged.set(key, item);
    }
    return new JsonList([...merged.values()], this.#schema);
  }
  json(): readonly JsonValue[] {
    return this.#items;
  }
}

class JsonMap extends MapValue {
  readonly #object: JsonObject;
  readonly #schema: Structural | undefined;
  constructor(object: JsonObject, schema: Structural | undefined) {
    super();
    this.#object = object;
    this.#schema = schema;
  }
  get size(): number {
    return Object.keys(this.#object).length;
  }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#object, key)) return undefined;
    const value = this.#object[key];
    return value === undefined ? undefined : fromJson(value, this.#schema);
  }
  keys(): Iterable<Value> {
    return Object.keys(this.#object);
  }
  json(): JsonObject {
    return this.#object;
  }
}

/** An object with declared fields: their names are written so that expressions can say them. */
class JsonFields extends MapValue {
  readonly #object: JsonObject;
  readonly #schema: Structural;
  constructor(object: JsonObject, schema: Structural) {
    super();
    this.#object = object;
    this.#schema = schema;
  }
  get size(): number {
    return Object.keys(this.#object).length;
  }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const name = unescapeField(key);
    if (!Object.hasOwn(this.#object, name)) return undefined;
    const value = this.#object[name];
    const { properties } = this.#schema;
    const schema = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
    return value === undefined ? undefined : fromJson(value, schema);
  }
  *keys(): Iterable<Value> {
    for (const name of Object.keys(this.#object)) yield escapeField(name) ?? name;
  }
  override get typeName(): string {
    return 'object';
  }
  json(): JsonObject {
    return this.#object;
  }
}

/** @throws CelError for values that JSON cannot say. */
export function toJson(value: Value): JsonValue {
  if (value === null) return null;
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'number':
      return value;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (value instanceof Uint) return toJson(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof JsonList || value instanceof JsonMap || value instanceof JsonFields) return value.json();
  if (value instanceof ListValue) return [...value].map(toJson);
  if (value instanceof MapValue) {
    const out: Record<string, JsonValue> = {};
    for (const key of value.keys()) out[String(key)] = toJson(value.get(key)!);
    return out;
  }
  if (value instanceof Duration) return formatDuration(value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value);
  throw new CelError('the value has no JSON form');
}
