/**
 * The form nearly everybody asks for: whole objects as JSON in a version whose shape is the stored one. Nothing is parsed or encoded; answers are pieces of
 * the cached bytes around a resourceVersion (see `CachedObject`).
 */
import { type Encodable, listPieceBytes, type WatchEventType, type WatchFrame } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { Form, ListMeta } from './forms.ts';
import { ValueFrame } from './value-frame.ts';

const latin = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const closeAndLineFeed = latin('}\n');
const lineFeed = latin('\n');

export class JsonForm implements Form {
  readonly #kind: string;
  readonly #listKind: string;
  readonly #apiVersion: string;
  /** `{"kind":"Pod","apiVersion":"v1",` */
  readonly #head: Uint8Array;
  readonly #frameHeads: Readonly<Record<'ADDED' | 'MODIFIED' | 'DELETED', Uint8Array>>;
  /** Items of built-in lists carry no kind and apiVersion; those of custom ones do. */
  readonly #itemHead: Uint8Array;
  /** Lists of custom kinds say `continue` even when there is nothing more. */
  readonly #continues: boolean;
  readonly #valueOf: (object: CachedObject) => JsonObject;
  readonly #bookmarkBody: JsonObject;

  constructor(options: {
    readonly kind: string;
    readonly apiVersion: string;
    readonly builtin: boolean;
    /** Default: the kind with `List` behind it. */
    readonly listKind?: string;
    readonly valueOf: (object: CachedObject) => JsonObject;
    /** An object of the kind with no field set, as the codec writes it. */
    readonly empty: JsonObject;
  }) {
    const { kind, apiVersion, builtin, empty } = options;
    this.#kind = kind;
    this.#listKind = options.listKind ?? `${kind}List`;
    this.#apiVersion = apiVersion;
    this.#head = latin(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`);
    this.#continues = !builtin;
    this.#itemHead = builtin ? latin('{') : this.#head;
    this.#valueOf = options.valueOf;
    this.#bookmarkBody = empty;
    const frameHead = (type: WatchEventType): Uint8Array =>
      Buffer.concat([latin(`{"type":"${type}","object":`), this.#head]);
    this.#frameHeads = { ADDED: frameHead('ADDED'), MODIFIED: frameHead('MODIFIED'), DELETED: frameHead('DELETED') };
  }

  encodable(object: CachedObject): Encodable {
    return { bytes: () => this.#join(this.#head, object, object.revision, lineFeed), value: () => this.#value(object) };
  }

  encodableValue(value: JsonObject, encode: (value: JsonObject) => Uint8Array): Encodable {
    return { bytes: () => encode(value), value: () => value };
  }

  #value(object: CachedObject): JsonObject {
    const value = this.#valueOf(object);
    return value.apiVersion === this.#apiVersion ? value : Object.freeze({ ...value, apiVersion: this.#apiVersion });
  }

  object(_type: WatchEventType, object: CachedObject, revision: number): JsonObject {
    const value = this.#value(object);
    if (object.revision === revision) return value;
    const metadata = Object.freeze({ ...(value.metadata as JsonObject), resourceVersion: String(revision) });
    return Object.freeze({ ...value, metadata });
  }

  frame(type: WatchEventType, object: CachedObject, revision: number): Uint8Array {
    return this.#join(this.#frameHeads[type as 'ADDED'], object, revision, closeAndLineFeed);
  }

  #join(head: Uint8Array, object: CachedObject, revision: number, tail: Uint8Array): Uint8Array {
    const { bytes, headLength, hole } = object;
    const text = object.holeText(revision);
    const joined = Buffer.allocUnsafe(head.byteLength + bytes.byteLength - headLength + text.length + tail.byteLength);
    joined.set(head, 0);
    let at = head.byteLength;
    joined.set(bytes.subarray(headLength, hole), at);
    at += hole - headLength;
    joined.write(text, at, 'latin1');
    at += text.length;
    joined.set(bytes.subarray(hole), at);
    at += bytes.byteLength - hole;
    joined.set(tail, at);
    return joined;
  }

  bookmark(revision: number, initialEventsEnd: boolean): WatchFrame {
    const metadata = Object.freeze({
      resourceVersion: String(revision),
      ...(initialEventsEnd ? { annotations: Object.freeze({ 'k8s.io/initial-events-end': 'true' }) } : {}),
    });
    const { kind: _kind, apiVersion: _apiVersion, metadata: _metadata, ...rest } = this.#bookmarkBody;
    return new ValueFrame(
      'BOOKMARK',
      Object.freeze({ kind: this.#kind, apiVersion: this.#apiVersion, metadata, ...rest }),
    );
  }

  error(status: JsonObject): WatchFrame {
    return new ValueFrame('ERROR', status);
  }

  list(objects: readonly CachedObject[], given: ListMeta): ReturnType<Form['list']> {
    const meta = this.#continues ? { continue: '', ...given } : given;
    const head = latin(
      `{"kind":"${this.#listKind}","apiVersion":"${this.#apiVersion}","metadata":${JSON.stringify(meta)},"items":[`,
    );
    const tail = latin(']}\n');
    let byteLength = head.byteLength + tail.byteLength + Math.max(0, objects.length - 1);
    byteLength += objects.length * this.#itemHead.byteLength;
    for (let i = 0; i < objects.length; i++) byteLength += objects[i]!.filledLength;
    return {
      kind: 'list',
      byteLength,
      chunks: (memory) => this.#chunks(objects, head, tail, byteLength, memory),
      value: () => this.#listValue(objects, meta),
    };
  }

  /** Pieces few enough for the socket, small enough to stream with back-pressure. */
  *#chunks(
    objects: readonly CachedObject[],
    head: Uint8Array,
    tail: Uint8Array,
    byteLength: number,
    memory: (bytes: number) => Buffer = Buffer.allocUnsafe,
  ): Iterable<Uint8Array> {
    let chunk = memory(Math.min(byteLength, listPieceBytes));
    let left = byteLength;
    chunk.set(head, 0);
    let at = head.byteLength;
    for (let i = 0; i < objects.length; i++) {
      const object = objects[i]!;
      const { bytes, headLength, hole } = object;
      const needed = this.#itemHead.byteLength + object.filledLength + 1;
      if (at + needed > chunk.byteLength) {
        yield chunk.subarray(0, at);
        left -= at;
        chunk = memory(Math.max(Math.min(left, listPieceBytes), needed));
        at = 0;
      }
      if (i > 0) chunk[at++] = 0x2c;
      chunk.set(this.#itemHead, at);
      at += this.#itemHead.byteLength;
      chunk.set(bytes.subarray(headLength, hole), at);
      at += hole - headLength;
      const text = object.ownHoleText;
      chunk.write(text, at, 'latin1');
      at += text.length;
      chunk.set(bytes.subarray(hole), at);
      at += bytes.byteLength - hole;
    }
    if (at + tail.byteLength > chunk.byteLength) {
      yield chunk.subarray(0, at);
      yield tail;
      return;
    }
    chunk.set(tail, at);
    yield chunk.subarray(0, at + tail.byteLength);
  }

  #listValue(objects: readonly CachedObject[], meta: ListMeta): JsonObject {
    const items = new Array<JsonObject>(objects.length);
    for (let i = 0; i < objects.length; i++) items[i] = this.#value(objects[i]!);
    return Object.freeze({
      kind: this.#listKind,
      apiVersion: this.#apiVersion,
      metadata: Object.freeze({ ...meta }),
      items: Object.freeze(items),
    });
  }
}
