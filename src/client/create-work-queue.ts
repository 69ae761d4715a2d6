import type { Clock, Timer } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import { createQueueMeter } from './queue-meter.ts';
import { controllerRateLimiter, type RateLimiter } from './rate-limiter.ts';
import type { WorkQueue } from './work-queue.ts';

export interface WorkQueueOptions<K> {
  readonly clock: Clock;
  /** Delays of `addRateLimited`; by default upstream's for controllers. */
  readonly rateLimiter?: RateLimiter<K>;
  /** With it the queue has upstream's `workqueue_*` metrics under this name: `deployment`, `garbage_collector_attempt_to_delete`. */
  readonly metrics?: { readonly registry: MetricsRegistry; readonly name: string };
}

/**
 * Invariants:
 * 1. `dirty` holds each key that must be handled, in the queue or not; `processing` each key handed out and not done.
 * 2. A key is in `waiting` only when it is dirty and not processing, and at most once.
 * 3. Somebody waits in `getters` only while `waiting` is empty.
 *
 * @param K a primitive: keys are compared by identity.
 */
export function createWorkQueue<K extends string | number>({
  clock,
  rateLimiter = controllerRateLimiter(clock),
  metrics,
}: WorkQueueOptions<K>): WorkQueue<K> {
  const meter = metrics && createQueueMeter<K>(metrics.registry, metrics.name, clock);
  const dirty = new Set<K>();
  const processing = new Set<K>();
  let waiting: K[] = [];
  let head = 0;
  const getters: ((key: K | undefined) => void)[] = [];
  const delayed = new Map<K, { readonly at: number; readonly timer: Timer }>();
  let shuttingDown = false;

  const take = (): K => {
    const key = waiting[head++]!;
    if (head > 1024 && head * 2 > waiting.length) {
      waiting = waiting.slice(head);
      head = 0;
    }
    return hand(key);
  };
  const hand = (key: K): K => {
    dirty.delete(key);
    processing.add(key);
    meter?.handedOut(key);
    return key;
  };
  const enqueue = (key: K): void => {
    const getter = getters.shift();
    if (getter) getter(hand(key));
    else waiting.push(key);
  };

  const queue: WorkQueue<K> = {
    add(key) {
      if (shuttingDown || dirty.has(key)) return;
      dirty.add(key);
      meter?.added(key);
      if (!processing.has(key)) enqueue(key);
    },
    addAfter(key, delayMs) {
      if (shuttingDown) return;
      if (delayMs <= 0) {
        queue.add(key);
        return;
      }
      const at = clock.monotonic() + delayMs;
      const known = delayed.get(key);
      if (known) {
        if (known.at <= at) return;
        known.timer.cancel();
      }
      delayed.set(key, {
        at,
        timer: clock.timer(delayMs, () => {
          delayed.delete(key);
          queue.add(key);
        }),
      });
    },
    addRateLimited(key) {
      meter?.retried();
      queue.addAfter(key, rateLimiter.when(key));
    },
    forget: (key) => rateLimiter.forget(key),
    failures: (key) => rateLimiter.failures(key),
    get: () => {
      if (head < waiting.length) return Promise.resolve(take());
      if (shuttingDown) return Promise.resolve(undefined);
      return new Promise((resolve) => getters.push(resolve));
    },
    done(key) {
      processing.delete(key);
      meter?.done(key);
      if (dirty.has(key)) enqueue(key);
    },
    get length() {
      return waiting.length - head;
    },
    shutDown() {
      if (shuttingDown) return;
      shuttingDown = true;
      for (const { timer } of delayed.values()) timer.cancel();
      delayed.clear();
      for (const getter of getters.splice(0)) getter(undefined);
    },
  };
  return queue;
}
