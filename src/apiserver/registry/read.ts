/** GET and LIST from the watch cache, with upstream's resourceVersion rules; the store answers only for revisions the cache no longer has. */
import { ApiError } from '../../api/errors.ts';
import { prefixEnd, StoreError } from '../../store/store.ts';
import type { ListMeta } from '../output/forms.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { type ResourceCache, selectFrom } from '../watch-cache/resource-cache.ts';
import type { RequestContext } from './context.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { registryPrefix, splitKey } from './keys.ts';
import { type ListRequest, parseResourceVersion } from './options.ts';
import type { Registry } from './registry.ts';
import { objectKey, type ServedResource, type StoredResource } from './resources.ts';
import type { Selectors } from './selection.ts';

/** Upstream: blockTimeout of the watch cache. */
const waitMs = 3_000;

/** @throws ApiError 404, 504. */
export async function readObject(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  stored: StoredResource,
  namespace: string,
  name: string,
): Promise<CachedObject> {
  const { cache, rounds } = registry;
  const text = context.query.get('resourceVersion') ?? '';
  const revision = parseResourceVersion(text, (why) => ApiError.badRequest(`invalid resource version: ${why}`));
  if (text === '') await caughtUp(registry, context.signal);
  else if (revision > cache.revision) await notOlderThan(registry, revision, context.signal);
  const object = rounds.cacheOf(stored).get(objectKey(namespace, name));
  if (object === undefined) throw ApiError.notFound(served.qualified, name);
  return object;
}

/** The cache shows everything that was acknowledged before this call (decision 6). */
export async function caughtUp(registry: Registry, signal: AbortSignal): Promise<void> {
  const { cache } = registry;
  const revision = await cache.currentRevision();
  if (cache.revision < revision && !(await cache.reached(revision, waitMs, signal)))
    throw tooLarge(revision, cache.revision);
}

async function notOlderThan(registry: Registry, revision: number, signal: AbortSignal): Promise<void> {
  const { cache } = registry;
  if (!(await cache.reached(revision, waitMs, signal))) throw tooLarge(revision, cache.revision);
}

export const tooLarge = (asked: number, current: number): ApiError =>
  new ApiError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${asked}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });

export interface Listed {
  readonly objects: readonly CachedObject[];
  readonly meta: ListMeta;
}

export interface ListScope {
  readonly stored: StoredResource;
  /** Empty: all. */
  readonly namespace: string;
  /** Only this object (deprecated watch paths, `metadata.name=`). */
  readonly selectors: Selectors;
}

export async function listObjects(
  registry: Registry,
  context: RequestContext,
  scope: ListScope,
  options: ListRequest,
): Promise<Listed> {
  const cache = registry.rounds.cacheOf(scope.stored);
  const plan = await planList(registry, context, options, scope, cache);
  const listed = await listAt(plan, registry, context, scope, options, cache);
  cache.seen.lists++;
  cache.seen.returned += listed.objects.length;
  return listed;
}

function listAt(
  plan: ListPlan,
  registry: Registry,
  context: RequestContext,
  scope: ListScope,
  options: ListRequest,
  cache: ResourceCache,
): Listed | Promise<Listed> {
  const limit = plan.ignoreLimit ? 0 : Math.max(0, options.limit);
  const selection = selectionOf(scope, plan.startKey);
  const remaining = scope.selectors.everything;
  if (plan.at === 'now') {
    const revision = registry.cache.revision;
    const objects = cache.select(selection);
    if (limit > 0 && objects.length > limit) cache.snapshot(revision);
    return page(objects, limit, revision, scope, remaining);
  }
  if (plan.at === registry.cache.revision) return page(cache.select(selection), limit, plan.at, scope, remaining);
  const snapshot = cache.snapshotAt(plan.at);
  if (snapshot) return page(selectFrom(snapshot.tree, selection), limit, plan.at, scope, remaining);
  return listFromStore(registry, context, scope, plan.at, plan.startKey, limit, plan.token);
}

interface ListPlan {
  readonly at: number | 'now';
  readonly startKey: string | undefined;
  readonly ignoreLimit: boolean;
  /** A continued list: what its 410 must say. */
  readonly token: string;
}

