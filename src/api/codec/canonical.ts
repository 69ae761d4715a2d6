/**
 * The fast half of decoding: from a plain tree and a struct type to the canonical, deep-frozen tree, which is what upstream would write
 * after reading the same input: struct fields in schema order, unknown ones dropped, Go's zero values written or omitted as the field's
 * tags say, map keys in UTF-8 byte order, quantities, times and base64 in their normal form.
 *
 * It does not word errors. Where the input does not fit it sets `bad`, where it holds unknown fields `unknown`, and the exact half
 * (exact.ts) walks the input again in text order and says what upstream says.
 */
import { markEmpty } from '../explicit-empty.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { canonicalQuantity } from '../quantity.ts';
import type { FieldSchema, SpecialType, StructType, TypeRef } from '../schema/model.ts';
import { canonicalBase64 } from './base64.ts';
import { maxKeptDepth } from './json-text.ts';
import { setOwn, sortedKeys } from './own.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';

/** A number literal that is not a plain integer; only trees from the exact parser hold it. */
export class NumberLiteral {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

type Out = Record<string, JsonValue>;
const omit = Symbol('omit');
type Field = JsonValue | typeof omit;

const int64Min = -(2n ** 63n);
const int64Max = 2n ** 63n - 1n;
const emptyList: readonly JsonValue[] = Object.freeze([]);

export class Canonical {
  /** The input does not fit the type; the result is to be thrown away. */
  bad = false;
  /** The input held fields the type does not have. */
  unknown = false;
  /** The result holds an empty list or map that comes back from the store as null (`asStored`). */
  hollow = false;
  /** Object members in the input; a parser that saw more of them in the text knows that some came twice. */
  members = 0;
  readonly #owned: boolean;
  /** The fields of the structs under way, one stretch each: a stack, so that no struct makes a list of its own. */
  readonly #given: FieldSchema[] = [];
  #top = 0;

  /** @param owned the input comes fresh from `JSON.parse`: untyped parts are frozen in place instead of copied. */
  constructor(owned: boolean) {
    this.#owned = owned;
  }

  /** @param input a plain value, own enumerable properties; `undefined` members count as absent. */
  struct(type: StructType, input: unknown): JsonObject {
    const out: Out = {};
    if (!isObject(input)) {
      if (input !== null && input !== undefined) this.bad = true;
      for (const field of type.alwaysWritten) writeZero(field, out);
      return Object.freeze(out);
    }
    const { alwaysWritten } = type;
    const fields = this.#given;
    const from = this.#top;
    const to = this.#giveFields(type, input);
    let due = 0;
    for (let i = from; i < to; i++) {
      const field = fields[i]!;
      while (due < alwaysWritten.length && alwaysWritten[due]!.index < field.index)
        writeZero(alwaysWritten[due++]!, out);
      if (due < alwaysWritten.length && alwaysWritten[due] === field) due++;
      const member = input[field.name];
      if (member === null) {
        if (alwaysWritten.includes(field)) writeZero(field, out);
        continue;
      }
      const value = this.#field(field, member, type);
      if (value !== omit) out[field.name] = value;
      else if (field.type.kind === 'list' || field.type.kind === 'map') markEmpty(out, field.name, field.type.kind);
    }
    this.#top = from;
    while (due < alwaysWritten.length) writeZero(alwaysWritten[due++]!, out);
    return Object.freeze(out);
  }

  /** Puts the known fields that were given on top of the stack, in schema order. @returns the new top */
  #giveFields(type: StructType, input: Readonly<Record<string, unknown>>): number {
    const given = this.#given;
    const { fieldsByName } = type;
    const from = this.#top;
    let to = from;
    // Plain objects have no enumerable inherited keys, so `for in` sees the own ones without making a list of them.
    for (const key in input) {
      this.members++;
      const member = input[key];
      if (member === undefined) continue;
      const field = fieldsByName.get(key);
      if (field === undefined) {
        this.unknown = true;
        if (this.#owned) this.members += countMembers(member);
        continue;
      }
      // By insertion: a struct has few members, and clients' orders are nearly the schema's.
      let at = to++;
      for (; at > from && given[at - 1]!.index > field.index; at--) given[at] = given[at - 1]!;
      given[at] = field;
    }
    this.#top = to;
    return to;
  }

