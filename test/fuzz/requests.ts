/** Random requests at every endpoint: mostly nearly right, sometimes hostile. */
import { encodeProtobuf } from '../../src/api/codec/protobuf/index.ts';
import type { JsonObject } from '../../src/api/json.ts';
import { builtinSchema } from '../../src/api/schema/builtin.ts';
import type { ResourceSchema } from '../../src/api/schema/model.ts';
import type { Random } from '../../src/base/random.ts';
import { groups, loadCases } from '../golden/cases.ts';
import { anything, chance, mutated, mutatedBytes, number, pick, text, valueOfType } from './values.ts';

export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** `''` is nobody. */
  readonly user: string;
  /** Where the object is read again after a success. */
  readonly target: { readonly resource: ResourceSchema; readonly base: string } | undefined;
}

const resources = builtinSchema.resources.filter(({ servedByDefault }) => servedByDefault);
const namespaces = ['default', 'default', 'kube-system', 'fuzz'] as const;
const names = ['a', 'b', 'c.d', 'kubernetes', 'default', 'v1.apps', 'system:node:x'] as const;

/** Bodies that some cluster once took, by kind. */
const corpus: ReadonlyMap<string, readonly JsonObject[]> = Map.groupBy(
  groups
    .flatMap((group) => loadCases(group))
    // Bodies that were refused come too: they are nearly right.
    .flatMap(({ send, prepare = [] }) => [send, ...prepare.flatMap((step) => ('method' in step ? [step] : []))])
    .map(({ body }) => body)
    .filter((body): body is JsonObject => typeof body === 'object' && body !== null && !Array.isArray(body)),
  ({ kind }) => String(kind ?? ''),
);

/** Resources with bodies to start from. */
const wellKnown = resources.filter(({ kind, storageVersion }) => storageVersion && corpus.has(kind));

const parameters = [
  'watch',
  'limit',
  'continue',
  'labelSelector',
  'fieldSelector',
  'resourceVersion',
  'resourceVersionMatch',
  'timeoutSeconds',
  'timeout',
  'pretty',
  'dryRun',
  'fieldManager',
  'fieldValidation',
  'force',
  'gracePeriodSeconds',
  'propagationPolicy',
  'orphanDependents',
  'allowWatchBookmarks',
  'sendInitialEvents',
  'includeObject',
  'container',
  'follow',
  'tailLines',
  'sinceTime',
  'path',
  'command',
  'stdin',
  'ports',
  'exclude',
  'verbose',
  'hash',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
] as const;
const values = [
  'true',
  'false',
  '1',
  '0',
  '-1',
  'All',
  'Strict',
  'Warn',
  'Ignore',
  'Background',
  'Orphan',
  'Foreground',
  'Exact',
  'NotOlderThan',
  'a=b',
  'a!=b',
  'a in (b,c)',
  'metadata.name=a',
  'status.phase=Running',
  '500',
  '10s',
  '1h',
  'None',
  'Object',
  'Metadata',
  '999999999999',
  'x',
] as const;
const accepts = [
  'application/json',
  '*/*',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  'application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io',
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
  'application/cbor',
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  'text/html',
  'application/json;q=0',
  ';;;',
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  '',
] as const;
const contentTypes = [
  'application/json',
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/merge-patch+json',
  'application/json-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/json; charset=utf-8',
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/cbor',
  '',
  'a/b;;',
  'application/json, application/yaml',
] as const;
const patchTypes = contentTypes.slice(4, 8);
const methods = [
  'GET',
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'POST',
  'POST',
  'POST',
  'POST',
  'PUT',
  'PUT',
  'PUT',
  'PATCH',
  'PATCH',
  'PATCH',
  'PATCH',
  'DELETE',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'X',
] as const;
const documents = [
  '/',
  '/api',
  '/apis',
  '/api/v1',
  '/apis/apps',
  '/apis/apps/v1',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/apis/apps/v1',
  '/version',
  '/healthz',
  '/livez/etcd',
  '/readyz',
  '/metrics',
  '/.well-known/openid-configuration',
  '/openid/v1/jwks',
  '/apis/none/v1',
  '/api/v2/pods',
  '/debug/pprof/',
  '/logs',
] as const;

/** An object that was made in this round: requests about it get further than about names out of the air. */
export interface LiveObject {
  readonly resource: ResourceSchema;
  readonly base: string;
  readonly name: string;
}

