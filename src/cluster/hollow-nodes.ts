/**
 * Nodes that run pods in memory: the real kubelet on the hollow runtime, any number in one process. They share one informer over all pods
 * and one reader of the objects that pods refer to.
 */
import type { ApiHandler, PeerCertificate } from '../api/exchange.ts';
import { resources } from '../api/types/resources.ts';
import { localPathFolderAnnotation, localPathHollowAnnotation } from '../api/volume/local-path.ts';
import { createClient } from '../client/create-client.ts';
import type { Transport } from '../client/transport.ts';
import type { MachineInfo } from '../host/machine-info.ts';
import { defaultKubeletConfig, type KubeletConfig } from '../kubelet/config.ts';
import { fetchPodRuntimeStatus } from '../kubelet/containers/runtime-status.ts';
import { createHollowEnvironment } from '../kubelet/environment-hollow.ts';
import { createKubelet, type Kubelet } from '../kubelet/kubelet.ts';
import { createNodeDispatcher } from '../kubelet/node-source.ts';
import { createObjectSource } from '../kubelet/object-source.ts';
import { createNodePodSource, createPodDispatcher } from '../kubelet/pod-source.ts';
import { hollowLogReader } from '../kubelet/server/hollow-log.ts';
import { createKubeletHandler } from '../kubelet/server/kubelet-handler.ts';
import { createHollowUsage } from '../kubelet/stats/hollow-usage.ts';
import { createStatsProvider } from '../kubelet/stats/stats-provider.ts';
import { createHollowRuntime, type HollowRuntime } from '../runtime/hollow/hollow-runtime.ts';
import { createComponent, type Surroundings } from './component.ts';
import { version } from './version.ts';

export interface HollowNodeOptions {
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly config?: Partial<KubeletConfig>;
  /** Of the host whose node this is. Default: one that is nobody's. */
  readonly addresses?: readonly string[];
  /** Where somebody serves the node's handler. Default: nowhere. */
  readonly kubeletPort?: number;
}

export interface HollowNode {
  readonly name: string;
  readonly kubelet: Kubelet;
  readonly runtime: HollowRuntime;
  /** The kubelet's server, for logs. */
  readonly handler: ApiHandler;
  /** The node dies: its kubelet falls silent, what it ran is gone, and nobody is told. Idempotent. */
  kill(): Promise<void>;
}

export interface HollowNodes {
  readonly nodes: ReadonlyMap<string, HollowNode>;
  /** Starts a node; a name that died before comes back empty, as after a power cut. */
  add(name: string, options?: HollowNodeOptions): HollowNode;
  /** Stops all of them. */
  stop(): Promise<void>;
}

/**
 * @param transport reads for all of them: pods, Services, what pods refer to.
 * @param transportAs the identity a node writes with, system:node:NAME; absent: the shared one.
 * @param only the one node there will be, where the transport has no more than that node's rights.
 */
