/** Paths and operations of a group version, from its resources' verbs. */
import type { ResourceSchema, Schema, StructType } from '../../api/schema/model.ts';
import type { DiscoveryGroup, DiscoveryVersion } from '../discovery/discovery.ts';
import { emptyPaths, type Operation, type PathSet, pathItem, plainGet, plainTypes } from './operations.ts';
import type { OpenApiVersion } from './schemas.ts';

/** Groups of custom kinds alone: their discovery is described nowhere. Source: apiextensions-apiserver/pkg/controller/openapi. */
export const isCustom = (resources: readonly ResourceSchema[]): boolean =>
  resources.length > 0 && resources.every(({ custom }) => custom !== undefined);

/** Of one group version, the version's own document (`/apis/GROUP/VERSION/`) included. */
export function versionPaths(
  group: string,
  { version, resources }: DiscoveryVersion,
  schema: Schema,
  openApi: OpenApiVersion,
): PathSet {
  const set = emptyPaths();
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  if (!isCustom(resources))
    addDocument(
      set,
      `${base}/`,
      'APIResourceList',
      `get${groupId(group)}${capital(version)}APIResources`,
      tagOf(group, version),
      schema,
      openApi,
    );
  const add = (path: string, operations: readonly (Operation | undefined)[]): void => {
    const present = operations.filter((operation) => operation !== undefined);
    if (present.length > 0) set.paths[path] = pathItem(path, present, tagOf(group, version), set, openApi);
  };
  for (const resource of resources)
    addResource(resource, base, schema, (path, operations) =>
      add(path, resource.custom ? operations.map((one) => one && { ...one, custom: true }) : operations),
    );
  return { ...set, paths: Object.fromEntries(Object.entries(set.paths).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** `/api/`, `/apis/`, `/apis/GROUP/`, `/version/`: documents that are got without parameters. */
export function documentPaths(
  document: string,
  schema: Schema,
  groups: readonly DiscoveryGroup[],
  openApi: OpenApiVersion,
): PathSet {
  const set = emptyPaths();
  if (document === 'api') addDocument(set, '/api/', 'APIVersions', 'getCoreAPIVersions', 'core', schema, openApi);
  else if (document === 'apis') addDocument(set, '/apis/', 'APIGroupList', 'getAPIVersions', 'apis', schema, openApi);
  else if (document === 'version') {
    const info = schema.type('apimachinery.Info');
    if (info) set.types.add(info);
    set.paths['/version/'] = {
      get: plainGet(
        { id: 'getCodeVersion', tag: 'version', answer: info, consumes: [json], produces: [json] },
        openApi,
      ),
    };
  } else if (document === '.well-known/openid-configuration')
    set.paths['/.well-known/openid-configuration/'] = {
      get: plainGet({ id: 'getServiceAccountIssuerOpenIDConfiguration', tag: 'WellKnown', produces: [json] }, openApi),
    };
  else if (document === 'openid/v1/jwks')
    set.paths['/openid/v1/jwks/'] = {
      get: plainGet(
        { id: 'getServiceAccountIssuerOpenIDKeyset', tag: 'openid', produces: ['application/jwk-set+json'] },
        openApi,
      ),
    };
  else {
    const group = groups.find(({ name }) => document === `apis/${name}`);
    if (group && !group.versions.every(({ resources }) => isCustom(resources)))
      addDocument(
        set,
        `/apis/${group.name}/`,
        'APIGroup',
        `get${groupId(group.name)}APIGroup`,
        tagOf(group.name),
        schema,
        openApi,
      );
  }
  return set;
}

function addDocument(
  set: PathSet,
  path: string,
  kind: string,
  id: string,
  tag: string,
  schema: Schema,
  openApi: OpenApiVersion,
): void {
  const type = schema.byGvk({ group: '', version: 'v1', kind });
  if (type) set.types.add(type);
  set.paths[path] = { get: plainGet({ id, tag, answer: type, consumes: plainTypes, produces: plainTypes }, openApi) };
}

const json = 'application/json';

function addResource(
  resource: ResourceSchema,
  base: string,
  schema: Schema,
  add: (path: string, operations: readonly (Operation | undefined)[]) => void,
): void {
  const { group, version, kind, namespaced, verbs, type } = resource;
  const gvk = { group, version, kind };
  const stem = `${groupId(group)}${capital(version)}`;
  const scoped = `${namespaced ? 'Namespaced' : ''}${kind}`;
  const can = (verb: string, operation: Omit<Operation, 'gvk' | 'subresource'>): Operation | undefined =>
    verbs.includes(verb) ? { ...operation, gvk, subresource: '' } : undefined;
  const list = schema.byGvk({ group, version, kind: resource.custom?.listKind ?? `${kind}List` });
  const status = schema.byGvk({ group: '', version: 'v1', kind: 'Status' })!;
  const options = schema.byGvk({ group: '', version: 'v1', kind: 'DeleteOptions' })!;
  const deleted = returnsDeleted(resource) ? type : status;
  const collection = namespaced
    ? `${base}/namespaces/{namespace}/${resource.resource}`
    : `${base}/${resource.resource}`;
  add(collection, [
    can('list', { method: 'get', action: 'list', id: `list${stem}${scoped}`, ...(list ? { answer: list } : {}) }),
    can('create', { method: 'post', action: 'post', id: `create${stem}${scoped}`, body: type, answer: type }),
    can('deletecollection', {
      method: 'delete',
      action: 'deletecollection',
      id: `delete${stem}Collection${scoped}`,
      ...(resource.custom ? {} : { body: options }),
      answer: status,
    }),
  ]);
  if (namespaced)
    add(`${base}/${resource.resource}`, [
      can('list', {
        method: 'get',
        action: 'list',
        id: `list${stem}${kind}ForAllNamespaces`,
        ...(list ? { answer: list } : {}),
      }),
    ]);
  addWatches(resource, base, schema, add);
  const item = `${collection}/{name}`;
  add(item, [
    can('get', { method: 'get', action: 'get', id: `read${stem}${scoped}`, answer: type }),
    can('update', { method: 'put', action: 'put', id: `replace${stem}${scoped}`, body: type, answer: type }),
    can('patch', { method: 'patch', action: 'patch', id: `patch${stem}${scoped}`, body: 'patch', answer: type }),
    can('delete', { method: 'delete', action: 'delete', id: `delete${stem}${scoped}`, body: options, answer: deleted }),
  ]);
  for (const [name, sub] of Object.entries(resource.subresources)) {
    const subGvk = { group: sub.group, version: sub.version, kind: sub.kind };
    const subType = schema.byGvk(subGvk);
    const suffix = `${scoped}${capital(name)}`;
    if (sub.kind.endsWith('Options')) {
      for (const [path, tail] of name === 'proxy'
        ? ([
            [`${item}/${name}`, ''],
            [`${item}/${name}/{path}`, 'WithPath'],
          ] as const)
        : ([[`${item}/${name}`, '']] as const)) {
        const connect = (verb: string, method: Operation['method']): Operation | undefined =>
          sub.verbs.includes(verb)
            ? {
                method,
                action: 'connect',
                gvk: subGvk,
                id: `connect${stem}${capital(method)}${suffix}${tail}`,
                subresource: name,
              }
            : undefined;
        add(path, [
          connect('get', 'get'),
          connect('update', 'put'),
          connect('create', 'post'),
          connect('patch', 'patch'),
          connect('delete', 'delete'),
          ...(name === 'proxy' ? [connect('get', 'head'), connect('get', 'options')] : []),
        ]);
      }
      continue;
    }
    const of = (verb: string, method: Operation['method'], word: string): Operation | undefined =>
      sub.verbs.includes(verb)
        ? {
            method,
            action: method,
            // A custom kind's scale is described as the kind itself.
            gvk: resource.custom ? gvk : subGvk,
            id: `${word}${stem}${suffix}`,
            ...(method === 'get'
              ? {}
              : method === 'patch'
                ? { body: 'patch' as const }
                : subType
                  ? { body: subType }
                  : {}),
            ...(subType && name !== 'log' ? { answer: subType } : {}),
            subresource: name,
          }
        : undefined;
    add(`${item}/${name}`, [
      of('get', 'get', 'read'),
      of('update', 'put', 'replace'),
      of('create', 'post', 'create'),
      of('patch', 'patch', 'patch'),
    ]);
  }
}

/** The deprecated `/watch/` paths, which are still served. Custom kinds never had them. */
function addWatches(
  resource: ResourceSchema,
  base: string,
  schema: Schema,
  add: (path: string, operations: readonly (Operation | undefined)[]) => void,
): void {
  const { group, version, kind, namespaced, verbs } = resource;
  if (resource.custom || !verbs.includes('watch')) return;
  const event = schema.byGvk({ group: '', version: 'v1', kind: 'WatchEvent' })!;
  const stem = `watch${groupId(group)}${capital(version)}`;
  const watch = (path: string, action: string, id: string): void =>
    add(path, [
      { method: 'get', action, id: `${stem}${id}`, answer: event, gvk: { group, version, kind }, subresource: '' },
    ]);
  const all = `${base}/watch/${resource.resource}`;
  const collection = namespaced ? `${base}/watch/namespaces/{namespace}/${resource.resource}` : all;
  const scoped = `${namespaced ? 'Namespaced' : ''}${kind}`;
  if (namespaced) watch(all, 'watchlist', `${kind}ListForAllNamespaces`);
  watch(collection, 'watchlist', `${scoped}List`);
  watch(`${collection}/{name}`, 'watch', scoped);
}

/** Kinds whose deletion is answered with the object, by group; `*`: all of the group. */
const answeredWithObject: Readonly<Record<string, readonly string[]>> = {
  '': [
    'persistentvolumeclaims',
    'persistentvolumes',
    'pods',
    'podtemplates',
    'resourcequotas',
    'serviceaccounts',
    'services',
  ],
  'resource.k8s.io': ['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'],
  'storage.k8s.io': ['csidrivers', 'csinodes', 'storageclasses', 'volumeattachments', 'volumeattributesclasses'],
};

const returnsDeleted = ({ group, resource, custom }: ResourceSchema): boolean =>
  !custom && (answeredWithObject[group]?.includes(resource) ?? false);

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `rbac.authorization.k8s.io` -> `RbacAuthorization`, the core group -> `Core`. */
function groupId(group: string): string {
  if (group === '') return 'Core';
  const parts = group.replace(/\.k8s\.io$/, '').split('.');
  return parts
    .map(capital)
    .join('')
    .replace(/[^A-Za-z0-9]/g, '');
}

function tagOf(group: string, version?: string): string {
  const id = groupId(group);
  const name = id.charAt(0).toLowerCase() + id.slice(1);
  return version === undefined ? name : `${name}_${version}`;
}
