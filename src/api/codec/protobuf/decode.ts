/** Protobuf messages to plain trees, which the canonical walk then completes. Unknown fields are skipped, as in Go. */
import protobufjs from 'protobufjs/minimal.js';
import type { JsonValue } from '../../json.ts';
import type { FieldSchema, SpecialType, StructType, TypeRef } from '../../schema/model.ts';
import { decodeUtf8 } from '../json-text.ts';
import { setOwn } from '../own.ts';
import { parseJson } from '../parse-json.ts';
import { isListMessage, type Layout, layoutOf } from './layout.ts';

type Plain = Record<string, JsonValue>;
type Reader = protobufjs.Reader;

/** Messages nested deeper than this are refused; no real object comes near. */
const maxNesting = 500;

/** @throws Error in Go's words where the bytes are no message of that type. */
export function decodeMessage(bytes: Uint8Array, type: StructType): Plain {
  const out: Plain = {};
  try {
    new MessageReader(protobufjs.Reader.create(bytes)).layout(layoutOf(type), type, bytes.length, out);
  } catch (error) {
    if (error instanceof RangeError) throw new Error('unexpected EOF', { cause: error });
    throw error;
  }
  return out;
}

class MessageReader {
  readonly #reader: Reader;
  #nesting = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  layout(layout: Layout, type: StructType, end: number, out: Plain): void {
    if (++this.#nesting > maxNesting) throw new Error('proto: exceeded max depth');
    const reader = this.#reader;
    while (reader.pos < end) {
      const key = reader.uint32();
      const place = layout.byNumber.get(key >>> 3);
      if (!place) reader.skipType(key & 7);
      else if ('inlined' in place) this.layout(place.inlined, type, this.#end(key), out);
      else this.#field(place.field, key, type, out);
    }
    if (reader.pos !== end) throw new Error('unexpected EOF');
    this.#nesting--;
  }

  /** Reads a length. @returns where the embedded message ends. */
  #end(key: number): number {
    const reader = this.#reader;
    if ((key & 7) !== 2) throw new Error(`proto: wrong wireType = ${key & 7}`);
    const end = reader.uint32() + reader.pos;
    if (end > reader.len) throw new Error('unexpected EOF');
    return end;
  }

  #field(field: FieldSchema, key: number, owner: StructType, out: Plain): void {
    const { type, name } = field;
    if (type.kind === 'list') {
      const list = (out[name] ??= []) as JsonValue[];
      if (isListMessage(field)) this.#listMessage(type.element, this.#end(key), owner, list);
      else this.#item(type.element, key, owner, list);
    } else if (type.kind === 'map') this.#entry(type.value, this.#end(key), owner, (out[name] ??= {}) as Plain);
    else if (type.kind === 'struct' && isPlain(out[name]))
      this.layout(layoutOf(type.type), type.type, this.#end(key), out[name]); // split messages are merged
    else out[name] = this.#value(type, key, owner);
  }

