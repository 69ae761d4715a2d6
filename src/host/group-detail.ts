/** What a control group's page of metrics needs beside its counters: its processes' files, interfaces, disks by name. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { contents } from './cgroup-usage.ts';
import { errorCode } from './host-error.ts';
import { parseMountInfo } from './mounts.ts';

export interface ProcessDetail {
  readonly processes: number;
  readonly files: number;
  readonly sockets: number;
  /** Of the first process: files it may have open; undefined: no limit, or nobody to ask. */
  readonly filesMax: number | undefined;
}

/** A file table beyond this is counted, but its sockets are not looked for. */
const linksMax = 4096;

/** Processes that end while they are looked at count as far as they were seen. */
export async function readProcesses(pids: readonly number[]): Promise<ProcessDetail> {
  let files = 0;
  let sockets = 0;
  for (const pid of pids) {
    const names = await namesIn(`/proc/${pid}/fd`);
    files += names.length;
    if (names.length > linksMax) continue;
    for (const name of names) {
      const target = await linkTarget(`/proc/${pid}/fd/${name}`);
      if (target?.startsWith('socket:')) sockets++;
    }
  }
  const limits = pids[0] === undefined ? undefined : await contents(`/proc/${pids[0]}/limits`);
  const soft = /^Max open files +(\S+)/m.exec(limits ?? '')?.[1];
  return { processes: pids.length, files, sockets, filesMax: soft === undefined ? undefined : Number(soft) };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (gone(error)) return [];
    throw error;
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (gone(error)) return undefined;
    throw error;
  }
}

const gone = (error: unknown): boolean => ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '');

export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** `/proc/PID/net/dev` without the loopback. */
export function parseInterfaces(text: string): readonly InterfaceCounters[] {
  const found: InterfaceCounters[] = [];
  for (const line of text.split('\n').slice(2)) {
    const [name = '', rest] = line.split(':');
    if (rest === undefined || name.trim() === 'lo') continue;
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0, , , , , ...sent] = rest
      .trim()
      .split(/\s+/)
      .map(Number);
    const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = sent;
    found.push({ name: name.trim(), rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped });
  }
  return found;
}

export const readInterfaces = async (pid: number | undefined): Promise<readonly InterfaceCounters[]> =>
  parseInterfaces((await contents(`/proc/${pid ?? 'self'}/net/dev`)) ?? '');

/** A disk since the machine started; times in milliseconds. */
export interface DiskCounters {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  readonly reads: number;
  readonly readsMerged: number;
  readonly sectorsRead: number;
  readonly readMs: number;
  readonly writes: number;
  readonly writesMerged: number;
  readonly sectorsWritten: number;
  readonly writeMs: number;
  readonly inFlight: number;
  readonly busyMs: number;
  readonly weightedMs: number;
}

/** Disks and partitions that were used. Source: Documentation/admin-guide/iostats.rst. */
export function parseDisks(text: string): readonly DiskCounters[] {
  const found: DiskCounters[] = [];
  for (const line of text.split('\n')) {
    const [major, minor, name = '', ...rest] = line.trim().split(/\s+/);
    const n = rest.map(Number);
    if (n.length < 11 || (n[0] === 0 && n[4] === 0)) continue;
    found.push({
      name: `/dev/${name}`,
      major: Number(major),
      minor: Number(minor),
      reads: n[0]!,
      readsMerged: n[1]!,
      sectorsRead: n[2]!,
      readMs: n[3]!,
      writes: n[4]!,
      writesMerged: n[5]!,
      sectorsWritten: n[6]!,
      writeMs: n[7]!,
      inFlight: n[8]!,
      busyMs: n[9]!,
      weightedMs: n[10]!,
    });
  }
  return found;
}

export const readDisks = async (): Promise<readonly DiskCounters[]> =>
  parseDisks((await contents('/proc/diskstats')) ?? '');

/** The device of the file system that holds a path: the longest mount point it lies under; empty when none is known. */
export async function deviceOf(path: string): Promise<string> {
  let best = { mountPoint: '', source: '' };
  for (const entry of parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'))) {
    const { mountPoint } = entry;
    const inside = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (inside && mountPoint.length >= best.mountPoint.length) best = entry;
  }
  return best.source;
}
