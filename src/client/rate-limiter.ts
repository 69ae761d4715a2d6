/** How long a failed key waits. Source: client-go util/workqueue/default_rate_limiters.go. */
import type { Clock } from '../base/clock.ts';

export interface RateLimiter<K> {
  /** Counts a failure. @returns milliseconds to wait. */
  when(key: K): number;
  /** The key's failures start over. */
  forget(key: K): void;
  failures(key: K): number;
}

/** 5 ms doubling to 1,000 s per key, and 10 per second with bursts of 100 overall; the longer delay counts. */
export const controllerRateLimiter = <K>(clock: Clock): RateLimiter<K> =>
  longestOf([exponentialPerKey<K>(5, 1_000_000), tokenBucketLimiter<K>(clock, 10, 100)]);

/** `baseMs * 2^failures`, at most `maxMs`. */
export function exponentialPerKey<K>(baseMs: number, maxMs: number): RateLimiter<K> {
  const failures = new Map<K, number>();
  return {
    when(key) {
      const before = failures.get(key) ?? 0;
      failures.set(key, before + 1);
      return Math.min(baseMs * 2 ** before, maxMs);
    },
    forget: (key) => void failures.delete(key),
    failures: (key) => failures.get(key) ?? 0,
  };
}

function tokenBucketLimiter<K>(clock: Clock, perSecond: number, burst: number): RateLimiter<K> {
  const bucket = createTokenBucket(clock, perSecond, burst);
  return { when: () => bucket.reserve(), forget: () => undefined, failures: () => 0 };
}

function longestOf<K>(limiters: readonly RateLimiter<K>[]): RateLimiter<K> {
  return {
    when: (key) => Math.max(...limiters.map((limiter) => limiter.when(key))),
    forget: (key) => {
      for (const limiter of limiters) limiter.forget(key);
    },
    failures: (key) => Math.max(...limiters.map((limiter) => limiter.failures(key))),
  };
}

export interface TokenBucket {
  /** Takes a token now if there is one. */
  tryTake(): boolean;
  /** Takes a token in any case. @returns milliseconds until it may be used. */
  reserve(): number;
  /** A new rate from now on; tokens are kept up to the burst. */
  setRate(perSecond: number): void;
}

/** @param perSecond may be a fraction, or 0: then the burst is all there is. Starts full. */
export function createTokenBucket(clock: Pick<Clock, 'monotonic'>, perSecond: number, burst: number): TokenBucket {
  let tokens = burst;
  let at = clock.monotonic();
  const refill = (): void => {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    at = now;
  };
  return {
    tryTake() {
      refill();
      // Sums of fractions: 300 refills of 1/300 must give a whole token.
      if (tokens < 1 - 1e-9) return false;
      tokens -= 1;
      return true;
    },
    reserve() {
      refill();
      tokens -= 1;
      if (tokens >= -1e-9) return 0;
      return perSecond > 0 ? (-tokens / perSecond) * 1000 : Number.POSITIVE_INFINITY;
    },
    setRate(next) {
      refill();
      perSecond = next;
    },
  };
}
