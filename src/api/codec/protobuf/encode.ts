/** Canonical trees to protobuf messages, as upstream's generated encoders write them: ascending numbers, zero values of non-pointers included. */
import protobufjs from 'protobufjs/minimal.js';
import type { JsonArray, JsonObject, JsonValue } from '../../json.ts';
import type { FieldSchema, SpecialType, StructType, TypeRef } from '../../schema/model.ts';
import { encode } from '../encode.ts';
import { sortedKeys } from '../own.ts';
import { isListMessage, type Layout, layoutOf } from './layout.ts';

type Writer = protobufjs.Writer;

/** The message of a value that the codec decoded, without envelope. */
export function encodeMessage(type: StructType, value: JsonObject): Uint8Array {
  const writer = protobufjs.Writer.create();
  writeLayout(writer, layoutOf(type), type, value);
  return writer.finish();
}

const tag = (number: number, wire: number): number => ((number << 3) | wire) >>> 0;

export function nested(writer: Writer, number: number, fill: () => void): void {
  writer.uint32(tag(number, 2)).fork();
  fill();
  writer.ldelim();
}

function writeLayout(writer: Writer, layout: Layout, type: StructType, value: JsonObject): void {
  const { places } = layout;
  for (let i = 0; i < places.length; i++) {
    const place = places[i]!;
    if ('inlined' in place) nested(writer, place.number, () => writeLayout(writer, place.inlined, type, value));
    else writeField(writer, place.number, place.field, type, value[place.field.name]);
  }
}

function writeField(
  writer: Writer,
  number: number,
  field: FieldSchema,
  owner: StructType,
  value: JsonValue | undefined,
): void {
  const { type, pointer } = field;
  if (value === undefined || value === null) {
    const isStruct = type.kind === 'struct' || type.kind === 'special';
    const isNumber = type.kind === 'scalar' && type.scalar !== 'bytes';
    if (!pointer && (isStruct || isNumber)) writeValue(writer, number, type, owner, undefined);
    return;
  }
  if (type.kind === 'list') {
    const items = value as JsonArray;
    if (isListMessage(field)) nested(writer, number, () => writeItems(writer, 1, type.element, owner, items));
    else writeItems(writer, number, type.element, owner, items);
  } else if (type.kind === 'map') {
    const map = value as JsonObject;
    for (const key of sortedKeys(map))
      nested(writer, number, () => {
        writer.uint32(tag(1, 2)).string(key);
        const member = map[key];
        if (type.value.kind === 'list') {
          const { element } = type.value;
          nested(writer, 2, () => writeItems(writer, 1, element, owner, (member ?? []) as JsonArray));
        } else writeValue(writer, 2, type.value, owner, member);
      });
  } else writeValue(writer, number, type, owner, value);
}

function writeItems(writer: Writer, number: number, element: TypeRef, owner: StructType, items: JsonArray): void {
  for (let i = 0; i < items.length; i++) writeValue(writer, number, element, owner, items[i]);
}

/** @param value undefined or null for the zero value. */
function writeValue(
  writer: Writer,
  number: number,
  type: TypeRef,
  owner: StructType,
  value: JsonValue | undefined,
): void {
  switch (type.kind) {
    case 'struct':
      nested(writer, number, () => writeLayout(writer, layoutOf(type.type), type.type, (value ?? {}) as JsonObject));
      return;
    case 'special':
      nested(writer, number, () => writeSpecial(writer, type.special, owner, value ?? undefined));
      return;
    case 'scalar':
      switch (type.scalar) {
        case 'string':
          writer.uint32(tag(number, 2)).string((value as string | undefined) ?? '');
          return;
        case 'boolean':
          writer.uint32(tag(number, 0)).bool(value === true);
          return;
        case 'int32':
          writer.uint32(tag(number, 0)).int32((value as number | undefined) ?? 0);
          return;
        case 'int64':
          writeInt64(writer, number, (value as number | bigint | undefined) ?? 0);
          return;
        case 'double':
          writer.uint32(tag(number, 1)).double(Number(value ?? 0));
          return;
        case 'bytes':
          writer.uint32(tag(number, 2)).bytes(Buffer.from((value as string | undefined) ?? '', 'base64'));
          return;
      }
      return;
    case 'list':
    case 'map':
      throw new Error(`protobuf: a ${type.kind} inside a list or map has no message (${owner.name})`);
  }
}

function writeInt64(writer: Writer, number: number, value: number | bigint): void {
  writer.uint32(tag(number, 0)).int64(typeof value === 'bigint' ? String(value) : value);
}

function writeSpecial(writer: Writer, special: SpecialType, owner: StructType, value: JsonValue | undefined): void {
  switch (special) {
    case 'Quantity':
      writer.uint32(tag(1, 2)).string((value as string | undefined) ?? '0');
      return;
    case 'Time':
    case 'MicroTime': {
      if (value === undefined) return; // Go's zero time
      const text = value as string;
      writeInt64(writer, 1, Math.floor(Date.parse(`${text.slice(0, 19)}Z`) / 1000));
      writer.uint32(tag(2, 0)).int32(special === 'Time' ? 0 : Number(text.slice(20, 26)) * 1000);
      return;
    }
    case 'IntOrString': {
      const isText = typeof value === 'string';
      writer.uint32(tag(1, 0)).int32(isText ? 1 : 0);
      writer.uint32(tag(2, 0)).int32(isText ? 0 : Number(value ?? 0));
      writer.uint32(tag(3, 2)).string(isText ? value : '');
      return;
    }
    case 'RawExtension':
    case 'FieldsV1':
    case 'JSON':
      if (value !== undefined) writer.uint32(tag(1, 2)).bytes(encode(value));
      return;
    case 'JSONSchemaPropsOrBool':
      writer.uint32(tag(1, 0)).bool(value === true || (typeof value === 'object' && value !== null));
      if (typeof value === 'object') writeSchema(writer, 2, owner, value);
      return;
    case 'JSONSchemaPropsOrArray':
      if (Array.isArray(value)) for (const item of value) writeSchema(writer, 2, owner, item);
      else if (value !== undefined) writeSchema(writer, 1, owner, value);
      return;
    case 'JSONSchemaPropsOrStringArray':
      if (Array.isArray(value)) for (const item of value) writer.uint32(tag(2, 2)).string(item as string);
      else if (value !== undefined) writeSchema(writer, 1, owner, value);
      return;
    case 'Duration':
    case 'Patch':
    case 'Any':
      throw new Error(`protobuf: ${special} does not travel in API objects`);
  }
}

const writeSchema = (writer: Writer, number: number, owner: StructType, value: JsonValue): void =>
  nested(writer, number, () => writeLayout(writer, layoutOf(owner), owner, value as JsonObject));
