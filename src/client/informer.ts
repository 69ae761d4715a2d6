/**
 * Informers: list, watch from that version, bookmark; on 410 list again (by `sendInitialEvents`, else in pages). Handlers only enqueue keys.
 *
 * Invariants: the cursor and the cache advance together; what a handler is told is in the cache already; cached objects are deep-frozen
 * and shared by all readers.
 */
import type { KubeObject, ResourceRef } from '../api/object.ts';

export interface EventHandler<T> {
  onAdd?(object: T, isInInitialList: boolean): void;
  onUpdate?(previous: T, object: T): void;
  /** `object` is the last known state. */
  onDelete?(object: T): void;
}

/** Values under which an object is found; computed once per change. */
export type IndexFunction<T> = (object: T) => readonly string[];

export interface Informer<T extends KubeObject> {
  /** True after the first complete list has been handed to the cache and the handlers. */
  readonly synced: boolean;
  /** Resolves when `synced` becomes true; rejects when the signal aborts first. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  /** `namespace/name`, or `name` for cluster-scoped kinds. */
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Adds an index; fails when the name is taken by another function. Allowed at any time. */
  addIndex(name: string, fn: IndexFunction<T>): void;
  byIndex(name: string, value: string): readonly T[];
  /** The handler first gets an add for each object already there. @returns removes it. */
  addHandler(handler: EventHandler<T>): () => void;
  readonly resourceVersion: string;
}

export interface InformerOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Asks the server for PartialObjectMetadata: only `apiVersion`, `kind` and `metadata` are there. `kind` is the server's, so ask the ref. */
  readonly metadataOnly?: boolean;
}

/**
 * Shares one informer per (resource, options) and stops all with its signal. An informer starts when it is first asked for: its first request goes
 * out in a later microtask, so handlers and indexes added at once miss nothing (added later they miss nothing either, but cost a replay).
 */
export interface InformerFactory {
  informer<T extends KubeObject>(ref: ResourceRef<T>, options?: InformerOptions): Informer<T>;
  /** Every informer asked for so far is synced. */
  readonly synced: boolean;
  /** Waits until every informer asked for so far is synced. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  /** Ends all watches and waits for it. */
  stop(): Promise<void>;
}

/** The key of an object: `namespace/name` or `name`. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace ? `${namespace}/${name}` : `${name}`;
}
