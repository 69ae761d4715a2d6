import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

export interface BackoffOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly baseMs: number;
  readonly factor: number;
  /** Each wait is lengthened by a random part of itself, up to this many times: 1 means up to double. */
  readonly jitter: number;
  readonly maxMs: number;
  /** Without a failure for this long, the next one counts as the first. */
  readonly resetMs: number;
}

export interface Backoff {
  /** Counts a failure. @returns milliseconds. */
  next(): number;
  /** `next`, slept; ends early when the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
  reset(): void;
}

/** Growing waits between tries of one thing. Source: apimachinery wait.Backoff with reset. */
export function createBackoff({ clock, random, baseMs, factor, jitter, maxMs, resetMs }: BackoffOptions): Backoff {
  let delay = baseMs;
  let last = Number.NEGATIVE_INFINITY;
  const next = (): number => {
    const now = clock.monotonic();
    if (now - last > resetMs) delay = baseMs;
    const wait = delay * (1 + random.float() * jitter);
    delay = Math.min(delay * factor, maxMs);
    last = now + wait;
    return wait;
  };
  return {
    next,
    wait: (signal) => clock.sleep(next(), signal),
    reset() {
      delay = baseMs;
    },
  };
}
