/**
 * How much of a time went by because this machine had no processor for what a test started: what is asserted about time is asserted of the rest, so that it
 * means the same on a busy machine.
 *
 * Source: the second number of /proc/PID/task/TID/schedstat, nanoseconds for which a thread was ready to run and did not. What one waits for goes
 * through one process after the other, so their waits are added up, for each that of its thread that waited longest; in no interval more than its length.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Clock } from '../../src/base/clock.ts';
import { createTaskGroup } from '../../src/base/task-group.ts';
import type { Machine } from './machine.ts';

export interface Starvation {
  /** Milliseconds, between two moments of the clock. */
  between(fromMs: number, toMs: number): number;
  stop(): Promise<void>;
}

const intervalMs = 250;

/** Of this process and of all that run on the machine. */
export function measureStarvation(machine: Machine, clock: Clock): Starvation {
  const tasks = createTaskGroup();
  const samples: { readonly fromMs: number; readonly toMs: number; readonly starvedMs: number }[] = [];
  let before = waits(machine);
  let fromMs = clock.monotonic();
  const sample = (): void => {
    const now = waits(machine);
    const toMs = clock.monotonic();
    let starvedMs = 0;
    for (const [pid, threads] of now) {
      let longest = 0;
      for (const [thread, ms] of threads) longest = Math.max(longest, ms - (before.get(pid)?.get(thread) ?? 0));
      starvedMs += longest;
    }
    samples.push({ fromMs, toMs, starvedMs: Math.min(starvedMs, toMs - fromMs) });
    before = now;
    fromMs = toMs;
  };
  tasks.run('starvation', async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal);
      sample();
    }
  });
  return {
    between(start, end) {
      if (end > fromMs) sample();
      let all = 0;
      for (const { fromMs: from, toMs: to, starvedMs } of samples) {
        const shared = Math.min(end, to) - Math.max(start, from);
        if (shared > 0) all += starvedMs * (shared / (to - from));
      }
      return all;
    },
    stop: () => tasks.stop(),
  };
}

/** Milliseconds by process and thread. */
function waits(machine: Machine): Map<number, Map<string, number>> {
  const found = new Map<number, Map<string, number>>();
  const namespace = read(() => readlinkSync(`/proc/${machine.enter[1]}/ns/pid`));
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!(pid > 0)) continue;
    if (pid !== process.pid && read(() => readlinkSync(`/proc/${pid}/ns/pid`)) !== namespace) continue;
    const threads = new Map<string, number>();
    for (const thread of read(() => readdirSync(`/proc/${pid}/task`)) ?? []) {
      const text = read(() => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
      if (text !== undefined) threads.set(thread, Number(text.split(' ')[1]) / 1e6);
    }
    found.set(pid, threads);
  }
  return found;
}

/** Processes end while they are looked at, and some are not ours to look at. */
function read<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return undefined;
    throw error;
  }
}
