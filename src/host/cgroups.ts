/** Control groups of pods, version 1 (one folder per controller) and 2 (one tree). Containers' own groups are made by the runtime below them. */
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { type CgroupStats, statsV1, statsV2 } from './cgroup-stats.ts';
import { type CgroupUsage, contents, usageV1, usageV2 } from './cgroup-usage.ts';
import { errorCode, HostError } from './host-error.ts';
import { type MountEntry, parseMountInfo } from './mounts.ts';

export interface CgroupLimits {
  /** Weight as in version 1: 1024 for a core. */
  readonly cpuShares: number;
  /** Microseconds per 100 ms; undefined for no limit. */
  readonly cpuQuota: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly pids: number | undefined;
}

export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes the group and sets its limits. @param path from the root, e.g. `/kubepods/burstable/podUID`. */
  ensure(path: string, limits: CgroupLimits): Promise<void>;
  /** Kills what is left inside and removes the group with its children. What is gone is fine. */
  remove(path: string): Promise<void>;
  /** Names of the groups directly below. */
  children(path: string): Promise<readonly string[]>;
  /** @returns undefined when the group is gone, or the kernel counts nothing for it (version 2's root). */
  usage(path: string): Promise<CgroupUsage | undefined>;
  /** All it counts; dearer than `usage`. @returns undefined as `usage` does */
  stats(path: string): Promise<CgroupStats | undefined>;
  /** Processes in the group and below. */
  pids(path: string): Promise<readonly number[]>;
  /** Processes in the group itself. */
  ownPids(path: string): Promise<readonly number[]>;
}

/** Controllers whose version 1 groups are made; limits go to cpu, memory and pids. */
const controllers = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'blkio', 'devices', 'freezer', 'hugetlb', 'systemd'];

/** @throws HostError when no usable hierarchy is mounted. */
export async function openCgroups(clock: Clock): Promise<Cgroups> {
  const mounts = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const v1 = mounts.filter((entry) => entry.type === 'cgroup');
  const v2 = mounts.find((entry) => entry.type === 'cgroup2');
  // A hybrid machine has both: limits are version 1's, but the runtime puts its groups into the version 2 tree as well.
  if (v1.length > 0) return versionOne(await hierarchies(v1), v2?.mountPoint, clock);
  if (v2) return versionTwo(v2.mountPoint, clock);
  throw new HostError('No cgroup file system is mounted', {
    remedy: 'Mount one (mount -t cgroup2 none /sys/fs/cgroup), or use hollow nodes',
  });
}

/** controller -> mount point; which controllers a mount has stands in its name (`cpu,cpuacct`) or in its super options. */
async function hierarchies(mounts: readonly MountEntry[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const { mountPoint } of mounts)
    for (const name of mountPoint.slice(mountPoint.lastIndexOf('/') + 1).split(','))
      if (controllers.includes(name)) found.set(name, mountPoint);
  if (!found.has('memory') || !found.has('cpu'))
    throw new HostError('The cgroup controllers cpu and memory are not mounted', {
      remedy: 'Mount them below /sys/fs/cgroup',
    });
  return found;
}

