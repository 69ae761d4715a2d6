/**
 * The API server's one watch over the whole keyspace, fanned out to a cache per resource (decisions 5 and 6).
 *
 * Invariants:
 * 1. `revision` only grows, and when it is R every resource's cache shows exactly the store's state at R.
 * 2. Between two store batches the caches do not change: whoever reads several of them without waiting sees one revision.
 */

import type { JsonObject } from '../../api/json.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { prefixEnd, type Store, StoreError, type StoreEvent, type WatchBatch } from '../../store/store.ts';
import { registryPrefix, splitKey } from '../registry/keys.ts';
import { type Metadata, orderMetadata } from '../registry/object-meta.ts';
import { TransformError, type Transformer } from '../registry/transformer.ts';
import { BookmarkKeeper } from './bookmarks.ts';
import { CachedObject, type Extracted, normalizeStored } from './cached-object.ts';
import { ResourceCache } from './resource-cache.ts';
import { ValueBudget } from './value-budget.ts';

/** What the cache must know of a stored resource. */
export interface CachedResource {
  /** Store prefix, see `storagePrefix`. */
  readonly prefix: string;
  /** Labels, selectable fields and node of a value. */
  extract(value: JsonObject): Extracted;
  readonly indexNodes: boolean;
  /** Brings a stored value into its present form; the same value when nothing is to be done. Custom kinds: pruning, defaults. */
  readStored?(value: JsonObject): JsonObject;
}

/** A resource that came while the cache runs: what the watch brings waits here until the list is there. */
interface Loading {
  readonly resource: CachedResource;
  events: { readonly event: StoreEvent; readonly at: number }[];
  /** The watch began anew: the events have a gap. */
  gap: boolean;
}

export interface WatchCacheOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly transformer: Transformer;
  readonly resources: readonly CachedResource[];
  readonly encode: (value: JsonObject) => Uint8Array;
  /** Decodes stored bytes; the result need not be frozen. */
  readonly parse: (bytes: Uint8Array) => JsonObject;
  readonly freeze: <T extends JsonObject>(value: T) => T;
  /** Encoded bytes of objects whose parsed values are kept. */
  readonly valueBudgetBytes: number;
}

interface Waiter {
  readonly revision: number;
  readonly resolve: () => void;
}

const pageSize = 500;
const retryMs = 500;

export class WatchCache {
  readonly #options: WatchCacheOptions;
  readonly #byPrefix = new Map<string, { readonly resource: CachedResource; readonly cache: ResourceCache }>();
  readonly #loading = new Map<string, Loading[]>();
  readonly #budget: ValueBudget;
  readonly bookmarks: BookmarkKeeper;
  #revision = 0;
  /** Smallest first is not needed: there are few at a time. */
  #waiters: Waiter[] = [];
  /** Values on their way into the store, so that they need not be parsed when they come back. */
  readonly #expected = new Map<string, { readonly bytes: Uint8Array; readonly value: JsonObject }>();
  #asking: Promise<number> | undefined;
  #askingNext: Promise<number> | undefined;
  #filled = false;

  constructor(options: WatchCacheOptions) {
    this.#options = options;
    this.#budget = new ValueBudget(options.valueBudgetBytes, options.clock);
    this.bookmarks = new BookmarkKeeper(options.clock, () => this.#revision);
    for (const resource of options.resources) {
      this.#byPrefix.set(resource.prefix, { resource, cache: this.#cacheFor(resource, 0) });
    }
  }

  /** The newest revision applied. */
  get revision(): number {
    return this.#revision;
  }
  /** True once the first fill is complete. */
  get filled(): boolean {
    return this.#filled;
  }

  resource(prefix: string): ResourceCache {
    const entry = this.#byPrefix.get(prefix);
    if (entry === undefined) throw new Error(`Watch cache: no resource with prefix "${prefix}"`);
    return entry.cache;
  }

  /** The parsed object in its storage version with its resourceVersion, deep-frozen. */
  valueOf(object: CachedObject): JsonObject {
    if (object.value !== undefined) {
      object.valueUsed = true;
      return object.value;
    }
    const value = this.#parsed(object);
    object.value = value;
    this.#budget.hold(object);
    return value;
  }

  /** The same for who encodes it and keeps that: a value that nobody has asked for is not kept for this. */
  valueOnce(object: CachedObject): JsonObject {
    return object.value ?? this.#parsed(object);
  }

  #parsed(object: CachedObject): JsonObject {
    return this.#withRevision(this.#options.freeze(this.#options.parse(object.bytes)), object.revision);
  }

