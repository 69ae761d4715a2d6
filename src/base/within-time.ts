import type { Clock } from './clock.ts';

/** What `work` does, with a signal that aborts after `ms`: the deadline of a clean-up, whose caller's own signal has aborted already. */
export async function withinTime<T>(clock: Clock, ms: number, work: (limit: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  const timer = clock.timer(ms, () => limit.abort(new Error(`It took more than ${ms} ms`)));
  try {
    return await work(limit.signal);
  } finally {
    timer.cancel();
  }
}
