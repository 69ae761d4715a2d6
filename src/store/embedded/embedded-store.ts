/**
 * etcd's model on one machine: the index of versions in memory, the versions themselves in LMDB. Transactions are evaluated one after the
 * other in memory; those of one turn, and those that arrive while a commit is under way, are committed together. Only after the commit is on
 * disk are they published: acknowledged and seen by ranges and watches (decision 4).
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { History } from '../mvcc/history.ts';
import { Leases } from '../mvcc/leases.ts';
import { checkRange, checkTxn, defaultLimits, type RequestLimits } from '../mvcc/request.ts';
import { type Applied, applyTxn, checkCompaction, checkRevision, deleteKeys } from '../mvcc/transaction.ts';
import { toKeyValue, type Version } from '../mvcc/version.ts';
import { watchHistory } from '../mvcc/watcher.ts';
import {
  type KeyValue,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreError,
  type TxnRequest,
  type WatchRequest,
} from '../store.ts';
import { Disk } from './disk.ts';
import { diskBytes } from './format.ts';

export interface EmbeddedStoreOptions {
  /** A directory of the store's own; made when missing. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: RequestLimits;
  /** Puts are refused (`noSpace`) when the versions held take as much; deletions and compaction go on. Default 8 GiB. */
  readonly quotaBytes?: number;
  /** Values of the newest writes that stay in memory for watches. Default 4 MiB. */
  readonly recentBytes?: number;
}

/**
 * @throws StoreError `inUse` (another process has it open), `readonly`, `noSpace`, `corrupt`, or `invalid` (written by a newer version); the
 *   message is a sentence for the user.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const quota = options.quotaBytes ?? 8 * 1024 ** 3;
  const disk = await Disk.open({ path: options.path, mapBytes: Math.ceil(quota * 1.25) + 64 * 1024 ** 2 });
  try {
    return await EmbeddedStore.load(options, disk, quota);
  } catch (error) {
    // Closing a damaged file may fail too; why it could not be opened is what the user needs.
    await disk.close().catch(() => undefined);
    throw error;
  }
}

/** Values loaded, or versions swept, between two yields: about a millisecond. */
const loadSlice = 256;
const sweepSlice = 1024;
const recentCost = (version: Version): number => version.valueLength + 64;

interface Group {
  readonly written: Version[];
  readonly leases: { readonly id: bigint; readonly ttlSeconds: number | undefined }[];
  readonly forget: Version[];
  compactRevision: number | undefined;
  readonly waiters: { readonly resolve: () => void; readonly reject: (error: StoreError) => void }[];
}
const newGroup = (): Group => ({ written: [], leases: [], forget: [], compactRevision: undefined, waiters: [] });