export function createHollowNodes(
  transport: Transport,
  surroundings: Surroundings,
  { only, transportAs }: { readonly only?: string; readonly transportAs?: (peer: PeerCertificate) => Transport } = {},
): HollowNodes {
  const { clock, random, log } = surroundings;
  const component = createComponent(transport, 'kubelet', surroundings);
  const dispatcher =
    only === undefined
      ? createPodDispatcher(component.informers)
      : { source: (name: string) => createNodePodSource(component.informers, name) };
  const nodeDispatcher = createNodeDispatcher(
    component.informers,
    only === undefined ? undefined : `metadata.name=${only}`,
  );
  const objects = createObjectSource({
    client: component.client,
    clock,
    serviceInformer: component.informers.informer(resources.services),
  });
  const nodes = new Map<string, HollowNode>();
  const ends = new Set<Promise<void>>();
  const stopping = new AbortController();
  let index = 0;

  return {
    nodes,
    add(name, options: HollowNodeOptions = {}) {
      if (nodes.has(name)) throw new Error(`There is a hollow node "${name}" already`);
      const runtime = createHollowRuntime({ clock, random });
      const addresses = options.addresses ?? [hollowAddress(index++)];
      const machine = hollowMachine(name, options, random.uuid());
      const pods = dispatcher.source(name);
      const own = transportAs?.({ commonName: `system:node:${name}`, organizations: ['system:nodes'] });
      const client = own
        ? createClient(own, { fieldManager: 'kubelet', userAgent: `kubelet/${version.kubernetes} (bireme)` })
        : component.client;
      const kubelet = createKubelet({
        nodeName: name,
        client,
        pods,
        node: nodeDispatcher.source(name),
        objects,
        events: component.events.withComponent('kubelet', name),
        runtime,
        runtimeChanges: (listener) => runtime.onChange(listener),
        environment: createHollowEnvironment(objects),
        machine,
        nodeIPs: addresses,
        clock,
        random,
        log,
        metrics: surroundings.metrics,
        config: {
          ...defaultKubeletConfig,
          enableServer: options.kubeletPort !== undefined,
          ...(options.kubeletPort === undefined ? {} : { port: options.kubeletPort }),
          nodeAnnotations: { [localPathFolderAnnotation]: '/hollow', [localPathHollowAnnotation]: 'true' },
          ...options.config,
          nodeLabels: { ...options.labels, ...options.config?.nodeLabels },
        },
        version: version.kubernetes,
      });
      const life = new AbortController();
      stopping.signal.addEventListener('abort', () => life.abort(), { once: true });
      const end = kubelet.run(life.signal).catch((error) => {
        if (!life.signal.aborted) log.error('The kubelet of a hollow node failed', { node: name, error });
      });
      ends.add(end);
      void end.then(() => own?.close());
      void end.then(() => ends.delete(end));
      const node: HollowNode = {
        name,
        kubelet,
        runtime,
        handler: createKubeletHandler({
          nodeName: name,
          client,
          pods,
          runtime,
          stats: createStatsProvider({
            nodeName: name,
            runtime,
            clock,
            timeoutMs: defaultKubeletConfig.runtimeRequestTimeoutMs,
            pods: () => kubelet.parts?.workers.active() ?? [],
            runtimeStatus: (uid) => kubelet.parts?.workers.runtimeStatus(uid),
            node: createHollowUsage(runtime, machine, defaultKubeletConfig.runtimeRequestTimeoutMs),
          }),
          runtimeStatus: (uid) =>
            fetchPodRuntimeStatus(runtime, uid, { timeoutMs: defaultKubeletConfig.runtimeRequestTimeoutMs }),
          readLog: hollowLogReader(runtime, clock),
          clock,
          log,
          metrics: surroundings.metrics,
        }),
        async kill() {
          life.abort();
          await end;
          nodes.delete(name);
        },
      };
      nodes.set(name, node);
      return node;
    },
    async stop() {
      stopping.abort();
      await Promise.all(ends);
      await component.stop();
    },
  };
}

const gibi = 1024 ** 3;

function hollowMachine(
  name: string,
  { cpus = 8, memoryBytes = 32 * gibi }: HollowNodeOptions,
  id: string,
): MachineInfo {
  return {
    cpus,
    memoryBytes,
    ephemeralStorageBytes: 100 * gibi,
    machineId: id.replaceAll('-', ''),
    systemUuid: id,
    bootId: id,
    kernelVersion: 'hollow',
    osImage: 'Bireme hollow node',
    operatingSystem: 'linux',
    architecture: 'amd64',
    hostname: name,
    swapBytes: 0,
    hugePages: new Map(),
  };
}

/** Addresses of the benchmarking range (RFC 2544): they look like hosts and are nobody's. 254 to a /24. */
function hollowAddress(index: number): string {
  const block = Math.floor(index / 254);
  return `198.${18 + ((block >> 8) & 1)}.${block & 255}.${(index % 254) + 1}`;
}
