/** What a real machine says of its use: /proc, statfs, control groups, folders. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { CgroupUsage } from '../../host/cgroup-usage.ts';
import type { Cgroups } from '../../host/cgroups.ts';
import { folderSize } from '../../host/folder-size.ts';
import { errorCode } from '../../host/host-error.ts';
import {
  readBootTimeMs,
  readFileSystem,
  readMachineCpuNs,
  readMachineMemory,
  readNetworkCounters,
  readProcessCount,
} from '../../host/machine-usage.ts';
import { podCgroupPath } from '../containers/pod-cgroup.ts';
import { podUid } from '../pods/pod-info.ts';
import type { NodeUsage, PodDisk } from './stats-provider.ts';
import type { FsStats, MemoryStats } from './summary-types.ts';

export interface HostUsageOptions {
  readonly cgroups: Cgroups | undefined;
  readonly cgroupRoot: string;
  /** The kubelet's folder. */
  readonly rootDir: string;
  readonly podLogsDir: string;
  /** Where the runtime keeps images and writable layers; asked once a minute at most. */
  imageFsPath(): Promise<string | undefined>;
  readonly clock: Clock;
}

/** A pod's folders are walked again after this long. */
const diskFreshMs = 10_000;

export function createHostUsage(options: HostUsageOptions): NodeUsage {
  const { cgroups, cgroupRoot, rootDir, podLogsDir, clock } = options;
  const disks = new Map<string, { readonly atMs: number; readonly disk: Promise<PodDisk> }>();

  const walk = async (pod: Pod): Promise<PodDisk> => {
    const uid = podUid(pod);
    const logs = new Map<string, { usedBytes: number; inodesUsed: number }>();
    const volumes: (Omit<FsStats, 'time'> & { name: string })[] = [];
    let ownBytes = 0;
    let ownInodes = 0;
    const logFolder = join(podLogsDir, `${pod.metadata.namespace}_${pod.metadata.name}_${uid}`);
    for (const name of await namesIn(logFolder)) {
      const { bytes, inodes } = await folderSize(join(logFolder, name));
      logs.set(name, { usedBytes: bytes, inodesUsed: inodes });
      ownBytes += bytes;
      ownInodes += inodes;
    }
    const root = join(rootDir, 'pods', uid, 'volumes');
    const node = await readFileSystem(rootDir);
    for (const plugin of await namesIn(root))
      for (const folder of await namesIn(join(root, plugin))) {
        const path = join(root, plugin, folder);
        const fs = await fileSystemOf(path);
        if (!fs) continue;
        const size = await folderSize(path);
        // A volume with a device of its own (tmpfs, a disk) is no part of the node's.
        const own = fs.id === node.id;
        if (own) {
          ownBytes += size.bytes;
          ownInodes += size.inodes;
        }
        const { name, pvc } = volumeOf(pod, folder);
        volumes.push({
          availableBytes: fs.availableBytes,
          capacityBytes: fs.capacityBytes,
          usedBytes: own ? size.bytes : fs.usedBytes,
          inodesFree: fs.inodesFree,
          inodes: fs.inodes,
          inodesUsed: own ? size.inodes : fs.inodes - fs.inodesFree,
          name,
          ...(pvc === undefined ? {} : { pvcRef: { name: pvc, namespace: pod.metadata.namespace ?? '' } }),
        });
      }
    return { volumes, logs, ownBytes, ownInodes };
  };

  return {
    cpuNs: async () => readMachineCpuNs(),
    async memory() {
      const memory = await readMachineMemory();
      return {
        availableBytes: memory.availableBytes,
        usageBytes: memory.usedBytes,
        workingSetBytes: memory.workingSetBytes,
        rssBytes: memory.rssBytes,
      };
    },
    async swap() {
      const { swapTotalBytes, swapUsedBytes } = await readMachineMemory();
      return { swapAvailableBytes: swapTotalBytes - swapUsedBytes, swapUsageBytes: swapUsedBytes };
    },
    processes: readProcessCount,
    async network() {
      const interfaces = await readNetworkCounters();
      const main = interfaces.find(({ name }) => /^(eth|en|bond|wlan|up)/.test(name)) ?? interfaces[0];
      return main && { ...main, interfaces };
    },
    nodeFs: () => fsStats(rootDir),
    async imageFs() {
      return fsStats((await options.imageFsPath()) ?? rootDir);
    },
    startTimeMs: readBootTimeMs,
    async systemContainers() {
      const { user, system } = process.cpuUsage();
      const rss = process.memoryUsage.rss();
      const kubelet = {
        name: 'kubelet',
        cpuNs: (user + system) * 1000,
        memory: { usageBytes: rss, workingSetBytes: rss, rssBytes: rss },
      };
      const pods = await cgroups?.usage(join(cgroupRoot, '/kubepods'));
      return pods ? [kubelet, { name: 'pods', cpuNs: pods.cpuNs, memory: memoryOf(pods) }] : [kubelet];
    },
    async pod(pod) {
      const path = podCgroupPath(pod, cgroupRoot);
      const usage = await cgroups?.usage(path);
      if (!cgroups || !usage) return undefined;
      const pids = await cgroups.pids(path);
      const interfaces = hasOwnNetwork(pod) && pids[0] !== undefined ? await readNetworkCounters(pids[0]) : [];
      const main = interfaces.find(({ name }) => name === 'eth0') ?? interfaces[0];
      return {
        cpuNs: usage.cpuNs,
        memory: memoryOf(usage),
        ...(usage.swapBytes === undefined
          ? {}
          : {
              swap: {
                swapUsageBytes: usage.swapBytes,
                ...(usage.swapLimitBytes === undefined
                  ? {}
                  : { swapAvailableBytes: Math.max(0, usage.swapLimitBytes - usage.swapBytes) }),
              },
            }),
        processes: usage.pids ?? pids.length,
        network: main && { ...main, interfaces },
      };
    },
    podDisk(pod) {
      const uid = podUid(pod);
      const now = clock.monotonic();
      const known = disks.get(uid);
      if (known && now - known.atMs < diskFreshMs) return known.disk;
      const disk = walk(pod);
      disks.set(uid, { atMs: now, disk });
      disk.catch(() => disks.delete(uid));
      for (const [other, entry] of disks) if (now - entry.atMs > 600_000) disks.delete(other);
      return disk;
    },
  };
}

