/**
 * One watch: what it selects, and its bounded queue (decision 5). The objects it starts with come out of a snapshot on demand and do not count
 * against the bound; a watcher that lets live events pile up beyond it is closed and has to list again.
 */
import type { WatchFrame, WatchStream } from '../../api/exchange.ts';
import type { CacheEvent, WatchForm } from './cache-event.ts';
import { SharedFrame } from './cache-event.ts';
import type { CachedObject } from './cached-object.ts';

/** Whether an object is selected; `undefined` selects all. Namespace, name and node of the index are checked already. */
export type Match = (object: CachedObject) => boolean;

/** How many initial objects one `take` turns into frames: bounds the work between two yields. */
const initialBatch = 250;
/** And their encoded bytes: what a peer that does not read is left holding, besides what the kernel took. */
const initialBatchBytes = 32 * 1024;
const nothing: readonly WatchFrame[] = Object.freeze([]);

export class Watcher implements WatchStream {
  readonly form: WatchForm;
  readonly match: Match | undefined;
  readonly bookmarks: boolean;
  /** Events at or before this revision are part of the start. */
  startRevision: number;
  readonly #queueMax: number;
  #initial: readonly CachedObject[] | undefined;
  #initialAt = 0;
  /** Comes after the initial objects. */
  #initialEnd: WatchFrame | undefined;
  #queue: WatchFrame[] = [];
  #ended = false;
  #wake: (() => void) | undefined;
  #ready: Promise<void> | undefined;
  #onClose: (() => void)[] = [];
  /** Monotonic milliseconds of the next bookmark; the bookmark keeper's. */
  nextBookmarkAt = 0;
  /** Of the last bookmark, the one that ends the initial events included. */
  bookmarkedRevision = 0;
  /** Where what is given out is counted, with that of other watchers. */
  given: { events: number } = { events: 0 };
  /** Called when the last initial object was taken. */
  onInitialTaken: (() => void) | undefined = undefined;

  constructor(options: {
    readonly form: WatchForm;
    readonly match: Match | undefined;
    readonly bookmarks: boolean;
    readonly startRevision: number;
    readonly queueMax: number;
    readonly initial?: readonly CachedObject[];
    readonly initialEnd?: WatchFrame;
  }) {
    this.form = options.form;
    this.match = options.match;
    this.bookmarks = options.bookmarks;
    this.startRevision = options.startRevision;
    this.#queueMax = options.queueMax;
    this.#initial = options.initial;
    this.#initialEnd = options.initialEnd;
    if (options.initialEnd !== undefined) this.bookmarkedRevision = options.startRevision;
  }

  /** Called once at the end, however it comes. */
  onClose(fn: () => void): void {
    this.#onClose.push(fn);
  }

  get ended(): boolean {
    return this.#ended;
  }
  get queued(): number {
    return this.#queue.length;
  }

  /** Offers an event of the watched resource; drops what does not match. */
  offer(event: CacheEvent): void {
    if (this.#ended || event.revision <= this.startRevision) return;
    const match = this.match;
    const now = !event.deleted && (match === undefined || match(event.current));
    const before = event.previous !== undefined && (match === undefined || match(event.previous));
    if (now) this.push(event.frame(before ? 'MODIFIED' : 'ADDED', this.form));
    else if (before) this.push(event.frame('DELETED', this.form));
  }

  /** Also bookmarks and errors. */
  push(frame: WatchFrame): void {
    if (this.#ended) return;
    if (this.#queue.length >= this.#queueMax) {
      this.close();
      return;
    }
    this.#queue.push(frame);
    this.#notify();
  }

  /** True while initial objects or events wait: a bookmark now would promise what was not delivered yet, or be useless. */
  get behind(): boolean {
    return this.#initial !== undefined || this.#queue.length > 0;
  }

  take(): readonly WatchFrame[] | undefined {
    if (this.#initial !== undefined) return this.#takeInitial(this.#initial);
    if (this.#queue.length > 0) {
      const frames = this.#queue;
      this.#queue = [];
      this.given.events += frames.length;
      return frames;
    }
    return this.#ended ? undefined : nothing;
  }

  #takeInitial(initial: readonly CachedObject[]): readonly WatchFrame[] | undefined {
    if (this.#ended) {
      this.#initial = undefined;
      return undefined;
    }
    const frames: WatchFrame[] = [];
    const most = Math.min(initial.length, this.#initialAt + initialBatch);
    let end = this.#initialAt;
    for (let bytes = 0; end < most && bytes < initialBatchBytes; end++) {
      const object = initial[end]!;
      bytes += object.bytes.byteLength;
      frames.push(new SharedFrame('ADDED', this.form, object, object.revision));
    }
    this.#initialAt = end;
    if (end === initial.length) {
      this.#initial = undefined;
      if (this.#initialEnd) {
        frames.push(this.#initialEnd);
        this.#initialEnd = undefined;
      }
      this.onInitialTaken?.();
    }
    this.given.events += frames.length;
    return frames.length === 0 ? this.take() : frames;
  }

  ready(): Promise<void> {
    if (this.#initial !== undefined || this.#queue.length > 0 || this.#ended) return Promise.resolve();
    return (this.#ready ??= new Promise((resolve) => {
      this.#wake = resolve;
    }));
  }

  /** Ends after what is queued has been taken. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const after = this.#onClose;
    this.#onClose = [];
    for (const fn of after) fn();
    this.#notify();
  }

  /** Ends now: what is queued is dropped. */
  close(): void {
    this.#queue = [];
    this.#initial = undefined;
    this.end();
  }

  #notify(): void {
    const wake = this.#wake;
    if (wake === undefined) return;
    this.#wake = undefined;
    this.#ready = undefined;
    wake();
  }
}
