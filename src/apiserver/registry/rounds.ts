/**
 * Compare-and-swap rounds on one key: read from the cache, decide, write if nothing changed, else look again. The one place where the registry writes.
 * Source: etcd3 store.GuaranteedUpdate (optimistic use of the cached state, re-read before an error counts).
 */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { RangeResult, Store, TxnResult } from '../../store/store.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import { splitKey } from './keys.ts';
import type { ExpiryLeases } from './leases.ts';
import { type StoredResource, storeKey } from './resources.ts';
import type { Transformer } from './transformer.ts';

export interface RoundsOptions {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly transformer: Transformer;
  readonly encode: (object: JsonObject) => Uint8Array;
  readonly leases: ExpiryLeases;
}

export type Decision =
  /** Deep-frozen, in stored form (`storedForm`). */
  | { readonly kind: 'write'; readonly value: JsonObject }
  | { readonly kind: 'delete' }
  /** Leave it as it is. */
  | { readonly kind: 'keep' };

export interface Outcome {
  readonly object: CachedObject;
  readonly changed: boolean;
}

/** How long a fresh read waits for the cache to catch up with the store. */
const catchUpMs = 3_000;

export class Rounds {
  readonly #options: RoundsOptions;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  cacheOf(resource: StoredResource): ResourceCache {
    return this.#options.cache.resource(resource.prefix);
  }

  /** @returns undefined when the key exists already. */
  async create(
    resource: StoredResource,
    key: string,
    value: JsonObject,
    signal: AbortSignal,
  ): Promise<CachedObject | undefined> {
    const at = storeKey(resource, key);
    const done = await this.#put(resource, at, value, 0, signal);
    if (!done.txn.succeeded) return undefined;
    return this.#written(resource, key, done.bytes, done.txn.revision, done.txn.revision, value);
  }

  /** The object as the store has it now: what the cache shows once it has caught up. */
  async fresh(resource: StoredResource, key: string, signal: AbortSignal): Promise<CachedObject | undefined> {
    const { cache } = this.#options;
    const revision = await cache.currentRevision();
    if (cache.revision < revision && !(await cache.reached(revision, catchUpMs, signal)))
      return this.#read(resource, key, signal);
    return this.cacheOf(resource).get(key);
  }

  /** Straight from the store. */
  async #read(resource: StoredResource, key: string, signal: AbortSignal): Promise<CachedObject | undefined> {
    const { store } = this.#options;
    const { kvs } = await store.range({ key: storeKey(resource, key) }, signal);
    const kv = kvs[0];
    return kv && this.adopt(resource, key, kv);
  }

  /** Keys and values of a past revision. @throws StoreError `compacted` */
  rangeAt(key: string, end: string, limit: number, revision: number, signal: AbortSignal): Promise<RangeResult> {
    return this.#options.store.range({ key, end, limit, revision }, signal);
  }

  adopt(
    resource: StoredResource,
    key: string,
    kv: {
      readonly key: string;
      readonly value: Uint8Array;
      readonly modRevision: number;
      readonly createRevision: number;
    },
  ): CachedObject {
    const { cache, transformer } = this.#options;
    const bytes = transformer.fromStorage(kv.value, kv.key);
    return cache.adopt(resource.prefix, { key, revision: kv.modRevision, createRevision: kv.createRevision, bytes });
  }

  /**
   * @param decide is called with the present state, maybe several times; `certain` says that the state is not an old cached one, so that an error counts.
   * An error from `decide` on an uncertain state is forgotten when the state turns out to be old.
   */
  async update(
    resource: StoredResource,
    key: string,
    decide: (current: CachedObject | undefined) => Decision | Promise<Decision>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    let current = this.cacheOf(resource).get(key);
    let certain = false;
    if (current === undefined) {
      current = await this.fresh(resource, key, signal);
      certain = true;
    }
    for (;;) {
      let decision: Decision;
      try {
        decision = await decide(current);
      } catch (error) {
        if (certain || !(error instanceof ApiError)) throw error;
        const newer = await this.fresh(resource, key, signal);
        if (newer?.revision === current?.revision) throw error;
        current = newer;
        certain = true;
        continue;
      }
      if (decision.kind === 'keep' && certain) return { object: current!, changed: false };
      const at = storeKey(resource, key);
      if (decision.kind === 'delete') {
        const txn = await this.#delete(at, current!.revision, signal);
        if (txn.succeeded) return { object: current!, changed: true };
        current = this.#present(resource, key, txn);
        certain = true;
        continue;
      }
      if (decision.kind === 'write') {
        const done = await this.#put(resource, at, decision.value, current?.revision ?? 0, signal, current);
        if (done.unchanged) decision = { kind: 'keep' };
        else if (done.txn.succeeded) {
          const created = current?.createRevision ?? done.txn.revision;
          const object = this.#written(resource, key, done.bytes, done.txn.revision, created, decision.value);
          return { object, changed: true };
        } else {
          current = this.#present(resource, key, done.txn);
          certain = true;
          continue;
        }
      }
      // Nothing to write: true only if this is the newest state.
      if (certain) return { object: current!, changed: false };
      const newer = await this.fresh(resource, key, signal);
      certain = true;
      if (newer?.revision === current?.revision) return { object: current!, changed: false };
      current = newer;
    }
  }

  async #put(
    resource: StoredResource,
    at: string,
    value: JsonObject,
    expectedRevision: number,
    signal: AbortSignal,
    unlessSame?: CachedObject,
  ): Promise<{ readonly bytes: Uint8Array; readonly txn: TxnResult; readonly unchanged: boolean }> {
    const { store, cache, transformer, encode, leases } = this.#options;
    const plain = encode(value);
    if (unlessSame !== undefined && Buffer.compare(plain, unlessSame.bytes) === 0 && !transformer.isStale?.(at))
      return { bytes: plain, txn: noTxn, unchanged: true };
    const { ttlSeconds } = resource;
    const granted = ttlSeconds > 0 ? leases.lease(ttlSeconds, signal) : 0n;
    const lease = granted instanceof Promise ? await granted : granted;
    const stored = transformer.toStorage(plain, at);
    cache.expect(at, stored, value);
    try {
      const txn = await store.txn(
        {
          compare: [{ key: at, target: 'modRevision', op: '=', value: expectedRevision }],
          success: [{ type: 'put', key: at, value: stored, ...(lease === 0n ? {} : { lease }) }],
          ...(expectedRevision === 0 ? {} : { failure: [{ type: 'range', key: at }] }),
        },
        signal,
      );
      if (!txn.succeeded) cache.unexpect(at, stored);
      return { bytes: plain, txn, unchanged: false };
    } catch (error) {
      cache.unexpect(at, stored);
      throw error;
    }
  }

  #delete(at: string, revision: number, signal: AbortSignal): Promise<TxnResult> {
    return this.#options.store.txn(
      {
        compare: [{ key: at, target: 'modRevision', op: '=', value: revision }],
        success: [{ type: 'delete', key: at }],
        failure: [{ type: 'range', key: at }],
      },
      signal,
    );
  }

  /** The state that made a compare fail. */
  #present(resource: StoredResource, key: string, txn: TxnResult): CachedObject | undefined {
    const result = txn.results[0];
    const kv = result?.type === 'range' ? result.kvs[0] : undefined;
    return kv && this.adopt(resource, splitKey(kv.key)?.objectKey ?? key, kv);
  }

  /** What was written, as the cache holds it or will hold it in a moment. */
  #written(
    resource: StoredResource,
    key: string,
    bytes: Uint8Array,
    revision: number,
    createRevision: number,
    value: JsonObject,
  ): CachedObject {
    const cached = this.cacheOf(resource).get(key);
    if (cached?.revision === revision) return cached;
    return this.#options.cache.adopt(resource.prefix, { key, revision, createRevision, bytes }, value);
  }
}

const noTxn: TxnResult = { succeeded: false, revision: 0, results: [] };
