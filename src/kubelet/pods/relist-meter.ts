/** How often and how long the runtime's containers are listed, under upstream's names, and the health check that goes with it. Source: pkg/kubelet/pleg. */
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';

export interface RelistMeter {
  listed(tookMs: number, nextInMs: number): void;
  /** Nothing is listed any more: the runtime tells each change. */
  done(): void;
  /** Why pods' containers are not looked at. */
  problem(): string | undefined;
}

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A list may be so late. Source: relistThreshold. */
const lateMs = 180_000;
const none = {} as Record<never, string>;

export function createRelistMeter(metrics: MetricsRegistry, clock: Clock): RelistMeter {
  const took = metrics.timings<never>({
    name: 'kubelet_pleg_relist_duration_seconds',
    help: 'Duration in seconds for relisting pods in PLEG.',
    labels: [],
    buckets,
  });
  const interval = metrics.timings<never>({
    name: 'kubelet_pleg_relist_interval_seconds',
    help: 'Interval in seconds between relisting in PLEG.',
    labels: [],
    buckets,
  });
  const seen = metrics.gauge<never>({
    name: 'kubelet_pleg_last_seen_seconds',
    help: 'Timestamp in seconds when PLEG was last seen active.',
  });
  let last: number | undefined;
  let dueMs: number | undefined;
  return {
    listed(tookMs, nextInMs) {
      const now = clock.monotonic();
      took.child(none).observe(tookMs / 1000);
      if (last !== undefined) interval.child(none).observe((now - last) / 1000);
      seen.set(none, clock.now() / 1000);
      last = now;
      dueMs = now + nextInMs;
    },
    done() {
      dueMs = undefined;
    },
    problem: () =>
      dueMs !== undefined && clock.monotonic() - dueMs > lateMs
        ? `pleg was last seen active ${Math.round((clock.monotonic() - (last ?? 0)) / 1000)}s ago`
        : undefined,
  };
}
