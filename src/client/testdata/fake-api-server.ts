/**
 * A small API server for tests that must inject faults: one map of objects, a log of changes, lists in pages, watches, finalizers and
 * graceful deletion. No validation, defaults, admission or users. Tests of behaviour use the real one.
 */
import { ApiError } from '../../api/errors.ts';
import type {
  ApiHandler,
  ApiRequest,
  ApiResponse,
  WatchEventType,
  WatchFrame,
  WatchStream,
} from '../../api/exchange.ts';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import { formatTime } from '../../api/time.ts';
import type { DeleteOptions, ObjectMeta } from '../../api/types/meta-v1.ts';
import { apiVersionOf } from '../resource-path.ts';

export interface FakeApiServer {
  readonly handler: ApiHandler;
  /** Every request, `METHOD path?query`. */
  readonly requests: string[];
  readonly seen: ApiRequest[];
  /** Asked before each request; an answer given here is the request's. */
  intercept: ((request: ApiRequest) => ApiResponse | undefined | Promise<ApiResponse | undefined>) | undefined;
  /** Writes directly, as another client would. @param path of the object. @returns it as stored. */
  put(path: string, object: JsonObject): JsonObject;
  remove(path: string): void;
  get(path: string): JsonObject | undefined;
  /** Forgets the change log: the next watch from an old version is answered 410. */
  compact(): void;
  /** Ends all open watches, or with an ERROR event first. */
  endWatches(error?: ApiError): void;
  bookmark(): void;
  readonly openWatches: number;
  readonly revision: number;
  streamsLists: boolean;
}

export interface FakeOptions {
  /** Wall clock for deletion times. */
  readonly now?: () => number;
  /** What discovery tells. */
  readonly resources?: readonly ResourceRef<KubeObject>[];
}

interface Change {
  readonly revision: number;
  readonly type: WatchEventType;
  readonly path: string;
  readonly object: JsonObject;
}
interface Watcher extends WatchStream {
  offer(frame: WatchFrame): void;
  end(): void;
  readonly collection: (path: string) => boolean;
}

