/** Control groups of a real machine, as `/metrics/cadvisor` shows them. */
import { join } from 'node:path';
import type { Pod } from '../../api/types/core-v1.ts';
import type { CgroupStats } from '../../host/cgroup-stats.ts';
import type { Cgroups } from '../../host/cgroups.ts';
import {
  type DiskCounters,
  deviceOf,
  type InterfaceCounters,
  type ProcessDetail,
  readDisks,
  readInterfaces,
  readProcesses,
} from '../../host/group-detail.ts';
import { podCgroupPath } from '../containers/pod-cgroup.ts';

/** What is behind a page: everything may be missing where the kernel does not say. */
export interface GroupDetail {
  /** The tiers of pods, from the root. */
  readonly tiers: readonly string[];
  podPath(pod: Pod): string;
  stats(path: string): Promise<CgroupStats | undefined>;
  processes(path: string): Promise<ProcessDetail>;
  /** Of the machine, or of the network that a group's processes have. */
  interfaces(path?: string): Promise<readonly InterfaceCounters[]>;
  disks(): Promise<readonly DiskCounters[]>;
  /** On which the kubelet's folder lies. */
  device(): Promise<string>;
}

export function createGroupDetail(
  cgroups: Cgroups,
  { cgroupRoot, rootDir }: { readonly cgroupRoot: string; readonly rootDir: string },
): GroupDetail {
  return {
    tiers: ['/kubepods', '/kubepods/besteffort', '/kubepods/burstable'].map((path) => join(cgroupRoot, path)),
    podPath: (pod) => podCgroupPath(pod, cgroupRoot),
    stats: (path) => cgroups.stats(path),
    processes: async (path) => readProcesses(await cgroups.ownPids(path)),
    async interfaces(path) {
      if (path === undefined) return readInterfaces(undefined);
      const [pid] = await cgroups.pids(path);
      return pid === undefined ? [] : readInterfaces(pid);
    },
    disks: readDisks,
    device: () => deviceOf(rootDir),
  };
}
