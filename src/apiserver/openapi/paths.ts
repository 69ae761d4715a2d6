/** Paths and operations of a group version, from its resources' verbs. */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { GroupVersionKind, ResourceSchema, Schema, StructType } from '../../api/schema/model.ts';
import type { DiscoveryGroup, DiscoveryVersion } from '../discovery/discovery.ts';
import { pathParameters, queryParameters } from './parameters.ts';
import { type OpenApiVersion, patchDefinition, reference } from './schemas.ts';

export interface PathSet {
  readonly paths: Record<string, JsonObject>;
  /** Types that bodies and answers refer to. */
  readonly types: Set<StructType>;
}

interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'patch';
  /** x-kubernetes-action. */
  readonly action: string;
  readonly gvk: GroupVersionKind;
  readonly id: string;
  readonly body?: StructType | 'patch';
  readonly answer?: StructType;
  readonly subresource: string;
  /** Of a custom kind: neither protobuf nor strategic merge. */
  readonly custom?: boolean;
}

/** Of one group version, the version's own document (`/apis/GROUP/VERSION/`) included. */
export function versionPaths(
  group: string,
  { version, resources }: DiscoveryVersion,
  schema: Schema,
  openApi: OpenApiVersion,
): PathSet {
  const set: PathSet = { paths: {}, types: new Set() };
  const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
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
  return {
    paths: Object.fromEntries(Object.entries(set.paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    types: set.types,
  };
}

/** `/api/`, `/apis/`, `/apis/GROUP/`, `/version/`: documents that are got without parameters. */
export function documentPaths(
  document: string,
  schema: Schema,
  groups: readonly DiscoveryGroup[],
  openApi: OpenApiVersion,
): PathSet {
  const set: PathSet = { paths: {}, types: new Set() };
  if (document === 'api') addDocument(set, '/api/', 'APIVersions', 'getCoreAPIVersions', 'core', schema, openApi);
  else if (document === 'apis') addDocument(set, '/apis/', 'APIGroupList', 'getAPIVersions', 'apis', schema, openApi);
  else if (document === 'version') {
    const info = schema.type('apimachinery.Info');
    if (info) set.types.add(info);
    set.paths['/version/'] = { get: plainGet('getCodeVersion', 'version', info, openApi) };
  } else if (document === '.well-known/openid-configuration')
    set.paths['/.well-known/openid-configuration/'] = {
      get: plainGet('getServiceAccountIssuerOpenIDConfiguration', 'WellKnown', undefined, openApi),
    };
  else if (document === 'openid/v1/jwks')
    set.paths['/openid/v1/jwks/'] = {
      get: plainGet('getServiceAccountIssuerOpenIDKeyset', 'openid', undefined, openApi),
    };
  else {
    const group = groups.find(({ name }) => document === `apis/${name}`);
    if (group)
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
  set.paths[path] = { get: plainGet(id, tag, type, openApi) };
}

function plainGet(
  operationId: string,
  tag: string,
  answer: StructType | undefined,
  openApi: OpenApiVersion,
): JsonObject {
  return {
    operationId,
    ...(openApi === 'v2' ? { produces: ['application/json'], schemes: ['https'] } : {}),
    responses: responses({ '200': 'OK' }, answer, ['application/json'], openApi),
    tags: [tag],
  };
}

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
  const deleted =
    group === '' &&
    [
      'Pod',
      'Service',
      'ServiceAccount',
      'PersistentVolume',
      'PersistentVolumeClaim',
      'ReplicationController',
      'ResourceQuota',
      'PodTemplate',
    ].includes(kind)
      ? type
      : status;
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
      body: options,
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
        ]);
      }
      continue;
    }
    const of = (verb: string, method: Operation['method'], word: string): Operation | undefined =>
      sub.verbs.includes(verb)
        ? {
            method,
            action: method,
            gvk: subGvk,
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

const json = 'application/json';
const protobuf = 'application/vnd.kubernetes.protobuf';
const plainTypes = [json, protobuf, 'application/yaml'];
const streamTypes = [
  json,
  'application/json;stream=watch',
  protobuf,
  'application/vnd.kubernetes.protobuf;stream=watch',
  'application/yaml',
];
const customTypes = [json, 'application/yaml'];
const customPatchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

function pathItem(
  path: string,
  operations: readonly Operation[],
  tag: string,
  set: PathSet,
  openApi: OpenApiVersion,
): JsonObject {
  const item: Record<string, JsonValue> = {};
  for (const operation of operations) item[operation.method] = operationObject(operation, tag, set, openApi);
  const parameters = pathParameters(path, openApi);
  return parameters.length > 0 ? { ...item, parameters } : item;
}

function operationObject(operation: Operation, tag: string, set: PathSet, openApi: OpenApiVersion): JsonObject {
  const { action, gvk, id, body, answer, subresource } = operation;
  if (answer) set.types.add(answer);
  if (body && body !== 'patch') set.types.add(body);
  const produces = operation.custom
    ? customTypes
    : action === 'connect'
      ? ['*/*']
      : subresource === 'log'
        ? ['text/plain', ...plainTypes]
        : action === 'list'
          ? streamTypes
          : plainTypes;
  const consumes = operation.custom
    ? body === 'patch'
      ? customPatchTypes
      : customTypes
    : body === 'patch'
      ? patchTypes
      : ['*/*'];
  const bodyName = body === 'patch' ? patchDefinition : body?.openapiName;
  const query = queryParameters(action, gvk.kind, subresource, openApi);
  const codes: Record<string, string> =
    action === 'post'
      ? { '200': 'OK', '201': 'Created', '202': 'Accepted' }
      : action === 'put' || action === 'patch'
        ? { '200': 'OK', '201': 'Created' }
        : action === 'delete'
          ? { '200': 'OK', '202': 'Accepted' }
          : { '200': 'OK' };
  const required = action === 'post' || action === 'put' || action === 'patch';
  const bodySchema = bodyName === undefined ? undefined : reference(bodyName, openApi);
  const parameters =
    openApi === 'v2' && bodySchema
      ? [{ in: 'body', name: 'body', ...(required ? { required } : {}), schema: bodySchema }, ...query]
      : query;
  return {
    ...(openApi === 'v2' ? { consumes } : {}),
    operationId: id,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(openApi === 'v2' ? { produces } : {}),
    ...(openApi === 'v3' && bodySchema
      ? {
          requestBody: {
            content: Object.fromEntries(consumes.map((type) => [type, { schema: bodySchema }])),
            ...(required ? { required } : {}),
          },
        }
      : {}),
    responses: responses(codes, answer, produces, openApi),
    ...(openApi === 'v2' ? { schemes: ['https'] } : {}),
    tags: [tag],
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: gvk.group, kind: gvk.kind, version: gvk.version },
  };
}

function responses(
  codes: Readonly<Record<string, string>>,
  answer: StructType | undefined,
  produces: readonly string[],
  openApi: OpenApiVersion,
): JsonObject {
  const schema = answer ? reference(answer.openapiName, openApi) : openApi === 'v2' ? undefined : { type: 'string' };
  const out: Record<string, JsonObject> = {};
  for (const [code, description] of Object.entries(codes))
    out[code] =
      openApi === 'v2'
        ? { description, ...(schema ? { schema } : {}) }
        : { description, content: Object.fromEntries(produces.map((type) => [type, { schema: schema ?? {} }])) };
  out['401'] = { description: 'Unauthorized' };
  return out;
}

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
