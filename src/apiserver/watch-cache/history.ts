/**
 * The recent events of one resource, for watches that start in the past. A ring that grows while its events are young and shrinks when they are
 * old, between fixed bounds; what falls out makes older watches answer 410 (Expired).
 */
import type { CacheEvent } from './cache-event.ts';

const capacityMin = 128;
const capacityMax = 16_384;
/** Encoded bytes one resource's history may hold on to; beyond, age does not count. */
const bytesMax = 32 * 1024 * 1024;
/** Events younger than this are worth growing for. Upstream: eventFreshDuration, 75 s. */
const freshMs = 75_000;

export class History {
  #ring: (CacheEvent | undefined)[] = new Array(capacityMin);
  #start = 0;
  #length = 0;
  #bytes = 0;
  /** Watches may start at this revision or later: everything after it is in the ring. */
  #complete: number;

  constructor(completeFrom: number) {
    this.#complete = completeFrom;
  }

  /** The oldest revision a watch may start from. */
  get oldest(): number {
    return this.#complete;
  }
  get length(): number {
    return this.#length;
  }
  get capacity(): number {
    return this.#ring.length;
  }

  /** @param now monotonic milliseconds. */
  push(event: CacheEvent, now: number): void {
    if (this.#length === this.#ring.length) {
      const oldest = this.#ring[this.#start]!;
      if (this.#ring.length < capacityMax && now - oldest.at < freshMs) this.#resize(this.#ring.length * 2);
      else this.#dropOldest();
    }
    this.#bytes += event.current.bytes.byteLength;
    while (this.#bytes > bytesMax && this.#length > capacityMin) this.#dropOldest();
    this.#ring[(this.#start + this.#length) % this.#ring.length] = event;
    this.#length++;
    // Shared frames are worth keeping while many watchers are likely to ask for them, not for the whole history.
    const settled = this.#length - framesKept;
    if (settled >= 0) this.#ring[(this.#start + settled) % this.#ring.length]!.settle();
  }

  #dropOldest(): void {
    const oldest = this.#ring[this.#start]!;
    this.#complete = Math.max(this.#complete, oldest.revision);
    this.#bytes -= oldest.current.bytes.byteLength;
    this.#ring[this.#start] = undefined;
    this.#start = (this.#start + 1) % this.#ring.length;
    this.#length--;
  }

  /** Events after `revision` in order, or `undefined` when some of them are gone. */
  since(revision: number): readonly CacheEvent[] | undefined {
    if (revision < this.#complete) return undefined;
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#at(middle).revision <= revision) low = middle + 1;
      else high = middle;
    }
    const events: CacheEvent[] = [];
    for (let i = low; i < this.#length; i++) events.push(this.#at(i));
    return events;
  }

  /** Forgets everything: after a gap in the store's watch. */
  reset(completeFrom: number): void {
    this.#ring = new Array(capacityMin);
    this.#start = 0;
    this.#length = 0;
    this.#bytes = 0;
    this.#complete = completeFrom;
  }

  /** What lies at or before `revision` was compacted away in the store: forget it too, so that all API servers answer alike. */
  compact(revision: number): void {
    while (this.#length > 0 && this.#at(0).revision <= revision) this.#dropOldest();
    if (revision > this.#complete) this.#complete = revision;
  }

  #at(i: number): CacheEvent {
    return this.#ring[(this.#start + i) % this.#ring.length]!;
  }

  #resize(capacity: number): void {
    const ring: (CacheEvent | undefined)[] = new Array(capacity);
    for (let i = 0; i < this.#length; i++) ring[i] = this.#at(i);
    this.#ring = ring;
    this.#start = 0;
  }
}

const framesKept = 64;
