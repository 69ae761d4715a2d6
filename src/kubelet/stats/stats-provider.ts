/**
 * What the node and its pods use: containers from the runtime (CRI), pods from their control groups, the machine from /proc. Looked at when
 * somebody asks, never in the background, so an idle node pays nothing; two asks within a second share an answer.
 * Source of the sums: pkg/kubelet/stats (cri_stats_provider.go, summary.go).
 */
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import type * as cri from '../../runtime/cri-types.ts';
import { labels, type PodRuntimeStatus } from '../containers/runtime-status.ts';
import { podUid } from '../pods/pod-info.ts';
import { createRates } from './rates.ts';
import type {
  ContainerStats,
  CpuStats,
  FsStats,
  MemoryStats,
  NetworkStats,
  NodeStats,
  PodStats,
  Summary,
  SwapStats,
  VolumeStats,
} from './summary-types.ts';

export interface StatsProvider {
  /** @param options.cpuAndMemoryOnly leaves out disks and networks, which cost more to look at. @throws CriError */
  summary(options?: { readonly cpuAndMemoryOnly?: boolean }): Promise<Summary>;
}

/** What the surroundings of the node can say beside the runtime. Hollow nodes have only the first. */
export interface NodeUsage {
  cpuNs(): Promise<number | undefined>;
  memory(): Promise<Omit<MemoryStats, 'time'> | undefined>;
  swap(): Promise<Omit<SwapStats, 'time'> | undefined>;
  processes(): Promise<{ readonly used: number; readonly max: number } | undefined>;
  network(): Promise<Omit<NetworkStats, 'time'> | undefined>;
  nodeFs(): Promise<Omit<FsStats, 'time'> | undefined>;
  imageFs(): Promise<Omit<FsStats, 'time'> | undefined>;
  startTimeMs(): Promise<number | undefined>;
  /** Control groups that are not a pod's: `kubelet`, `pods`. */
  systemContainers(): Promise<readonly GroupUsage[]>;
  pod(pod: Pod): Promise<PodUsage | undefined>;
  /** Disk of a pod's volumes and of its logs by container; walks folders. */
  podDisk(pod: Pod): Promise<PodDisk>;
}

export interface GroupUsage {
  readonly name: string;
  readonly cpuNs: number;
  readonly memory: Omit<MemoryStats, 'time'>;
}

export interface PodUsage {
  readonly cpuNs: number;
  readonly memory: Omit<MemoryStats, 'time'>;
  readonly swap?: Omit<SwapStats, 'time'>;
  readonly processes: number | undefined;
  readonly network: Omit<NetworkStats, 'time'> | undefined;
}

export interface PodDisk {
  readonly volumes: readonly Omit<VolumeStats, 'time'>[];
  /** Container name -> its logs. */
  readonly logs: ReadonlyMap<string, { readonly usedBytes: number; readonly inodesUsed: number }>;
  /** What counts as the pod's own: its logs and those volumes that lie on the node's disk. */
  readonly ownBytes: number;
  readonly ownInodes: number;
}

export interface StatsProviderOptions {
  readonly nodeName: string;
  readonly runtime: CriRuntime;
  readonly clock: Clock;
  readonly timeoutMs: number;
  pods(): readonly Pod[];
  /** What is known of a pod's containers without asking. */
  runtimeStatus(uid: string): PodRuntimeStatus | undefined;
  readonly node: NodeUsage;
}

/** Answers are good for this long. */
const freshMs = 1000;

