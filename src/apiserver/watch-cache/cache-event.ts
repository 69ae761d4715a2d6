/** One change of one object, and the watch frames made of it: encoded once for all watchers that share a form. */
import type { WatchEventType, WatchFrame } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { CachedObject } from './cached-object.ts';

/**
 * How a watcher wants its objects: one value per (served version, media type, full | metadata | table). Watchers share frames when they share the form
 * object, so forms are interned by whoever makes them.
 */
export interface WatchForm {
  /** `revision` is the event's, which for a deletion is later than the object's. */
  object(type: WatchEventType, object: CachedObject, revision: number): JsonObject;
  /** The whole frame. */
  frame(type: WatchEventType, object: CachedObject, revision: number): Uint8Array;
  bookmark(revision: number, initialEventsEnd: boolean): WatchFrame;
  /** @param status a Status object. */
  error(status: JsonObject): WatchFrame;
}

export class SharedFrame implements WatchFrame {
  readonly type: WatchEventType;
  readonly #form: WatchForm;
  readonly #object: CachedObject;
  readonly #revision: number;
  #bytes: Uint8Array | undefined;
  #value: JsonObject | undefined;

  constructor(type: WatchEventType, form: WatchForm, object: CachedObject, revision: number) {
    this.type = type;
    this.#form = form;
    this.#object = object;
    this.#revision = revision;
  }
  bytes(): Uint8Array {
    return (this.#bytes ??= this.#form.frame(this.type, this.#object, this.#revision));
  }
  object(): JsonObject {
    return (this.#value ??= this.#form.object(this.type, this.#object, this.#revision));
  }
}

export class CacheEvent {
  readonly revision: number;
  /** The new state; for a deletion the last one. */
  readonly current: CachedObject;
  /** The state before; absent for a creation. */
  readonly previous: CachedObject | undefined;
  readonly deleted: boolean;
  /** Monotonic milliseconds. */
  readonly at: number;
  #forms: WatchForm[] = [];
  #frames: SharedFrame[] = [];

  constructor(
    revision: number,
    current: CachedObject,
    previous: CachedObject | undefined,
    deleted: boolean,
    at: number,
  ) {
    this.revision = revision;
    this.current = current;
    this.previous = previous;
    this.deleted = deleted;
    this.at = at;
  }

  /** @param type as the watcher sees it: an object that leaves a selector is DELETED, with its last matching state. */
  frame(type: 'ADDED' | 'MODIFIED' | 'DELETED', form: WatchForm): SharedFrame {
    const forms = this.#forms;
    for (let i = 0; i < forms.length; i++) {
      if (forms[i] === form && this.#frames[i]!.type === type) return this.#frames[i]!;
    }
    const object = type === 'DELETED' && this.previous !== undefined ? this.previous : this.current;
    const frame = new SharedFrame(type, form, object, this.revision);
    forms.push(form);
    this.#frames.push(frame);
    return frame;
  }

  /**
   * The event is no longer young: its shared frames and the parsed value of the superseded state go (both can be made again; frames still queued somewhere
   * live on there). The history would otherwise keep a value for every change.
   */
  settle(): void {
    if (this.previous !== undefined) this.previous.value = undefined;
    if (this.#forms.length === 0) return;
    this.#forms = [];
    this.#frames = [];
  }
}
