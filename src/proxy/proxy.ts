/**
 * kube-proxy on nftables: watches Services and EndpointSlices and keeps the table they mean. A change makes its Service dirty; a sync computes
 * what the dirty Services want and loads the difference in one transaction. When a transaction fails, the whole table is loaded anew.
 */
import type { Node, Service } from '../api/types/core-v1.ts';
import type { EndpointSlice } from '../api/types/discovery-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import { type InformerFactory, keyOf } from '../client/informer.ts';
import { createConntrack, type FlowFilter } from '../host/conntrack.ts';
import type { Spawner } from '../host/spawner.ts';
import type { ProxyConfig } from './config.ts';
import { createHealthCheckServers } from './health-check-server.ts';
import { createMeters } from './metrics.ts';
import { families, type TableOptions } from './nftables/base-table.ts';
import { fragmentOf } from './nftables/fragment.ts';
import { LiveTable } from './nftables/live-table.ts';
import {
  type DefaultTrafficDistribution,
  type NodeTopology,
  readyHere,
  rulesOfService,
  type ServiceContext,
  type ServicePortRules,
} from './service-map.ts';
import { staleFlows } from './stale-flows.ts';
import { isHealthy, type ProxyHealth, startStatusServers } from './status-servers.ts';

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
  /** A KubeProxyConfiguration, read (`readProxyConfig`). Its ports are served only when it names them, or with `ports: true`. */
  readonly config?: ProxyConfig;
  /** Serve health (10256) and metrics (127.0.0.1:10249) at upstream's ports. Default false. */
  readonly ports?: boolean;
}

export const defaultTableName = 'bireme-proxy';

/** At most one sync in this time: changes that come together are loaded together. Upstream's minSyncPeriod is 1 s; ours costs less. */
const defaultMinSyncMs = 20;
/** So many syncs may follow each other that fast; then, while changes do not cease (endpoints that flap), each waits for its share of a second. */
const burst = 30;
const sustainedPerSecond = 10;
const retryMs = 1000;
const nftTimeoutMs = 120_000;
const sliceServiceLabel = 'kubernetes.io/service-name';
const deletionTaint = 'ToBeDeletedByClusterAutoscaler';
/** No stretch of rendering runs longer without a yield (decision 11). */
const sliceMs = 4;
/** More flows to forget than this in one sync, e.g. at a first one with everything new, are left to time out. */
const forgottenFlowsMax = 200;

type FamilyName = 'IPv4' | 'IPv6';