async function planList(
  registry: Registry,
  context: RequestContext,
  options: ListRequest,
  { stored }: ListScope,
  cache: ResourceCache,
): Promise<ListPlan> {
  const { resourceVersion: text, resourceVersionMatch: match, continue: token, limit } = options;
  if (token !== '') {
    const { revision, start } = decodeContinue(token);
    if (text !== '' && text !== '0')
      throw ApiError.badRequest('specifying resource version is not allowed when using continue');
    if (revision < 0) {
      await caughtUp(registry, context.signal);
      return { at: 'now', startKey: start, ignoreLimit: false, token };
    }
    if (revision > registry.cache.revision) await notOlderThan(registry, revision, context.signal);
    return { at: revision, startKey: start, ignoreLimit: false, token };
  }
  const revision = parseResourceVersion(text, (why) => ApiError.badRequest(`invalid resource version: ${why}`));
  if (text === '') {
    const { watchMeter, clock } = registry;
    const metered = { group: stored.group, resource: stored.resource, cache };
    const startMs = clock.monotonic();
    try {
      await caughtUp(registry, context.signal);
    } catch (error) {
      watchMeter?.caughtUp(metered, undefined);
      throw error;
    }
    watchMeter?.caughtUp(metered, clock.monotonic() - startMs);
    return { at: 'now', startKey: undefined, ignoreLimit: false, token };
  }
  if (revision > registry.cache.revision) await notOlderThan(registry, revision, context.signal);
  // A limited list at a revision without a match rule is exact, for old clients.
  if (match === 'Exact' || (match === '' && limit > 0 && revision > 0))
    return { at: revision, startKey: undefined, ignoreLimit: false, token };
  return { at: 'now', startKey: undefined, ignoreLimit: revision === 0, token };
}

export function selectionOf({ stored, namespace, selectors }: ListScope, startKey?: string) {
  const { name, node, match, labels } = selectors;
  const key = name !== undefined && (!stored.namespaced || namespace !== '') ? objectKey(namespace, name) : undefined;
  // Continue keys are relative to the listed prefix.
  const start = startKey === undefined ? undefined : namespace === '' ? startKey : `${namespace}/${startKey}`;
  return {
    namespace,
    ...(match ? { match } : {}),
    ...(start === undefined ? {} : { startKey: start }),
    ...(key === undefined ? {} : { key }),
    ...(node === undefined ? {} : { node }),
    ...(labels.length === 0 ? {} : { labels }),
  };
}

function page(
  found: readonly CachedObject[],
  limit: number,
  revision: number,
  { namespace }: ListScope,
  countRemaining: boolean,
): Listed {
  if (limit === 0 || found.length <= limit) return { objects: found, meta: { resourceVersion: String(revision) } };
  const objects = found.slice(0, limit);
  return {
    objects,
    meta: continued(objects.at(-1)!, revision, namespace, countRemaining ? found.length - limit : undefined),
  };
}

function continued(last: CachedObject, revision: number, namespace: string, remaining: number | undefined): ListMeta {
  const relative = namespace === '' ? last.key : last.name;
  return {
    resourceVersion: String(revision),
    continue: encodeContinue({ revision, start: `${relative}\0` }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
}

const storePage = 500;

/** A revision the cache has no snapshot of: the store's history, until compaction. */
async function listFromStore(
  registry: Registry,
  context: RequestContext,
  scope: ListScope,
  revision: number,
  startKey: string | undefined,
  limit: number,
  token: string,
): Promise<Listed> {
  const { stored, namespace, selectors } = scope;
  const prefix = `${registryPrefix}${stored.prefix}/${namespace === '' ? '' : `${namespace}/`}`;
  const end = prefixEnd(prefix);
  let key = startKey === undefined ? prefix : prefix + startKey;
  const objects: CachedObject[] = [];
  try {
    for (;;) {
      const answer = await registry.rounds.rangeAt(key, end, storePage, revision, context.signal);
      for (let i = 0; i < answer.kvs.length; i++) {
        const kv = answer.kvs[i]!;
        const parts = splitKey(kv.key);
        if (parts?.prefix !== stored.prefix) continue;
        const object = registry.rounds.adopt(stored, parts.objectKey, kv);
        if (selectors.match && !selectors.match(object)) continue;
        objects.push(object);
        if (limit === 0 || objects.length < limit) continue;
        const left = answer.count - i - 1;
        if (left === 0) return { objects, meta: { resourceVersion: String(revision) } };
        return { objects, meta: continued(object, revision, namespace, selectors.everything ? left : undefined) };
      }
      if (!answer.more || answer.kvs.length === 0) return { objects, meta: { resourceVersion: String(revision) } };
      key = `${answer.kvs.at(-1)!.key}\0`;
      await registry.clock.yield();
    }
  } catch (error) {
    if (error instanceof StoreError && error.code === 'compacted') throw token === '' ? tooOld() : expiredToken(token);
    throw error;
  }
}

const tooOld = (): ApiError => ApiError.expired('The resourceVersion for the provided list is too old.');

/** The answer carries a token that goes on without consistency. */
function expiredToken(token: string): ApiError {
  const { start } = decodeContinue(token);
  return new ApiError({
    code: 410,
    reason: 'Expired',
    message:
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    metadata: { continue: encodeContinue({ revision: -1, start }) },
  });
}
