/** Nanocores from totals: how much of a core was used between two looks at least a second apart. */
import type { Clock } from '../../base/clock.ts';

export interface Rates {
  /** Notes a total of nanoseconds. @returns the rate since the look before, undefined for the first. */
  next(key: string, totalNs: number): number | undefined;
  /** Drops what was not looked at for ten minutes. */
  forgetOld(): void;
}

const leastMs = 1000;
const keptMs = 600_000;

export function createRates(clock: Pick<Clock, 'monotonic'>): Rates {
  const known = new Map<string, { atMs: number; totalNs: number; rate: number | undefined }>();
  return {
    next(key, totalNs) {
      const atMs = clock.monotonic();
      const entry = known.get(key);
      // A smaller total is another container's, or the counter began anew.
      if (!entry || totalNs < entry.totalNs) {
        known.set(key, { atMs, totalNs, rate: undefined });
        return undefined;
      }
      if (atMs - entry.atMs >= leastMs) {
        entry.rate = Math.round(((totalNs - entry.totalNs) * 1000) / (atMs - entry.atMs));
        entry.atMs = atMs;
        entry.totalNs = totalNs;
      }
      return entry.rate;
    },
    forgetOld() {
      const now = clock.monotonic();
      for (const [key, entry] of known) if (now - entry.atMs > keptMs) known.delete(key);
    },
  };
}
