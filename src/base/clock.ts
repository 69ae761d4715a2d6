/**
 * Time as a parameter. Components never touch `Date.now`, `setTimeout` or `setImmediate`; they get a Clock.
 * `real-clock.ts` is the machine's time, `virtual-clock.ts` is time that a test turns by hand.
 */
export interface Timer {
  /** Stops the timer; harmless when it has fired or was stopped before. */
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch: for stamps that people and other machines read. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary start: for durations and deadlines. */
  monotonic(): number;
  /** Resolves after `ms`; when `signal` aborts first it resolves at once (callers look at `signal.aborted`). Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms` (in a macrotask). Timers never keep a process alive by themselves. */
  timer(ms: number, fn: () => void): Timer;
  /**
   * Lets other work run before going on (decision 11: no stretch of work over 5 ms without a yield). Virtual time does not
   * move while a yield is outstanding.
   */
  yield(): Promise<void>;
}
