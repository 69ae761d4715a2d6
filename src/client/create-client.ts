import { ApiError } from '../api/errors.ts';
import type { JsonObject, JsonValue } from '../api/json.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { ListMeta, Status } from '../api/types/meta-v1.ts';
import type {
  Client,
  ListOptions,
  ObjectList,
  PatchBody,
  ResourceClient,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { apiVersionOf, collectionPath, objectPath } from './resource-path.ts';
import type { Transport, TransportRequest } from './transport.ts';

export interface ClientOptions {
  /** The field manager of every write that names none. Absent: the server takes it from the user agent. */
  readonly fieldManager?: string;
  /** `scheduler/v1.36.0 (bireme)`; goes with every request. Absent: the transport's own. */
  readonly userAgent?: string;
}

/** The typed client over a transport. Cheap: make one per component, so that each has its field manager and user agent. */
export function createClient(transport: Transport, options: ClientOptions = {}): Client {
  const headers = options.userAgent === undefined ? undefined : Object.freeze({ 'user-agent': options.userAgent });
  const clients = new WeakMap<ResourceRef<KubeObject>, ResourceClient<KubeObject>>();
  return {
    transport,
    resource<T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T> {
      let client = clients.get(ref);
      if (!client)
        clients.set(ref, (client = createResourceClient<KubeObject>(transport, ref, headers, options.fieldManager)));
      return client as unknown as ResourceClient<T>;
    },
  };
}

function createResourceClient<T extends KubeObject>(
  transport: Transport,
  ref: ResourceRef<T>,
  headers: Readonly<Record<string, string>> | undefined,
  fieldManager: string | undefined,
): ResourceClient<T> {
  const call = async (request: TransportRequest): Promise<T> =>
    (await transport.request(headers ? { ...request, headers } : request)) as unknown as T;

  const writeQuery = (options: WriteOptions | undefined): Record<string, string> => {
    const query: Record<string, string> = {};
    const manager = options?.fieldManager ?? fieldManager;
    if (manager !== undefined) query.fieldManager = manager;
    if (options?.dryRun) query.dryRun = 'All';
    return query;
  };
  const put = (object: T, subresource: string | undefined, options: WriteOptions | undefined): Promise<T> =>
    call({
      method: 'PUT',
      path: objectPath(ref, object.metadata.namespace ?? options?.namespace, object.metadata.name ?? '', subresource),
      query: writeQuery(options),
      body: bodyOf(ref, object),
      ...signalOf(options),
    });

  return {
    get: (name, options) =>
      call({
        method: 'GET',
        path: objectPath(ref, options?.namespace, name, options?.subresource),
        ...(options?.resourceVersion === undefined ? {} : { query: { resourceVersion: options.resourceVersion } }),
        ...signalOf(options),
      }),
    async list(options) {
      const answer = await call({
        method: 'GET',
        path: collectionPath(ref, options?.namespace),
        query: listQuery(options),
        ...signalOf(options),
      });
      return typedList<T>(ref, answer as unknown as JsonObject);
    },
    async watch(options) {
      const batches = await transport.watch({
        method: 'GET',
        path: collectionPath(ref, options?.namespace),
        query: watchQuery(options),
        ...(headers ? { headers } : {}),
        ...signalOf(options),
      });
      return flatten<T>(batches);
    },
    create: (object, options) => {
      const namespace = object.metadata.namespace ?? options?.namespace;
      const path =
        options?.subresource === undefined
          ? createPath(ref, namespace)
          : objectPath(ref, namespace, object.metadata.name ?? '', options.subresource);
      return call({
        method: 'POST',
        path,
        query: writeQuery(options),
        body: bodyOf(ref, object),
        ...signalOf(options),
      });
    },
    update: (object, options) => put(object, options?.subresource, options),
    updateStatus: (object, options) => put(object, 'status', options),
    patch: (name, body, options) =>
      call({
        method: 'PATCH',
        path: objectPath(ref, options?.namespace, name, options?.subresource),
        query: writeQuery(options),
        contentType: patchTypes[body.type],
        body: body.patch as JsonValue,
        ...signalOf(options),
      }),
    async delete(name, options) {
      await call({
        method: 'DELETE',
        path: objectPath(ref, options?.namespace, name, options?.subresource),
        ...(options?.dryRun ? { query: { dryRun: 'All' } } : {}),
        ...deleteBody(options?.body),
        ...signalOf(options),
      });
    },
    async deleteCollection(options) {
      await call({
        method: 'DELETE',
        path: createPath(ref, options?.namespace),
        query: listQuery(options),
        ...deleteBody(options?.body),
        ...signalOf(options),
      });
    },
    async createSubresource<S extends KubeObject>(
      name: string,
      subresource: string,
      body: S,
      options?: WriteOptions,
    ): Promise<S> {
      return (await call({
        method: 'POST',
        path: objectPath(ref, body.metadata?.namespace ?? options?.namespace, name, subresource),
        query: writeQuery(options),
        body: body as unknown as JsonObject,
        ...signalOf(options),
      })) as unknown as S;
    },
  };
}

const patchTypes: Readonly<Record<PatchBody['type'], string>> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
};

