/**
 * Whole objects as protobuf. Each object's message is made once and kept with the cached object, so that gets, lists and watches join bytes as the JSON form does; what
 * is kept is bounded, and all of it is dropped when it is too much.
 */
import { encodePart, encodeWatchFrame, envelopeAround, envelopeAroundItems } from '../../api/codec/protobuf/index.ts';
import { type Encodable, listPieceBytes, type WatchEventType } from '../../api/exchange.ts';
import type { GroupVersionKind, Schema } from '../../api/schema/model.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { Encoder } from './encoders.ts';
import type { Form, ListMeta } from './forms.ts';
import { type Framer, ValueForm, type ValueShape } from './value-form.ts';

const keptBytesMax = 48 * 1024 * 1024;

export class ProtobufForm extends ValueForm {
  readonly #shape: ValueShape;
  readonly #gvk: GroupVersionKind;
  readonly #listGvk: GroupVersionKind;
  readonly #apiVersion: string;
  readonly #schema: Schema;
  readonly #around: readonly [Uint8Array, Uint8Array];
  #parts = new WeakMap<CachedObject, Uint8Array>();
  /** At least what is kept: objects that are gone count until the next drop. */
  #keptBytes = 0;

  constructor(shape: ValueShape, encode: Encoder, framer: Framer, gvk: GroupVersionKind, schema: Schema) {
    super(shape, encode, framer);
    this.#shape = shape;
    this.#gvk = gvk;
    this.#listGvk = { ...gvk, kind: `${gvk.kind}List` };
    this.#apiVersion = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`;
    this.#schema = schema;
    this.#around = envelopeAround(gvk);
  }

  override encodable(object: CachedObject): Encodable {
    return { bytes: () => this.#whole(object), value: () => this.#shape.one(object, object.revision) };
  }

  override frame(type: WatchEventType, object: CachedObject, revision: number): Uint8Array {
    return revision === object.revision
      ? encodeWatchFrame(type, this.#whole(object))
      : super.frame(type, object, revision);
  }

  override list(objects: readonly CachedObject[], meta: ListMeta): ReturnType<Form['list']> {
    const parts = new Array<Uint8Array>(objects.length);
    let length = 0;
    for (let i = 0; i < objects.length; i++) {
      const part = this.#part(objects[i]!);
      parts[i] = part;
      length += part.byteLength;
    }
    const head = { kind: this.#listGvk.kind, apiVersion: this.#apiVersion, metadata: meta };
    const around = envelopeAroundItems(head, this.#listGvk, length, this.#schema);
    if (around === undefined) return super.list(objects, meta);
    const [before, behind] = around;
    const byteLength = before.byteLength + length + behind.byteLength;
    return {
      kind: 'list',
      byteLength,
      chunks: (memory) => joined(before, parts, behind, byteLength, memory),
      value: () => this.#shape.list(objects, meta),
    };
  }

  #whole(object: CachedObject): Uint8Array {
    const [before, behind] = this.#around;
    return Buffer.concat([before, this.#part(object), behind]);
  }

  #part(object: CachedObject): Uint8Array {
    const known = this.#parts.get(object);
    if (known !== undefined) return known;
    const made = encodePart(this.#shape.one(object, object.revision), this.#gvk, this.#schema);
    if (made === undefined) throw new Error(`${this.#gvk.kind} of ${this.#apiVersion} has no protobuf form`);
    // The writer's memory is a slice of a pool, and so would be what a Buffer's own slice() gives: a kept one keeps 64 KiB.
    const part = new Uint8Array(made);
    this.#keptBytes += part.byteLength;
    if (this.#keptBytes > keptBytesMax) {
      this.#parts = new WeakMap();
      this.#keptBytes = part.byteLength;
    }
    this.#parts.set(object, part);
    return part;
  }
}

/** All of it in pieces; a part may go over their borders. */
function* joined(
  before: Uint8Array,
  parts: readonly Uint8Array[],
  behind: Uint8Array,
  byteLength: number,
  memory: (bytes: number) => Uint8Array = Buffer.allocUnsafe,
): Generator<Uint8Array> {
  let left = byteLength;
  let piece = memory(Math.min(left, listPieceBytes));
  let at = 0;
  for (let i = -1; i <= parts.length; i++) {
    let part = i < 0 ? before : i === parts.length ? behind : parts[i]!;
    while (part.byteLength > listPieceBytes - at) {
      const room = listPieceBytes - at;
      piece.set(part.subarray(0, room), at);
      yield piece.byteLength === listPieceBytes ? piece : piece.subarray(0, listPieceBytes);
      part = part.subarray(room);
      left -= listPieceBytes;
      piece = memory(Math.min(left, listPieceBytes));
      at = 0;
    }
    piece.set(part, at);
    at += part.byteLength;
  }
  yield piece.subarray(0, at);
}
