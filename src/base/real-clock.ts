import type { Clock, Timer } from './clock.ts';

const maxTimerMs = 2 ** 31 - 1;

/**
 * The machine's time. Timers are unreferenced: what keeps a process alive is its sockets and children, never a wait.
 * @param options.keepAlive a pending timer keeps the process alive: for a cluster inside a test, which has no socket.
 */
export function createRealClock(options: { readonly keepAlive?: boolean } = {}): Clock {
  const timer = (ms: number, fn: () => void): Timer => {
    const handle = setTimeout(fn, Math.min(Math.max(ms, 0), maxTimerMs));
    if (!options.keepAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  };
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    timer,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) {
          resolve();
          return;
        }
        const wake = (): void => {
          pending.cancel();
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const pending = timer(ms, wake);
        signal?.addEventListener('abort', wake);
      }),
    yield: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
