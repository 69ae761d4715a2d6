/**
 * A watch is a cursor into the log, not a queue: a slow watcher costs nothing, and ends with `compacted` when history it has not seen goes.
 */
import type { StoreEvent, WatchBatch, WatchRequest } from '../store.ts';
import type { History } from './history.ts';
import { checkRange, inRange } from './request.ts';
import { toSortKey } from './sort-key.ts';
import { compacted } from './transaction.ts';
import { toEvent } from './version.ts';

/** A batch ends at the first revision boundary after this many events, or after this many versions looked at. */
const eventsPerBatch = 512;
const versionsPerBatch = 8192;

/** @param ended the store's end: the iteration finishes. */
export function watchHistory(history: History, request: WatchRequest, ended: AbortSignal): AsyncIterable<WatchBatch> {
  checkRange(request);
  const from = request.startRevision ? request.startRevision : history.published + 1;
  return { [Symbol.asyncIterator]: () => new Watcher(history, request, from, ended) };
}

class Watcher implements AsyncIterator<WatchBatch> {
  readonly #history: History;
  readonly #start: string;
  readonly #end: string | undefined;
  readonly #prevKv: boolean;
  readonly #signal: AbortSignal;
  readonly #ended: AbortSignal;
  /** Next revision to deliver, and its place in the log once known. */
  #next: number;
  #cursor = -1;
  #returned = false;

  constructor(history: History, request: WatchRequest, from: number, ended: AbortSignal) {
    this.#history = history;
    this.#start = toSortKey(request.key);
    this.#end = request.end === undefined || request.end === '\0' ? request.end : toSortKey(request.end);
    this.#prevKv = request.prevKv !== false;
    this.#signal = request.signal;
    this.#ended = ended;
    this.#next = from;
  }

  async next(): Promise<IteratorResult<WatchBatch>> {
    const history = this.#history;
    for (;;) {
      if (this.#returned || this.#signal.aborted || this.#ended.aborted) return { done: true, value: undefined };
      if (this.#next < history.compactRevision) {
        this.#returned = true;
        throw compacted(history.compactRevision);
      }
      if (this.#next <= history.published) return { done: false, value: this.#take() };
      await this.#changed();
    }
  }

  async return(): Promise<IteratorResult<WatchBatch>> {
    this.#returned = true;
    return { done: true, value: undefined };
  }

  /** Everything from `next` on that is published, up to the batch's size and a revision boundary. */
  #take(): WatchBatch {
    const history = this.#history;
    let cursor = this.#cursor < 0 ? history.cursor(this.#next) : this.#cursor;
    const stopAt = cursor + versionsPerBatch;
    const events: StoreEvent[] = [];
    let done = this.#next - 1;
    for (;;) {
      const version = history.logged(cursor);
      if (version === undefined || version.modRevision > history.published) {
        done = history.published;
        break;
      }
      // Only between revisions.
      if (version.modRevision > done && (events.length >= eventsPerBatch || cursor >= stopAt)) break;
      done = version.modRevision;
      if (inRange(toSortKey(version.key), this.#start, this.#end))
        events.push(toEvent(version, history.load, this.#prevKv));
      cursor++;
    }
    this.#cursor = cursor;
    this.#next = done + 1;
    return { revision: done, events };
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const resume = (): void => {
        undo();
        this.#signal.removeEventListener('abort', resume);
        this.#ended.removeEventListener('abort', resume);
        resolve();
      };
      const undo = this.#history.wait(resume);
      this.#signal.addEventListener('abort', resume);
      this.#ended.addEventListener('abort', resume);
    });
  }
}
