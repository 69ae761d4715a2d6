/** What a control group has used, from the files of its controllers. Source of the sums: runc's cgroups, cadvisor's container/libcontainer. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './host-error.ts';

/** Absent fields: the kernel does not count it here. */
export interface CgroupUsage {
  readonly cpuNs: number;
  readonly memoryBytes: number;
  /** What cannot be given back at once: the usage without inactive file pages. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly cacheBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  /** undefined: no limit. */
  readonly memoryLimitBytes: number | undefined;
  readonly swapBytes: number | undefined;
  readonly swapLimitBytes: number | undefined;
  readonly pids: number | undefined;
}

/** Above this a version 1 limit means none (the kernel's largest value, rounded to pages). */
const noLimit = 2 ** 62;

/** @param folder of a controller; undefined when the controller is not mounted. @returns undefined when the group is gone. */
export async function usageV1(folder: (controller: string) => string | undefined): Promise<CgroupUsage | undefined> {
  const read = (controller: string, file: string): Promise<string | undefined> => {
    const root = folder(controller);
    return root === undefined ? Promise.resolve(undefined) : contents(join(root, file));
  };
  const [cpu, usage, stat, limit, swap, swapLimit, pids] = await Promise.all([
    read('cpuacct', 'cpuacct.usage'),
    read('memory', 'memory.usage_in_bytes'),
    read('memory', 'memory.stat'),
    read('memory', 'memory.limit_in_bytes'),
    read('memory', 'memory.memsw.usage_in_bytes'),
    read('memory', 'memory.memsw.limit_in_bytes'),
    read('pids', 'pids.current'),
  ]);
  if (usage === undefined || stat === undefined) return undefined;
  const counts = flatKeyed(stat);
  const memoryBytes = Number(usage);
  const memoryLimitBytes = limited(limit);
  const both = limited(swapLimit);
  return {
    cpuNs: Number(cpu ?? 0),
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (counts.get('total_inactive_file') ?? 0)),
    rssBytes: counts.get('total_rss') ?? 0,
    cacheBytes: counts.get('total_cache') ?? 0,
    pageFaults: counts.get('total_pgfault') ?? 0,
    majorPageFaults: counts.get('total_pgmajfault') ?? 0,
    memoryLimitBytes,
    swapBytes: swap === undefined ? undefined : Math.max(0, Number(swap) - memoryBytes),
    swapLimitBytes:
      both === undefined || memoryLimitBytes === undefined ? undefined : Math.max(0, both - memoryLimitBytes),
    pids: pids === undefined ? undefined : Number(pids),
  };
}

export async function usageV2(folder: string): Promise<CgroupUsage | undefined> {
  const read = (file: string): Promise<string | undefined> => contents(join(folder, file));
  const [cpu, usage, stat, limit, swap, swapLimit, pids] = await Promise.all([
    read('cpu.stat'),
    read('memory.current'),
    read('memory.stat'),
    read('memory.max'),
    read('memory.swap.current'),
    read('memory.swap.max'),
    read('pids.current'),
  ]);
  if (usage === undefined || stat === undefined) return undefined;
  const counts = flatKeyed(stat);
  const memoryBytes = Number(usage);
  return {
    cpuNs: (flatKeyed(cpu ?? '').get('usage_usec') ?? 0) * 1000,
    memoryBytes,
    workingSetBytes: Math.max(0, memoryBytes - (counts.get('inactive_file') ?? 0)),
    rssBytes: counts.get('anon') ?? 0,
    cacheBytes: counts.get('file') ?? 0,
    pageFaults: counts.get('pgfault') ?? 0,
    majorPageFaults: counts.get('pgmajfault') ?? 0,
    memoryLimitBytes: limited(limit),
    swapBytes: swap === undefined ? undefined : Number(swap),
    swapLimitBytes: limited(swapLimit),
    pids: pids === undefined ? undefined : Number(pids),
  };
}

function limited(text: string | undefined): number | undefined {
  if (text === undefined || text === 'max') return undefined;
  const value = Number(text);
  return value >= noLimit ? undefined : value;
}

/** `name value` lines. */
export function flatKeyed(text: string): ReadonlyMap<string, number> {
  const result = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) result.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return result;
}

/** @returns undefined for a file that is not there, or whose group went away while it was read. */
export async function contents(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'EOPNOTSUPP', 'EACCES'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
