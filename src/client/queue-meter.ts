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
  const adds = registry
    .tallies<'name'>({
      name: 'workqueue_adds_total',
      help: 'Total number of adds handled by workqueue',
      labels: ['name'],
    })
    .child(labels);
  const waited = registry
    .timings<'name'>({
      name: 'workqueue_queue_duration_seconds',
      help: 'How long in seconds an item stays in workqueue before being requested.',
      labels: ['name'],
      buckets,
    })
    .child(labels);
  const worked = registry
    .timings<'name'>({
      name: 'workqueue_work_duration_seconds',
      help: 'How long in seconds processing an item from workqueue takes.',
      labels: ['name'],
      buckets,
    })
    .child(labels);
  const retries = registry
    .tallies<'name'>({
      name: 'workqueue_retries_total',
      help: 'Total number of retries handled by workqueue',
      labels: ['name'],
    })
    .child(labels);
  const unfinished = registry.gauge<'name'>({
    name: 'workqueue_unfinished_work_seconds',
    help: 'How many seconds of work are under way that no work duration has counted yet. Large values mean stuck workers.',
    labels: ['name'],
  });
  const longest = registry.gauge<'name'>({
    name: 'workqueue_longest_running_processor_seconds',
    help: 'How many seconds the longest running worker of the queue has worked on its item.',
    labels: ['name'],
  });
  const addedAt = new Map<K, number>();
  const startedAt = new Map<K, number>();
  registry.onScrape(() => {
    const now = clock.monotonic();
    let total = 0;
    let most = 0;
    for (const at of startedAt.values()) {
      total += now - at;
      most = Math.max(most, now - at);
    }
    depth.set(labels, addedAt.size);
    unfinished.set(labels, total / 1000);
    longest.set(labels, most / 1000);
  });
  const observe = (timing: typeof waited, since: Map<K, number>, key: K): void => {
    const at = since.get(key);
    if (at === undefined) return;
    since.delete(key);
    timing.observe((clock.monotonic() - at) / 1000);
  };
  return {
    added(key) {
      adds.add();
      if (!addedAt.has(key)) addedAt.set(key, clock.monotonic());
    },
    handedOut(key) {
      observe(waited, addedAt, key);
      startedAt.set(key, clock.monotonic());
    },
    done: (key) => observe(worked, startedAt, key),
    retried: () => retries.add(),
  };
}

/** 10 ns to 10 s, a factor of ten each. */
const buckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];
