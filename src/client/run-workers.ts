import { isConflict } from '../api/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { WorkQueue } from './work-queue.ts';

/** `requeueAfterMs`: handle the key again then, whatever happens. `requeue`: again, with the rate limiter's delay, without being an error. */
export type ReconcileResult = { readonly requeueAfterMs?: number; readonly requeue?: boolean } | undefined;
// biome-ignore lint/suspicious/noConfusingVoidType: a reconcile that has nothing to say returns nothing
export type Reconcile<K> = (key: K, signal: AbortSignal) => Promise<ReconcileResult | void> | ReconcileResult | void;

export interface WorkersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The kind of thing a key names, for the log: `deployment`. */
  readonly kind: string;
  /** A key that failed this often in a row is dropped until something adds it again. Absent: never. */
  readonly maxRetries?: number;
}

/** No stretch of pure cache work runs longer without a yield (decision 11). */
const sliceMs = 4;

/**
 * Runs `count` workers until `signal` aborts: each takes a key, reconciles it, and on an error logs it and adds the key again with the rate
 * limiter's delay; on success the key's failures are forgotten. Ends when the reconciles under way have returned. Never rejects for a
 * reconcile's error.
 */
export async function runWorkers<K>(
  queue: WorkQueue<K>,
  count: number,
  reconcile: Reconcile<K>,
  { clock, log, kind, maxRetries }: WorkersOptions,
  signal: AbortSignal,
): Promise<void> {
  const stop = (): void => queue.shutDown();
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  let sliceStart = clock.monotonic();

  const worker = async (): Promise<void> => {
    for (;;) {
      const key = await queue.get();
      // What is still queued is not worked off: the next start recomputes everything anyway.
      if (key === undefined || signal.aborted) return;
      if (clock.monotonic() - sliceStart > sliceMs) {
        await clock.yield();
        sliceStart = clock.monotonic();
      }
      try {
        const result = await reconcile(key, signal);
        if (result?.requeue) queue.addRateLimited(key);
        else {
          queue.forget(key);
          if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (maxRetries !== undefined && queue.failures(key) >= maxRetries) {
          log.error('Dropped after too many failures', { [kind]: key, failures: queue.failures(key), error });
          queue.forget(key);
        } else {
          // A conflict says that the cache was behind: it heals by itself with the next event.
          if (isConflict(error)) log.debug('Reconcile met a conflict, will retry', { [kind]: key, error });
          else log.warn('Reconcile failed, will retry', { [kind]: key, failures: queue.failures(key), error });
          queue.addRateLimited(key);
        }
      } finally {
        queue.done(key);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  signal.removeEventListener('abort', stop);
}