  /** A cached object for bytes that have not come through the watch (a read of the store, a write just made). */
  adopt(
    prefix: string,
    from: { key: string; revision: number; createRevision: number; bytes: Uint8Array },
    value?: JsonObject,
  ): CachedObject {
    const entry = this.#byPrefix.get(prefix);
    if (entry === undefined) throw new Error(`Watch cache: no resource with prefix "${prefix}"`);
    const read =
      value === undefined ? this.#read(entry.resource, normalizeStored(from.bytes)) : { value, bytes: from.bytes };
    const frozen = value ?? this.#options.freeze(read.value);
    return new CachedObject(
      { key: from.key, revision: from.revision, createRevision: from.createRevision, bytes: read.bytes },
      entry.resource.extract(frozen),
      this.#withRevision(frozen, from.revision),
    );
  }

  #withRevision(value: JsonObject, revision: number): JsonObject {
    const metadata = orderMetadata({ ...(value.metadata as Metadata), resourceVersion: String(revision) });
    return Object.freeze({ ...value, metadata });
  }

  /** A write is about to be sent: `value` (deep-frozen, without resourceVersion) is what `bytes` say. */
  expect(storeKey: string, bytes: Uint8Array, value: JsonObject): void {
    this.#expected.set(storeKey, { bytes, value });
  }
  /** The write failed or was answered: nothing may stay behind. */
  unexpect(storeKey: string, bytes: Uint8Array): void {
    if (this.#expected.get(storeKey)?.bytes === bytes) this.#expected.delete(storeKey);
  }

  /** Fills the caches, then follows the store until `signal` aborts. `onFilled` is called once. */
  async run(signal: AbortSignal, onFilled: () => void): Promise<void> {
    const { store, clock, log } = this.#options;
    let first = true;
    while (!signal.aborted) {
      try {
        await this.#fill(signal);
        if (first) onFilled();
        first = false;
        this.#filled = true;
        // The whole keyspace: a revision that only other keys have would keep consistent reads waiting (decision 6).
        const watch = store.watch({
          key: '\0',
          end: '\0',
          startRevision: this.#revision + 1,
          signal,
        });
        for await (const batch of watch) this.#apply(batch);
        if (!signal.aborted) log.warn('The watch on the store ended; listing again');
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof TransformError && !first)
          log.error('A value in the store cannot be read: nothing newer is served until it can', { error });
        else {
          if (!(error instanceof StoreError)) throw error;
          if (error.code === 'closed') break;
          log.warn('Lost the watch on the store; listing again', { error });
        }
      }
      if (!signal.aborted) await clock.sleep(first ? 100 : retryMs, signal);
    }
    this.bookmarks.stop();
    this.#budget.stop();
    for (const { cache } of this.#byPrefix.values())
      cache.watchers.forEach((watcher) => {
        watcher.close();
      });
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const { store, transformer } = this.#options;
    const end = prefixEnd(registryPrefix);
    let key = registryPrefix;
    let revision = 0;
    const found = new Map<ResourceCache, CachedObject[]>();
    for (const { cache } of this.#byPrefix.values()) found.set(cache, []);
    for (;;) {
      const page = await store.range({ key, end, limit: pageSize, revision, withoutCount: true }, signal);
      if (revision === 0) revision = page.revision;
      for (const kv of page.kvs) {
        const parts = splitKey(kv.key);
        const entry = parts && this.#byPrefix.get(parts.prefix);
        if (!parts || !entry) continue;
        const bytes = transformer.fromStorage(kv.value, kv.key);
        const object = this.#make(
          entry.resource,
          parts.objectKey,
          kv.modRevision,
          kv.createRevision,
          bytes,
          undefined,
          false,
        );
        found.get(entry.cache)!.push(object);
      }
      if (!page.more || page.kvs.length === 0) break;
      key = `${page.kvs.at(-1)!.key}\0`;
    }
    for (const all of this.#loading.values()) for (const loading of all) loading.gap = true;
    // Their events are behind the list and will not come; one whose event does come is parsed like anybody's.
    this.#expected.clear();
    // All at once, so that nobody sees a half-filled cache.
    for (const [cache, objects] of found) cache.replace(objects, revision);
    this.#advance(revision);
  }

  #apply(batch: WatchBatch): void {
    const at = this.#options.clock.monotonic();
    const events = batch.events;
    for (let i = 0; i < events.length; i++) this.#applyEvent(events[i]!, at);
    this.#advance(batch.revision);
  }

  #applyEvent(event: StoreEvent, at: number): void {
    const { kv } = event;
    const parts = splitKey(kv.key);
    if (parts === undefined) return;
    if (this.#loading.size > 0)
      for (const { events } of this.#loading.get(parts.prefix) ?? []) events.push({ event, at });
    const entry = this.#byPrefix.get(parts.prefix);
    if (entry !== undefined) this.#applyTo(entry, event, parts.objectKey, at);
  }

  #applyTo(
    entry: { readonly resource: CachedResource; readonly cache: ResourceCache },
    event: StoreEvent,
    objectKey: string,
    at: number,
  ): void {
    const { kv } = event;
    if (event.type === 'delete') {
      const removed = entry.cache.remove(objectKey, kv.modRevision, at);
      if (removed !== undefined) this.#budget.release(removed);
      return;
    }
    const bytes = this.#options.transformer.fromStorage(kv.value, kv.key);
    const expected = this.#takeExpected(kv.key, kv.value);
    const object = this.#make(entry.resource, objectKey, kv.modRevision, kv.createRevision, bytes, expected, true);
    const previous = entry.cache.upsert(object, at);
    if (previous !== undefined) this.#budget.release(previous);
  }

  #takeExpected(storeKey: string, stored: Uint8Array): JsonObject | undefined {
    if (this.#expected.size === 0) return undefined;
    const expected = this.#expected.get(storeKey);
    if (expected === undefined) return undefined;
    if (expected.bytes !== stored && Buffer.compare(expected.bytes, stored) !== 0) return undefined;
    this.#expected.delete(storeKey);
    return expected.value;
  }

  #make(
    resource: CachedResource,
    key: string,
    revision: number,
    createRevision: number,
    bytes: Uint8Array,
    expected: JsonObject | undefined,
    keepValue: boolean,
  ): CachedObject {
    // At a fill values are parsed to extract from and dropped again: nobody has asked for them yet. Somebody will ask for what changes.
    const { value, bytes: kept } =
      expected === undefined
        ? this.#read(resource, normalizeStored(bytes))
        : { value: expected, bytes: normalizeStored(bytes) };
    const object = new CachedObject(
      { key, revision, createRevision, bytes: kept },
      resource.extract(value),
      keepValue ? this.#withRevision(expected ?? this.#options.freeze(value), revision) : undefined,
    );
    if (keepValue) this.#budget.hold(object);
    return object;
  }

  #read(resource: CachedResource, bytes: Uint8Array): { readonly value: JsonObject; readonly bytes: Uint8Array } {
    const value = this.#options.parse(bytes);
    const present = resource.readStored?.(value) ?? value;
    return present === value ? { value, bytes } : { value: present, bytes: this.#options.encode(present) };
  }

  /**
   * Adds a resource while the cache runs. Resolves when it is filled and follows the watch: `resource(prefix)` knows it then, in place of what was there
   * under the prefix before, whose watches end. @throws what the store throws; the signal's reason.
   */
  async add(resource: CachedResource, signal: AbortSignal): Promise<void> {
    const loading: Loading = { resource, events: [], gap: false };
    const { prefix } = resource;
    const others = this.#loading.get(prefix);
    if (others) others.push(loading);
    else this.#loading.set(prefix, [loading]);
    try {
      for (;;) {
        loading.gap = false;
        loading.events = [];
        const { objects, revision } = await this.#list(resource, signal);
        while (!loading.gap && this.#revision < revision) {
          signal.throwIfAborted();
          await this.reached(revision, 1_000, signal);
        }
        signal.throwIfAborted();
        if (loading.gap) continue;
        const before = this.#byPrefix.get(prefix);
        const cache = this.#cacheFor(resource, revision);
        cache.replace(objects, revision);
        this.#byPrefix.set(prefix, { resource, cache });
        for (const { event, at } of loading.events)
          if (event.kv.modRevision > revision)
            this.#applyTo({ resource, cache }, event, splitKey(event.kv.key)!.objectKey, at);
        before?.cache.watchers.forEach((watcher) => {
          watcher.close();
        });
        return;
      }
    } finally {
      const left = (this.#loading.get(prefix) ?? []).filter((other) => other !== loading);
      if (left.length === 0) this.#loading.delete(prefix);
      else this.#loading.set(prefix, left);
    }
  }

  /** Forgets a resource; its watches end. */
  remove(prefix: string): void {
    const entry = this.#byPrefix.get(prefix);
    if (entry === undefined) return;
    this.#byPrefix.delete(prefix);
    entry.cache.watchers.forEach((watcher) => {
      watcher.close();
    });
  }

  async #list(
    resource: CachedResource,
    signal: AbortSignal,
  ): Promise<{ readonly objects: CachedObject[]; readonly revision: number }> {
    const { store, transformer } = this.#options;
    const start = `${registryPrefix}${resource.prefix}/`;
    const end = prefixEnd(start);
    const objects: CachedObject[] = [];
    let key = start;
    let revision = 0;
    for (;;) {
      const page = await store.range({ key, end, limit: pageSize, revision, withoutCount: true }, signal);
      if (revision === 0) revision = page.revision;
      for (const kv of page.kvs) {
        const parts = splitKey(kv.key);
        if (parts?.prefix !== resource.prefix) continue;
        const bytes = transformer.fromStorage(kv.value, kv.key);
        const { modRevision, createRevision } = kv;
        objects.push(this.#make(resource, parts.objectKey, modRevision, createRevision, bytes, undefined, false));
      }
      if (!page.more || page.kvs.length === 0) return { objects, revision };
      key = `${page.kvs.at(-1)!.key}\0`;
    }
  }

  #cacheFor(resource: CachedResource, revision: number): ResourceCache {
    return new ResourceCache({
      revision,
      valueOf: (object) => this.valueOf(object),
      indexNodes: resource.indexNodes,
    });
  }

  #advance(revision: number): void {
    if (revision > this.#revision) this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.revision <= this.#revision) waiter.resolve();
      else still.push(waiter);
    }
    this.#waiters = still;
  }

  /**
   * Waits until the caches show `revision` or later. @returns false when it did not happen within `timeoutMs`.
   * Synchronous callers check `revision` themselves first: a cache hit allocates nothing.
   */
  async reached(revision: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#revision >= revision) return true;
    const limit = new AbortController();
    const stop = (): void => limit.abort();
    signal.addEventListener('abort', stop, { once: true });
    let waiter: Waiter | undefined;
    const arrived = new Promise<void>((resolve) => {
      waiter = { revision, resolve };
      this.#waiters.push(waiter);
    });
    await Promise.race([arrived, this.#options.clock.sleep(timeoutMs, limit.signal)]);
    limit.abort();
    signal.removeEventListener('abort', stop);
    this.#waiters = this.#waiters.filter((w) => w !== waiter);
    return this.#revision >= revision;
  }

  /**
   * The store's newest revision, asked for after this call began (decision 6). Callers that come while a question is under way share the next one, not
   * that one: its answer may be older than their request.
   */
  currentRevision(): Promise<number> {
    if (this.#asking === undefined) return (this.#asking = this.#ask());
    return (this.#askingNext ??= this.#asking.then(
      () => this.#askNext(),
      () => this.#askNext(),
    ));
  }

  #askNext(): Promise<number> {
    this.#askingNext = undefined;
    return (this.#asking = this.#ask());
  }

  async #ask(): Promise<number> {
    try {
      return await this.#options.store.currentRevision();
    } finally {
      if (this.#askingNext === undefined) this.#asking = undefined;
    }
  }

  /** Forgets what the store compacted away. */
  compact(revision: number): void {
    for (const { cache } of this.#byPrefix.values()) cache.compact(revision);
  }

  /** All open watches, for metrics. */
  watcherCount(): number {
    let count = 0;
    for (const { cache } of this.#byPrefix.values()) count += cache.watchers.size;
    return count;
  }

  get valueBytes(): number {
    return this.#budget.bytes;
  }
}
