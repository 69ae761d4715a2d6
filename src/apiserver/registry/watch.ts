/** WATCH from the cache: from now with what is there, from a past revision out of the history, or with initial events and a bookmark. */
import { ApiError } from '../../api/errors.ts';
import type { WatchFrame, WatchStream } from '../../api/exchange.ts';
import { type Form, hasFirstFrame } from '../output/forms.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { PreparedWatcher } from '../watch-cache/prepared-watcher.ts';
import { Watcher } from '../watch-cache/watcher.ts';
import type { RequestContext } from './context.ts';
import { plainServerError } from './object-meta.ts';
import { type ListRequest, parseResourceVersion } from './options.ts';
import { caughtUp, type ListScope, selectionOf } from './read.ts';
import type { Registry } from './registry.ts';
import { statusObject } from './respond.ts';

export interface WatchLimits {
  /** Events a watcher may leave untaken before it is closed. */
  readonly queueMax: number;
  /** A watch without a timeout ends between this and twice this, so that load spreads. Upstream: --min-request-timeout. */
  readonly minTimeoutMs: number;
}

export const defaultWatchLimits: WatchLimits = { queueMax: 10_000, minTimeoutMs: 1_800_000 };

export async function openWatch(
  registry: Registry,
  context: RequestContext,
  scope: ListScope,
  options: ListRequest,
  form: Form,
  limits: WatchLimits,
  prepare?: (objects: readonly CachedObject[]) => Promise<void>,
): Promise<WatchStream> {
  const { cache, clock } = registry;
  const resource = registry.rounds.cacheOf(scope.stored);
  const text = options.resourceVersion;
  const revision = parseResourceVersion(text, plainServerError);
  const { sendInitialEvents } = options;
  // An unset revision means "now, nothing older": with initial events, or the synthetic ADDED events of old.
  if (text === '') await caughtUp(registry, context.signal);
  const now = cache.revision;
  const wantsState = sendInitialEvents ?? revision === 0;
  // What must be prepared is judged afterwards.
  const { match, ...whole } = selectionOf(scope);
  const selection = prepare ? whole : { ...whole, ...(match ? { match } : {}) };
  let initial: readonly CachedObject[] | undefined;
  let startRevision = revision;
  let stale: ApiError | undefined;
  if (sendInitialEvents && revision > now) {
    // Initial events at least as new as asked for: wait for them, as long as the watch lasts.
    await cache.reached(revision, waitForInitialMs, context.signal);
    startRevision = cache.revision;
    initial = resource.select(selection);
  } else if (wantsState) {
    startRevision = now;
    initial = resource.select(selection);
  } else if (revision === 0) {
    startRevision = now;
  }
  const past = initial === undefined && startRevision < now ? resource.history.since(startRevision) : [];
  if (past === undefined)
    stale = ApiError.expired(`too old resource version: ${startRevision} (${resource.history.oldest})`);
  const initialEnd =
    // Whoever gets the present state as events is told where it ends, also without having asked for initial events.
    sendInitialEvents !== false && options.allowWatchBookmarks && initial !== undefined
      ? form.bookmark(startRevision, true)
      : undefined;
  const common = {
    form,
    match: scope.selectors.match,
    bookmarks: options.allowWatchBookmarks,
    startRevision,
    queueMax: limits.queueMax + (prepare ? (initial?.length ?? 0) : 0),
  };
  let watcher: Watcher;
  if (prepare) {
    const failed = (error: unknown): WatchFrame =>
      form.error(statusObject(error instanceof ApiError ? error : plainServerError(String(error))));
    const prepared = new PreparedWatcher({ ...common, prepare, failed });
    prepared.begin(initial, initialEnd);
    watcher = prepared;
  } else
    watcher = new Watcher({
      ...common,
      ...(initial === undefined ? {} : { initial }),
      ...(initialEnd === undefined ? {} : { initialEnd }),
    });
  if (stale) {
    watcher.push(form.error(statusObject(stale)));
    watcher.end();
    return watcher;
  }
  resource.seen.initial += initial?.length ?? 0;
  registry.watchMeter?.opened(context.info, watcher);
  const inScope = scopeFilter(scope);
  for (const event of past ?? []) if (inScope(event.current)) watcher.offer(event);
  resource.addWatcher(watcher, {
    namespace: scope.namespace,
    ...(selection.key === undefined ? {} : { key: selection.key }),
    ...(selection.node === undefined ? {} : { node: selection.node }),
  });
  keepAlive(registry, context, watcher, options, limits, clock.monotonic());
  return hasFirstFrame(form) ? withFirstFrame(watcher, form.first.bind(form)) : watcher;
}

const waitForInitialMs = 3_000;

/** What the watcher index would have kept away. */
function scopeFilter({ namespace, selectors, stored }: ListScope): (object: CachedObject) => boolean {
  const { name } = selectors;
  const byName = name !== undefined && (!stored.namespaced || namespace !== '');
  return (object) => (namespace === '' || object.namespace === namespace) && (!byName || object.name === name);
}

/** Timeout, bookmarks, and the end when the caller goes away. */
function keepAlive(
  { cache, clock, random }: Registry,
  context: RequestContext,
  watcher: Watcher,
  options: ListRequest,
  limits: WatchLimits,
  now: number,
): void {
  const timeoutMs =
    options.timeoutSeconds !== undefined && options.timeoutSeconds !== 0
      ? Math.max(0, options.timeoutSeconds * 1000)
      : limits.minTimeoutMs * (1 + random.float());
  const timer = clock.timer(timeoutMs, () => watcher.end());
  const gone = (): void => watcher.close();
  context.signal.addEventListener('abort', gone, { once: true });
  watcher.onClose(() => {
    timer.cancel();
    context.signal.removeEventListener('abort', gone);
  });
  if (context.signal.aborted) watcher.close();
  else if (options.allowWatchBookmarks) cache.bookmarks.add(watcher, now + timeoutMs);
}

/** A table's first event names the columns. */
function withFirstFrame(watcher: Watcher, first: (frame: WatchFrame) => WatchFrame): WatchStream {
  let pending = true;
  return {
    take() {
      const frames = watcher.take();
      if (!pending || frames === undefined || frames.length === 0) return frames;
      pending = false;
      return [first(frames[0]!), ...frames.slice(1)];
    },
    ready: () => watcher.ready(),
    close: () => watcher.close(),
  };
}
