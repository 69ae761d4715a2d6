/** Processes by identity that survives pid reuse and reboots, read from /proc. A process that vanishes while it is read is simply not there. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { errorCode, HostError } from './host-error.ts';
import type { Child, ProcessIdentity } from './spawner.ts';

/** This boot of the machine. @throws HostError without /proc. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch (cause) {
    throw new HostError('Cannot read the boot id from /proc', { remedy: 'Mount /proc; real nodes need Linux', cause });
  }
}

/** @returns undefined when there is no such process, or only its remains (a zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (!stat || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTime: stat.startTime, bootId: readBootId() };
}

/** Whether that very process still lives. */
export function isAlive({ pid, startTime, bootId }: ProcessIdentity): boolean {
  const now = identify(pid);
  return now !== undefined && now.startTime === startTime && now.bootId === bootId;
}

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  readonly startTime: string;
  readonly arguments: readonly string[];
}

export function listProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const stat = readStat(pid);
    const command = read(`/proc/${pid}/cmdline`);
    if (stat && command !== undefined)
      entries.push({ pid, ...stat, arguments: command.split('\0').filter((word) => word !== '') });
  }
  return entries;
}

/** Sends a signal to that very process. @returns false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** SIGTERM, and SIGKILL after `graceMs`. Resolves when the process is gone. */
export async function endProcess(
  identity: ProcessIdentity,
  { clock, graceMs }: { readonly clock: Clock; readonly graceMs: number },
): Promise<void> {
  if (!signalProcess(identity, 'SIGTERM')) return;
  const deadline = clock.monotonic() + graceMs;
  let killed = false;
  while (isAlive(identity)) {
    if (!killed && clock.monotonic() >= deadline) killed = signalProcess(identity, 'SIGKILL');
    await clock.sleep(20);
  }
}

/** A handle on a process that an earlier run of ours started. Its exit is noticed within a second; its code is not known. */
export function adoptProcess(identity: ProcessIdentity, clock: Clock, signal?: AbortSignal): Child | undefined {
  if (!isAlive(identity)) return undefined;
  const exited = (async () => {
    while (isAlive(identity) && !signal?.aborted) await clock.sleep(1000, signal);
    return { code: null, signal: null };
  })();
  return { identity, exited, kill: (name) => void signalProcess(identity, name) };
}

/** Fields 3, 4 and 22 of /proc/PID/stat; the second field is a name in brackets that may hold anything. */
function readStat(pid: number): { state: string; parent: number; startTime: string } | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', parent: Number(fields[1]), startTime: fields[19] ?? '' };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return undefined;
    throw error;
  }
}
