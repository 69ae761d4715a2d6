/** The proxy under upstream's names. Source: pkg/proxy/metrics. */
import { parseTime } from '../api/time.ts';
import type { EndpointSlice } from '../api/types/discovery-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface ProxyMeters {
  serviceChanged(): void;
  sliceChanged(slice: EndpointSlice): void;
  /** Something waits to be synced. */
  queued(): void;
  /** A sync begins: what waited is taken. */
  taken(): void;
  /** @param full the first one, which loads everything. */
  synced(tookMs: number, families: readonly string[], full: boolean): void;
  failed(): void;
}

const none = {} as Record<never, string>;
/** 1 ms doubling to 16 s. */
const doubling = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
/** As upstream: fine at first, by the second to a minute, then coarser to five minutes. */
const programming = [
  0,
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, i) => i + 1),
  ...Array.from({ length: 12 }, (_, i) => 60 + i * 5),
  ...Array.from({ length: 7 }, (_, i) => 120 + i * 30),
];
/** When the endpoints behind a slice changed, as the endpoint controllers write it. */
const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

export function createMeters(metrics: MetricsRegistry, clock: Clock): ProxyMeters {
  const timings = (name: string, help: string, buckets: readonly number[] = doubling) =>
    metrics.timings<'ip_family'>({ name: `kubeproxy_${name}`, help, labels: ['ip_family'], buckets });
  const counter = (name: string, help: string) =>
    metrics.tallies<never>({ name: `kubeproxy_${name}`, help, labels: [] }).child(none);
  const took = timings('sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds');
  const full = timings('sync_full_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds for full resyncs');
  const partial = timings(
    'sync_partial_proxy_rules_duration_seconds',
    'SyncProxyRules latency in seconds for partial resyncs',
  );
  const programmed = timings(
    'network_programming_duration_seconds',
    'In Cluster Network Programming Latency in seconds',
    programming,
  );
  const stamp = (name: string, help: string) =>
    metrics.gauge<'ip_family'>({ name: `kubeproxy_${name}`, help, labels: ['ip_family'] });
  const lastSync = stamp(
    'sync_proxy_rules_last_timestamp_seconds',
    'The last time proxy rules were successfully synced',
  );
  const lastQueued = stamp(
    'sync_proxy_rules_last_queued_timestamp_seconds',
    'The last time a sync of proxy rules was queued',
  );
  const failures = metrics.tallies<'ip_family'>({
    name: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
    help: 'Cumulative proxy nftables sync failures',
    labels: ['ip_family'],
  });
  const services = counter('sync_proxy_rules_service_changes_total', 'Cumulative proxy rules Service changes');
  const slices = counter('sync_proxy_rules_endpoint_changes_total', 'Cumulative proxy rules Endpoint changes');
  const waiting = { services: 0, slices: 0 };
  metrics.gauge<never>({
    name: 'kubeproxy_sync_proxy_rules_service_changes_pending',
    help: 'Pending proxy rules Service changes',
    collect: (gauge) => gauge.set(none, waiting.services),
  });
  metrics.gauge<never>({
    name: 'kubeproxy_sync_proxy_rules_endpoint_changes_pending',
    help: 'Pending proxy rules Endpoint changes',
    collect: (gauge) => gauge.set(none, waiting.slices),
  });
  // Times of changes that no rules show yet, by the family of their slice.
  let triggers: { readonly family: string; readonly atMs: number }[] = [];
  let taken: typeof triggers = [];
  const startMs = clock.now();
  return {
    serviceChanged() {
      services.add();
      waiting.services++;
    },
    sliceChanged({ addressType, metadata }) {
      slices.add();
      waiting.slices++;
      const text = metadata.annotations?.[triggerAnnotation];
      const atMs = text === undefined ? undefined : parseTime(text);
      // What changed before this proxy was there says nothing of it.
      if (atMs !== undefined && atMs >= startMs && triggers.length < 10_000)
        triggers.push({ family: addressType === 'IPv6' ? 'IPv6' : 'IPv4', atMs });
    },
    queued: () => lastQueued.set({ ip_family: 'IPv4' }, clock.now() / 1000),
    taken() {
      waiting.services = 0;
      waiting.slices = 0;
      // Of a sync that failed, they wait for the next.
      taken = [...taken, ...triggers];
      triggers = [];
    },
    synced(tookMs, families, first) {
      for (const ip_family of families) {
        took.child({ ip_family }).observe(tookMs / 1000);
        (first ? full : partial).child({ ip_family }).observe(tookMs / 1000);
        lastSync.set({ ip_family }, clock.now() / 1000);
      }
      const now = clock.now();
      for (const { family, atMs } of taken)
        programmed.child({ ip_family: family }).observe(Math.max(0, now - atMs) / 1000);
      taken = [];
    },
    failed: () => failures.child({ ip_family: 'IPv4' }).add(),
  };
}