class EmbeddedStore implements Store {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #limits: RequestLimits;
  readonly #quota: number;
  readonly #recentMax: number;
  readonly #history: History;
  readonly #leases: Leases;
  readonly #ended = new AbortController();
  #group = newGroup();
  #flushing: Promise<void> | undefined;
  #failure: StoreError | undefined;
  /** Bytes the versions on disk take, about. */
  #used = 0;
  /** Published versions whose values are still in memory, oldest first from `recentFrom` on. */
  #recent: Version[] = [];
  #recentFrom = 0;
  #recentBytes = 0;
  #compaction: Promise<void> = Promise.resolve();
  readonly #reads = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(options: EmbeddedStoreOptions, disk: Disk, quota: number) {
    this.#disk = disk;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limits = options.limits ?? defaultLimits;
    this.#quota = quota;
    this.#recentMax = options.recentBytes ?? 4 * 1024 * 1024;
    this.#history = new History((version) => disk.value(version));
    this.#leases = new Leases(options.clock, (id) => this.#expire(id));
  }

  static async load(options: EmbeddedStoreOptions, disk: Disk, quota: number): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(options, disk, quota);
    await store.#load();
    return store;
  }

  async #load(): Promise<void> {
    const history = this.#history;
    for (const { id, ttlSeconds } of this.#disk.leases()) this.#leases.add(id, ttlSeconds);
    for (const version of this.#disk.versions()) {
      const before = history.newest(version.key);
      history.restore(version);
      this.#used += diskBytes(version);
      this.#leases.move(version.key, before?.lease ?? 0n, version.lease);
    }
    const compacted = this.#disk.compactRevision();
    history.head = Math.max(history.head, compacted);
    history.publish(history.head);
    if (compacted === 0) return;
    // Also drops from the log what is only there as the state before the compacted revision, and what a crash left half deleted.
    history.beginCompaction(compacted);
    await this.#sweep();
  }

  async range(request: RangeRequest, signal?: AbortSignal): Promise<RangeResult> {
    this.#check(signal);
    checkRange(request);
    const history = this.#history;
    const newest = history.published;
    checkRevision(history, request.revision, newest);
    const { found, count, more } = history.range(request, request.revision || newest);
    const kvs = this.#keyValues(found, request.keysOnly === true, signal);
    return { revision: newest, kvs: kvs instanceof Promise ? await kvs : kvs, count, more };
  }

  /** Loads values, in slices when there are many; compaction waits for it. */
  #keyValues(found: readonly Version[], keysOnly: boolean, signal?: AbortSignal): KeyValue[] | Promise<KeyValue[]> {
    const { load } = this.#history;
    if (keysOnly || found.length <= loadSlice) return found.map((version) => toKeyValue(version, load, keysOnly));
    const run = async (): Promise<KeyValue[]> => {
      const kvs: KeyValue[] = [];
      for (let i = 0; i < found.length; i++) {
        if (i > 0 && i % loadSlice === 0) {
          await this.#clock.yield();
          this.#check(signal);
        }
        kvs.push(toKeyValue(found[i]!, load, false));
      }
      return kvs;
    };
    const reading = run();
    const ended = reading.then(
      () => undefined,
      () => undefined,
    );
    this.#reads.add(ended);
    void ended.then(() => this.#reads.delete(ended));
    return reading;
  }

  async txn(request: TxnRequest, signal?: AbortSignal): Promise<Applied> {
    this.#check(signal);
    checkTxn(request, this.#limits);
    this.#checkWritable(request);
    const { written } = this.#group;
    const before = written.length;
    const applied = applyTxn(this.#history, this.#leases, request, written);
    // What it saw may not be on disk yet; then it waits for that, even if it wrote nothing.
    if (written.length > before || this.#history.head > this.#history.published) await this.#committed();
    return applied;
  }

  #checkWritable(request: TxnRequest): void {
    const full = this.#used >= this.#quota;
    if (!full && this.#failure === undefined) return;
    const writes = (type: 'put' | 'delete'): boolean =>
      request.success.some((op) => op.type === type) || request.failure?.some((op) => op.type === type) === true;
    if (this.#failure !== undefined && (writes('put') || writes('delete'))) throw this.#readonly();
    if (full && writes('put')) throw new StoreError('noSpace', 'etcdserver: mvcc: database space exceeded');
  }

  #readonly(): StoreError {
    return new StoreError('readonly', `The store is read-only: ${this.#failure!.message}`, { cause: this.#failure });
  }

  /** Resolves when the group that is open now is on disk and published. */
  #committed(): Promise<void> {
    const { waiters } = this.#group;
    this.#flushing ??= this.#flush();
    return new Promise((resolve, reject) => {
      waiters.push({ resolve, reject });
    });
  }

  async #flush(): Promise<void> {
    // Whatever else arrives in this turn comes along.
    await this.#clock.yield();
    for (;;) {
      const group = this.#group;
      if (group.waiters.length === 0) break;
      this.#group = newGroup();
      const head = this.#history.head;
      if (this.#failure === undefined) {
        try {
          await this.#disk.commit({
            versions: group.written,
            leases: group.leases,
            forget: group.forget,
            ...(group.compactRevision === undefined ? {} : { compactRevision: group.compactRevision }),
          });
          this.#published(group, head);
          continue;
        } catch (error) {
          this.#failure = error as StoreError;
          this.#log.error('The store is read-only from now on', { error });
          for (const { reject } of group.waiters) reject(this.#failure);
          continue;
        }
      }
      const refusal = this.#readonly();
      for (const { reject } of group.waiters) reject(refusal);
    }
    this.#flushing = undefined;
  }

  #published(group: Group, head: number): void {
    for (const version of group.written) {
      this.#recent.push(version);
      this.#recentBytes += recentCost(version);
      this.#used += diskBytes(version);
    }
    for (const version of group.forget) this.#used -= diskBytes(version);
    this.#evict();
    this.#history.publish(head);
    for (const { resolve } of group.waiters) resolve();
  }

  /** Lets go of the oldest values above the budget: they are on disk. */
  #evict(): void {
    const recent = this.#recent;
    while (this.#recentBytes > this.#recentMax && this.#recentFrom < recent.length) {
      const version = recent[this.#recentFrom++]!;
      this.#recentBytes -= recentCost(version);
      version.value = undefined;
    }
    if (this.#recentFrom > 1024 && this.#recentFrom * 2 > recent.length) {
      this.#recent = recent.slice(this.#recentFrom);
      this.#recentFrom = 0;
    }
  }

  watch(request: WatchRequest) {
    this.#check();
    return watchHistory(this.#history, request, this.#ended.signal);
  }

  async currentRevision(signal?: AbortSignal): Promise<number> {
    this.#check(signal);
    return this.#history.published;
  }

  async compact(revision: number, signal?: AbortSignal): Promise<void> {
    this.#check(signal);
    if (this.#failure !== undefined) throw this.#readonly();
    checkCompaction(this.#history, revision);
    this.#history.beginCompaction(revision);
    this.#group.compactRevision = revision;
    const before = this.#compaction;
    const recorded = this.#committed();
    const run = async (): Promise<void> => {
      await Promise.all([before, recorded]);
      await this.#sweep();
    };
    const running = run();
    // A failure is this call's; the next compaction goes on after it.
    this.#compaction = running.catch(() => undefined);
    await running;
  }

  /** Frees what the compacted revision left unreachable, in memory and, once no range is loading it, on disk. */
  async #sweep(): Promise<void> {
    for (let more = true; more; ) {
      const gone: Version[] = [];
      more = this.#history.sweep(sweepSlice, gone);
      if (gone.length === 0) {
        if (more) await this.#clock.yield();
        continue;
      }
      await Promise.all(this.#reads);
      this.#group.forget.push(...gone);
      await this.#committed();
    }
  }

  async leaseGrant(ttlSeconds: number, signal?: AbortSignal): Promise<bigint> {
    this.#check(signal);
    if (this.#failure !== undefined) throw this.#readonly();
    const lease = this.#leases.grant(ttlSeconds);
    this.#group.leases.push(lease);
    await this.#committed();
    return lease.id;
  }

  async leaseKeepAlive(lease: bigint, signal?: AbortSignal): Promise<number> {
    this.#check(signal);
    return this.#leases.keepAlive(lease);
  }

  async leaseRevoke(lease: bigint, signal?: AbortSignal): Promise<void> {
    this.#check(signal);
    if (this.#failure !== undefined) throw this.#readonly();
    await this.#endLease(lease);
  }

  #endLease(id: bigint): Promise<void> {
    const keys = this.#leases.remove(id).sort();
    deleteKeys(this.#history, this.#leases, keys, this.#group.written);
    this.#group.leases.push({ id, ttlSeconds: undefined });
    return this.#committed();
  }

  #expire(id: bigint): void {
    if (this.#failure !== undefined || this.#ended.signal.aborted) return;
    // A failed commit is reported by #flush.
    this.#endLease(id).catch(() => undefined);
  }

  async size(signal?: AbortSignal): Promise<number> {
    this.#check(signal);
    return this.#disk.size();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended.abort();
    this.#leases.close();
    await this.#flushing;
    await this.#compaction;
    await Promise.all(this.#reads);
    await this.#disk.close();
  }

  #check(signal?: AbortSignal): void {
    if (this.#ended.signal.aborted) throw new StoreError('closed', 'The store is closed');
    signal?.throwIfAborted();
  }
}
