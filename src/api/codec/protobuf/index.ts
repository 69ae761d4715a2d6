/**
 * Protobuf of API objects (`application/vnd.kubernetes.protobuf`), derived from the schema: the envelope `k8s\0` + runtime.Unknown around the
 * kind's message. What client-go and upstream's components speak. Loaded on first use.
 */
import protobufjs from 'protobufjs/minimal.js';
import type { JsonObject } from '../../json.ts';
import type { FieldSchema, GroupVersionKind, Schema, StructType } from '../../schema/model.ts';
import { decodeMessage } from './decode.ts';
import { encodeMessage, nested } from './encode.ts';

const magic = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);

/** Whether there is a protobuf form: not for custom kinds and tables. */
export function hasProtobuf(gvk: GroupVersionKind, schema: Schema): boolean {
  return messageType(gvk, schema) !== undefined;
}

/**
 * @param object canonical, with kind and apiVersion. @throws Error when its kind has no protobuf form; callers negotiate so that this does
 * not happen.
 */
export function encodeProtobuf(object: JsonObject, schema: Schema): Uint8Array {
  const apiVersion = String(object.apiVersion ?? '');
  const kind = String(object.kind ?? '');
  const type = messageType(gvkOf(apiVersion, kind), schema);
  if (!type) throw new Error(`protobuf: kind ${kind} of ${apiVersion} has no protobuf form`);
  const writer = protobufjs.Writer.create();
  nested(writer, 1, () => writer.uint32(10).string(apiVersion).uint32(18).string(kind));
  writer.uint32(18).bytes(encodeMessage(type, object));
  writer.uint32(26).string('').uint32(34).string('');
  const body = writer.finish();
  const out = new Uint8Array(magic.length + body.length);
  out.set(magic);
  out.set(body, magic.length);
  return out;
}

/**
 * An object's message behind the tag and length of field 2, which is both a list's item and what an envelope holds, so that one encoding serves both.
 * Undefined when the kind has no protobuf form.
 */
export function encodePart(object: JsonObject, gvk: GroupVersionKind, schema: Schema): Uint8Array | undefined {
  const type = messageType(gvk, schema);
  return type && protobufjs.Writer.create().uint32(18).bytes(encodeMessage(type, object)).finish();
}

/** What stands before and behind the part of an object in its envelope. */
export function envelopeAround({ group, version, kind }: GroupVersionKind): readonly [Uint8Array, Uint8Array] {
  const writer = protobufjs.Writer.create();
  const apiVersion = group === '' ? version : `${group}/${version}`;
  nested(writer, 1, () => writer.uint32(10).string(apiVersion).uint32(18).string(kind));
  return [Buffer.concat([magic, writer.finish()]), envelopeEnd];
}

const envelopeEnd = Uint8Array.of(0x1a, 0, 0x22, 0);

/**
 * What stands before and behind the parts of a list's items. @param list without its items @param itemsLength bytes of all parts together
 * @returns undefined when the kind has no protobuf form or its items are not field 2
 */
export function envelopeAroundItems(
  list: JsonObject,
  gvk: GroupVersionKind,
  itemsLength: number,
  schema: Schema,
): readonly [Uint8Array, Uint8Array] | undefined {
  const type = messageType(gvk, schema);
  const items = type?.fieldsByName.get('items')?.protoPath;
  if (!type || items?.length !== 1 || items[0] !== 2) return undefined;
  const [before, behind] = envelopeAround(gvk);
  const head = encodeMessage(type, list);
  const length = protobufjs.Writer.create()
    .uint32(18)
    .uint32(head.length + itemsLength)
    .finish();
  return [Buffer.concat([before, length, head]), behind];
}

/**
 * One frame of a protobuf watch: a big-endian length and a WatchEvent whose object is a whole enveloped object.
 * @param object what `encodeProtobuf` made.
 */
export function encodeWatchFrame(type: string, object: Uint8Array): Uint8Array {
  const writer = protobufjs.Writer.create();
  writer.uint32(10).string(type);
  nested(writer, 2, () => writer.uint32(10).bytes(object));
  const body = writer.finish();
  const out = new Uint8Array(4 + body.length);
  new DataView(out.buffer).setUint32(0, body.length);
  out.set(body, 4);
  return out;
}

