/** How parts of the API server itself write the status of an object: compare-and-swap, no request, no admission. */
import type { JsonObject } from '../../api/json.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import { storedForm } from './object-meta.ts';
import { objectKey, type ResourceTable } from './resources.ts';
import type { Rounds } from './rounds.ts';

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
  ): Promise<void>;
}

export function createStatusWriter(table: ResourceTable, cache: WatchCache, rounds: Rounds): StatusWriter {
  return {
    async updateStatus(group, resource, namespace, name, decide, signal) {
      const stored = table.storedResource(group, resource);
      if (!stored) throw new Error(`No stored resource "${resource}" in group "${group}"`);
      await rounds.update(
        stored,
        objectKey(namespace, name),
        (current) => {
          const object = current && cache.valueOf(current);
          const status = decide(object);
          if (!object || status === undefined) return { kind: 'keep' };
          const next = Object.freeze({ ...object, status });
          return { kind: 'write', value: storedForm(next, stored.gvk.kind, stored.apiVersion) };
        },
        signal,
      );
    },
  };
}