/** Pods on the host's network count nothing of their own. */
const hasOwnNetwork = (pod: Pod): boolean => pod.spec?.hostNetwork !== true;

const memoryOf = (usage: CgroupUsage): Omit<MemoryStats, 'time'> => ({
  ...(usage.memoryLimitBytes === undefined
    ? {}
    : { availableBytes: Math.max(0, usage.memoryLimitBytes - usage.workingSetBytes) }),
  usageBytes: usage.memoryBytes,
  workingSetBytes: usage.workingSetBytes,
  rssBytes: usage.rssBytes,
  pageFaults: usage.pageFaults,
  majorPageFaults: usage.majorPageFaults,
});

/** A claim's folder has its volume's name; the pod knows the claim. */
function volumeOf(pod: Pod, folder: string): { readonly name: string; readonly pvc?: string } {
  const volume = pod.spec?.volumes?.find(({ name }) => name === folder);
  const pvc =
    volume?.persistentVolumeClaim?.claimName ?? (volume?.ephemeral ? `${pod.metadata.name}-${folder}` : undefined);
  return { name: volume?.name ?? folder, ...(pvc === undefined ? {} : { pvc }) };
}

async function fsStats(path: string): Promise<Omit<FsStats, 'time'> | undefined> {
  const fs = await fileSystemOf(path);
  return (
    fs && {
      availableBytes: fs.availableBytes,
      capacityBytes: fs.capacityBytes,
      usedBytes: fs.usedBytes,
      inodesFree: fs.inodesFree,
      inodes: fs.inodes,
      inodesUsed: fs.inodes - fs.inodesFree,
    }
  );
}

async function fileSystemOf(path: string) {
  try {
    return await readFileSystem(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}
