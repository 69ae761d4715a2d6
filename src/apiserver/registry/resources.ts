/** The registry's view of the schema: served versions of resources, and the stored resources behind them. */
import type { JsonObject } from '../../api/json.ts';
import type { GroupVersionKind, ResourceSchema, Schema, StructType } from '../../api/schema/model.ts';
import type { Strategy } from '../strategies/strategy.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import { type FieldLabels, fieldLabels } from './field-labels.ts';
import { storagePrefix } from './keys.ts';

/** What lies in the store under one prefix; one or more served versions show it. */
export interface StoredResource {
  readonly group: string;
  readonly resource: string;
  /** The storage version's kind and struct. */
  readonly gvk: GroupVersionKind;
  readonly type: StructType;
  /** `v1`, `apps/v1` */
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly prefix: string;
  readonly fields: FieldLabels;
  readonly strategy: Strategy;
  readonly isPods: boolean;
  /** Objects go by themselves after this long; 0: never. */
  readonly ttlSeconds: number;
  /** Of a custom kind. */
  readonly custom?: CustomStorage;
}

/** How objects of a custom kind come from one version to another. */
export interface CustomStorage {
  /** The definition's uid: another definition of the same name is another kind. */
  readonly uid: string;
  /** By a webhook: only a promise brings an object into another version. */
  readonly converts: boolean;
  /** @returns the same object when it is in that version already. @throws ApiError 500 when the webhook fails. */
  convert(objects: readonly JsonObject[], apiVersion: string): readonly JsonObject[] | Promise<readonly JsonObject[]>;
  /** A value from the store in its present form: pruned, defaulted. */
  readStored(value: JsonObject): JsonObject;
}

export interface ServedResource {
  readonly schema: ResourceSchema;
  readonly gvk: GroupVersionKind;
  readonly apiVersion: string;
  /** For messages. */
  readonly qualified: { readonly group: string; readonly resource: string };
  /** Absent for kinds that are answered, not stored (reviews, bindings). */
  readonly stored: StoredResource | undefined;
  /** Of a custom kind, whose objects are prepared and validated in the request's version. */
  readonly strategy?: Strategy;
}

/** The strategy of requests in this version. */
export const strategyOf = (served: ServedResource, stored: StoredResource): Strategy =>
  served.strategy ?? stored.strategy;

export interface ResourceTable {
  /** Whether any version of the group is served. */
  hasGroup(group: string): boolean;
  /** Custom kinds of users do not make a group built-in. */
  hasBuiltInGroup(group: string): boolean;
  hasVersion(group: string, version: string): boolean;
  find(group: string, version: string, resource: string): ServedResource | undefined;
  readonly stored: readonly StoredResource[];
  /** By `group/resource`. */
  storedResource(group: string, resource: string): StoredResource | undefined;
  readonly served: readonly ServedResource[];
}

export const apiVersionOf = (group: string, version: string): string =>
  group === '' ? version : `${group}/${version}`;

/** Kinds that live in another group's storage. Source: storage cohabitation. */
const home: Readonly<Record<string, { readonly group: string; readonly version: string }>> = {
  'events.k8s.io/events': { group: '', version: 'v1' },
};

/**
 * @param strategies by `group/resource` of the stored kind; kinds without one get the default.
 * `isServed` decides per resource, by default `servedByDefault`.
 */
export function buildResourceTable(
  schema: Schema,
  strategies: Readonly<Record<string, Strategy>>,
  options: {
    readonly isServed?: (resource: ResourceSchema) => boolean;
    /** Upstream: --event-ttl. */
    readonly eventTtlSeconds?: number;
  } = {},
): ResourceTable {
  const { isServed = (resource: ResourceSchema) => resource.servedByDefault, eventTtlSeconds = 3_600 } = options;
  const served = schema.resources.filter(isServed);
  const byStored = new Map<string, ResourceSchema[]>();
  for (const resource of served) {
    if (!resource.storageVersion) continue;
    const id = storedId(resource);
    const versions = byStored.get(id);
    if (versions) versions.push(resource);
    else byStored.set(id, [resource]);
  }
  const stored = new Map<string, StoredResource>();
  for (const [id, versions] of byStored)
    stored.set(id, storedResource(schema, id, versions, strategies[id] ?? {}, eventTtlSeconds));
  const table = new Map<string, ServedResource>();
  const versionsOf = new Map<string, Set<string>>();
  for (const resource of served) {
    const { group, version, kind } = resource;
    const home = resource.storageVersion ? stored.get(storedId(resource)) : undefined;
    table.set(`${group}/${version}/${resource.resource}`, {
      schema: resource,
      gvk: { group, version, kind },
      apiVersion: apiVersionOf(group, version),
      qualified: { group, resource: resource.resource },
      stored: home,
    });
    let versions = versionsOf.get(group);
    if (!versions) versionsOf.set(group, (versions = new Set()));
    versions.add(version);
  }
  const byGroup = new Map<string, Map<string, StoredResource>>();
  const name = (group: string, resource: string, one: StoredResource | undefined): void => {
    if (one === undefined) return;
    const names = byGroup.get(group);
    if (names) names.set(resource, one);
    else byGroup.set(group, new Map([[resource, one]]));
  };
  for (const one of stored.values()) name(one.group, one.resource, one);
  for (const id in home) {
    const [group = '', resource = ''] = id.split('/');
    name(group, resource, stored.get(`${home[id]!.group}/${resource}`));
  }
  return {
    hasGroup: (group) => versionsOf.has(group),
    hasBuiltInGroup: (group) => versionsOf.has(group),
    hasVersion: (group, version) => versionsOf.get(group)?.has(version) ?? false,
    find: (group, version, resource) => table.get(`${group}/${version}/${resource}`),
    stored: [...stored.values()],
    storedResource: (group, resource) => byGroup.get(group)?.get(resource),
    served: [...table.values()],
  };
}

function storedId({ group, resource }: ResourceSchema): string {
  return `${home[`${group}/${resource}`]?.group ?? group}/${resource}`;
}

function storedResource(
  schema: Schema,
  id: string,
  versions: readonly ResourceSchema[],
  strategy: Strategy,
  eventTtlSeconds: number,
): StoredResource {
  const group = id.slice(0, id.indexOf('/'));
  const own = versions.find((v) => v.group === group) ?? versions[0]!;
  // The reported storage version counts where its type is known; CRDs report one that was never stored (v1beta1).
  const wanted = home[`${own.group}/${own.resource}`] ?? own.storageVersion!;
  const wantedType = schema.byGvk({ group: wanted.group, version: wanted.version, kind: own.kind });
  const version = wantedType && wanted.group === group ? wanted.version : own.version;
  const type = wantedType && wanted.group === group ? wantedType : own.type;
  return {
    group,
    resource: own.resource,
    gvk: { group, version, kind: own.kind },
    type,
    apiVersion: apiVersionOf(group, version),
    namespaced: own.namespaced,
    prefix: storagePrefix(group, own.resource),
    fields: fieldLabels(id, versions),
    strategy,
    isPods: id === '/pods',
    ttlSeconds: id === '/events' ? eventTtlSeconds : 0,
  };
}

/** The key of an object within its resource. */
export const objectKey = (namespace: string, name: string): string =>
  namespace === '' ? name : `${namespace}/${name}`;

/** The key in the store. */
export const storeKey = (resource: StoredResource, key: string): string => `/registry/${resource.prefix}/${key}`;

export type CacheOf = (resource: StoredResource) => ResourceCache;