/** A create or delete over all namespaces of a namespaced resource does not exist: the mistake is ours, so it is told before the request. */
function createPath(ref: ResourceRef<KubeObject>, namespace: string | undefined): string {
  if (ref.namespaced && !namespace)
    throw new Error(`A request for the collection "${ref.resource}" needs a namespace: the resource is namespaced`);
  return collectionPath(ref, namespace);
}

/** Objects often travel without kind and apiVersion (items of lists); a body must have them. */
function bodyOf(ref: ResourceRef<KubeObject>, object: KubeObject): JsonObject {
  const typed =
    object.kind === undefined || object.apiVersion === undefined
      ? { apiVersion: apiVersionOf(ref), kind: ref.kind, ...object }
      : object;
  return typed as unknown as JsonObject;
}

const signalOf = (options: { readonly signal?: AbortSignal } | undefined): { signal?: AbortSignal } =>
  options?.signal ? { signal: options.signal } : {};

const deleteBody = (body: object | undefined): { body?: JsonObject } =>
  body ? { body: { apiVersion: 'v1', kind: 'DeleteOptions', ...body } } : {};

export function listQuery(options: ListOptions | undefined): Record<string, string> {
  const query: Record<string, string> = {};
  if (!options) return query;
  if (options.labelSelector) query.labelSelector = options.labelSelector;
  if (options.fieldSelector) query.fieldSelector = options.fieldSelector;
  if (options.resourceVersion !== undefined) query.resourceVersion = options.resourceVersion;
  if (options.resourceVersionMatch) query.resourceVersionMatch = options.resourceVersionMatch;
  if (options.limit !== undefined) query.limit = String(options.limit);
  if (options.continue) query.continue = options.continue;
  return query;
}

export function watchQuery(options: WatchOptions | undefined): Record<string, string> {
  const query = listQuery(options);
  query.watch = 'true';
  if (options?.allowWatchBookmarks) query.allowWatchBookmarks = 'true';
  if (options?.sendInitialEvents !== undefined) query.sendInitialEvents = String(options.sendInitialEvents);
  if (options?.timeoutSeconds !== undefined) query.timeoutSeconds = String(options.timeoutSeconds);
  return query;
}

/** A list's items with the kind and apiVersion that lists of built-in kinds leave out. */
export function typedList<T extends KubeObject>(ref: ResourceRef<T>, answer: JsonObject): ObjectList<T> {
  const items = (answer.items ?? []) as readonly unknown[] as readonly T[];
  const typed = new Array<T>(items.length);
  const apiVersion = apiVersionOf(ref);
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    typed[i] = item.kind === undefined ? Object.freeze({ apiVersion, kind: ref.kind, ...item }) : item;
  }
  return { metadata: (answer.metadata ?? {}) as ListMeta, items: typed };
}

async function* flatten<T extends KubeObject>(
  batches: AsyncIterable<readonly { readonly type: string; readonly object: JsonObject }[]>,
): AsyncGenerator<WatchEvent<T>> {
  for await (const batch of batches)
    for (const { type, object } of batch) {
      if (type === 'ERROR') throw ApiError.fromStatus(object as unknown as Status);
      yield { type, object: object as unknown as T } as WatchEvent<T>;
    }
}