function versionOne(roots: ReadonlyMap<string, string>, unified: string | undefined, clock: Clock): Cgroups {
  const folders = [...new Set(roots.values())];
  return {
    version: 1,
    async ensure(path, { cpuShares, cpuQuota, memoryBytes, pids }) {
      for (const root of folders) await mkdir(join(root, path), { recursive: true });
      const cpuset = roots.get('cpuset');
      if (cpuset) await inheritCpuset(cpuset, path);
      const cpu = join(roots.get('cpu')!, path);
      await set(cpu, 'cpu.shares', String(cpuShares));
      await set(cpu, 'cpu.cfs_quota_us', String(cpuQuota ?? -1));
      await set(join(roots.get('memory')!, path), 'memory.limit_in_bytes', String(memoryBytes ?? -1));
      const pidsRoot = roots.get('pids');
      if (pidsRoot) await set(join(pidsRoot, path), 'pids.max', pids === undefined ? 'max' : String(pids));
    },
    async remove(path) {
      for (const root of unified === undefined ? folders : [...folders, unified])
        await removeTree(join(root, path), clock);
    },
    children: (path) => childrenOf(join(roots.get('memory')!, path)),
    usage: (path) =>
      usageV1((controller) => {
        const root = roots.get(controller);
        return root === undefined ? undefined : join(root, path);
      }),
    stats: (path) =>
      statsV1((controller, file) => {
        const root = roots.get(controller);
        return root === undefined ? Promise.resolve(undefined) : contents(join(root, path, file));
      }),
    pids: (path) => pidsBelow(join(roots.get('memory')!, path)),
    ownPids: (path) => pidsIn(join(roots.get('memory')!, path)),
  };
}

function versionTwo(root: string, clock: Clock): Cgroups {
  return {
    version: 2,
    async ensure(path, { cpuShares, cpuQuota, memoryBytes, pids }) {
      let folder = root;
      for (const part of path.split('/').filter((p) => p !== '')) {
        const available = (await readFile(join(folder, 'cgroup.controllers'), 'utf8')).trim().split(' ');
        const wanted = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'].filter((name) => available.includes(name));
        if (wanted.length > 0)
          await writeFile(join(folder, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '));
        folder = join(folder, part);
        await mkdir(folder, { recursive: true });
      }
      await set(folder, 'cpu.weight', String(weightOfShares(cpuShares)));
      await set(folder, 'cpu.max', `${cpuQuota ?? 'max'} 100000`);
      await set(folder, 'memory.max', String(memoryBytes ?? 'max'));
      await set(folder, 'pids.max', String(pids ?? 'max'));
    },
    remove: (path) => removeTree(join(root, path), clock),
    children: (path) => childrenOf(join(root, path)),
    usage: (path) => usageV2(join(root, path)),
    stats: (path) => statsV2((file) => contents(join(root, path, file))),
    pids: (path) => pidsBelow(join(root, path)),
    ownPids: (path) => pidsIn(join(root, path)),
  };
}

/** Source: runc's conversion of cpu.shares (2 to 262144) to cpu.weight (1 to 10000). */
export const weightOfShares = (shares: number): number => Math.floor(1 + ((shares - 2) * 9999) / 262_142);

/** A controller that the kernel lacks has no file: its limit cannot be set, as on upstream. */
async function set(folder: string, file: string, value: string): Promise<void> {
  try {
    await writeFile(join(folder, file), value);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EACCES') throw error;
  }
}

/** New version 1 cpuset groups have neither cpus nor memory nodes and take no process before they do. */
async function inheritCpuset(root: string, path: string): Promise<void> {
  let folder = root;
  for (const part of path.split('/').filter((p) => p !== '')) {
    const parent = folder;
    folder = join(folder, part);
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const own = (await readFile(join(folder, file), 'utf8')).trim();
      if (own === '') await writeFile(join(folder, file), await readFile(join(parent, file), 'utf8'));
    }
  }
}

async function childrenOf(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function removeTree(folder: string, clock: Clock): Promise<void> {
  for (const child of await childrenOf(folder)) await removeTree(join(folder, child), clock);
  for (let tries = 0; ; tries++) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || tries >= 50) throw error;
      // Processes inside: end them, and give the kernel a moment.
      for (const pid of await pidsIn(folder)) kill(pid);
      await clock.sleep(20);
    }
  }
}

async function pidsBelow(folder: string): Promise<number[]> {
  const found = await pidsIn(folder);
  for (const child of await childrenOf(folder)) found.push(...(await pidsBelow(join(folder, child))));
  return found;
}

async function pidsIn(folder: string): Promise<number[]> {
  try {
    await access(folder);
    return (await readFile(join(folder, 'cgroup.procs'), 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENODEV') return [];
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
