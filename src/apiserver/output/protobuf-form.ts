/**
 * Whole objects as protobuf. Each object's message is made once and kept with the cached object, so that gets, lists and watches join bytes as the JSON form does; what
 * is kept is bounded, and all of it is dropped when it is too much.
 */
import { encodePart, encodeWatchFrame, envelopeAround, envelopeAroundItems } from '../../api/codec/protobuf/index.ts';
import type { Encodable, WatchEventType } from '../../api/exchange.ts';
import type { GroupVersionKind, Schema } from '../../api/schema/model.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { Encoder } from './encoders.ts';
import type { Form, ListMeta } from './forms.ts';
import { type Framer, ValueForm, type ValueShape } from './value-form.ts';

const keptBytesMax = 48 * 1024 * 1024;
const chunkBytes = 256 * 1024;

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
    return {
      kind: 'list',
      byteLength: before.byteLength + length + behind.byteLength,
      chunks: () => joined(before, parts, behind),
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
    // The writer's memory is a slice of a pool.
    const part = made.slice();
    this.#keptBytes += part.byteLength;
    if (this.#keptBytes > keptBytesMax) {
      this.#parts = new WeakMap();
      this.#keptBytes = part.byteLength;
    }
    this.#parts.set(object, part);
    return part;
  }
}

function* joined(before: Uint8Array, parts: readonly Uint8Array[], behind: Uint8Array): Generator<Uint8Array> {
  let pieces: Uint8Array[] = [before];
  let length = before.byteLength;
  for (let i = 0; i < parts.length; i++) {
    pieces.push(parts[i]!);
    length += parts[i]!.byteLength;
    if (length < chunkBytes) continue;
    yield Buffer.concat(pieces, length);
    pieces = [];
    length = 0;
  }
  pieces.push(behind);
  yield Buffer.concat(pieces, length + behind.byteLength);
}
