/** DELETE of a collection: lists, then deletes one by one. Objects that are gone meanwhile do not matter. */
import { isNotFound } from '../../api/errors.ts';
import type { ListMeta } from '../output/forms.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { RequestContext } from './context.ts';
import { deleteObject, warnOfOrphans } from './delete.ts';
import type { DeleteRequest, ListRequest } from './options.ts';
import { type ListScope, listObjects } from './read.ts';
import type { Registry } from './registry.ts';
import type { ServedResource } from './resources.ts';

/** Upstream: --delete-collection-workers is 1; deletions under way at a time here, so that group commits are shared. */
const workers = 16;
const yieldEveryMs = 4;

/** @returns the objects as they were listed. */
export async function deleteCollection(
  registry: Registry,
  context: RequestContext,
  scope: ListScope,
  list: ListRequest,
  served: ServedResource,
  options: DeleteRequest,
): Promise<{ readonly objects: readonly CachedObject[]; readonly meta: ListMeta }> {
  warnOfOrphans(scope.stored, options, context.warnings);
  const listed = await listObjects(registry, context, scope, list);
  let next = 0;
  let slice = registry.clock.monotonic();
  const work = async (): Promise<void> => {
    while (next < listed.objects.length) {
      const { namespace, name } = listed.objects[next++]!;
      try {
        await deleteObject(registry, context, served, scope.stored, namespace, name, options);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      if (registry.clock.monotonic() - slice > yieldEveryMs) {
        await registry.clock.yield();
        slice = registry.clock.monotonic();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, listed.objects.length) }, work));
  return listed;
}
