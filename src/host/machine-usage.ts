/** What the machine as a whole uses now, from /proc and statfs. */
import { readFile, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import { errorCode } from './host-error.ts';

export interface MachineMemory {
  readonly totalBytes: number;
  /** The kernel's estimate of what programs can still get without swapping. */
  readonly availableBytes: number;
  readonly usedBytes: number;
  /** Used without inactive file pages. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly swapTotalBytes: number;
  readonly swapUsedBytes: number;
}

export interface FileSystemUsage {
  /** Of the device: two paths with the same one share their space. */
  readonly id: string;
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export interface NetworkCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

export async function readMachineMemory(): Promise<MachineMemory> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const values = new Map<string, number>();
  for (const [, name, kb] of text.matchAll(/^(\S+):\s+(\d+) kB$/gm)) values.set(name!, Number(kb) * 1024);
  const of = (name: string): number => values.get(name) ?? 0;
  const usedBytes = of('MemTotal') - of('MemFree');
  const workingSetBytes = Math.max(0, usedBytes - of('Inactive(file)'));
  return {
    totalBytes: of('MemTotal'),
    availableBytes: Math.max(0, of('MemTotal') - workingSetBytes),
    usedBytes,
    workingSetBytes,
    rssBytes: of('AnonPages'),
    swapTotalBytes: of('SwapTotal'),
    swapUsedBytes: of('SwapTotal') - of('SwapFree'),
  };
}

/** Nanoseconds that all processors were busy since boot. */
export function readMachineCpuNs(): number {
  let busyMs = 0;
  for (const { times } of cpus()) busyMs += times.user + times.nice + times.sys + times.irq;
  return busyMs * 1e6;
}

/** @throws when the path is not there. */
export async function readFileSystem(path: string): Promise<FileSystemUsage> {
  const { bsize, blocks, bavail, bfree, files, ffree, type } = await statfs(path);
  return {
    id: `${type}:${blocks}:${files}:${bsize}`,
    capacityBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodes: files,
    inodesFree: ffree,
  };
}

/** @param pid whose network namespace is read; this process's when absent. Without loopback. @returns empty when the process is gone. */
export async function readNetworkCounters(pid?: number): Promise<readonly NetworkCounters[]> {
  const text = await read(`/proc/${pid ?? 'self'}/net/dev`);
  const found: NetworkCounters[] = [];
  for (const line of (text ?? '').split('\n').slice(2)) {
    const [name = '', rest] = line.split(':');
    if (rest === undefined || name.trim() === 'lo') continue;
    const n = rest.trim().split(/\s+/).map(Number);
    found.push({
      name: name.trim(),
      rxBytes: n[0] ?? 0,
      rxErrors: n[2] ?? 0,
      txBytes: n[8] ?? 0,
      txErrors: n[10] ?? 0,
    });
  }
  return found;
}

/** Processes and threads of the machine, and how many there may be. */
export async function readProcessCount(): Promise<{ readonly used: number; readonly max: number }> {
  const [loadavg, pidMax, threadsMax] = await Promise.all([
    read('/proc/loadavg'),
    read('/proc/sys/kernel/pid_max'),
    read('/proc/sys/kernel/threads-max'),
  ]);
  const used = Number(/\/(\d+) /.exec(loadavg ?? '')?.[1] ?? 0);
  return { used, max: Math.min(Number(pidMax ?? 32_768), Number(threadsMax ?? 32_768)) };
}

/** When the kernel started, in milliseconds of the wall clock; undefined when it does not say. */
export async function readBootTimeMs(): Promise<number | undefined> {
  const seconds = /^btime (\d+)$/m.exec((await read('/proc/stat')) ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EINVAL', 'EACCES'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