export function createStatsProvider(options: StatsProviderOptions): StatsProvider {
  const { clock, runtime, node, timeoutMs } = options;
  const rates = createRates(clock);
  const last = new Map<boolean, { readonly atMs: number; readonly answer: Promise<Summary> }>();

  const compute = async (small: boolean): Promise<Summary> => {
    const { stats } = await runtime.listContainerStats({}, { timeoutMs });
    const time = precise(clock.now());
    const byPod = new Map<string, cri.ContainerStats[]>();
    for (const entry of stats) {
      const uid = entry.attributes?.labels[labels.podUid];
      if (uid === undefined) continue;
      const list = byPod.get(uid);
      if (list) list.push(entry);
      else byPod.set(uid, [entry]);
    }
    const nodeFs = small ? undefined : stamped(time, await node.nodeFs());
    const pods: PodStats[] = [];
    for (const pod of options.pods())
      pods.push(await podStats(pod, byPod.get(podUid(pod)) ?? [], { time, small, nodeFs }));
    rates.forgetOld();
    return { node: await nodeStats(time, small, nodeFs), pods };
  };

  const cpuOf = (key: string, time: string, totalNs: number | undefined): CpuStats | undefined => {
    if (totalNs === undefined) return undefined;
    const nano = rates.next(key, totalNs);
    return { time, ...(nano === undefined ? {} : { usageNanoCores: nano }), usageCoreNanoSeconds: totalNs };
  };

  const nodeStats = async (time: string, small: boolean, nodeFs: FsStats | undefined): Promise<NodeStats> => {
    const startMs = await node.startTimeMs();
    const systemContainers = (await node.systemContainers()).map(
      ({ name, cpuNs, memory }): ContainerStats => ({
        name,
        startTime: startMs === undefined ? null : rfc3339(startMs),
        ...defined('cpu', cpuOf(`system ${name}`, time, cpuNs)),
        memory: { time, ...memory },
      }),
    );
    const base: NodeStats = {
      nodeName: options.nodeName,
      ...(systemContainers.length > 0 ? { systemContainers } : {}),
      startTime: startMs === undefined ? null : rfc3339(startMs),
      ...defined('cpu', cpuOf('node', time, await node.cpuNs())),
      ...defined('memory', stamped(time, await node.memory())),
      ...defined('swap', stamped(time, await node.swap())),
    };
    if (small) return base;
    const processes = await node.processes();
    const imageFs = stamped(time, await node.imageFs());
    return {
      ...base,
      ...defined('network', stamped(time, await node.network())),
      ...defined('fs', nodeFs),
      ...(imageFs ? { runtime: { imageFs, containerFs: imageFs } } : {}),
      ...(processes ? { rlimit: { time, maxpid: processes.max, curproc: processes.used } } : {}),
    };
  };

  const podStats = async (
    pod: Pod,
    entries: readonly cri.ContainerStats[],
    context: { time: string; small: boolean; nodeFs: FsStats | undefined },
  ): Promise<PodStats> => {
    const { time, small, nodeFs } = context;
    const uid = podUid(pod);
    const known = options.runtimeStatus(uid);
    const usage = await node.pod(pod);
    const disk = small ? undefined : await node.podDisk(pod);
    const containers: ContainerStats[] = [];
    let rootBytes = 0;
    let cpuNs = 0;
    let workingSet = 0;
    let rootInodes = 0;
    for (const entry of entries) {
      const { id = '', labels: own = {} } = entry.attributes ?? {};
      const name = own[labels.containerName] ?? '';
      const running = known?.containers.find((c) => c.id === id);
      // A container that ended uses nothing; the runtime may list it still.
      if (running !== undefined && running.state !== 'running') continue;
      const used = entry.writableLayer?.usedBytes?.value ?? 0;
      const inodes = entry.writableLayer?.inodesUsed?.value ?? 0;
      rootBytes += used;
      rootInodes += inodes;
      cpuNs += entry.cpu?.usageCoreNanoSeconds?.value ?? 0;
      workingSet += entry.memory?.workingSetBytes?.value ?? 0;
      const logs = disk?.logs.get(name);
      containers.push({
        name,
        startTime: running ? rfc3339(running.startedAtMs) : (pod.status?.startTime ?? null),
        ...defined('cpu', cpuOf(id, stampOf(entry.cpu, time), entry.cpu?.usageCoreNanoSeconds?.value)),
        ...(entry.memory ? { memory: memoryOf(entry.memory, time) } : {}),
        ...(small || !entry.writableLayer ? {} : { rootfs: share(nodeFs, time, used, inodes) }),
        ...(logs ? { logs: share(nodeFs, time, logs.usedBytes, logs.inodesUsed) } : {}),
        ...(entry.swap ? { swap: swapOf(entry.swap, time) } : {}),
      });
    }
    const created = known?.sandboxes[0]?.createdAtMs;
    return {
      podRef: { name: pod.metadata.name ?? '', namespace: pod.metadata.namespace ?? '', uid },
      startTime: created === undefined ? (pod.status?.startTime ?? null) : rfc3339(created),
      containers,
      ...defined('cpu', cpuOf(`pod ${uid}`, time, usage?.cpuNs ?? (containers.length > 0 ? cpuNs : undefined))),
      ...(usage
        ? { memory: { time, ...usage.memory } }
        : containers.length > 0
          ? { memory: { time, workingSetBytes: workingSet } }
          : {}),
      ...defined('swap', stamped(time, usage?.swap)),
      ...(small ? {} : defined('network', stamped(time, usage?.network))),
      ...(disk && disk.volumes.length > 0 ? { volume: disk.volumes.map((v) => ({ time, ...v })) } : {}),
      ...(disk
        ? { 'ephemeral-storage': share(nodeFs, time, rootBytes + disk.ownBytes, rootInodes + disk.ownInodes) }
        : {}),
      ...(usage?.processes === undefined ? {} : { process_stats: { process_count: usage.processes } }),
    };
  };

  return {
    summary({ cpuAndMemoryOnly = false } = {}) {
      const now = clock.monotonic();
      const fresh = last.get(cpuAndMemoryOnly);
      if (fresh && now - fresh.atMs < freshMs) return fresh.answer;
      // Shared between callers, so one caller's going away ends nothing: no signal goes along.
      const answer = compute(cpuAndMemoryOnly);
      last.set(cpuAndMemoryOnly, { atMs: now, answer });
      answer.catch(() => last.delete(cpuAndMemoryOnly));
      return answer;
    },
  };
}

