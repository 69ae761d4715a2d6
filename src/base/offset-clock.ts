import type { Clock } from './clock.ts';

/** A clock whose wall time is wrong by so many milliseconds, which may change at any moment, as when somebody sets it. Durations stay right. */
export function createOffsetClock(clock: Clock, offsetMs: () => number): Clock {
  return {
    now: () => clock.now() + offsetMs(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    timer: (ms, fn) => clock.timer(ms, fn),
    yield: () => clock.yield(),
  };
}
