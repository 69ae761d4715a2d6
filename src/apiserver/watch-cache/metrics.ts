/** The watch cache and its watches under upstream's names: counted in plain numbers, handed over when somebody scrapes. Source: storage/cacher/metrics. */
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Timing } from '../../base/timings.ts';
import type { RequestInfo } from '../request-info.ts';
import type { ResourceCache } from './resource-cache.ts';
import type { Watcher } from './watcher.ts';

export interface MeteredCache {
  readonly group: string;
  readonly resource: string;
  readonly cache: ResourceCache;
}

export interface WatchMeter {
  opened(info: RequestInfo, watcher: Watcher): void;
  /** A list that had to be consistent waited so long for the cache to catch up; undefined: it did not in time. */
  caughtUp(cache: MeteredCache, waitedMs: number | undefined): void;
}

export interface WatchMeterOptions {
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly caches: () => Iterable<MeteredCache>;
  readonly revision: () => number;
  /** As requests that last are counted. */
  readonly lasting: (info: RequestInfo) => () => void;
}

type Resource = 'group' | 'resource';
const labels: readonly Resource[] = ['group', 'resource'];

export function createWatchMeter({ metrics, clock, caches, revision, lasting }: WatchMeterOptions): WatchMeter {
  const handed = new WeakMap<ResourceCache, Record<keyof ResourceCache['seen'], number>>();
  const counter = (name: string, help: string) => metrics.tallies<Resource>({ name, help, labels });
  const dispatched = counter(
    'apiserver_watch_cache_events_dispatched_total',
    'Counter of events dispatched in watch cache broken by resource type.',
  );
  const received = counter(
    'apiserver_watch_cache_events_received_total',
    'Counter of events received in watch cache broken by resource type.',
  );
  const initializations = counter(
    'apiserver_watch_cache_initializations_total',
    'Counter of watch cache initializations broken by resource type.',
  );
  const initial = counter(
    'apiserver_init_events_total',
    'Counter of init events processed in watch cache broken by resource type.',
  );
  const returned = counter(
    'apiserver_cache_list_returned_objects_total',
    'Number of objects returned for a LIST request from watch cache',
  );
  const lists = metrics.tallies<Resource | 'index'>({
    name: 'apiserver_cache_list_total',
    help: 'Number of LIST requests served from watch cache',
    labels: [...labels, 'index'],
  });
  const gauge = (name: string, help: string) => metrics.gauge<Resource>({ name, help, labels });
  const capacity = gauge('watch_cache_capacity', 'Total capacity of watch cache broken by resource type.');
  const version = gauge(
    'apiserver_watch_cache_resource_version',
    'Current resource version of watch cache broken by resource type.',
  );
  const objects = gauge('apiserver_resource_objects', 'Number of stored objects by resource.');
  const bytes = gauge(
    'apiserver_resource_size_estimate_bytes',
    'Size of the stored objects by resource, as they are encoded in the store.',
  );
  metrics.onScrape(() => {
    for (const { group, resource, cache } of caches()) {
      const at = { group, resource };
      const { seen } = cache;
      const before = handed.get(cache) ?? { events: 0, fills: 0, initial: 0, lists: 0, returned: 0 };
      dispatched.child(at).add(seen.events - before.events);
      if (seen.events > 0) received.child(at).add(seen.events - before.events);
      initializations.child(at).add(seen.fills - before.fills);
      if (seen.initial > 0) initial.child(at).add(seen.initial - before.initial);
      if (seen.lists > 0) {
        lists.child({ ...at, index: '' }).add(seen.lists - before.lists);
        returned.child(at).add(seen.returned - before.returned);
      }
      handed.set(cache, { ...seen });
      capacity.set(at, cache.history.capacity);
      version.set(at, revision());
      objects.set(at, cache.size);
      bytes.set(at, cache.bytes);
    }
  });
  const opened = watchCounts(metrics, clock, lasting);
  const caughtUp = consistentReads(metrics);
  return { opened, caughtUp };
}

/** Events given to watches, how long their initial ones took, and how many are open. */
function watchCounts(
  metrics: MetricsRegistry,
  clock: Clock,
  lasting: WatchMeterOptions['lasting'],
): WatchMeter['opened'] {
  const events = metrics.tallies<Resource | 'version'>({
    name: 'apiserver_watch_events_total',
    help: 'Number of events sent in watch clients',
    labels: [...labels, 'version'],
  });
  const initialLists = metrics.timings<Resource | 'version' | 'scope'>({
    name: 'apiserver_watch_list_duration_seconds',
    help: 'Response latency distribution in seconds for watch list requests broken by group, version, resource and scope.',
    labels: [...labels, 'version', 'scope'],
    buckets: [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60],
  });
  const given = new Map<string, { readonly at: Record<Resource | 'version', string>; events: number; told: number }>();
  metrics.onScrape(() => {
    for (const cell of given.values()) {
      events.child(cell.at).add(cell.events - cell.told);
      cell.told = cell.events;
    }
  });
  return (info, watcher) => {
    const { apiGroup: group, apiVersion: version, resource, namespace, name } = info;
    const key = `${group}/${version}/${resource}`;
    let cell = given.get(key);
    if (!cell) given.set(key, (cell = { at: { group, version, resource }, events: 0, told: 0 }));
    watcher.given = cell;
    watcher.onClose(lasting(info));
    if (!watcher.behind) return;
    const startMs = clock.monotonic();
    const scope = name !== '' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster';
    watcher.onInitialTaken = () =>
      initialLists.child({ group, version, resource, scope }).observe((clock.monotonic() - startMs) / 1000);
  };
}

function consistentReads(metrics: MetricsRegistry): WatchMeter['caughtUp'] {
  const reads = metrics.tallies<Resource | 'success' | 'fallback'>({
    name: 'apiserver_watch_cache_consistent_read_total',
    help: 'Counter for consistent reads from cache.',
    labels: [...labels, 'success', 'fallback'],
  });
  const waits = metrics.timings<Resource>({
    name: 'apiserver_watch_cache_read_wait_seconds',
    help: 'Histogram of time spent waiting for a watch cache to become fresh.',
    labels,
    buckets: [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3],
  });
  const known = new WeakMap<ResourceCache, { readonly waited: Timing; succeeded(): void }>();
  return ({ group, resource, cache }, waitedMs) => {
    let cell = known.get(cache);
    if (!cell) {
      const at = { group, resource };
      const success = reads.child({ ...at, success: 'true', fallback: 'false' });
      known.set(cache, (cell = { waited: waits.child(at), succeeded: () => success.add() }));
    }
    if (waitedMs === undefined) reads.child({ group, resource, success: 'false', fallback: 'false' }).add();
    else {
      cell.succeeded();
      cell.waited.observe(waitedMs / 1000);
    }
  };
}
