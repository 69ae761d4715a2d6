/**
 * How soon a failed daemon pod may be replaced: the kubelet may refuse the next one just as fast. A second, doubling, up to 15 minutes, for each
 * node and generation; forgotten after twice the longest. Source: flowcontrol.NewBackOff in pkg/controller/daemon.
 */
import type { Clock } from '../../base/clock.ts';

const baseMs = 1_000;
const maxMs = 15 * 60_000;

interface Entry {
  delayMs: number;
  updatedMs: number;
}

export class FailedPodBackoff {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  /** @returns milliseconds still to wait, 0 when the pod may go now; that counts as a try. */
  attempt(key: string): number {
    const now = this.clock.monotonic();
    const entry = this.entries.get(key);
    const sinceMs = entry ? now - entry.updatedMs : Number.POSITIVE_INFINITY;
    if (entry && sinceMs < entry.delayMs) return entry.delayMs;
    if (entry && sinceMs <= 2 * maxMs) {
      entry.delayMs = Math.min(entry.delayMs * 2, maxMs);
      entry.updatedMs = now;
      return 0;
    }
    this.forgetExpired(now);
    this.entries.set(key, { delayMs: baseMs, updatedMs: now });
    return 0;
  }

  private forgetExpired(now: number): void {
    for (const [key, { updatedMs }] of this.entries) if (now - updatedMs > 2 * maxMs) this.entries.delete(key);
  }
}
