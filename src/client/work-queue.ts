/**
 * The work queue of controllers (client-go semantics): a key is in the queue at most once, is never handled by two workers at a time, and
 * a key added while it is handled is handled again afterwards.
 */
export interface WorkQueue<K> {
  add(key: K): void;
  /** Adds after a delay; a shorter delay for the same key wins. */
  addAfter(key: K, delayMs: number): void;
  /** Adds after the rate limiter's delay for this key. */
  addRateLimited(key: K): void;
  /** The key succeeded: its failure count starts over. */
  forget(key: K): void;
  /** Failures counted for the key. */
  failures(key: K): number;
  /** Waits for a key; `undefined` after shutdown once the queue is empty. */
  get(): Promise<K | undefined>;
  /** Must follow each `get`. */
  done(key: K): void;
  readonly length: number;
  /** No more adds; `get` drains what is queued. */
  shutDown(): void;
}
