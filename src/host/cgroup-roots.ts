/**
 * The cgroup that a simulated host takes for its root: one in every version 1 hierarchy, or one in the version 2 tree with a leaf for the
 * host's own processes (a version 2 group with processes cannot have children with controllers).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from './host-error.ts';
import { parseMountInfo } from './mounts.ts';

export interface GroupFolders {
  readonly version: 1 | 2;
  readonly hierarchies: readonly {
    readonly mountPoint: string;
    /** Its folder below /sys/fs/cgroup. */
    readonly name: string;
    /** Mount option of a version 1 hierarchy; undefined for the version 2 tree of a hybrid machine. */
    readonly option: string | undefined;
    /** Links to the folder: `cpu` and `cpuacct` for `cpu,cpuacct`. */
    readonly aliases: readonly string[];
  }[];
}

/** @throws HostError when no cgroup file system is mounted. */
export function groupFolders(): GroupFolders {
  const mounts = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  const v1 = mounts.filter((entry) => entry.type === 'cgroup');
  const v2 = mounts.filter((entry) => entry.type === 'cgroup2');
  if (v1.length === 0 && v2.length === 0)
    throw new HostError('No cgroup file system is mounted', {
      remedy: 'Mount one (mount -t cgroup2 none /sys/fs/cgroup)',
    });
  const unique = new Map<string, GroupFolders['hierarchies'][number]>();
  // Named as the kernel names them, because a mount point may be called anything.
  const controllers = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[1] ?? '');
  for (const { mountPoint } of v1) {
    const name = mountPoint.slice(mountPoint.lastIndexOf('/') + 1);
    const own = controllers.find(
      (list) => list === name || list === `name=${name}` || sameNames(list.split(','), name.split(',')),
    );
    if (own === undefined || unique.has(name)) continue;
    unique.set(name, { mountPoint, name, option: own, aliases: name.includes(',') ? name.split(',') : [] });
  }
  for (const { mountPoint } of v2.slice(0, 1)) {
    const name = mountPoint.slice(mountPoint.lastIndexOf('/') + 1);
    unique.set(name, { mountPoint, name, option: undefined, aliases: [] });
  }
  return { version: v1.length > 0 ? 1 : 2, hierarchies: [...unique.values()] };
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name) => b.includes(name));

/** Makes the group in every hierarchy. What is there is fine. */
export function prepareGroup(path: string): void {
  const { version, hierarchies } = groupFolders();
  for (const { mountPoint, name } of hierarchies) {
    let folder = mountPoint;
    for (const part of path.split('/').filter((word) => word !== '')) {
      const parent = folder;
      if (version === 2) {
        const available = readFileSync(join(parent, 'cgroup.controllers'), 'utf8').trim().split(' ');
        writeFileSync(
          join(parent, 'cgroup.subtree_control'),
          available
            .filter((controller) => controller !== '')
            .map((controller) => `+${controller}`)
            .join(' '),
        );
      }
      folder = join(folder, part);
      mkdirSync(folder, { recursive: true });
      // A new group of this controller has neither cpus nor memory nodes, and takes no process before it does.
      if (version === 1 && name.split(',').includes('cpuset'))
        for (const file of ['cpuset.cpus', 'cpuset.mems'])
          if (readFileSync(join(folder, file), 'utf8').trim() === '')
            writeFileSync(join(folder, file), readFileSync(join(parent, file), 'utf8'));
    }
    if (version === 2) mkdirSync(join(folder, 'init'), { recursive: true });
  }
}

/** Shell commands by which a shell puts itself into the group; `top` where a new cgroup namespace is to begin. */
export function joinGroups(path: string, where: 'top' | 'processes'): string {
  return processFiles(path, where)
    .map((file) => `echo $$ > '${file}'`)
    .join('\n');
}

/** After a cgroup namespace has begun in the group, its processes make way for children with controllers (version 2 only). */
export function moveToLeaf(path: string, pids: readonly number[]): void {
  if (groupFolders().version === 1) return;
  for (const file of processFiles(path, 'processes')) for (const pid of pids) writeFileSync(file, String(pid));
}

function processFiles(path: string, where: 'top' | 'processes'): string[] {
  const { version, hierarchies } = groupFolders();
  const leaf = version === 2 && where === 'processes' ? 'init' : '';
  return hierarchies.map(({ mountPoint }) => join(mountPoint, path, leaf, 'cgroup.procs')).filter(existsSync);
}
