/**
 * Keeps the parsed values of cached objects within a budget (decision 5). Charged by encoded size; the longest-held values go first. A dropped value is
 * parsed again when someone asks.
 */
import type { CachedObject } from './cached-object.ts';

export class ValueBudget {
  readonly #limitBytes: number;
  readonly #held = new Set<CachedObject>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Call after setting `object.value`. */
  hold(object: CachedObject): void {
    if (this.#held.has(object)) return;
    this.#held.add(object);
    this.#bytes += object.bytes.byteLength;
    if (this.#bytes > this.#limitBytes) this.#shrink();
  }

  /** The object left the cache: whoever still uses its value keeps it alive, the budget no longer counts it. */
  release(object: CachedObject): void {
    if (this.#held.delete(object)) this.#bytes -= object.bytes.byteLength;
  }

  #shrink(): void {
    const target = this.#limitBytes * 0.75;
    for (const object of this.#held) {
      if (this.#bytes <= target) return;
      this.#held.delete(object);
      this.#bytes -= object.bytes.byteLength;
      object.value = undefined;
    }
  }
}