  #field(field: FieldSchema, given: unknown, owner: StructType): Field {
    const { type, pointer, omitEmpty } = field;
    switch (type.kind) {
      case 'scalar': {
        const value = this.#scalar(type.scalar, given);
        return omitEmpty && !pointer && (value === '' || value === 0 || value === false || value === null)
          ? omit
          : value;
      }
      case 'list': {
        const value = this.#list(type.element, given, owner);
        if (pointer || value.length > 0) return value;
        if (omitEmpty) return omit;
        this.hollow = true;
        return value;
      }
      case 'map': {
        const value = this.#map(type.value, given, owner);
        if (pointer || !isEmpty(value)) return value;
        if (omitEmpty) return omit;
        this.hollow = true;
        return value;
      }
      case 'struct': {
        const value = this.struct(type.type, given);
        return field.omitZero && !pointer && isEmpty(value) ? omit : value;
      }
      case 'special': {
        const value = this.#special(type.special, given, owner);
        return field.omitZero && !pointer && value === null ? omit : value;
      }
    }
  }

  #value(type: TypeRef, given: unknown, owner: StructType): JsonValue {
    if (given === null || given === undefined) return zeroValue(type);
    switch (type.kind) {
      case 'scalar':
        return this.#scalar(type.scalar, given);
      case 'list':
        return this.#list(type.element, given, owner);
      case 'map':
        return this.#map(type.value, given, owner);
      case 'struct':
        return this.struct(type.type, given);
      case 'special':
        return this.#special(type.special, given, owner);
    }
  }

  #list(element: TypeRef, given: unknown, owner: StructType): readonly JsonValue[] {
    if (!Array.isArray(given)) {
      this.bad = true;
      return emptyList;
    }
    const out: JsonValue[] = [];
    for (let i = 0; i < given.length; i++) out.push(this.#value(element, given[i], owner));
    return Object.freeze(out);
  }

  #map(type: TypeRef, given: unknown, owner: StructType): JsonObject {
    const out: Out = {};
    if (!isObject(given)) {
      this.bad = true;
      return Object.freeze(out);
    }
    const keys = sortedKeys(given);
    this.members += keys.length;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (given[key] === undefined) continue;
      setOwn(out, wellFormed(key), this.#value(type, given[key], owner));
    }
    return Object.freeze(out);
  }

  #scalar(scalar: string, given: unknown): JsonValue {
    switch (scalar) {
      case 'string':
        if (typeof given === 'string') return wellFormed(given);
        break;
      case 'boolean':
        if (typeof given === 'boolean') return given;
        break;
      case 'int32':
        if (typeof given === 'number' && (given | 0) === given) return given | 0;
        break;
      case 'int64':
        if (typeof given === 'number' && Number.isSafeInteger(given)) return given === 0 ? 0 : given;
        if (typeof given === 'bigint' && given >= int64Min && given <= int64Max)
          return Number.isSafeInteger(Number(given)) ? Number(given) : given;
        break;
      case 'double': {
        const value =
          given instanceof NumberLiteral ? Number(given.source) : typeof given === 'bigint' ? Number(given) : given;
        if (typeof value === 'number' && Number.isFinite(value)) return value === 0 ? 0 : value;
        break;
      }
      case 'bytes':
        if (typeof given === 'string') return this.#attempt(canonicalBase64, given);
    }
    this.bad = true;
    return null;
  }

  #special(special: SpecialType, given: unknown, owner: StructType): JsonValue {
    switch (special) {
      case 'Quantity': {
        const text =
          typeof given === 'number' || typeof given === 'bigint'
            ? String(given)
            : given instanceof NumberLiteral
              ? given.source
              : given;
        if (typeof text === 'string') return this.#attempt(canonicalQuantity, text.trim());
        break;
      }
      case 'Time':
        if (typeof given === 'string') return this.#attempt(canonicalTime, given);
        break;
      case 'MicroTime':
        if (typeof given === 'string') return this.#attempt(canonicalMicroTime, given);
        break;
      case 'IntOrString':
        if (typeof given === 'string') return wellFormed(given);
        if (typeof given === 'number' && (given | 0) === given) return given | 0;
        break;
      case 'Duration':
        if (typeof given === 'string') return given;
        break;
      case 'JSONSchemaPropsOrBool':
        if (typeof given === 'boolean') return given;
        if (isObject(given)) return this.struct(owner, given);
        break;
      case 'JSONSchemaPropsOrArray':
        if (isObject(given)) return this.struct(owner, given);
        if (Array.isArray(given)) return this.#list({ kind: 'struct', type: owner }, given, owner);
        break;
      case 'JSONSchemaPropsOrStringArray':
        if (isObject(given)) return this.struct(owner, given);
        if (Array.isArray(given)) return this.#list({ kind: 'scalar', scalar: 'string' }, given, owner);
        break;
      case 'FieldsV1':
      case 'RawExtension':
      case 'JSON':
      case 'Patch':
      case 'Any':
        return this.raw(given);
    }
    this.bad = true;
    return null;
  }

  /** Any JSON value, copied and frozen; members keep their order. */
  raw(given: unknown, depth = 1): JsonValue {
    if (typeof given === 'string') return wellFormed(given);
    if (this.#owned && typeof given === 'object' && given !== null) {
      this.#freeze(given);
      return given as JsonValue;
    }
    if (typeof given === 'number') {
      if (!Number.isFinite(given)) this.bad = true;
      return given === 0 ? 0 : given;
    }
    if (given === null || given === undefined) return null;
    if (typeof given === 'boolean' || typeof given === 'bigint') return given;
    if (given instanceof NumberLiteral) return this.raw(Number(given.source));
    if (depth > maxKeptDepth) {
      this.bad = true;
      return null;
    }
    if (Array.isArray(given)) {
      const out: JsonValue[] = [];
      for (let i = 0; i < given.length; i++) out.push(this.raw(given[i], depth + 1));
      return Object.freeze(out);
    }
    if (isObject(given)) {
      const out: Out = {};
      for (const key of Object.keys(given))
        if (given[key] !== undefined) setOwn(out, wellFormed(key), this.raw(given[key], depth + 1));
      return Object.freeze(out);
    }
    this.bad = true;
    return null;
  }

  /** A tree of `JSON.parse`, whose depth is bounded. */
  #freeze(given: object): void {
    const children = Object.values(given) as unknown[];
    if (!Array.isArray(given)) this.members += children.length;
    for (let i = 0; i < children.length; i++) {
      const child = children[i];
      if (typeof child === 'object' && child !== null) this.#freeze(child);
    }
    Object.freeze(given);
  }

  #attempt<T extends JsonValue>(form: (text: string) => T, text: string): T | null {
    try {
      return form(text);
    } catch {
      this.bad = true; // exact.ts calls the same function again and reports its message
      return null;
    }
  }
}

