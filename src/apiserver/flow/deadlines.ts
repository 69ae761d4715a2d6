/**
 * The time a request has. Nearly all have the same, so they stand in a line by when they came: one timer for all, nothing to cancel when one is answered.
 */
import type { Clock, Timer } from '../../base/clock.ts';

export interface Deadline {
  /** The request is answered. */
  done(): void;
}

interface Entry extends Deadline {
  readonly atMs: number;
  expire: (() => void) | undefined;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #line: Entry[] = [];
  #head = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** @param ms the caller's own limit; longer than the server's: the server's counts. @param expire called once, if the time is over before `done` */
  start(ms: number | undefined, expire: () => void): Deadline {
    if (ms !== undefined && ms > 0 && ms < this.#limitMs) {
      const timer = this.#clock.timer(ms, expire);
      return { done: () => timer.cancel() };
    }
    const entry: Entry = {
      atMs: this.#clock.monotonic() + this.#limitMs,
      expire,
      done() {
        entry.expire = undefined;
      },
    };
    this.#line.push(entry);
    this.#skipAnswered();
    this.#arm();
    return entry;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#line = [];
    this.#head = 0;
  }

  #arm(): void {
    if (this.#timer) return;
    const first = this.#line[this.#head];
    if (!first) return;
    this.#timer = this.#clock.timer(Math.max(0, first.atMs - this.#clock.monotonic()), () => {
      this.#timer = undefined;
      this.#sweep();
      this.#arm();
    });
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    let first = this.#line[this.#head];
    while (first && (first.expire === undefined || first.atMs <= now)) {
      this.#head++;
      first.expire?.();
      first = this.#line[this.#head];
    }
    this.#letGo();
  }

  /** Without this the line is a minute of requests long, most of them answered within a millisecond. */
  #skipAnswered(): void {
    const line = this.#line;
    while (this.#head < line.length && line[this.#head]!.expire === undefined) this.#head++;
    this.#letGo();
  }

  /** The answered ones are let go in stretches, not one by one. */
  #letGo(): void {
    if (this.#head > 1024 || this.#head === this.#line.length) {
      this.#line.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
