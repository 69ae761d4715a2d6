import type { Clock } from '../../base/clock.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { History } from '../mvcc/history.ts';
import { Leases } from '../mvcc/leases.ts';
import { checkRange, checkTxn, defaultLimits, type RequestLimits } from '../mvcc/request.ts';
import { applyTxn, checkCompaction, deleteKeys, rangeAt } from '../mvcc/transaction.ts';
import type { Version } from '../mvcc/version.ts';
import { watchHistory } from '../mvcc/watcher.ts';
import { type RangeRequest, type Store, StoreError, type TxnRequest, type WatchRequest } from '../store.ts';

export interface MemoryStoreOptions {
  /** For leases, and for yields while a big compaction is swept. Default: real time. */
  readonly clock?: Clock;
  readonly limits?: RequestLimits;
}

/** Versions swept between two yields: about a millisecond. */
const sweepSlice = 4096;

/** A store in this process's memory: every answer is there before the call returns, so nothing waits in virtual time. */
export function createMemoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.clock ?? createRealClock(), options.limits ?? defaultLimits);
}

class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #limits: RequestLimits;
  readonly #history = new History((version) => {
    throw new Error(`Value of ${version.key} at revision ${version.modRevision} is not in memory`);
  });
  readonly #leases: Leases;
  readonly #ended = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();

  constructor(clock: Clock, limits: RequestLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#leases = new Leases(clock, (id) => this.#endLease(id));
  }

  async range(request: RangeRequest, signal?: AbortSignal) {
    this.#check(signal);
    checkRange(request);
    return rangeAt(this.#history, request, this.#history.published);
  }

  async txn(request: TxnRequest, signal?: AbortSignal) {
    this.#check(signal);
    checkTxn(request, this.#limits);
    const written: Version[] = [];
    const applied = applyTxn(this.#history, this.#leases, request, written);
    if (written.length > 0) this.#history.publish(applied.revision);
    return applied;
  }

  watch(request: WatchRequest) {
    this.#check();
    return watchHistory(this.#history, request, this.#ended.signal);
  }

  async currentRevision(signal?: AbortSignal) {
    this.#check(signal);
    return this.#history.published;
  }

  async compact(revision: number, signal?: AbortSignal) {
    this.#check(signal);
    checkCompaction(this.#history, revision);
    this.#history.beginCompaction(revision);
    const before = this.#sweeping;
    this.#sweeping = this.#sweep(before);
    await this.#sweeping;
  }

  async #sweep(before: Promise<void>): Promise<void> {
    await before;
    while (this.#history.sweep(sweepSlice, [])) await this.#clock.yield();
  }

  async leaseGrant(ttlSeconds: number, signal?: AbortSignal) {
    this.#check(signal);
    return this.#leases.grant(ttlSeconds).id;
  }

  async leaseKeepAlive(lease: bigint, signal?: AbortSignal) {
    this.#check(signal);
    return this.#leases.keepAlive(lease);
  }

  async leaseRevoke(lease: bigint, signal?: AbortSignal) {
    this.#check(signal);
    this.#endLease(lease);
  }

  #endLease(id: bigint): void {
    const written: Version[] = [];
    deleteKeys(this.#history, this.#leases, this.#leases.remove(id).sort(), written);
    if (written.length > 0) this.#history.publish(this.#history.head);
  }

  async size(signal?: AbortSignal) {
    this.#check(signal);
    return this.#history.bytes;
  }

  async close() {
    this.#ended.abort();
    this.#leases.close();
  }

  #check(signal?: AbortSignal): void {
    if (this.#ended.signal.aborted) throw new StoreError('closed', 'The store is closed');
    signal?.throwIfAborted();
  }
}
