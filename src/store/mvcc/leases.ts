/** Leases: a time to live with the keys that end with it. Time comes from a Clock; who deletes the keys is the owner's business. */
import type { Clock, Timer } from '../../base/clock.ts';
import { StoreError } from '../store.ts';

interface Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
  timer: Timer;
}

/** etcd raises shorter times to live to this (its election timeout and a half, in seconds). */
const minTtlSeconds = 2;
const maxTtlSeconds = 9_000_000_000;

export class Leases {
  readonly #leases = new Map<bigint, Lease>();
  readonly #clock: Clock;
  readonly #expired: (id: bigint) => void;
  #last = 0n;

  /** `expired` is called when a lease's time is over; it must end in `remove`. */
  constructor(clock: Clock, expired: (id: bigint) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  grant(ttlSeconds: number): { readonly id: bigint; readonly ttlSeconds: number } {
    if (!(ttlSeconds <= maxTtlSeconds)) throw new StoreError('invalid', 'etcdserver: too large lease TTL');
    const ttl = Math.max(Math.ceil(ttlSeconds), minTtlSeconds);
    const id = this.#last + 1n;
    this.add(id, ttl);
    return { id, ttlSeconds: ttl };
  }

  /** Also for a lease read back from disk: it gets its full time again, as after an etcd restart. */
  add(id: bigint, ttlSeconds: number): void {
    if (id > this.#last) this.#last = id;
    this.#leases.set(id, { id, ttlSeconds, keys: new Set(), timer: this.#start(id, ttlSeconds) });
  }

  #start(id: bigint, ttlSeconds: number): Timer {
    // Longer than what a timer can hold is checked again then.
    const ms = Math.min(ttlSeconds * 1000, 2_000_000_000);
    const deadline = this.#clock.monotonic() + ttlSeconds * 1000;
    return this.#clock.timer(ms, () => {
      const left = deadline - this.#clock.monotonic();
      const lease = this.#leases.get(id);
      if (lease === undefined) return;
      if (left > 0) lease.timer = this.#start(id, left / 1000);
      else this.#expired(id);
    });
  }

  /** @throws StoreError `leaseNotFound`. */
  require(id: bigint): Lease {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw new StoreError('leaseNotFound', 'etcdserver: requested lease not found');
    return lease;
  }

  /** @returns the time to live it has again. */
  keepAlive(id: bigint): number {
    const lease = this.require(id);
    lease.timer.cancel();
    lease.timer = this.#start(id, lease.ttlSeconds);
    return lease.ttlSeconds;
  }

  /** `key` was written: it leaves one lease and joins another (0n: none). */
  move(key: string, from: bigint, to: bigint): void {
    if (from === to) return;
    if (from !== 0n) this.#leases.get(from)?.keys.delete(key);
    if (to !== 0n) this.#leases.get(to)?.keys.add(key);
  }

  /** Ends the lease. @returns its keys. */
  remove(id: bigint): string[] {
    const lease = this.require(id);
    lease.timer.cancel();
    this.#leases.delete(id);
    return [...lease.keys];
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  close(): void {
    for (const lease of this.#leases.values()) lease.timer.cancel();
    this.#leases.clear();
  }
}
