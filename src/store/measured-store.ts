/** A store whose requests are counted and timed under upstream's names, by kind of request and of object. */
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Store, TxnRequest, WatchBatch } from './store.ts';

export interface MeasureOptions {
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  /** Whose key this is; undefined: nobody's that is counted. */
  readonly resourceOf: (key: string) => StoredResourceName | undefined;
}

export interface StoredResourceName {
  readonly group: string;
  readonly resource: string;
}

type Operation = 'get' | 'list' | 'create' | 'update' | 'delete';

/** Source: apiserver/pkg/storage/etcd3/metrics. */
const buckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
] as const;
const sizeEveryMs = 15_000;

export function createMeasuredStore(store: Store, { metrics, clock, resourceOf }: MeasureOptions): Store {
  const duration = metrics.histogram<'operation' | 'group' | 'resource'>({
    name: 'etcd_request_duration_seconds',
    help: 'Etcd request latency in seconds for each operation and object type.',
    labels: ['operation', 'group', 'resource'],
    buckets,
  });
  const counter = (name: string, help: string) =>
    metrics.counter<'operation' | 'group' | 'resource'>({ name, help, labels: ['operation', 'group', 'resource'] });
  const total = counter('etcd_requests_total', 'Etcd request counts for each operation and object type.');
  const errors = counter('etcd_request_errors_total', 'Etcd failed request counts for each operation and object type.');
  const events = metrics.counter<'group' | 'resource'>({
    name: 'apiserver_storage_events_received_total',
    help: 'Number of etcd events received split by kind.',
    labels: ['group', 'resource'],
  });
  let bytes: number | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  metrics.gauge<'storage_cluster_id'>({
    name: 'apiserver_storage_size_bytes',
    help: 'Size of the storage database file physically allocated in bytes.',
    labels: ['storage_cluster_id'],
    // A scrape does not wait for the store: it shows what the one before asked for.
    collect: (gauge) => {
      if (bytes !== undefined) gauge.set({ storage_cluster_id: 'etcd-0' }, bytes);
      if (clock.monotonic() - askedAt < sizeEveryMs) return;
      askedAt = clock.monotonic();
      store.size().then(
        (size) => {
          bytes = size;
        },
        () => {
          bytes = undefined;
        },
      );
    },
  });

  const measured = async <T>(operation: Operation, key: string, run: () => Promise<T>): Promise<T> => {
    const of = resourceOf(key);
    if (!of) return run();
    const labels = { operation, group: of.group, resource: of.resource };
    const startMs = clock.monotonic();
    try {
      return await run();
    } catch (error) {
      errors.increment(labels);
      throw error;
    } finally {
      total.increment(labels);
      duration.observe(labels, (clock.monotonic() - startMs) / 1000);
    }
  };
  return {
    range: (request, signal) =>
      measured(request.end === undefined ? 'get' : 'list', request.key, () => store.range(request, signal)),
    txn: (request, signal) => {
      const [first] = request.success;
      return first === undefined
        ? store.txn(request, signal)
        : measured(operationOf(request), first.key, () => store.txn(request, signal));
    },
    watch: (request) => counted(store.watch(request), events, resourceOf),
    currentRevision: (signal) => store.currentRevision(signal),
    compact: (revision, signal) => store.compact(revision, signal),
    leaseGrant: (ttlSeconds, signal) => store.leaseGrant(ttlSeconds, signal),
    leaseKeepAlive: (lease, signal) => store.leaseKeepAlive(lease, signal),
    leaseRevoke: (lease, signal) => store.leaseRevoke(lease, signal),
    size: (signal) => store.size(signal),
    close: () => store.close(),
  };
}

/** A put that wants nothing there is a creation. */
function operationOf({ compare, success }: TxnRequest): Operation {
  const first = success[0]!;
  if (first.type === 'delete') return 'delete';
  if (first.type === 'range') return first.end === undefined ? 'get' : 'list';
  return compare.some(({ key, target, value }) => key === first.key && target !== 'value' && Number(value) === 0)
    ? 'create'
    : 'update';
}

async function* counted(
  batches: AsyncIterable<WatchBatch>,
  events: { increment(labels: StoredResourceName, by?: number): void },
  resourceOf: MeasureOptions['resourceOf'],
): AsyncGenerator<WatchBatch, void> {
  for await (const batch of batches) {
    for (const { kv } of batch.events) {
      const of = resourceOf(kv.key);
      if (of) events.increment({ group: of.group, resource: of.resource });
    }
    yield batch;
  }
}
