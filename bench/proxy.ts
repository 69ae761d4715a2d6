/**
 * kube-proxy at 10,000 Services with 50,000 endpoints: the first sync, and one endpoint's change from its watch event to the end of the kernel's
 * transaction. Needs root and nft; runs in a network namespace of its own, so the machine's rules are not touched.
 * Run: node bench/proxy.ts
 */
import { execFileSync } from 'node:child_process';
import type { KubeObject, ResourceRef } from '../src/api/object.ts';
import type { Service } from '../src/api/types/core-v1.ts';
import type { EndpointSlice } from '../src/api/types/discovery-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { silentLogger } from '../src/base/console-log.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { type EventHandler, type Informer, type InformerFactory, keyOf } from '../src/client/informer.ts';
import { createLocalSpawner } from '../src/host/local-spawner.ts';
import type { Spawner } from '../src/host/spawner.ts';
import { runProxy } from '../src/proxy/index.ts';

const serviceCount = 10_000;
const endpointsEach = 5;
const changes = 50;

if (process.argv[2] !== 'inside') {
  execFileSync('unshare', ['-n', process.execPath, import.meta.filename, 'inside'], { stdio: 'inherit' });
  process.exit();
}

/** An informer that the benchmark fills by hand. */
class HandInformer<T extends KubeObject> implements Informer<T> {
  readonly synced = true;
  readonly resourceVersion = '1';
  private readonly objects = new Map<string, T>();
  private readonly handlers = new Set<EventHandler<T>>();
  private readonly indexes = new Map<
    string,
    { fn: (object: T) => readonly string[]; values: Map<string, Map<string, T>> }
  >();
  waitForSync = async (): Promise<void> => undefined;
  get = (key: string): T | undefined => this.objects.get(key);
  list = (): readonly T[] => [...this.objects.values()];
  addIndex(name: string, fn: (object: T) => readonly string[]): void {
    this.indexes.set(name, { fn, values: new Map() });
    for (const object of this.objects.values()) this.index(object);
  }
  byIndex = (name: string, value: string): readonly T[] => [
    ...(this.indexes.get(name)!.values.get(value)?.values() ?? []),
  ];
  addHandler(handler: EventHandler<T>): () => void {
    this.handlers.add(handler);
    for (const object of this.objects.values()) handler.onAdd?.(object, true);
    return () => void this.handlers.delete(handler);
  }
  put(object: T): void {
    const before = this.objects.get(keyOf(object));
    this.objects.set(keyOf(object), object);
    this.index(object);
    for (const handler of this.handlers)
      if (before) handler.onUpdate?.(before, object);
      else handler.onAdd?.(object, false);
  }
  private index(object: T): void {
    for (const { fn, values } of this.indexes.values())
      for (const value of fn(object)) {
        const found = values.get(value) ?? new Map<string, T>();
        values.set(value, found.set(keyOf(object), object));
      }
  }
}

const services = new HandInformer<Service>();
const slices = new HandInformer<EndpointSlice>();
const nodes = new HandInformer<KubeObject>();
const address = (i: number, k: number): string =>
  `10.${244 + (k % 2)}.${((i * endpointsEach + k) >> 8) & 255}.${(i * endpointsEach + k) & 255}`;
const slice = (i: number, shift = 0): EndpointSlice => ({
  metadata: { namespace: 'default', name: `s${i}-x`, labels: { 'kubernetes.io/service-name': `s${i}` } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080 + shift, protocol: 'TCP' }],
  endpoints: Array.from({ length: endpointsEach }, (_, k) => ({
    addresses: [address(i, k === 0 ? k + 2 * shift : k)],
    conditions: { ready: true },
    nodeName: `n${k}`,
  })),
});
for (let i = 0; i < serviceCount; i++) {
  const clusterIP = `10.96.${i >> 8}.${i & 255}`;
  services.put({
    metadata: { namespace: 'default', name: `s${i}` },
    spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, protocol: 'TCP' }] },
  });
  slices.put(slice(i));
}
const byResource = new Map<unknown, unknown>([
  [resources.services, services],
  [resources.endpointSlices, slices],
  [resources.nodes, nodes],
]);
const informers: InformerFactory = {
  informer: <T extends KubeObject>(ref: ResourceRef<T>) => byResource.get(ref) as Informer<T>,
  synced: true,
  waitForSync: async () => undefined,
  stop: async () => undefined,
};

const clock = createRealClock({ keepAlive: true });
const local = createLocalSpawner({ clock });
let loaded: () => void = () => undefined;
const spawner: Spawner = {
  ...local,
  async run(program, args, options) {
    const result = await local.run(program, args, options);
    if (program === 'nft') loaded();
    if (result.code !== 0) console.error(result.stderr.toString().slice(0, 1000), String(options.stdin).slice(0, 1500));
    return result;
  },
};
const nextLoad = (): Promise<void> =>
  new Promise((resolve) => {
    loaded = resolve;
  });

const stop = new AbortController();
const startMs = clock.monotonic();
const cpu = process.cpuUsage();
const first = nextLoad();
const running = runProxy(
  {
    informers,
    spawner,
    clock,
    log: silentLogger,
    metrics: createMetricsRegistry(),
    nodeName: 'n0',
    clusterCidr: '10.244.0.0/15',
    defaultTrafficDistribution: 'Spread',
  },
  stop.signal,
);
await first;
const fullMs = clock.monotonic() - startMs;
const { user, system } = process.cpuUsage(cpu);
const times: number[] = [];
for (let i = 0; i < changes; i++) {
  await clock.sleep(60);
  const at = clock.monotonic();
  const next = nextLoad();
  slices.put(slice((i * 7919) % serviceCount, 1));
  await next;
  times.push(clock.monotonic() - at);
}
times.sort((a, b) => a - b);
console.log(`${serviceCount} Services, ${serviceCount * endpointsEach} endpoints`);
console.log(
  `full sync            ${(fullMs / 1000).toFixed(2)} s (target 3), of it ${((user + system) / 1e6).toFixed(2)} s CPU of this process`,
);
console.log(
  `one Service changes  median ${times[changes >> 1]!.toFixed(1)} ms, 90% ${times[Math.floor(changes * 0.9)]!.toFixed(1)} ms (target 30)`,
);
console.log(`memory               ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB RSS`);
stop.abort();
await running;
await local.close();
