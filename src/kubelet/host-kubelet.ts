/**
 * The kubelet of a real machine, put together: surroundings on this host, probes, and the handler of its server.
 *
 *   const { kubelet, handler } = await createHostKubelet({ nodeName, nodeIPs, client, informers, events, runtime, spawner, rootDir, ... });
 *   serve(handler, { port: 10250, ... });
 *   await kubelet.run(signal);
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiHandler } from '../api/exchange.ts';
import { resources } from '../api/types/resources.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import type { InformerFactory } from '../client/informer.ts';
import { openCgroups } from '../host/cgroups.ts';
import { readMachineInfo } from '../host/machine-info.ts';
import { createMounts } from '../host/mounts.ts';
import type { Spawner } from '../host/spawner.ts';
import type { CriRuntime } from '../runtime/cri.ts';
import { configurationDocument } from './configuration-file.ts';
import { createNodeCgroups } from './containers/node-cgroups.ts';
import { fetchPodRuntimeStatus } from './containers/runtime-status.ts';
import { createHostEnvironment } from './environment-host.ts';
import type { Observation, Observations, Signal } from './eviction/thresholds.ts';
import { createKubelet, type Kubelet } from './kubelet.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { createOwnNodeSource } from './node-source.ts';
import { createObjectSource } from './object-source.ts';
import { createNodePodSource } from './pod-source.ts';
import { podUid } from './pods/pod-info.ts';
import { createProbeManager } from './probes/prober.ts';
import { createKubeletHandler } from './server/kubelet-handler.ts';
import { probeSeries, registerNodeMetrics, volumeSeries, withRuntimeMetrics } from './server/kubelet-metrics.ts';
import { createPodCompleter } from './static/complete-pod.ts';
import { withStaticPods } from './static/mirror-pods.ts';
import { createStaticPodFeed } from './static/static-pods.ts';
import { createGroupDetail } from './stats/group-detail.ts';
import { createHostUsage } from './stats/host-usage.ts';
import { createStatsProvider, type NodeUsage } from './stats/stats-provider.ts';
import { createTokenManager } from './volumes/token-manager.ts';

export interface HostKubeletOptions
  extends Pick<
    KubeletOptions,
    | 'nodeName'
    | 'nodeIPs'
    | 'client'
    | 'events'
    | 'runtime'
    | 'clock'
    | 'random'
    | 'log'
    | 'metrics'
    | 'config'
    | 'version'
    | 'sandboxImages'
  > {
  readonly informers: InformerFactory;
  readonly spawner: Spawner;
  /** Pods' volumes and files, upstream's /var/lib/kubelet. */
  readonly rootDir: string;
  /** Upstream's /var/log/pods. */
  readonly podLogsDir: string;
  /** Pods' own cgroups. Off where the cgroup file systems may not be written. */
  readonly podCgroups?: boolean;
}

