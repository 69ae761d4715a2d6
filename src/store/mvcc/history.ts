/**
 * Every version of every key until compaction: an ordered index (key -> newest version) and the log in revision order.
 *
 * Invariants:
 * 1. `head` is the newest revision applied, `published` the newest one that may be seen from outside; published <= head. The memory store
 *    publishes at once, the embedded one after its flush, so that readers never see what could still be lost.
 * 2. The log holds the versions of revisions >= compactRevision, ordered by (modRevision, sub).
 * 3. A key's newest version at or before compactRevision stays unless it is a deletion.
 */
import sortedBtree from 'sorted-btree';
import type { RangeRequest } from '../store.ts';
import { toSortKey } from './sort-key.ts';
import { isDeletion, type LoadValue, type Version } from './version.ts';

const BTree = sortedBtree.default;
const byUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export class History {
  head = 1;
  published = 1;
  compactRevision = 0;
  /** Bytes of the keys and values of all versions held. */
  bytes = 0;
  readonly #index = new BTree<string, Version>(undefined, byUnits);
  #log: Version[] = [];
  /** Versions dropped from the front of the log since the start: turns a cursor into an index. */
  #dropped = 0;
  /** How much of the log the compaction under way has looked at. */
  #swept = 0;
  readonly #load: LoadValue;
  readonly #waiters = new Set<() => void>();

  constructor(load: LoadValue) {
    this.#load = load;
  }

  get load(): LoadValue {
    return this.#load;
  }

  /** The newest version applied, published or not; a deletion counts as one. */
  newest(key: string): Version | undefined {
    return this.#index.get(toSortKey(key));
  }

  /** The live version of `key` at `revision`. */
  at(key: string, revision: number): Version | undefined {
    let version = this.#index.get(toSortKey(key));
    while (version !== undefined && version.modRevision > revision) version = version.prev;
    return version === undefined || version.version === 0 ? undefined : version;
  }

  /** Adds one version at `revision` (head, or head + 1 for a new transaction) and moves head. `value` undefined is a deletion. */
  append(key: string, sub: number, value: Uint8Array | undefined, revision: number, lease: bigint): Version {
    const sortKey = toSortKey(key);
    const prev = this.#index.get(sortKey);
    const live = prev !== undefined && prev.version !== 0;
    const version: Version = {
      key: prev?.key ?? key,
      modRevision: revision,
      sub,
      createRevision: value === undefined ? 0 : live ? prev.createRevision : revision,
      version: value === undefined ? 0 : live ? prev.version + 1 : 1,
      lease: value === undefined ? 0n : lease,
      valueLength: value === undefined ? 0 : value.length,
      value,
      prev,
    };
    this.#add(sortKey, version);
    return version;
  }

  /** Puts back a version read from disk; they come in log order. `prev` is linked here. */
  restore(version: Version): void {
    const sortKey = toSortKey(version.key);
    version.prev = this.#index.get(sortKey);
    this.#add(sortKey, version);
  }

  #add(sortKey: string, version: Version): void {
    this.#index.set(sortKey, version);
    this.#log.push(version);
    this.bytes += version.key.length + version.valueLength;
    this.head = version.modRevision;
  }

  /** Makes everything up to `revision` visible and wakes the watchers. */
  publish(revision: number): void {
    this.published = revision;
    this.wake();
  }

  /** Calls `visit` with the live versions of [key, end) at `revision` in key order until it returns false. `end` as in RangeRequest. */
  scan(key: string, end: string | undefined, revision: number, visit: (version: Version) => boolean): void {
    if (end === undefined) {
      const version = this.at(key, revision);
      if (version !== undefined) visit(version);
      return;
    }
    const unbounded = end === '\0';
    const high = unbounded ? this.#index.maxKey() : toSortKey(end);
    if (high === undefined) return;
    this.#index.forRange(toSortKey(key), high, unbounded, (_, newest) => {
      let version: Version | undefined = newest;
      while (version !== undefined && version.modRevision > revision) version = version.prev;
      if (version !== undefined && version.version !== 0 && !visit(version)) return stop;
      return undefined;
    });
  }

  /** Live versions of [key, end) at `revision`: the first `limit` (0: all), and how many there are as RangeResult tells it. */
  range(
    request: RangeRequest,
    revision: number,
  ): { readonly found: Version[]; readonly count: number; readonly more: boolean } {
    const countOnly = request.countOnly === true;
    const limit = countOnly ? 0 : request.limit || Number.MAX_SAFE_INTEGER;
    const enough = request.withoutCount === true && !countOnly ? limit : Number.MAX_SAFE_INTEGER;
    const found: Version[] = [];
    let count = 0;
    this.scan(request.key, request.end, revision, (version) => {
      if (count++ < limit) found.push(version);
      return count <= enough;
    });
    return { found, count, more: !countOnly && count > found.length };
  }

  /** Cursor of the first logged version at or after `revision`; valid until compaction passes it. */
  cursor(revision: number): number {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#log[middle]!.modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return this.#dropped + low;
  }

  /** The logged version at `cursor`, published or not. */
  logged(cursor: number): Version | undefined {
    return this.#log[cursor - this.#dropped];
  }

  /**
   * From now on nothing before `revision` can be read or watched. The memory is freed by `sweep`, a slice at a time, so that the loop is never
   * blocked for long.
   */
  beginCompaction(revision: number): void {
    this.compactRevision = revision;
    this.#swept = 0;
    this.wake();
  }

  /**
   * Looks at up to `max` logged versions at or before compactRevision and adds those that nobody can reach any more to `gone` (live ones
   * that were overwritten, deletions before compactRevision), each once.
   * @returns whether there may be more.
   */
  sweep(max: number, gone: Version[]): boolean {
    const to = Math.min(this.#log.length, this.#swept + max);
    let i = this.#swept;
    for (; i < to; i++) {
      const version = this.#log[i]!;
      if (version.modRevision > this.compactRevision) break;
      const prev = version.prev;
      if (prev !== undefined) {
        // A deletion reports itself, below: the write after it may lie beyond compactRevision.
        if (!isDeletion(prev)) this.#forget(prev, gone);
        version.prev = undefined;
      }
      // The deletion at compactRevision itself can still be watched; the next compaction takes it.
      if (!isDeletion(version) || version.modRevision === this.compactRevision) continue;
      this.#forget(version, gone);
      const sortKey = toSortKey(version.key);
      if (this.#index.get(sortKey) === version) this.#index.delete(sortKey);
    }
    this.#swept = i;
    if (i === to && i < this.#log.length) return true;
    const keep = this.cursor(this.compactRevision) - this.#dropped;
    this.#log = this.#log.slice(keep);
    this.#dropped += keep;
    return false;
  }

  #forget(version: Version, gone: Version[]): void {
    gone.push(version);
    this.bytes -= version.key.length + version.valueLength;
  }

  /** Calls `resume` once at the next publish, compaction or `wake`. @returns a function that takes it back. */
  wait(resume: () => void): () => void {
    this.#waiters.add(resume);
    return () => this.#waiters.delete(resume);
  }

  wake(): void {
    if (this.#waiters.size === 0) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const resume of waiters) resume();
  }
}

const stop = { break: true };
