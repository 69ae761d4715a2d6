/**
 * Discovery documents as pure functions of the schema: what groups, versions and resources there are, in the legacy form (`/api`, `/apis`,
 * `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`) and the aggregated one. Custom kinds later arrive as further groups and resources.
 */
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema, Schema, SubresourceSchema } from '../../api/schema/model.ts';

/** One group with its served versions, the preferred one first, and their resources by name. */
export interface DiscoveryGroup {
  /** Empty for the core group. */
  readonly name: string;
  readonly preferred: string;
  readonly versions: readonly DiscoveryVersion[];
}
export interface DiscoveryVersion {
  readonly version: string;
  readonly resources: readonly ResourceSchema[];
  /** Another server answers it: its entries of aggregated discovery. */
  readonly remote?: { readonly resources: readonly JsonObject[]; readonly freshness: 'Current' | 'Stale' };
}

/** A group, or versions of one, that another server answers. */
export interface RemoteDiscoveryGroup {
  readonly name: string;
  readonly priority: number;
  /** The preferred one first. */
  readonly versions: readonly {
    readonly version: string;
    readonly resources: readonly JsonObject[];
    readonly freshness: 'Current' | 'Stale';
  }[];
}

/** Our groups and others' together, the others' where their priority puts them. @param priorityOf of our groups */
export function withRemoteGroups(
  groups: readonly DiscoveryGroup[],
  remote: readonly RemoteDiscoveryGroup[],
  priorityOf: (group: string) => number,
): readonly DiscoveryGroup[] {
  const all = [...groups];
  for (const { name, priority, versions } of remote) {
    const theirs = versions.map(
      ({ version, resources, freshness }): DiscoveryVersion => ({
        version,
        resources: [],
        remote: { resources, freshness },
      }),
    );
    const own = all.findIndex((group) => group.name === name);
    if (own >= 0) {
      const group = all[own]!;
      const replaced = new Set(theirs.map(({ version }) => version));
      const kept = group.versions.filter(({ version }) => !replaced.has(version));
      all[own] = { ...group, versions: [...kept, ...theirs] };
      continue;
    }
    const before = all.findIndex((group) => group.name !== '' && priorityOf(group.name) < priority);
    all.splice(before < 0 ? all.length : before, 0, { name, preferred: theirs[0]?.version ?? '', versions: theirs });
  }
  return all;
}

/** What is served of a schema, in discovery order. @param serves which group versions are switched on; by default those upstream serves. */
export function discoveryGroups(
  schema: Schema,
  serves: (resource: ResourceSchema) => boolean = (resource) => resource.servedByDefault,
): DiscoveryGroup[] {
  const served = Map.groupBy(schema.resources.filter(serves), (r) => `${r.group}/${r.version}`);
  const groups: DiscoveryGroup[] = [];
  for (const { name, preferred, versions } of schema.groups) {
    const present = versions.flatMap((version) => {
      const resources = served.get(`${name}/${version}`);
      return resources ? [{ version, resources: [...resources].sort(byName) }] : [];
    });
    if (present.length > 0) groups.push({ name, preferred, versions: present });
  }
  return groups;
}

const byName = (a: ResourceSchema, b: ResourceSchema): number => (a.resource < b.resource ? -1 : 1);

/** `/api`. Upstream writes no apiVersion here. @param serverAddress `host:port` that clients outside the cluster reach. */
export function coreVersions(groups: readonly DiscoveryGroup[], serverAddress: string): JsonObject {
  const core = groups.find((group) => group.name === '');
  return {
    kind: 'APIVersions',
    versions: core?.versions.map(({ version }) => version) ?? [],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

/** `/apis` */
export function groupList(groups: readonly DiscoveryGroup[]): JsonObject {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups.filter((group) => group.name !== '').map(groupBody),
  };
}

/** `/apis/GROUP` */
export function groupDocument(group: DiscoveryGroup): JsonObject {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(group) };
}

function groupBody({ name, preferred, versions }: DiscoveryGroup): JsonObject {
  const entry = (version: string): JsonObject => ({ groupVersion: `${name}/${version}`, version });
  return { name, versions: versions.map(({ version }) => entry(version)), preferredVersion: entry(preferred) };
}

/** `/api/v1` (without apiVersion, as upstream) and `/apis/GROUP/VERSION` */
export function resourceList(group: string, { version, resources }: DiscoveryVersion): JsonObject {
  const entries = resources.flatMap((resource) => [
    resourceEntry(resource),
    ...subresources(resource).map(([name, sub]) => ({
      name: `${resource.resource}/${name}`,
      singularName: '',
      namespaced: resource.namespaced,
      ...foreign(resource, sub),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ]);
  return {
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: entries,
  };
}

function resourceEntry(resource: ResourceSchema): JsonObject {
  const { shortNames, categories, storageVersionHash } = resource;
  return {
    name: resource.resource,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: resource.verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(storageVersionHash === undefined ? {} : { storageVersionHash }),
  };
}

const subresources = (resource: ResourceSchema): [string, SubresourceSchema][] =>
  // Custom kinds list them as they came: status, then scale.
  resource.custom
    ? Object.entries(resource.subresources)
    : Object.entries(resource.subresources).sort(([a], [b]) => (a < b ? -1 : 1));

/** The kind's group and version where it is not the resource's own. */
const foreign = (resource: ResourceSchema, sub: SubresourceSchema): { group?: string; version?: string } =>
  sub.group === resource.group && sub.version === resource.version ? {} : { group: sub.group, version: sub.version };

/** One document with everything, without its type: `/api` holds the core group, `/apis` the others. */
export function aggregatedList(groups: readonly DiscoveryGroup[]): JsonObject {
  return {
    metadata: {},
    items: groups.map((group) => ({
      metadata: group.name === '' ? {} : { name: group.name },
      versions: group.versions.map((v) => ({
        version: v.version,
        resources: v.remote ? v.remote.resources : v.resources.map(aggregatedResource),
        freshness: v.remote?.freshness ?? 'Current',
      })),
    })),
  };
}

function aggregatedResource(resource: ResourceSchema): JsonObject {
  const { shortNames, categories } = resource;
  const subs = subresources(resource);
  return {
    resource: resource.resource,
    responseKind: { group: '', version: '', kind: resource.kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subs.length > 0
      ? {
          subresources: subs.map(([name, sub]) => ({
            subresource: name,
            responseKind: { group: '', version: '', ...foreign(resource, sub), kind: sub.kind },
            verbs: sub.verbs,
          })),
        }
      : {}),
  };
}

/** `/`: every path a client may start from. @param others further ones the server has, such as its health checks. */
export function rootPaths(groups: readonly DiscoveryGroup[], others: readonly string[]): JsonObject {
  const paths = new Set([
    '/api',
    '/apis',
    '/apis/',
    '/openapi/v2',
    '/openapi/v3',
    '/openapi/v3/',
    '/version',
    ...others,
  ]);
  for (const { name, versions } of groups) {
    const base = name === '' ? '/api' : `/apis/${name}`;
    paths.add(base);
    for (const { version } of versions) paths.add(`${base}/${version}`);
  }
  return { paths: [...paths].sort() };
}
