/** A watch frame made from a value: bookmarks, errors, and forms that are not pieces of cached bytes. */
import { encodeText } from '../../api/codec/index.ts';
import type { WatchEventType, WatchFrame } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';

export class ValueFrame implements WatchFrame {
  readonly type: WatchEventType;
  readonly #object: JsonObject;
  #bytes: Uint8Array | undefined;

  constructor(type: WatchEventType, object: JsonObject) {
    this.type = type;
    this.#object = object;
  }
  bytes(): Uint8Array {
    return (this.#bytes ??= jsonFrame(this.type, this.#object));
  }
  object(): JsonObject {
    return this.#object;
  }
}

export function jsonFrame(type: WatchEventType, object: JsonObject): Uint8Array {
  return Buffer.from(`{"type":"${type}","object":${encodeText(object)}}\n`);
}
