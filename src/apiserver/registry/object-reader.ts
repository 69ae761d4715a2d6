import type { JsonObject } from '../../api/json.ts';

export interface ObjectChange {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: JsonObject;
  readonly previous?: JsonObject;
}

/**
 * What authentication, authorization, admission and allocators may know of stored objects: synchronous reads of the watch cache, in the
 * storage version. It may lag behind the store by a moment; who must not miss a fresh write uses `fresh`.
 */
export interface ObjectReader {
  /** `namespace` empty for cluster-scoped resources. */
  get(group: string, resource: string, namespace: string, name: string): JsonObject | undefined;
  /** `namespace` empty: all. */
  list(group: string, resource: string, namespace: string): readonly JsonObject[];
  /** A linearizable read from the store. */
  fresh(
    group: string,
    resource: string,
    namespace: string,
    name: string,
    signal?: AbortSignal,
  ): Promise<JsonObject | undefined>;
  /** Called for every later change, in order, and for each object of a fill (the first, or one after a gap: DELETED, then ADDED). @returns ends the subscription. */
  onChange(group: string, resource: string, handler: (change: ObjectChange) => void): () => void;
}
