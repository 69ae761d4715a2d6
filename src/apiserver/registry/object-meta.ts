/** The metadata rules every kind shares. Objects are deep-frozen; each function returns a new one made by path copy. */
import { ApiError, type QualifiedResource } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';

export interface Metadata {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly selfLink?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string | null;
  readonly deletionTimestamp?: string | null;
  readonly deletionGracePeriodSeconds?: number | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly JsonObject[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly JsonObject[];
}

export const metadataOf = (object: JsonObject): Metadata => (object.metadata ?? {}) as Metadata;

/**
 * Metadata with fields in Go's struct order, whatever order edits left them in: the cache finds the resourceVersion's place by it.
 * Fields that are undefined or null are left out.
 */
export function orderMetadata(metadata: Metadata): JsonObject {
  const ordered: Record<string, JsonValue | undefined> = {};
  const from = metadata as JsonObject;
  for (let i = 0; i < order.length; i++) {
    const value = from[order[i]!];
    if (value !== undefined && value !== null) ordered[order[i]!] = value;
  }
  return Object.freeze(ordered);
}

const order = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const;

/** A new object with these metadata fields replaced; `undefined` removes one. */
export function withMeta(
  object: JsonObject,
  changes: { readonly [K in keyof Metadata]?: Metadata[K] | undefined },
): JsonObject {
  return Object.freeze({ ...object, metadata: orderMetadata({ ...metadataOf(object), ...changes } as Metadata) });
}

/** What goes into the store: kind, apiVersion and metadata first, no resourceVersion, no selfLink. */
export function storedForm(object: JsonObject, kind: string, apiVersion: string): JsonObject {
  const { kind: _kind, apiVersion: _apiVersion, metadata: _metadata, ...rest } = object;
  const metadata = orderMetadata({
    ...metadataOf(object),
    resourceVersion: undefined,
    selfLink: undefined,
  } as Metadata & {
    resourceVersion: undefined;
  });
  return Object.freeze({ kind, apiVersion, metadata, ...rest });
}

/**
 * The namespace of a body must be the path's, or absent. @returns the object with the path's namespace set.
 * @throws ApiError 400.
 */
export function inNamespace(object: JsonObject, namespace: string, namespaced: boolean): JsonObject {
  const own = metadataOf(object).namespace ?? '';
  if (!namespaced) {
    if (own !== '') return withMeta(object, { namespace: undefined });
    return object;
  }
  if (own === namespace) return object;
  if (own !== '')
    throw ApiError.badRequest('the namespace of the provided object does not match the namespace sent on the request');
  return withMeta(object, { namespace });
}

/** Bodies of updates must carry the URL's name. @throws ApiError 400. */
export function requireUrlName(object: JsonObject, name: string): JsonObject {
  if ((metadataOf(object).name ?? '') === '')
    throw ApiError.badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  return withUrlName(object, name);
}

/** The URL's name where the body gives none. @throws ApiError 400 when it gives another. */
export function withUrlName(object: JsonObject, name: string): JsonObject {
  const own = metadataOf(object).name ?? '';
  if (own === name) return object;
  if (own !== '')
    throw ApiError.badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`);
  return withMeta(object, { name });
}

/** What a client cannot set on a new object is taken off before anybody looks at it. Source: rest.WipeObjectMetaSystemFields. */
export function withoutSystemFields(object: JsonObject): JsonObject {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, selfLink } = metadataOf(object);
  if (!uid && !creationTimestamp && !deletionTimestamp && deletionGracePeriodSeconds === undefined && !selfLink)
    return object;
  return withMeta(object, {
    uid: undefined,
    creationTimestamp: undefined,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
    selfLink: undefined,
  });
}

/** System fields of a new object: uid and creation time are the server's, a deletion is not under way. */
export function filledForCreate(object: JsonObject, uid: string, now: string): JsonObject {
  return withMeta(object, {
    uid,
    creationTimestamp: now,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
    selfLink: undefined,
  });
}

/** Fields an update can never change, taken from the stored object. Source: rest.BeforeUpdate. */
export function keptOnUpdate(next: JsonObject, previous: JsonObject): JsonObject {
  const now = metadataOf(next);
  const before = metadataOf(previous);
  return withMeta(next, {
    uid: now.uid === undefined || now.uid === '' ? before.uid : now.uid,
    creationTimestamp: before.creationTimestamp,
    deletionTimestamp: before.deletionTimestamp ?? now.deletionTimestamp,
    deletionGracePeriodSeconds: now.deletionGracePeriodSeconds ?? before.deletionGracePeriodSeconds,
    generation: before.generation,
  });
}

const conflictText = 'the object has been modified; please apply your changes to the latest version and try again';
export const modified = (resource: QualifiedResource, name: string): ApiError =>
  ApiError.conflict(resource, name, conflictText);

/** A 500 without reason, as upstream answers for errors that are no Status. */
export const plainServerError = (message: string): ApiError => new ApiError({ code: 500, message });
