/**
 * Time that a test turns (decision 7): it moves only when nothing is runnable. Runnable means a microtask, or a yield taken through this
 * clock; nothing under virtual time may wait for a thread, a socket or a timer of its own.
 */
import type { Clock, Timer } from './clock.ts';

export interface VirtualClock extends Clock {
  /** Lets everything run that can, then moves time forward by `ms`, firing each timer at its moment and settling after each. */
  advance(ms: number): Promise<void>;
  /** Lets everything run that can without moving time. */
  settle(): Promise<void>;
  /**
   * Advances from timer to timer until `condition` holds. Rejects when it does not within `limitMs` of virtual time, or when no timer is
   * left that could change anything.
   */
  advanceUntil(condition: () => boolean, limitMs: number): Promise<void>;
  /** Timers not fired yet: zero after a clean stop. */
  readonly pendingTimers: number;
}

interface Entry {
  readonly at: number;
  readonly sequence: number;
  readonly fn: () => void;
  index: number;
}

/** @param startMs wall clock at the start; the monotonic clock starts at 0. */
export function createVirtualClock(startMs: number = Date.UTC(2026, 0, 1)): VirtualClock {
  let elapsed = 0;
  let sequence = 0;
  let yields = 0;
  const heap: Entry[] = [];

  const timer = (ms: number, fn: () => void): Timer => {
    const entry: Entry = { at: elapsed + Math.max(0, ms), sequence: sequence++, fn, index: heap.length };
    heap.push(entry);
    siftUp(heap, entry.index);
    return { cancel: () => remove(heap, entry) };
  };

  const settle = async (): Promise<void> => {
    // One macrotask drains all microtasks and next-tick callbacks; two quiet ones in a row mean that nothing is runnable.
    for (let quiet = 0; quiet < 2; ) {
      const before = yields;
      await new Promise<void>((resolve) => setImmediate(resolve));
      quiet = yields === 0 && before === 0 ? quiet + 1 : 0;
    }
  };

  const fireNext = (): void => {
    const next = heap[0];
    if (!next) return;
    remove(heap, next);
    elapsed = Math.max(elapsed, next.at);
    next.fn();
  };

  return {
    now: () => startMs + Math.floor(elapsed),
    monotonic: () => elapsed,
    timer,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) {
          resolve();
          return;
        }
        const wake = (): void => {
          pending.cancel();
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const pending = timer(ms, wake);
        signal?.addEventListener('abort', wake);
      }),
    yield: () => {
      yields++;
      return new Promise((resolve) =>
        setImmediate(() => {
          yields--;
          resolve();
        }),
      );
    },
    settle,
    async advance(ms) {
      const target = elapsed + ms;
      await settle();
      while (heap[0] && heap[0].at <= target) {
        const at = heap[0].at;
        while (heap[0] && heap[0].at === at) fireNext();
        await settle();
      }
      elapsed = target;
    },
    async advanceUntil(condition, limitMs) {
      const limit = elapsed + limitMs;
      await settle();
      while (!condition()) {
        const next = heap[0];
        if (!next)
          throw new Error('Virtual time: the condition does not hold and no timer is left that could change it');
        if (next.at > limit) throw new Error(`Virtual time: the condition does not hold after ${limitMs} ms`);
        while (heap[0] && heap[0].at === next.at) fireNext();
        await settle();
      }
    },
    get pendingTimers() {
      return heap.length;
    },
  };
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.sequence < b.sequence);

function place(heap: Entry[], entry: Entry, index: number): void {
  heap[index] = entry;
  entry.index = index;
}

function siftUp(heap: Entry[], from: number): void {
  const entry = heap[from]!;
  let index = from;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!before(entry, heap[parent]!)) break;
    place(heap, heap[parent]!, index);
    index = parent;
  }
  place(heap, entry, index);
}

function siftDown(heap: Entry[], from: number): void {
  const entry = heap[from]!;
  let index = from;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, entry)) break;
    place(heap, heap[child]!, index);
    index = child;
  }
  place(heap, entry, index);
}

function remove(heap: Entry[], entry: Entry): void {
  if (heap[entry.index] !== entry) return;
  const last = heap.pop()!;
  const index = entry.index;
  entry.index = -1;
  if (last === entry) return;
  place(heap, last, index);
  siftUp(heap, index);
  siftDown(heap, last.index);
}