/**
 * A plain tree with kind and apiVersion, not canonical yet; of a kind that the schema does not have nothing but these two.
 * @param expected stands in for what the envelope does not say. @throws Error with upstream's message.
 */
export function decodeProtobuf(bytes: Uint8Array, expected: GroupVersionKind, schema: Schema): JsonObject {
  if (bytes.length === 0) throw new Error('empty data');
  if (bytes.length < magic.length || magic.some((byte, i) => bytes[i] !== byte))
    throw new Error(`provided data does not appear to be a protobuf message, expected prefix [${magic.join(' ')}]`);
  if (bytes.length === magic.length) throw new Error('empty body');
  const envelope = readEnvelope(bytes.subarray(magic.length));
  const own = expected.group === '' ? expected.version : `${expected.group}/${expected.version}`;
  const apiVersion = envelope.apiVersion === '' ? own : envelope.apiVersion;
  const kind = envelope.kind === '' ? expected.kind : envelope.kind;
  const type = messageType(gvkOf(apiVersion, kind), schema);
  return { ...(type ? decodeMessage(envelope.raw, type) : {}), kind, apiVersion };
}

function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const reader = protobufjs.Reader.create(bytes);
  const out = { apiVersion: '', kind: '', raw: new Uint8Array() as Uint8Array };
  try {
    while (reader.pos < reader.len) {
      const key = reader.uint32();
      if (key === 10) {
        const end = reader.uint32() + reader.pos;
        while (reader.pos < end) {
          const inner = reader.uint32();
          if (inner === 10) out.apiVersion = reader.string();
          else if (inner === 18) out.kind = reader.string();
          else reader.skipType(inner & 7);
        }
      } else if (key === 18) out.raw = reader.bytes();
      else reader.skipType(key & 7);
    }
  } catch (error) {
    if (error instanceof RangeError) throw new Error('unexpected EOF', { cause: error });
    const wireType = error instanceof Error ? /^invalid wire type (\d)/.exec(error.message)?.[1] : undefined;
    if (wireType !== undefined) throw new Error(`proto: illegal wireType ${wireType}`, { cause: error });
    throw error;
  }
  return out;
}

function gvkOf(apiVersion: string, kind: string): GroupVersionKind {
  const [first = '', second] = apiVersion.split('/');
  return second === undefined ? { group: '', version: first, kind } : { group: first, version: second, kind };
}

/** The struct of a kind; those of metadata-only objects have no published definition and are put together here. */
function messageType(gvk: GroupVersionKind, schema: Schema): StructType | undefined {
  if (gvk.group !== 'meta.k8s.io') return schema.byGvk(gvk);
  if (gvk.kind !== 'PartialObjectMetadata' && gvk.kind !== 'PartialObjectMetadataList') return undefined;
  const objectMeta = schema.type('meta.v1.ObjectMeta');
  const listMeta = schema.type('meta.v1.ListMeta');
  if (!objectMeta || !listMeta) return undefined;
  const single = metadataType('PartialObjectMetadata', [field('metadata', objectMeta, 1)]);
  if (gvk.kind === 'PartialObjectMetadata') return single;
  const items: FieldSchema = {
    ...field('items', single, 2),
    type: { kind: 'list', element: { kind: 'struct', type: single } },
  };
  return metadataType('PartialObjectMetadataList', [field('metadata', listMeta, 1), items]);
}

const field = (name: string, type: StructType, number: number): FieldSchema => ({
  name,
  index: number - 1,
  type: { kind: 'struct', type },
  required: false,
  omitEmpty: true,
  omitZero: false,
  pointer: false,
  protoPath: [number],
});

const metadataType = (name: string, fields: readonly FieldSchema[]): StructType => ({
  name: `meta.v1.${name}`,
  openapiName: `io.k8s.apimachinery.pkg.apis.meta.v1.${name}`,
  gvks: [],
  unions: [],
  fields,
  fieldsByName: new Map(fields.map((f) => [f.name, f])),
  alwaysWritten: [],
});
