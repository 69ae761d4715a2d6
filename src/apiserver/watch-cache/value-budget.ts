/**
 * Keeps the parsed values of cached objects within a budget (decision 5). Charged by encoded size, and a tree takes twice that: beyond the limit the longest-held
 * values go first, and those that nobody has asked for in a while go anyhow. A dropped value is parsed again when someone asks.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { CachedObject } from './cached-object.ts';

/** A value lives through one to two of these without being asked for: long enough for who reacts to a change (a controller, a kubelet), short beside a cluster's days. */
const unusedMs = 30_000;

export class ValueBudget {
  readonly #limitBytes: number;
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #held = new Set<CachedObject>();
  #bytes = 0;
  #timer: Timer | undefined;

  constructor(limitBytes: number, clock: Pick<Clock, 'timer'>) {
    this.#limitBytes = limitBytes;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Call after setting `object.value`. Who uses the value later sets `valueUsed`. */
  hold(object: CachedObject): void {
    object.valueUsed = true;
    if (this.#held.has(object)) return;
    this.#held.add(object);
    this.#bytes += object.bytes.byteLength;
    if (this.#bytes > this.#limitBytes) this.#shrink();
    this.#timer ??= this.#clock.timer(unusedMs, this.#sweep);
  }

  /** The object left the cache: whoever still uses its value keeps it alive, the budget no longer counts it. */
  release(object: CachedObject): void {
    if (this.#held.delete(object)) this.#bytes -= object.bytes.byteLength;
  }

  /** Nothing is dropped for its age any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #shrink(): void {
    const target = this.#limitBytes * 0.75;
    for (const object of this.#held) {
      if (this.#bytes <= target) return;
      this.#drop(object);
    }
  }

  readonly #sweep = (): void => {
    for (const object of this.#held) {
      if (object.valueUsed) object.valueUsed = false;
      else this.#drop(object);
    }
    this.#timer = this.#held.size === 0 ? undefined : this.#clock.timer(unusedMs, this.#sweep);
  };

  #drop(object: CachedObject): void {
    this.#held.delete(object);
    this.#bytes -= object.bytes.byteLength;
    object.value = undefined;
  }
}
