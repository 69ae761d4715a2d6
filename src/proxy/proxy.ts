/**
 * kube-proxy on nftables: watches Services and EndpointSlices, renders the table they mean and loads the difference in one transaction.
 * Level-triggered: each sync starts from the informers' state; when a transaction fails the whole table is loaded anew.
 */

import type { EndpointSlice } from '../api/types/discovery-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { Spawner } from '../host/spawner.ts';
import { renderTable } from './nftables/render.ts';
import { type NftTable, renderDifference, renderFull } from './nftables/table.ts';
import { buildServiceRules, type DefaultTrafficDistribution } from './service-map.ts';

export interface ProxyOptions {
  readonly informers: InformerFactory;
  readonly spawner: Spawner;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly clusterCidr: string;
  readonly defaultTrafficDistribution: DefaultTrafficDistribution;
  readonly tableName?: string;
}

export const defaultTableName = 'bireme-proxy';

/** At most one sync in this time: changes that come together are loaded together. Upstream's minSyncPeriod is 1 s; ours costs less. */
const minSyncIntervalMs = 20;
const retryMs = 1000;
const nftTimeoutMs = 30_000;
const sliceServiceLabel = 'kubernetes.io/service-name';

/** Runs until `signal` aborts. The rules stay when it ends, as upstream's: established traffic goes on; `removeProxyRules` takes them out. */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const { informers, clock, log, metrics, nodeName } = options;
  const services = informers.informer(resources.services);
  const slices = informers.informer(resources.endpointSlices);
  const nodes = informers.informer(resources.nodes, { fieldSelector: `metadata.name=${nodeName}` });
  slices.addIndex('service', (slice) => {
    const name = slice.metadata.labels?.[sliceServiceLabel];
    return name === undefined ? [] : [`${slice.metadata.namespace}/${name}`];
  });
  const latency = metrics.histogram({
    name: 'kubeproxy_sync_proxy_rules_duration_seconds',
    help: 'Time to load a change of the rules',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  });
  const failures = metrics.counter({
    name: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
    help: 'Transactions that nft refused',
  });

  const dirty = createSignalFlag();
  const wake = { onAdd: dirty.raise, onUpdate: dirty.raise, onDelete: dirty.raise };
  const removers = [
    services.addHandler(wake),
    slices.addHandler(wake),
    nodes.addHandler({
      onAdd: dirty.raise,
      onUpdate: (before, after) => zoneOf(before) !== zoneOf(after) && dirty.raise(),
    }),
  ];
  signal.addEventListener('abort', dirty.raise, { once: true });
  try {
    await Promise.all([services.waitForSync(signal), slices.waitForSync(signal), nodes.waitForSync(signal)]);
    dirty.raise();
    let loaded: NftTable | undefined;
    while (!signal.aborted) {
      await dirty.wait();
      if (signal.aborted) break;
      const startMs = clock.monotonic();
      const next = renderTable(
        buildServiceRules({
          services: services.list(),
          slicesOf: (key) => slices.byIndex('service', key) as readonly EndpointSlice[],
          topology: { nodeName, zone: zoneOf(nodes.get(nodeName)) },
          defaultTrafficDistribution: options.defaultTrafficDistribution,
          family: 'IPv4',
        }),
        { tableName: options.tableName ?? defaultTableName, clusterCidr: options.clusterCidr },
      );
      const text = loaded ? renderDifference(loaded, next) : renderFull(next);
      if (text !== '') {
        const failure = await load(options.spawner, text, signal);
        if (signal.aborted) break;
        if (failure === undefined) loaded = next;
        else {
          failures.increment({});
          log.error('Cannot load service rules, trying again with the whole table', { reason: failure });
          loaded = undefined;
          dirty.raise();
          await clock.sleep(retryMs, signal);
        }
        latency.observe({}, (clock.monotonic() - startMs) / 1000);
      }
      await clock.sleep(minSyncIntervalMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const remove of removers) remove();
  }
}

/** Takes the proxy's table out. Success when it is gone already. */
export async function removeProxyRules(spawner: Spawner, tableName = defaultTableName): Promise<void> {
  // Adding first makes deleting succeed whether or not the table is there.
  const result = await spawner.run('nft', ['-f', '-'], {
    stdin: `add table ip ${tableName}\ndelete table ip ${tableName}\n`,
    timeoutMs: nftTimeoutMs,
  });
  if (result.code !== 0)
    throw new Error(`Cannot remove the nft table "${tableName}": ${result.stderr.toString().trim()}`);
}

/** @returns undefined on success, else what nft said. */
async function load(spawner: Spawner, text: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const result = await spawner.run('nft', ['-f', '-'], { stdin: text, timeoutMs: nftTimeoutMs, signal });
    return result.code === 0 ? undefined : result.stderr.toString().split('\n').slice(0, 4).join(' ').trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const zoneOf = (
  node: { readonly metadata: { readonly labels?: Readonly<Record<string, string>> } } | undefined,
): string => node?.metadata.labels?.['topology.kubernetes.io/zone'] ?? '';

/** A flag that one loop waits for: raised many times between two waits it wakes the loop once. */
function createSignalFlag(): { raise(): void; wait(): Promise<void> } {
  let raised = false;
  let wake: (() => void) | undefined;
  return {
    raise: () => {
      raised = true;
      wake?.();
      wake = undefined;
    },
    wait: async () => {
      if (!raised)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      raised = false;
    },
  };
}