export function createFakeApiServer({ now = () => 0, resources = [] }: FakeOptions = {}): FakeApiServer {
  const objects = new Map<string, JsonObject>();
  let log: Change[] = [];
  let compacted = 0;
  let revision = 100;
  let uids = 0;
  const watchers = new Set<Watcher>();

  const record = (type: 'ADDED' | 'MODIFIED' | 'DELETED', path: string, object: JsonObject): JsonObject => {
    const stored = deepFreeze({
      ...object,
      metadata: { ...(object.metadata as JsonObject), resourceVersion: String(++revision) },
    });
    if (type === 'DELETED') objects.delete(path);
    else objects.set(path, stored);
    log.push({ revision, type, path, object: stored });
    for (const watcher of watchers) if (watcher.collection(path)) watcher.offer(frameOf(type, stored));
    return stored;
  };
  const put = (path: string, object: JsonObject): JsonObject => {
    const before = objects.get(path);
    const metadata = object.metadata as JsonObject;
    const uid = (before?.metadata as JsonObject | undefined)?.uid ?? metadata.uid ?? `uid-${++uids}`;
    const stored = record(before ? 'MODIFIED' : 'ADDED', path, { ...object, metadata: { ...metadata, uid } });
    return before && isFinished(stored) ? record('DELETED', path, stored) : stored;
  };
  /** Being deleted, and nothing holds it any more. */
  const isFinished = (object: JsonObject): boolean => {
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata as ObjectMeta;
    const spec = object.spec as { readonly finalizers?: readonly string[] } | undefined;
    return (
      deletionTimestamp !== undefined &&
      !(finalizers && finalizers.length > 0) &&
      !(object.kind === 'Namespace' && spec?.finalizers && spec.finalizers.length > 0) &&
      !(deletionGracePeriodSeconds ?? 0)
    );
  };
  const deleteObject = (path: string, options: DeleteOptions | undefined): JsonObject => {
    const object = objects.get(path)!;
    const metadata = object.metadata as ObjectMeta;
    const { uid, resourceVersion } = options?.preconditions ?? {};
    if ((uid && uid !== metadata.uid) || (resourceVersion && resourceVersion !== metadata.resourceVersion))
      throw ApiError.conflict({ group: '', resource: 'objects' }, metadata.name ?? '', 'the precondition failed');
    const policy = { Foreground: 'foregroundDeletion', Orphan: 'orphan' }[options?.propagationPolicy ?? ''];
    const finalizers = [
      ...(metadata.finalizers ?? []),
      ...(policy && !metadata.finalizers?.includes(policy) ? [policy] : []),
    ];
    const spec = (object.spec ?? {}) as { readonly nodeName?: string; readonly terminationGracePeriodSeconds?: number };
    const grace =
      object.kind === 'Pod' && spec.nodeName
        ? (options?.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30)
        : 0;
    const marked = {
      ...object,
      metadata: {
        ...metadata,
        ...(finalizers.length > 0 ? { finalizers } : {}),
        deletionTimestamp: metadata.deletionTimestamp ?? formatTime(now() + grace * 1000),
        deletionGracePeriodSeconds: grace,
      },
    } as unknown as JsonObject;
    return isFinished(marked) ? record('DELETED', path, object) : put(path, marked);
  };
  const discovery = (path: string): JsonObject | undefined => {
    const versions = [...new Set(resources.map(apiVersionOf))];
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
    if (path === '/apis') {
      const groups = versions.filter((version) => version.includes('/'));
      return { kind: 'APIGroupList', groups: groups.map((groupVersion) => ({ versions: [{ groupVersion }] })) };
    }
    const groupVersion = path.replace(/^\/apis?\//, '');
    if (!versions.includes(groupVersion)) return undefined;
    const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
    const own = resources.filter((resource) => apiVersionOf(resource) === groupVersion);
    return {
      kind: 'APIResourceList',
      resources: own.map(({ resource: name, kind, namespaced }) => ({ name, kind, namespaced, verbs })),
    };
  };

  const handle = (request: ApiRequest): ApiResponse => {
    const query = new URLSearchParams(request.query);
    const found = request.method === 'GET' ? discovery(request.path) : undefined;
    if (found) return answer(200, found);
    const { collection, name, subresource } = split(request.path);
    const path = name === undefined ? '' : `${collection.path}/${name}`;
    const body = bodyOf(request);
    const existing = objects.get(path);
    if (name === undefined) {
      if (request.method === 'POST') {
        const metadata = body!.metadata as JsonObject;
        const target = `${collection.path}/${String(metadata.name)}`;
        if (objects.has(target))
          throw ApiError.alreadyExists({ group: '', resource: collection.resource }, String(metadata.name));
        return answer(201, put(target, { ...body!, metadata: { namespace: collection.namespace, ...metadata } }));
      }
      const byName = /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
      const matches = byName
        ? (candidate: string): boolean => collection.matches(candidate) && candidate.endsWith(`/${byName}`)
        : collection.matches;
      if (request.method === 'DELETE') {
        for (const each of [...objects.keys()])
          if (matches(each)) deleteObject(each, body as DeleteOptions | undefined);
        return answer(200, { kind: 'Status', apiVersion: 'v1', status: 'Success' });
      }
      if (query.get('watch') === 'true') return watch(matches, query);
      return list(matches, query);
    }
    if (!existing) throw ApiError.notFound({ group: '', resource: collection.resource }, name);
    if (request.method === 'GET') return answer(200, existing);
    if (request.method === 'DELETE') {
      return answer(200, deleteObject(path, body as DeleteOptions | undefined));
    }
    const version = (existing.metadata as JsonObject).resourceVersion;
    const asked = (body?.metadata as JsonObject | undefined)?.resourceVersion;
    if (asked !== undefined && asked !== version)
      throw ApiError.conflict({ group: '', resource: collection.resource }, name, 'the object has been modified');
    if (request.method === 'PATCH')
      return answer(200, put(path, patched(existing, body!, request.headers['content-type'])));
    if (subresource === 'status') return answer(200, put(path, { ...existing, status: body!.status ?? {} }));
    return answer(200, put(path, body!));
  };

  const list = (matches: (path: string) => boolean, query: URLSearchParams): ApiResponse => {
    const limit = Number(query.get('limit') ?? 0);
    const from = query.get('continue') ?? '';
    const paths = [...objects.keys()].filter((path) => matches(path) && path > from).sort();
    const page = limit > 0 ? paths.slice(0, limit) : paths;
    const more = page.length < paths.length;
    // As upstream: items of a list carry neither kind nor apiVersion.
    const items = page.map((path) => {
      const { kind: _, apiVersion: __, ...rest } = objects.get(path)!;
      return rest;
    });
    const metadata = { resourceVersion: String(revision), ...(more ? { continue: page.at(-1)! } : {}) };
    return answer(200, { kind: 'List', apiVersion: 'v1', metadata, items });
  };

  const watch = (matches: (path: string) => boolean, query: URLSearchParams): ApiResponse => {
    const initial = query.get('sendInitialEvents') === 'true';
    if (initial && !server.streamsLists)
      throw new ApiError({ code: 422, reason: 'Invalid', message: 'sendInitialEvents: Forbidden: not supported' });
    const watcher = createWatcher(matches, (w) => watchers.delete(w));
    if (initial) {
      for (const [path, object] of objects) if (matches(path)) watcher.offer(frameOf('ADDED', object));
      watcher.offer(bookmarkAt(revision, true));
    } else {
      const from = Number(query.get('resourceVersion') ?? revision);
      if (from < compacted) watcher.offer(frameOf('ERROR', statusOf(ApiError.expired('too old resource version'))));
      else
        for (const change of log)
          if (change.revision > from && matches(change.path)) watcher.offer(frameOf(change.type, change.object));
    }
    watchers.add(watcher);
    return { status: 200, headers: { 'content-type': 'application/json' }, body: { kind: 'watch', stream: watcher } };
  };

  const server: FakeApiServer = {
    requests: [],
    seen: [],
    intercept: undefined,
    streamsLists: true,
    async handler(request) {
      server.seen.push(request);
      server.requests.push(`${request.method} ${request.path}${request.query ? `?${request.query}` : ''}`);
      try {
        const own = await server.intercept?.(request);
        if (own) return own;
        const response = handle(request);
        if (response.body.kind === 'watch') {
          const { stream } = response.body;
          request.signal.addEventListener('abort', () => stream.close(), { once: true });
        }
        return response;
      } catch (error) {
        return failure(error instanceof ApiError ? error : ApiError.internal(error));
      }
    },
    put,
    remove: (path) => void record('DELETED', path, objects.get(path)!),
    get: (path) => objects.get(path),
    compact() {
      log = [];
      compacted = ++revision;
    },
    endWatches(error) {
      for (const watcher of [...watchers]) {
        if (error) watcher.offer(frameOf('ERROR', statusOf(error)));
        watcher.end();
      }
    },
    bookmark() {
      for (const watcher of watchers) watcher.offer(bookmarkAt(++revision, false));
    },
    get openWatches() {
      return watchers.size;
    },
    get revision() {
      return revision;
    },
  };
  return server;
}

function bodyOf({ body }: ApiRequest): JsonObject | undefined {
  if (!body) return undefined;
  return 'value' in body ? (body.value as JsonObject) : (JSON.parse(Buffer.from(body.bytes).toString()) as JsonObject);
}

export const answer = (status: number, object: JsonObject, headers: Record<string, string> = {}): ApiResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: {
    kind: 'object',
    object: { bytes: () => new TextEncoder().encode(JSON.stringify(object)), value: () => deepFreeze(object) },
  },
});
export const failure = (error: ApiError, headers: Record<string, string> = {}): ApiResponse =>
  answer(error.code, statusOf(error), headers);