/** As upstream writes it: stamps have whole seconds. */
export const summaryJson = (summary: Summary): string =>
  JSON.stringify(summary).replace(/("\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z"/g, '$1Z"');

function defined<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

const stamped = <T extends object>(time: string, value: T | undefined): (T & { readonly time: string }) | undefined =>
  value && { time, ...value };

/** A part of the node's disk: the disk's size and free space, the part's own use. */
const share = (fs: FsStats | undefined, time: string, usedBytes: number, inodesUsed: number): FsStats => ({
  time,
  ...(fs?.availableBytes === undefined ? {} : { availableBytes: fs.availableBytes }),
  ...(fs?.capacityBytes === undefined ? {} : { capacityBytes: fs.capacityBytes }),
  usedBytes,
  ...(fs?.inodesFree === undefined ? {} : { inodesFree: fs.inodesFree }),
  ...(fs?.inodes === undefined ? {} : { inodes: fs.inodes }),
  inodesUsed,
});

const stampOf = (part: { readonly timestamp: number } | undefined, otherwise: string): string =>
  part && part.timestamp > 0 ? precise(part.timestamp / 1e6) : otherwise;

function memoryOf(memory: cri.MemoryUsage, time: string): MemoryStats {
  const field = (name: string, value: cri.UInt64Value | undefined) =>
    value === undefined ? {} : { [name]: value.value ?? 0 };
  return {
    time: stampOf(memory, time),
    ...(memory.availableBytes?.value ? field('availableBytes', memory.availableBytes) : {}),
    ...field('usageBytes', memory.usageBytes),
    ...field('workingSetBytes', memory.workingSetBytes),
    ...field('rssBytes', memory.rssBytes),
    ...field('pageFaults', memory.pageFaults),
    ...field('majorPageFaults', memory.majorPageFaults),
  };
}

const swapOf = (swap: cri.SwapUsage, time: string): SwapStats => ({
  time: stampOf(swap, time),
  ...(swap.swapAvailableBytes ? { swapAvailableBytes: swap.swapAvailableBytes.value ?? 0 } : {}),
  ...(swap.swapUsageBytes ? { swapUsageBytes: swap.swapUsageBytes.value ?? 0 } : {}),
});

const rfc3339 = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
/** With milliseconds, for rates; `summaryJson` leaves them out. */
const precise = (ms: number): string => new Date(ms).toISOString();
