/** The ObjectReader of the watch cache: what authentication, authorization, admission and allocators see. */
import type { JsonObject } from '../../api/json.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import type { ObjectReader } from './object-reader.ts';
import { objectKey, type ResourceTable, type StoredResource } from './resources.ts';
import type { Rounds } from './rounds.ts';

export function createReader(table: ResourceTable, cache: WatchCache, rounds: Rounds): ObjectReader {
  const stored = (group: string, resource: string): StoredResource => {
    const found = table.storedResource(group, resource);
    if (!found) throw new Error(`No stored resource "${resource}" in group "${group}"`);
    return found;
  };
  return {
    get(group, resource, namespace, name) {
      const object = rounds.cacheOf(stored(group, resource)).get(objectKey(namespace, name));
      return object && cache.valueOf(object);
    },
    list(group, resource, namespace) {
      const all = rounds.cacheOf(stored(group, resource));
      // Of much that each write asks for there is nothing in most clusters.
      if (all.size === 0) return none;
      const objects = all.select({ namespace });
      const values = new Array<JsonObject>(objects.length);
      for (let i = 0; i < objects.length; i++) values[i] = cache.valueOf(objects[i]!);
      return values;
    },
    async fresh(group, resource, namespace, name, signal) {
      const object = await rounds.fresh(stored(group, resource), objectKey(namespace, name), signal ?? never);
      return object && cache.valueOf(object);
    },
    onChange: (group, resource, handler) => rounds.cacheOf(stored(group, resource)).onChange(handler),
  };
}

const never = new AbortController().signal;
const none: readonly JsonObject[] = Object.freeze([]);