export function randomRequest(random: Random, live: readonly LiveObject[]): FuzzRequest {
  const method = pick(random, methods);
  const user = chance(random, 0.92)
    ? 'admin'
    : pick(random, ['', 'joe', 'system:node:a', 'system:serviceaccount:default:default']);
  if (chance(random, 0.06)) {
    const path = chance(random, 0.7) ? pick(random, documents) : mutatedPath(pick(random, documents), random);
    return {
      method,
      path,
      query: randomQuery(random),
      headers: randomHeaders(method, random),
      body: chance(random, 0.2) ? random.bytes(20) : undefined,
      user,
      target: undefined,
    };
  }
  const known = live.length > 0 && method !== 'POST' && chance(random, 0.7) ? pick(random, live) : undefined;
  const resource = known?.resource ?? pick(random, method === 'POST' && chance(random, 0.7) ? wellKnown : resources);
  const namespace = pick(random, namespaces);
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const base =
    known?.base ??
    (resource.namespaced && chance(random, 0.95)
      ? `${root}/namespaces/${namespace}/${resource.resource}`
      : `${root}/${resource.resource}`);
  const name = known
    ? encodeURIComponent(known.name)
    : chance(random, 0.9)
      ? pick(random, names)
      : encodeURIComponent(text(random).toWellFormed());
  const subresources = Object.keys(resource.subresources);
  const sub = subresources.length > 0 && chance(random, 0.3) ? pick(random, subresources) : undefined;
  const onCollection =
    method === 'POST' ? sub === undefined : chance(random, method === 'PUT' || method === 'PATCH' ? 0.02 : 0.25);
  let path = onCollection ? base : `${base}/${name}${sub ? `/${sub}` : ''}`;
  if (sub === 'proxy' && chance(random, 0.5)) path += `/${text(random).toWellFormed()}`;
  if (chance(random, 0.04)) path = mutatedPath(path, random);
  const headers = randomHeaders(method, random);
  const gvk = sub
    ? resource.subresources[sub]!
    : { group: resource.group, version: resource.version, kind: resource.kind };
  const body =
    method === 'GET' && chance(random, 0.95)
      ? undefined
      : randomBody(method, headers, gvk, resource, namespace, name, random);
  return {
    method,
    path,
    query: randomQuery(random),
    headers,
    body,
    user,
    target:
      sub === undefined && (method === 'POST' || method === 'PUT' || method === 'PATCH')
        ? { resource, base }
        : undefined,
  };
}

function randomHeaders(method: string, random: Random): Record<string, string> {
  const headers: Record<string, string> = {
    accept: chance(random, 0.6)
      ? 'application/json'
      : chance(random, 0.7)
        ? pick(random, accepts.slice(0, 4))
        : pick(random, accepts),
    'user-agent': 'fuzz',
  };
  headers['content-type'] = chance(random, 0.85)
    ? method === 'PATCH'
      ? pick(random, patchTypes)
      : pick(random, contentTypes.slice(0, 4))
    : pick(random, contentTypes);
  if (chance(random, 0.03)) headers['impersonate-user'] = text(random);
  if (chance(random, 0.02)) headers['impersonate-group'] = text(random);
  if (chance(random, 0.02)) headers['impersonate-extra-a%ZZ'] = text(random);
  if (chance(random, 0.03))
    headers.authorization = pick(random, ['Bearer x', 'Bearer', 'Basic eA==', 'Bearer a.b.c', text(random)]);
  if (chance(random, 0.02)) headers['if-none-match'] = text(random);
  if (chance(random, 0.03)) {
    headers.connection = 'Upgrade';
    headers.upgrade = pick(random, ['websocket', 'SPDY/3.1', 'h2c']);
  }
  if (chance(random, 0.02)) headers['accept-encoding'] = 'gzip';
  if (chance(random, 0.02)) headers['audit-id'] = text(random);
  return headers;
}

function randomQuery(random: Random): string {
  if (chance(random, 0.6)) return '';
  const parts: string[] = [];
  for (let i = 1 + random.below(3); i > 0; i--) {
    const key = chance(random, 0.95) ? pick(random, parameters) : text(random);
    const value = chance(random, 0.7) ? pick(random, values) : text(random);
    parts.push(
      chance(random, 0.95)
        ? `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`
        : `${key}=${value}`,
    );
  }
  return parts.join(chance(random, 0.98) ? '&' : ';');
}

