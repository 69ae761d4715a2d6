/** Every other form: the parsed object, converted, cut down or tabulated, then encoded. */
import type { Encodable, ResponseBody, WatchEventType, WatchFrame } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { Encoder } from './encoders.ts';
import type { FirstFrameForm, ListMeta } from './forms.ts';

/** What makes one value form differ from another. */
export interface ValueShape {
  /** One object as this form shows it. @param revision replaces the object's when they differ. */
  one(object: CachedObject, revision: number): JsonObject;
  /** A value in the served version as this form shows it. */
  oneValue(value: JsonObject): JsonObject;
  list(objects: readonly CachedObject[], meta: ListMeta): JsonObject;
  bookmark(revision: number, initialEventsEnd: boolean): JsonObject;
  /** In a stream: may leave out what only the first event says. Default: `one`. */
  streamed?(object: CachedObject, revision: number): JsonObject;
  /** The first event of a stream. */
  first?(streamed: JsonObject): JsonObject;
}

/** Frames events in the negotiated media type: JSON lines, or length-prefixed protobuf. */
export type Framer = (type: WatchEventType, object: JsonObject) => Uint8Array;

export class ValueForm implements FirstFrameForm {
  readonly #shape: ValueShape;
  readonly #encode: Encoder;
  readonly #framer: Framer;

  constructor(shape: ValueShape, encode: Encoder, framer: Framer) {
    this.#shape = shape;
    this.#encode = encode;
    this.#framer = framer;
  }

  encodable(object: CachedObject): Encodable {
    return this.#lazy(() => this.#shape.one(object, object.revision));
  }
  encodableValue(value: JsonObject): Encodable {
    return this.#lazy(() => this.#shape.oneValue(value));
  }
  #lazy(make: () => JsonObject): Encodable {
    let value: JsonObject | undefined;
    const get = (): JsonObject => (value ??= make());
    return { bytes: () => this.#encode(get()), value: get };
  }

  list(objects: readonly CachedObject[], meta: ListMeta): ResponseBody {
    return { kind: 'object', object: this.#lazy(() => this.#shape.list(objects, meta)) };
  }

  object(_type: WatchEventType, object: CachedObject, revision: number): JsonObject {
    return (this.#shape.streamed ?? this.#shape.one).call(this.#shape, object, revision);
  }
  frame(type: WatchEventType, object: CachedObject, revision: number): Uint8Array {
    return this.#framer(type, this.object(type, object, revision));
  }
  bookmark(revision: number, initialEventsEnd: boolean): WatchFrame {
    return this.#framed('BOOKMARK', this.#shape.bookmark(revision, initialEventsEnd));
  }
  error(status: JsonObject): WatchFrame {
    return this.#framed('ERROR', status);
  }
  first(frame: WatchFrame): WatchFrame {
    if (this.#shape.first === undefined || frame.type === 'ERROR') return frame;
    return this.#framed(frame.type, this.#shape.first(frame.object()));
  }

  #framed(type: WatchEventType, object: JsonObject): WatchFrame {
    let bytes: Uint8Array | undefined;
    return { type, object: () => object, bytes: () => (bytes ??= this.#framer(type, object)) };
  }
}
