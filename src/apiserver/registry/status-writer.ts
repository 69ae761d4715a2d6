/** How parts of the API server itself write the status of an object: compare-and-swap, no request, no admission. */
import type { JsonObject } from '../../api/json.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import { metadataOf, storedForm, withMeta } from './object-meta.ts';
import { objectKey, type ResourceTable } from './resources.ts';
import type { Rounds } from './rounds.ts';
import { type Ownership, statusOwned } from './server-managed.ts';

export interface StatusWriter {
  /**
   * `decide` gets the object (undefined when it is gone) and answers with its next status, or undefined to leave it; it is called again when somebody
   * else was quicker, and at last with what the store has. Resolves when that is durable.
   */
  updateStatus(
    group: string,
    resource: string,
    namespace: string,
    name: string,
    decide: (object: JsonObject | undefined) => JsonObject | undefined,
    signal: AbortSignal,
    /** Who owns the change, where it is not the server as such: an entry of managedFields that takes the place of its manager's. */
    entry?: JsonObject,
  ): Promise<void>;
}

export function createStatusWriter(
  table: ResourceTable,
  cache: WatchCache,
  rounds: Rounds,
  ownership: Ownership,
): StatusWriter {
  return {
    async updateStatus(group, resource, namespace, name, decide, signal, entry) {
      const stored = table.storedResource(group, resource);
      if (!stored) throw new Error(`No stored resource "${resource}" in group "${group}"`);
      await rounds.update(
        stored,
        objectKey(namespace, name),
        (current) => {
          const object = current && cache.valueOf(current);
          const status = decide(object);
          if (!object || status === undefined) return { kind: 'keep' };
          const changed = Object.freeze({ ...object, status });
          const next = entry ? withEntry(changed, entry) : statusOwned(ownership, stored, object, changed);
          return { kind: 'write', value: storedForm(next, stored.gvk.kind, stored.apiVersion) };
        },
        signal,
      );
    },
  };
}

/** Applied entries come before updated ones. */
function withEntry(object: JsonObject, entry: JsonObject): JsonObject {
  const others = (metadataOf(object).managedFields ?? []).filter(({ manager }) => manager !== entry.manager);
  return withMeta(object, { managedFields: [entry, ...others] });
}