/** @throws HostError when the machine cannot run pods. */
export async function createHostKubelet(
  options: HostKubeletOptions,
): Promise<{ kubelet: Kubelet; handler: ApiHandler }> {
  const { client, clock, config, informers, log, nodeIPs, nodeName, random, rootDir } = options;
  const runtime = withRuntimeMetrics(options.runtime, options.metrics, clock);
  await mkdir(rootDir, { recursive: true, mode: 0o750 });
  await mkdir(options.podLogsDir, { recursive: true, mode: 0o755 });
  const api = createNodePodSource(informers, nodeName);
  const feed =
    config.staticPodPath === '' && config.staticPodURL === ''
      ? undefined
      : createStaticPodFeed({
          nodeName,
          path: config.staticPodPath,
          url: config.staticPodURL,
          urlHeader: config.staticPodURLHeader,
          fileCheckFrequencyMs: config.fileCheckFrequencyMs,
          httpCheckFrequencyMs: config.httpCheckFrequencyMs,
          complete: createPodCompleter(),
          clock,
          log,
        });
  const pods = feed ? withStaticPods(api, feed) : api;
  const objects = createObjectSource({
    client,
    clock,
    // Between two syncs of a pod its objects are read again.
    ttlMs: config.syncFrequencyMs / 2,
    serviceInformer: informers.informer(resources.services),
  });
  const tokens = createTokenManager({ client, clock, random });
  const cgroups = options.podCgroups === false ? undefined : await openCgroups(clock);
  const machine = await readMachineInfo(rootDir);
  const nodeCgroups =
    cgroups &&
    createNodeCgroups({
      cgroups,
      config,
      machine,
      clock,
      pods: () => kubelet.parts?.workers.active() ?? [],
      onEnforced: (failure) => tellEnforced(options, config.cgroupRoot, failure),
    });
  const environment = createHostEnvironment({
    nodeCgroups,
    root: rootDir,
    podLogsDir: options.podLogsDir,
    mounts: createMounts(options.spawner),
    cgroups,
    objects,
    tokens,
    config,
    clock,
    log,
    nodeName,
    nodeIPs,
    allocatable: () => kubelet.parts?.agent.node()?.status?.allocatable ?? {},
    userNamespaces: (handler) =>
      kubelet.parts?.agent.node()?.status?.runtimeHandlers?.find(({ name }) => (name ?? '') === handler)?.features
        ?.userNamespaces,
    recursiveReadOnly: () =>
      kubelet.parts?.agent.node()?.status?.runtimeHandlers?.find(({ name }) => (name ?? '') === '')?.features
        ?.recursiveReadOnlyMounts === true,
  });
  const probeMetrics = createMetricsRegistry();
  const kubelet: Kubelet = createKubelet({
    ...options,
    runtime,
    pods,
    node: createOwnNodeSource(informers, nodeName),
    objects,
    environment,
    machine,
    pressure: { observe: () => observations(usage), summary: (o) => stats.summary(o), imageFs: () => fullFs(usage) },
    ...(nodeCgroups ? { nodeCgroups } : {}),
    probes: (context) => createProbeManager({ ...context, ...probeSeries(probeMetrics) }),
    ...(feed ? { staticPods: { feed, api } } : {}),
  });
  const usage = createHostUsage({
    cgroups,
    cgroupRoot: config.cgroupRoot,
    rootDir,
    podLogsDir: options.podLogsDir,
    imageFsPath: () => imageFsPath(runtime, config.runtimeRequestTimeoutMs),
    clock,
  });
  const stats = createStatsProvider({
    nodeName,
    runtime,
    clock,
    timeoutMs: config.runtimeRequestTimeoutMs,
    pods: () => kubelet.parts?.workers.active() ?? [],
    runtimeStatus: (uid) => kubelet.parts?.workers.runtimeStatus(uid),
    node: usage,
  });
  const tellVolumes = volumeSeries(options.metrics);
  const handler = createKubeletHandler({
    syncLoop: () => kubelet.parts?.relist.problem(),
    beforeMetrics: () =>
      stats
        .summary()
        .then(tellVolumes, (error: unknown) => log.warn('Cannot look at the volumes for a scrape', { error })),
    nodeName,
    client,
    pods,
    runtime,
    stats,
    machine,
    version: options.version,
    groups: cgroups && createGroupDetail(cgroups, { cgroupRoot: config.cgroupRoot, rootDir }),
    ...(config.enableSystemLogHandler ? { logFolder: '/var/log' } : {}),
    probeMetrics,
    configuration: () => configurationDocument(config),
    auth: {
      anonymous: config.anonymousAuth,
      tokenTtlMs: config.webhookAuthenticationCacheTTLMs,
      allowedTtlMs: config.webhookAuthorizationCacheAuthorizedTTLMs,
      deniedTtlMs: config.webhookAuthorizationCacheUnauthorizedTTLMs,
    },
    debugging: config.enableDebuggingHandlers,
    checkpointFolder: join(rootDir, 'checkpoints'),
    runtimeStatus: (uid) => fetchPodRuntimeStatus(runtime, uid, { timeoutMs: config.runtimeRequestTimeoutMs }),
    streaming: runtime,
    clock,
    log,
    metrics: options.metrics,
  });
  registerNodeMetrics(options.metrics, {
    name: nodeName,
    cgroupVersion: cgroups?.version,
    pods: () => kubelet.parts?.workers.active() ?? [],
    desired: () => pods.list(),
    containers: () => {
      const counts: Record<string, number> = { created: 0, running: 0, exited: 0, unknown: 0 };
      for (const pod of kubelet.parts?.workers.active() ?? [])
        for (const { state } of kubelet.parts?.workers.runtimeStatus(podUid(pod))?.containers ?? []) counts[state]!++;
      return counts;
    },
  });
  return { kubelet, handler };
}

function tellEnforced({ events, nodeName }: HostKubeletOptions, root: string, failure: unknown): void {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  if (failure === undefined)
    events.event(node, {
      type: 'Normal',
      reason: 'NodeAllocatableEnforced',
      message: 'Updated Node Allocatable limit across pods',
    });
  else
    events.event(node, {
      type: 'Warning',
      reason: 'FailedNodeAllocatableEnforcement',
      message: `Failed to update Node Allocatable Limits ${JSON.stringify(join(root, 'kubepods'))}: ${failure instanceof Error ? failure.message : String(failure)}`,
    });
}

/** The machine's state as eviction looks at it. What cannot be read now is left out. */
async function observations(usage: NodeUsage): Promise<Observations> {
  const seen = new Map<Signal, Observation>();
  const [memory, processes, nodeFs, imageFs] = await Promise.all([
    usage.memory(),
    usage.processes(),
    usage.nodeFs(),
    usage.imageFs(),
  ]);
  if (memory?.availableBytes !== undefined && memory.workingSetBytes !== undefined)
    seen.set('memory.available', {
      available: memory.availableBytes,
      capacity: memory.availableBytes + memory.workingSetBytes,
    });
  if (processes) seen.set('pid.available', { available: processes.max - processes.used, capacity: processes.max });
  for (const [name, fs] of [
    ['nodefs', nodeFs],
    ['imagefs', imageFs],
    ['containerfs', imageFs],
  ] as const) {
    if (fs?.availableBytes !== undefined && fs.capacityBytes !== undefined)
      seen.set(`${name}.available`, { available: fs.availableBytes, capacity: fs.capacityBytes });
    // A file system without a table of inodes says 0 of 0.
    if (fs?.inodesFree !== undefined && fs.inodes)
      seen.set(`${name}.inodesFree`, { available: fs.inodesFree, capacity: fs.inodes });
  }
  return seen;
}

async function fullFs(usage: NodeUsage) {
  const { availableBytes, capacityBytes } = (await usage.imageFs()) ?? {};
  return availableBytes === undefined || capacityBytes === undefined ? undefined : { availableBytes, capacityBytes };
}

/** Where the runtime keeps images, by its own word. */
async function imageFsPath(runtime: CriRuntime, timeoutMs: number): Promise<string | undefined> {
  const { imageFilesystems } = await runtime.imageFsInfo({}, { timeoutMs });
  return imageFilesystems[0]?.fsId?.mountpoint || undefined;
}
