/**
 * The typed client. `createClient(transport, options)` makes one; components know the cluster only through it.
 * Objects that come out are deep-frozen (decision 3); objects that go in are not kept or changed.
 */
import type { JsonObject, JsonValue } from '../api/json.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { DeleteOptions, ListMeta } from '../api/types/meta-v1.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}
export interface WriteOptions extends CallOptions {
  readonly namespace?: string;
  /** Defaults to the client's own field manager. */
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  readonly subresource?: string;
}
export interface GetOptions extends CallOptions {
  readonly namespace?: string;
  readonly resourceVersion?: string;
  readonly subresource?: string;
}
export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  readonly limit?: number;
  readonly continue?: string;
}
export interface WatchOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}
export interface ObjectList<T> {
  readonly metadata: ListMeta;
  readonly items: readonly T[];
}
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** Carries only metadata.resourceVersion and annotations. */
  | { readonly type: 'BOOKMARK'; readonly object: T };

export type PatchBody =
  | { readonly type: 'merge' | 'strategic'; readonly patch: JsonObject }
  | { readonly type: 'json'; readonly patch: readonly JsonValue[] };

/**
 * Every method rejects with `ApiError` for an answer of 400 and above, `TransportError` when no answer came.
 * `metadata.namespace` of the object wins over the option.
 */
export interface ResourceClient<T extends KubeObject> {
  get(name: string, options?: GetOptions): Promise<T>;
  list(options?: ListOptions): Promise<ObjectList<T>>;
  /** An ERROR event (410 Gone and the like) is thrown as `ApiError`. */
  watch(options?: WatchOptions): Promise<AsyncIterable<WatchEvent<T>>>;
  create(object: T, options?: WriteOptions): Promise<T>;
  update(object: T, options?: WriteOptions): Promise<T>;
  updateStatus(object: T, options?: WriteOptions): Promise<T>;
  patch(name: string, body: PatchBody, options?: WriteOptions): Promise<T>;
  delete(name: string, options?: WriteOptions & { readonly body?: DeleteOptions }): Promise<void>;
  deleteCollection(options?: ListOptions & { readonly body?: DeleteOptions }): Promise<void>;
  /** POST to a subresource with a body of another kind: `binding`, `eviction`, `token`. */
  createSubresource<S extends KubeObject>(
    name: string,
    subresource: string,
    body: S,
    options?: WriteOptions,
  ): Promise<S>;
}

export interface Client {
  resource<T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T>;
  /** For anything that is not a resource of a known kind. */
  readonly transport: import('./transport.ts').Transport;
}
