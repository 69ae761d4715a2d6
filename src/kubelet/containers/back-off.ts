/**
 * Exponential back-off per key, as upstream's flowcontrol.Backoff: the first failure is tried again at once, then after `initialMs` doubling
 * to `maxMs`; a key that stayed quiet for twice the maximum starts over.
 */
import type { Clock } from '../../base/clock.ts';

export interface BackOff {
  /** Milliseconds still to wait when something ended at `sinceMs` (wall clock); 0 when it may go on. */
  remainingMs(key: string, sinceMs: number): number;
  /** The key's current delay. */
  delayMs(key: string): number;
  /** Counts a try: the next delay is the initial one or twice the last. */
  next(key: string, sinceMs: number): void;
  forget(key: string): void;
  /** Drops keys that stayed quiet. */
  collectGarbage(): void;
}

export function createBackOff(
  clock: Clock,
  { initialMs, maxMs }: { readonly initialMs: number; readonly maxMs: number },
): BackOff {
  const entries = new Map<string, { delayMs: number; updatedMs: number }>();
  const expired = (entry: { updatedMs: number }, atMs: number): boolean => atMs - entry.updatedMs > 2 * maxMs;
  return {
    remainingMs(key, sinceMs) {
      const entry = entries.get(key);
      if (!entry || expired(entry, sinceMs)) return 0;
      return Math.max(0, sinceMs + entry.delayMs - clock.now());
    },
    delayMs: (key) => entries.get(key)?.delayMs ?? 0,
    next(key, sinceMs) {
      const entry = entries.get(key);
      const now = clock.now();
      if (!entry || expired(entry, sinceMs)) entries.set(key, { delayMs: initialMs, updatedMs: now });
      else {
        entry.delayMs = Math.min(entry.delayMs * 2, maxMs);
        entry.updatedMs = now;
      }
    },
    forget: (key) => void entries.delete(key),
    collectGarbage() {
      const now = clock.now();
      for (const [key, entry] of entries) if (expired(entry, now)) entries.delete(key);
    },
  };
}

/** Go's `time.Duration` in the forms back-off messages use: `10s`, `1m20s`, `5m0s`. */
export function goDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds}s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return `${hours > 0 ? `${hours}h` : ''}${minutes}m${seconds % 60}s`;
}