/** Runs until `signal` aborts. The rules stay when it ends, as upstream's: established traffic goes on; `removeProxyRules` takes them out. */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const { informers, clock, log, nodeName, config = {} } = options;
  const services = informers.informer(resources.services);
  const slices = informers.informer(resources.endpointSlices);
  const nodes = informers.informer(resources.nodes, { fieldSelector: `metadata.name=${nodeName}` });
  slices.addIndex('service', (slice) => {
    const key = serviceOf(slice);
    return key === undefined ? [] : [key];
  });
  const meters = createMeters(options.metrics, clock);
  const health: ProxyHealth = { pendingSinceMs: undefined, lastUpdatedMs: clock.now(), nodeEligible: true };
  const checks = createHealthCheckServers(log, () => isHealthy(health, clock));
  const stopServers = startStatusServers({
    clock,
    log,
    metrics: options.metrics,
    health,
    healthzAddress: config.healthzBindAddress ?? (options.ports ? '0.0.0.0:10256' : ''),
    metricsAddress: config.metricsBindAddress ?? (options.ports ? '127.0.0.1:10249' : ''),
    config,
  });

  const dirty = new Set<string>();
  const flag = createSignalFlag();
  const touch = (key: string | undefined): void => {
    if (key === undefined) return;
    dirty.add(key);
    health.pendingSinceMs ??= clock.monotonic();
    meters.queued();
    flag.raise();
  };
  const touchAll = (): void => {
    for (const service of services.list()) touch(keyOf(service));
  };
  let topology: NodeTopology = { nodeName, zone: '' };
  const look = (node: Node | undefined): void => {
    const zone = node?.metadata.labels?.['topology.kubernetes.io/zone'] ?? '';
    health.nodeEligible =
      node?.metadata.deletionTimestamp === undefined && !node?.spec?.taints?.some(({ key }) => key === deletionTaint);
    if (zone === topology.zone) return;
    topology = { nodeName, zone };
    touchAll();
  };
  const touchService = (service: Service): void => {
    meters.serviceChanged();
    touch(keyOf(service));
  };
  const touchSlice = (slice: EndpointSlice): void => {
    meters.sliceChanged(slice);
    touch(serviceOf(slice));
  };
  const removers = [
    services.addHandler({
      onAdd: touchService,
      onUpdate: (_, service) => touchService(service),
      onDelete: touchService,
    }),
    slices.addHandler({
      onAdd: touchSlice,
      onUpdate: (before, slice) => {
        touchSlice(slice);
        if (serviceOf(before) !== serviceOf(slice)) touchSlice(before);
      },
      onDelete: touchSlice,
    }),
    nodes.addHandler({ onAdd: look, onUpdate: (_, node) => look(node) }),
  ];
  signal.addEventListener('abort', flag.raise, { once: true });

  const engines = new Map<FamilyName, Engine>();
  const engine = (family: FamilyName): Engine => {
    let found = engines.get(family);
    if (!found) engines.set(family, (found = new Engine(options, family)));
    return found;
  };
  engine('IPv4');
  const inputOf = (family: FamilyName): ServiceContext => ({
    slicesOf: (key) => slices.byIndex('service', key),
    topology,
    defaultTrafficDistribution: options.defaultTrafficDistribution,
    family,
  });
  const pace = createPace(clock.monotonic());
  const checked = new Set<string>();
  const updateChecks = (keys: ReadonlySet<string>): void => {
    let changed = false;
    for (const key of keys) {
      const has = healthCheckPort(services.get(key)) > 0;
      if (!has && !checked.has(key)) continue;
      changed = true;
      if (has) checked.add(key);
      else checked.delete(key);
    }
    if (!changed) return;
    checks.update(
      [...checked].map((key) => {
        const service = services.get(key)!;
        const { namespace = '', name = '' } = service.metadata;
        const localEndpoints = Math.max(
          readyHere(service, inputOf('IPv4')),
          engines.has('IPv6') ? readyHere(service, inputOf('IPv6')) : 0,
        );
        return { namespace, name, port: healthCheckPort(service), localEndpoints };
      }),
    );
  };

  try {
    await Promise.all([services.waitForSync(signal), slices.waitForSync(signal), nodes.waitForSync(signal)]);
    flag.raise();
    let first = true;
    while (!signal.aborted) {
      await flag.wait();
      if (signal.aborted) break;
      const startMs = clock.monotonic();
      meters.taken();
      const keys = new Set(dirty);
      dirty.clear();
      let sliceStart = startMs;
      for (const key of keys) {
        if (clock.monotonic() - sliceStart > sliceMs) {
          await clock.yield();
          sliceStart = clock.monotonic();
        }
        const service = services.get(key);
        // Most clusters have one family: the other costs nothing until a Service asks for it.
        if (service?.spec?.ipFamilies?.includes('IPv6')) engine('IPv6');
        for (const [family, each] of engines) each.set(key, service ? rulesOfService(service, inputOf(family)) : []);
      }
      let failed = false;
      for (const each of engines.values()) {
        const failure = await each.sync(signal);
        if (signal.aborted) break;
        if (failure === undefined) continue;
        failed = true;
        meters.failed();
        log.error('Cannot load service rules, trying again with the whole table', { reason: failure });
      }
      if (signal.aborted) break;
      if (failed) {
        for (const key of keys) dirty.add(key);
        flag.raise();
        await clock.sleep(retryMs, signal);
        continue;
      }
      updateChecks(keys);
      if (dirty.size === 0) health.pendingSinceMs = undefined;
      health.lastUpdatedMs = clock.now();
      meters.synced(clock.monotonic() - startMs, [...engines.keys()], first);
      first = false;
      const waitMs = config.minSyncPeriodMs ?? pace(clock.monotonic());
      await clock.sleep(waitMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const remove of removers) remove();
    await Promise.all([checks.close(), stopServers()]);
  }
}

