/** CPU time of other processes from Linux's schedstat, exact to the nanosecond. */
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of all threads of these processes. */
export function cpuMs(pids: readonly number[]): number {
  let all = 0;
  for (const pid of pids) for (const thread of readdirSync(`/proc/${pid}/task`)) all += threadCpuMs(pid, thread);
  return all;
}

/** Milliseconds of one thread; the main one has the process's own number. */
export function threadCpuMs(pid: number, thread: string | number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH')
      return 0; // it has ended
    throw error;
  }
}
