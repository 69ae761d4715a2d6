import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface QueueMeter<K> {
  added(key: K): void;
  handedOut(key: K): void;
  done(key: K): void;
  retried(): void;
}

/** Source: client-go util/workqueue/metrics.go; names, labels and buckets are its own. */
export function createQueueMeter<K>(registry: MetricsRegistry, name: string, clock: Clock): QueueMeter<K> {
  const labels = { name };
  const depth = registry.gauge<'name'>({
    name: 'workqueue_depth',
    help: 'Current depth of workqueue',
    labels: ['name'],
  });
  const adds = registry.counter<'name'>({
    name: 'workqueue_adds_total',
    help: 'Total number of adds handled by workqueue',
    labels: ['name'],
  });
  const waited = registry.histogram<'name'>({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long in seconds an item stays in workqueue before being requested.',
    labels: ['name'],
    buckets,
  });
  const worked = registry.histogram<'name'>({
    name: 'workqueue_work_duration_seconds',
    help: 'How long in seconds processing an item from workqueue takes.',
    labels: ['name'],
    buckets,
  });
  const retries = registry.counter<'name'>({
    name: 'workqueue_retries_total',
    help: 'Total number of retries handled by workqueue',
    labels: ['name'],
  });
  const addedAt = new Map<K, number>();
  const startedAt = new Map<K, number>();
  const observe = (histogram: typeof waited, since: Map<K, number>, key: K): void => {
    const at = since.get(key);
    if (at === undefined) return;
    since.delete(key);
    histogram.observe(labels, (clock.monotonic() - at) / 1000);
  };
  return {
    added(key) {
      adds.increment(labels);
      depth.add(labels, 1);
      if (!addedAt.has(key)) addedAt.set(key, clock.monotonic());
    },
    handedOut(key) {
      depth.add(labels, -1);
      observe(waited, addedAt, key);
      startedAt.set(key, clock.monotonic());
    },
    done: (key) => observe(worked, startedAt, key),
    retried: () => retries.increment(labels),
  };
}

/** 10 ns to 1,000 s, a factor of ten each. */
const buckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];