/** How long to wait after a sync: little, until the burst is used up. */
export function createPace(startMs: number): (nowMs: number) => number {
  let left = burst;
  let lastMs = startMs;
  return (nowMs) => {
    left = Math.min(burst, left + ((nowMs - lastMs) * sustainedPerSecond) / 1000);
    lastMs = nowMs;
    const enough = left >= 1;
    left -= 1;
    return enough ? defaultMinSyncMs : 1000 / sustainedPerSecond;
  };
}

/** The table of one family, and the flows that its changes make stale. */
class Engine {
  private readonly options: ProxyOptions;
  private readonly family: FamilyName;
  private readonly tableOptions: TableOptions;
  private readonly table: LiveTable;
  private readonly rules = new Map<string, readonly ServicePortRules[]>();
  private stale: FlowFilter[] = [];
  private loadedOnce = false;
  private toldConntrack = false;

  constructor(options: ProxyOptions, family: FamilyName) {
    this.options = options;
    this.family = family;
    const { config = {} } = options;
    const cidrs = (config.clusterCidr ?? options.clusterCidr).split(',').map((cidr) => cidr.trim());
    const own = (text: string): boolean => text.includes(':') === (family === 'IPv6');
    const nodePortAddresses = config.nodePortAddresses?.filter((cidr) => cidr !== 'primary' && own(cidr));
    this.tableOptions = {
      tableName: options.tableName ?? defaultTableName,
      family: families[family],
      clusterCidr: cidrs.find((cidr) => cidr !== '' && own(cidr)) ?? '',
      ...(config.masqueradeAll ? { masqueradeAll: true } : {}),
      ...(config.masqueradeBit === undefined ? {} : { masqueradeBit: config.masqueradeBit }),
      ...(nodePortAddresses?.length ? { nodePortAddresses } : {}),
    };
    this.table = new LiveTable(this.tableOptions);
  }

  set(key: string, rules: readonly ServicePortRules[]): void {
    const before = this.rules.get(key);
    if (before === undefined && rules.length === 0) return;
    this.stale.push(...staleFlows(before, rules, this.family === 'IPv4' ? 'ipv4' : 'ipv6'));
    if (rules.length > 0) this.rules.set(key, rules);
    else this.rules.delete(key);
    this.table.set(key, rules.length > 0 ? fragmentOf(rules, this.tableOptions) : undefined);
  }

  /** @returns what nft said, when it refused. */
  async sync(signal: AbortSignal): Promise<string | undefined> {
    const text = this.table.transaction();
    if (text !== '') {
      const failure = await load(this.options.spawner, text, signal);
      if (signal.aborted) return undefined;
      if (failure !== undefined) {
        this.table.forget();
        return failure;
      }
    }
    this.table.done();
    await this.forgetFlows();
    this.loadedOnce = true;
    return undefined;
  }

  /** After the rules: a packet in between would be tracked by the old ones. */
  private async forgetFlows(): Promise<void> {
    const stale = this.stale;
    this.stale = [];
    if (stale.length === 0) return;
    const { spawner, log } = this.options;
    const some = this.loadedOnce ? stale : stale.slice(0, forgottenFlowsMax);
    const conntrack = createConntrack(spawner);
    for (const filter of some)
      try {
        await conntrack.forget(filter);
      } catch (error) {
        if (!this.toldConntrack)
          log.warn('Flows to former endpoints go on until they time out', { flows: some.length, error });
        this.toldConntrack = true;
        return;
      }
  }
}

/** Takes the proxy's tables out. Success when they are gone already. */
export async function removeProxyRules(spawner: Spawner, tableName = defaultTableName): Promise<void> {
  for (const { ip } of Object.values(families)) {
    // Adding first makes deleting succeed whether or not the table is there.
    const result = await spawner.run('nft', ['-f', '-'], {
      stdin: `add table ${ip} ${tableName}\ndelete table ${ip} ${tableName}\n`,
      timeoutMs: nftTimeoutMs,
    });
    if (result.code !== 0 && ip === 'ip')
      throw new Error(`Cannot remove the nft table "${tableName}": ${result.stderr.toString().trim()}`);
  }
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

function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[sliceServiceLabel];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

const healthCheckPort = (service: Service | undefined): number =>
  service?.spec?.type === 'LoadBalancer' && service.spec.externalTrafficPolicy === 'Local'
    ? (service.spec.healthCheckNodePort ?? 0)
    : 0;

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