const mutatedPath = (path: string, random: Random): string =>
  `/${Buffer.from(mutatedBytes(Buffer.from(path), random))
    .toString('latin1')
    .replace(/[?#\s]/g, '%3F')}`.replace(/^\/\//, '/');

function randomBody(
  method: string,
  headers: Readonly<Record<string, string>>,
  gvk: { readonly group: string; readonly version: string; readonly kind: string },
  resource: ResourceSchema,
  namespace: string,
  name: string,
  random: Random,
): Uint8Array | undefined {
  if (chance(random, 0.03)) return undefined;
  if (chance(random, 0.02)) return random.bytes(random.below(200));
  const apiVersion = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`;
  const known = corpus.get(gvk.kind);
  const type = builtinSchema.byGvk(gvk) ?? resource.type;
  let object: unknown;
  if (method === 'DELETE')
    object = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...(chance(random, 0.5) ? { gracePeriodSeconds: number(random) } : {}),
      ...(chance(random, 0.3) ? { preconditions: anything(random, 2) } : {}),
    };
  else if (headers['content-type'] === 'application/json-patch+json') object = randomJsonPatch(random);
  else if (known && chance(random, 0.75))
    object = { ...structuredClone(pick(random, known)), kind: gvk.kind, apiVersion };
  else
    object = {
      kind: gvk.kind,
      apiVersion,
      metadata: {},
      ...(valueOfType({ kind: 'struct', type }, random, 5) as object),
    };
  if (!Array.isArray(object) && method !== 'DELETE' && chance(random, 0.9)) {
    const tree = object as Record<string, unknown>;
    const metadata = typeof tree.metadata === 'object' && tree.metadata !== null ? (tree.metadata as object) : {};
    tree.metadata = {
      ...metadata,
      name: decodeURIComponent(name),
      ...(resource.namespaced ? { namespace } : { namespace: undefined }),
    };
  }
  if (chance(random, 0.45)) object = mutated(object, random);
  const bytes = encoded(object, headers['content-type'] ?? '', random);
  return chance(random, 0.06) ? mutatedBytes(bytes, random) : bytes;
}

function randomJsonPatch(random: Random): unknown {
  const paths = [
    '/metadata/labels',
    '/metadata/labels/a',
    '/metadata/annotations',
    '/spec',
    '/spec/replicas',
    '/spec/template/spec/containers/0/image',
    '/spec/template/spec/containers/-',
    '/metadata/finalizers/0',
    '/status',
    '',
    '/',
    '/a~1b',
    '/data/a',
    '/metadata/name',
    '/kind',
    '/spec/ports/0',
  ];
  return Array.from({ length: random.below(5) }, () => ({
    op: pick(random, ['add', 'remove', 'replace', 'move', 'copy', 'test', 'x']),
    path: chance(random, 0.9) ? pick(random, paths) : text(random),
    ...(chance(random, 0.7) ? { value: anything(random, 3) } : {}),
    ...(chance(random, 0.4) ? { from: pick(random, paths) } : {}),
  }));
}

function encoded(object: unknown, contentType: string, random: Random): Uint8Array {
  if (contentType === 'application/vnd.kubernetes.protobuf') {
    try {
      return chance(random, 0.5)
        ? encodeProtobuf(object as JsonObject, builtinSchema)
        : mutatedBytes(encodeProtobuf(object as JsonObject, builtinSchema), random);
    } catch (error) {
      // The mutated tree is no object of its kind: the bytes of another one are as good.
      if (!(error instanceof Error)) throw error;
      return Buffer.concat([Buffer.from([0x6b, 0x38, 0x73, 0]), random.bytes(random.below(60))]);
    }
  }
  let json: string;
  try {
    json = JSON.stringify(object) ?? 'null';
  } catch (error) {
    // Nested deeper than the engine's stack.
    if (!(error instanceof RangeError)) throw error;
    json = '['.repeat(20_000);
  }
  if (chance(random, 0.03)) json = json.replace(/"([a-z]+)":/, '"$1":1,"$1":');
  if (chance(random, 0.02))
    json = json.replace(/\d+/, pick(random, ['1e400', '-', '0123', '9223372036854775808', '1.0', '1e2']));
  if (chance(random, 0.01))
    json = json.replace(/:"[^"]*"/, `:${'['.repeat(20_000)}${chance(random, 0.5) ? ']'.repeat(20_000) : ''}`);
  if (chance(random, 0.02)) json = `${json}${json}`;
  if (chance(random, 0.02)) json = `\ufeff${json}`;
  return Buffer.from(json);
}