const statusOf = (error: ApiError): JsonObject => error.status as unknown as JsonObject;

const frameOf = (type: WatchEventType, object: JsonObject): WatchFrame => ({
  type,
  object: () => deepFreeze(object),
  bytes: () => new TextEncoder().encode(`${JSON.stringify({ type, object })}\n`),
});
const bookmarkAt = (revision: number, end: boolean): WatchFrame =>
  frameOf('BOOKMARK', {
    metadata: {
      resourceVersion: String(revision),
      ...(end ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  });

function createWatcher(collection: (path: string) => boolean, onClose: (watcher: Watcher) => void): Watcher {
  let queue: WatchFrame[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  const watcher: Watcher = {
    collection,
    offer(frame) {
      if (ended) return;
      queue.push(frame);
      wake?.();
    },
    end() {
      ended = true;
      onClose(watcher);
      wake?.();
    },
    take() {
      if (queue.length === 0) return ended ? undefined : [];
      const frames = queue;
      queue = [];
      return frames;
    },
    ready: () => {
      if (queue.length > 0 || ended) return Promise.resolve();
      return new Promise((resolve) => {
        wake = resolve;
      });
    },
    close: () => watcher.end(),
  };
  return watcher;
}

/** Understands `/api/v1/...` and `/apis/G/V/...`, with and without namespace. */
function split(path: string): {
  readonly collection: {
    readonly path: string;
    readonly resource: string;
    readonly namespace: string | undefined;
    readonly matches: (path: string) => boolean;
  };
  readonly name: string | undefined;
  readonly subresource: string | undefined;
} {
  const parts = path.split('/').filter((part) => part !== '');
  const root = parts.splice(0, parts[0] === 'api' ? 2 : 3).join('/');
  let namespace: string | undefined;
  if (parts[0] === 'namespaces' && parts.length > 2 && parts[2] !== 'status' && parts[2] !== 'finalize')
    [, namespace] = parts.splice(0, 2);
  const [resource = '', name, subresource] = parts.map(decodeURIComponent);
  const base = `/${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${resource}`;
  const pattern = new RegExp(
    `^/${root}${namespace === undefined ? '(/namespaces/[^/]+)?' : `/namespaces/${namespace}`}/${resource}/[^/]+$`,
  );
  return { collection: { path: base, resource, namespace, matches: (p) => pattern.test(p) }, name, subresource };
}

/** Of strategic merge only what tests need: conditions are merged by type. */
function patched(object: JsonObject, patch: JsonObject, contentType: string | undefined): JsonObject {
  const result = merge(object, patch) as JsonObject;
  const conditions = (patch.status as JsonObject | undefined)?.conditions as readonly JsonObject[] | undefined;
  if (!contentType?.includes('strategic') || !conditions) return result;
  const before = ((object.status as JsonObject | undefined)?.conditions ?? []) as readonly JsonObject[];
  const kept = before.filter((old) => !conditions.some((condition) => condition.type === old.type));
  return { ...result, status: { ...(result.status as JsonObject), conditions: [...kept, ...conditions] } };
}

function merge(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const out: Record<string, JsonValue | undefined> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...(target as JsonObject) } : {};
  for (const [key, value] of Object.entries(patch as JsonObject)) {
    if (value === null) delete out[key];
    else out[key] = merge(out[key], value as JsonValue);
  }
  return out;
}