/** What upstream writes for an `alwaysWritten` field that was not given. */
function writeZero({ name, type, pointer }: FieldSchema, out: Out): void {
  out[name] = pointer ? null : zeroValue(type);
}

function zeroValue(type: TypeRef): JsonValue {
  switch (type.kind) {
    case 'scalar':
      return type.scalar === 'string' ? '' : type.scalar === 'boolean' ? false : type.scalar === 'bytes' ? null : 0;
    case 'list':
    case 'map':
      return null;
    case 'struct': {
      const out: Out = {};
      for (const field of type.type.alwaysWritten) writeZero(field, out);
      return Object.freeze(out);
    }
    case 'special':
      return type.special === 'Quantity'
        ? '0'
        : type.special === 'IntOrString'
          ? 0
          : type.special === 'Duration'
            ? '0s'
            : null;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberLiteral);

function isEmpty(value: JsonObject): boolean {
  for (const _ in value) return false;
  return true;
}

/** Strings of in-process callers may hold lone surrogates; a JSON encoder in Go would have replaced them. */
const wellFormed = (text: string): string => (text.isWellFormed() ? text : text.toWellFormed());

/** Object members of a tree of `JSON.parse`. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const children = Object.values(value) as unknown[];
  let count = Array.isArray(value) ? 0 : children.length;
  for (let i = 0; i < children.length; i++) {
    const child = children[i];
    if (typeof child === 'object' && child !== null) count += countMembers(child);
  }
  return count;
}