  /** One element, or several packed ones. */
  #item(element: TypeRef, key: number, owner: StructType, list: JsonValue[]): void {
    const numeric = element.kind === 'scalar' && element.scalar !== 'string' && element.scalar !== 'bytes';
    if (!numeric || (key & 7) !== 2) {
      list.push(this.#value(element, key, owner));
      return;
    }
    const end = this.#end(key);
    const wire = element.scalar === 'double' ? 1 : 0;
    while (this.#reader.pos < end) list.push(this.#value(element, wire, owner));
  }

  #listMessage(element: TypeRef, end: number, owner: StructType, list: JsonValue[]): void {
    this.#members(end, (number, key) => {
      if (number !== 1) return false;
      this.#item(element, key, owner, list);
      return true;
    });
  }

  #entry(type: TypeRef, end: number, owner: StructType, map: Plain): void {
    let name = '';
    let value: JsonValue | undefined;
    this.#members(end, (number, key) => {
      if (number === 1) name = this.#text(key);
      else if (number === 2 && type.kind === 'list') {
        value = [];
        this.#listMessage(type.element, this.#end(key), owner, value as JsonValue[]);
      } else if (number === 2) value = this.#value(type, key, owner);
      else return false;
      return true;
    });
    setOwn(map, name, value ?? null);
  }

  /** Reads fields up to `end`; those that `read` does not take are skipped. */
  #members(end: number, read: (number: number, key: number) => boolean): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const key = reader.uint32();
      if (!read(key >>> 3, key)) reader.skipType(key & 7);
    }
  }

  #text(key: number): string {
    return decodeUtf8(this.#bytes(key));
  }

  #bytes(key: number): Uint8Array {
    if ((key & 7) !== 2) throw new Error(`proto: wrong wireType = ${key & 7}`);
    return this.#reader.bytes();
  }

  #value(type: TypeRef, key: number, owner: StructType): JsonValue {
    const reader = this.#reader;
    switch (type.kind) {
      case 'struct':
        return this.#struct(type.type, key);
      case 'special':
        return this.#special(type.special, this.#end(key), owner);
      case 'scalar': {
        if (type.scalar === 'string') return this.#text(key);
        if (type.scalar === 'bytes') return Buffer.from(this.#bytes(key)).toString('base64');
        const wire = type.scalar === 'double' ? 1 : 0;
        if ((key & 7) !== wire) throw new Error(`proto: wrong wireType = ${key & 7}`);
        if (type.scalar === 'boolean') return reader.bool();
        if (type.scalar === 'int32') return reader.int32();
        return type.scalar === 'double' ? reader.double() : int64(reader.int64());
      }
      default:
        throw new Error(`protobuf: a ${type.kind} inside a list or map has no message (${owner.name})`);
    }
  }

  #struct(type: StructType, key: number): Plain {
    const out: Plain = {};
    this.layout(layoutOf(type), type, this.#end(key), out);
    return out;
  }

  #special(special: SpecialType, end: number, owner: StructType): JsonValue {
    switch (special) {
      case 'Quantity': {
        let text = '0';
        this.#members(end, (number, key) => number === 1 && ((text = this.#text(key)), true));
        return text;
      }
      case 'Time':
      case 'MicroTime':
        return this.#time(special, end);
      case 'IntOrString': {
        let isText = false;
        let value = 0;
        let text = '';
        this.#members(end, (number, key) => {
          if (number === 1) isText = Number(this.#value(int64Type, key, owner)) === 1;
          else if (number === 2) value = Number(this.#value(int32Type, key, owner));
          else if (number === 3) text = this.#text(key);
          else return false;
          return true;
        });
        return isText ? text : value;
      }
      case 'RawExtension':
      case 'FieldsV1':
      case 'JSON': {
        let value: JsonValue = null;
        this.#members(end, (number, key) => {
          if (number !== 1) return false;
          const bytes = this.#bytes(key);
          if (bytes.length > 0) ({ value } = parseJson(bytes));
          return true;
        });
        return value;
      }
      case 'JSONSchemaPropsOrBool':
      case 'JSONSchemaPropsOrArray':
      case 'JSONSchemaPropsOrStringArray':
        return this.#schemaOr(special, end, owner);
      case 'Duration':
      case 'Patch':
      case 'Any':
        throw new Error(`protobuf: ${special} does not travel in API objects`);
    }
  }

  #time(special: 'Time' | 'MicroTime', end: number): JsonValue {
    if (this.#reader.pos === end) return null;
    let seconds = 0;
    let nanos = 0;
    this.#members(end, (number, key) => {
      if ((key & 7) !== 0) return false;
      if (number === 1) seconds = Number(int64(this.#reader.int64()));
      else if (number === 2) nanos = this.#reader.int32();
      else return false;
      return true;
    });
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) throw new Error(`protobuf: ${seconds} seconds lie outside the years of RFC 3339`);
    const text = date.toISOString().slice(0, 19);
    return special === 'Time' ? `${text}Z` : `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
  }

  #schemaOr(special: SpecialType, end: number, owner: StructType): JsonValue {
    let allows = false;
    let schema: Plain | undefined;
    const list: JsonValue[] = [];
    this.#members(end, (number, key) => {
      const isBool = special === 'JSONSchemaPropsOrBool';
      if (isBool && number === 1) allows = this.#value({ kind: 'scalar', scalar: 'boolean' }, key, owner) === true;
      else if (number === (isBool ? 2 : 1)) schema = this.#struct(owner, key);
      else if (number === 2)
        list.push(special === 'JSONSchemaPropsOrArray' ? this.#struct(owner, key) : this.#text(key));
      else return false;
      return true;
    });
    return schema ?? (special === 'JSONSchemaPropsOrBool' ? allows : list);
  }
}

const int32Type: TypeRef = { kind: 'scalar', scalar: 'int32' };
const int64Type: TypeRef = { kind: 'scalar', scalar: 'int64' };

/** protobufjs gives numbers, or Long objects where that package is there. */
function int64(value: number | { toString(): string }): number | bigint {
  const exact = BigInt(String(value));
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
}

const isPlain = (value: JsonValue | undefined): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
