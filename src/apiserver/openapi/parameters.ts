/**
 * Query and path parameters of the API's operations. Clients look for `fieldValidation` and `dryRun` here to learn what the server can do.
 *
 * Two rules of upstream's builder (kube-openapi/pkg/builder): what every operation of a path takes is said once, at the path; and v2 keeps parameters in a
 * shared table under a name with a hash, all but `name`, `dryRun`, `fieldValidation` (old kubectl looks for these two in place) and bodies of one kind.
 */
import type { JsonObject } from '../../api/json.ts';
import type { OpenApiVersion } from './schemas.ts';

/** Compared by identity: `container` of exec and `container` of attach are two. */
export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly type: 'string' | 'boolean' | 'integer';
  /** Its name in v2's shared table, as upstream spells it; absent: written in place. */
  readonly shared?: string;
}

const query = (name: string, type: Parameter['type'], hash?: string): Parameter => ({
  name,
  in: 'query',
  type,
  ...(hash === undefined ? {} : { shared: `${name}-${hash}` }),
});

const shared = {
  continue: query('continue', 'string', 'QfD61s0i'),
  fieldSelector: query('fieldSelector', 'string', 'xIcQKXFG'),
  labelSelector: query('labelSelector', 'string', '5Zw57w4C'),
  limit: query('limit', 'integer', '1NfNmdNH'),
  resourceVersion: query('resourceVersion', 'string', '5WAnf1kx'),
  resourceVersionMatch: query('resourceVersionMatch', 'string', 't8XhRHeC'),
  sendInitialEvents: query('sendInitialEvents', 'boolean', 'rLXlEK_k'),
  shardSelector: query('shardSelector', 'string', 'Kgyki_3_'),
  timeoutSeconds: query('timeoutSeconds', 'integer', 'yvYezaOC'),
} as const;
const pretty = query('pretty', 'string', 'tJGM1-ng');
const dryRun = query('dryRun', 'string');
const fieldValidation = query('fieldValidation', 'string');
const selecting: readonly Parameter[] = Object.values(shared);
const watching: readonly Parameter[] = [
  query('allowWatchBookmarks', 'boolean', 'HC2hJt-J'),
  ...selecting,
  query('watch', 'boolean', 'XNNPZGbK'),
];
const deleting: readonly Parameter[] = [
  dryRun,
  query('gracePeriodSeconds', 'integer', '-K5HaBOS'),
  query('ignoreStoreReadErrorWithClusterBreakingPotential', 'boolean', 'QbNkfIqj'),
  query('orphanDependents', 'boolean', 'uRB25kX5'),
  query('propagationPolicy', 'string', '6jk3prlO'),
];
const writing: readonly Parameter[] = [dryRun, query('fieldManager', 'string', 'Qy4HdaTW'), fieldValidation];

/** By action; `pretty` goes with every one but connections. */
const queries: Readonly<Record<string, readonly Parameter[]>> = {
  list: watching,
  watch: watching,
  watchlist: watching,
  post: writing,
  put: writing,
  patch: [dryRun, query('fieldManager', 'string', '7c6nTn1T'), fieldValidation, query('force', 'boolean', 'tOGGb0Yi')],
  get: [],
  delete: deleting,
  deletecollection: [...selecting, ...deleting],
};

const connections: Readonly<Record<string, readonly Parameter[]>> = {
  PodAttachOptions: [
    query('container', 'string', '_Q-EJ3nR'),
    query('stderr', 'boolean', '26jJhFUR'),
    query('stdin', 'boolean', 'sEFnN3IS'),
    query('stdout', 'boolean', '005YMKE6'),
    query('tty', 'boolean', 'g7MlET_l'),
  ],
  PodExecOptions: [
    query('command', 'string', 'Py3eQybp'),
    query('container', 'string', 'i5dOmRiM'),
    query('stderr', 'boolean', 'W_1TNlWc'),
    query('stdin', 'boolean', 'PSzNhyUC'),
    query('stdout', 'boolean', '-EZLRwV1'),
    query('tty', 'boolean', 's0flW37O'),
  ],
  PodPortForwardOptions: [query('ports', 'integer', '91KROJmm')],
  PodProxyOptions: [query('path', 'string', 'oPbzgLUj')],
  NodeProxyOptions: [query('path', 'string', 'rFDtV0x9')],
  ServiceProxyOptions: [query('path', 'string', 'QCf0eosM')],
};

const logs: readonly Parameter[] = [
  query('container', 'string', '1GeXxFDC'),
  query('follow', 'boolean', '9OIXh_2R'),
  query('insecureSkipTLSVerifyBackend', 'boolean', 'gM00jVbe'),
  query('limitBytes', 'integer', 'zwd1RXuc'),
  query('previous', 'boolean', '1jxDPu3y'),
  query('sinceSeconds', 'integer', 'vE2NLdnP'),
  query('stream', 'string', 'l-48cgXv'),
  query('tailLines', 'integer', '9xQLWHMV'),
  query('timestamps', 'boolean', 'c17fW1w_'),
];

const places: Readonly<Record<string, Parameter>> = {
  name: { name: 'name', in: 'path', type: 'string' },
  namespace: { name: 'namespace', in: 'path', type: 'string', shared: 'namespace-vgWSWtn3' },
  path: { name: 'path', in: 'path', type: 'string', shared: 'path-z6Ciiujn' },
};

/** Names of generic bodies in v2's shared table. */
export const sharedBodies: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions': 'body-2Y1dVQaQ',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Patch': 'body-78PwaGsr',
};

export function queryParameters(action: string, kind: string, subresource: string): readonly Parameter[] {
  if (action === 'connect') return connections[kind] ?? [];
  return [...(subresource === 'log' ? logs : (queries[action] ?? [])), pretty];
}

/** Custom kinds' operations are described by another builder, with parameters of its own. */
export function customQueryParameters(action: string): readonly Parameter[] {
  if (action === 'get') return [shared.resourceVersion, pretty];
  return [...(action === 'deletecollection' ? watching : (queries[action] ?? [])), pretty];
}

/** `{namespace}`, `{name}` and `{path}` of a path template. */
export const pathParameters = (template: string): Parameter[] =>
  [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => places[name]!);

/** For every operation of a path, and those only some take, by operation. */
export function promoted(operations: readonly (readonly Parameter[])[]): readonly Parameter[] {
  const [first = [], ...others] = operations;
  return first.filter((parameter) => others.every((other) => other.includes(parameter)));
}

/** In upstream's order: by name, path before query. */
export const inOrder = (parameters: readonly Parameter[]): Parameter[] =>
  [...parameters].sort((a, b) =>
    a.name === b.name ? (a.in < b.in ? -1 : a.in > b.in ? 1 : 0) : a.name < b.name ? -1 : 1,
  );

/** A parameter where it is used. @param table v2's shared table, which it enters */
export function used(parameter: Parameter, version: OpenApiVersion, table: Map<string, JsonObject>): JsonObject {
  if (version === 'v3' || parameter.shared === undefined) return written(parameter, version);
  if (!table.has(parameter.shared)) table.set(parameter.shared, written(parameter, version));
  return { $ref: `#/parameters/${parameter.shared}` };
}

function written({ name, in: place, type }: Parameter, version: OpenApiVersion): JsonObject {
  const schema = { type, uniqueItems: true };
  const head = { in: place, name, ...(place === 'path' ? { required: true } : {}) };
  return version === 'v2' ? { ...head, ...schema } : { ...head, schema };
}
