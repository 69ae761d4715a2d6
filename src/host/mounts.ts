/** Mounts, by the `mount` and `umount` programs (Node has no mount call) and /proc/self/mountinfo. */
import { readFileSync } from 'node:fs';
import { HostError } from './host-error.ts';
import type { Spawner } from './spawner.ts';

export interface MountEntry {
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface Mounts {
  /** In the order they were mounted. */
  list(): MountEntry[];
  isMounted(path: string): boolean;
  tmpfs(path: string, options: { readonly sizeBytes?: number; readonly mode?: number }): Promise<void>;
  /** A `/proc/<pid>/fd/<n>` as `source` is taken as it is, not by the path it leads to. */
  bind(
    source: string,
    target: string,
    options?: { readonly readOnly?: boolean; readonly recursive?: boolean },
  ): Promise<void>;
  /** A file system of another kind: `nfs`, `hugetlbfs`, `ext4`. */
  mount(
    source: string,
    target: string,
    options: { readonly type: string; readonly options?: readonly string[] },
  ): Promise<void>;
  unmount(path: string): Promise<void>;
  /** Unmounts everything at and below `prefix`, the newest first. @returns how many. */
  unmountUnder(prefix: string): Promise<number>;
  /** As `unmountUnder`, but what is mounted on `prefix` itself stays: somebody else's disk for our files. */
  unmountBelow(prefix: string): Promise<number>;
}

const timeoutMs = 30_000;

export function createMounts(spawner: Spawner): Mounts {
  const run = async (program: string, args: readonly string[], what: string): Promise<void> => {
    const { code, stderr } = await spawner.run(program, args, { timeoutMs });
    if (code !== 0)
      throw new HostError(`Cannot ${what}: ${stderr.toString().trim() || `${program} ended with ${code}`}`, {
        remedy: 'Run as root, in a mount namespace that allows it',
      });
  };
  const mounts: Mounts = {
    list: () => parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')),
    isMounted: (path) => mounts.list().some((entry) => entry.mountPoint === path),
    async tmpfs(path, { sizeBytes, mode }) {
      const options = [
        'rw',
        ...(sizeBytes ? [`size=${sizeBytes}`] : []),
        ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
      ];
      await run('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', path], `mount a tmpfs on ${path}`);
    },
    async bind(source, target, { readOnly = false, recursive = false } = {}) {
      const how = ['--no-canonicalize', recursive ? '--rbind' : '--bind'];
      await run('mount', [...how, source, target], `bind ${source} on ${target}`);
      if (readOnly) await run('mount', ['-o', 'remount,ro,bind', target], `make ${target} read-only`);
    },
    async mount(source, target, { type, options = [] }) {
      const given = options.length > 0 ? ['-o', options.join(',')] : [];
      await run('mount', ['-t', type, ...given, source, target], `mount ${source} on ${target}`);
    },
    async unmount(path) {
      if (!mounts.isMounted(path)) return;
      await run('umount', ['-l', path], `unmount ${path}`);
    },
    unmountUnder: (prefix) => unmountAll(prefix, (mountPoint, folder) => mountPoint === folder),
    unmountBelow: (prefix) => unmountAll(prefix, () => false),
  };
  const unmountAll = async (prefix: string, too: (mountPoint: string, folder: string) => boolean): Promise<number> => {
    const folder = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
    const found = mounts
      .list()
      .filter(({ mountPoint }) => too(mountPoint, folder) || mountPoint.startsWith(`${folder}/`));
    for (const { mountPoint } of found.toReversed()) await mounts.unmount(mountPoint);
    return found.length;
  };
  return mounts;
}

/** Source: proc_pid_mountinfo(5). */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ');
    if (left === undefined || right === undefined) continue;
    const fields = left.split(' ');
    const [type = '', source = ''] = right.split(' ');
    entries.push({
      mountPoint: unescaped(fields[4] ?? ''),
      type,
      source: unescaped(source),
      options: (fields[5] ?? '').split(','),
    });
  }
  return entries;
}

/** Blanks and backslashes are written in octal. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
