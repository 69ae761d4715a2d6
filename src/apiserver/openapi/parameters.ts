/** Query and path parameters of the API's operations. Clients look for `fieldValidation` and `dryRun` here to learn what the server can do. */
import type { JsonObject } from '../../api/json.ts';
import type { OpenApiVersion } from './schemas.ts';

type Parameter = readonly [name: string, type: 'string' | 'boolean' | 'integer'];

const selecting: readonly Parameter[] = [
  ['continue', 'string'],
  ['fieldSelector', 'string'],
  ['labelSelector', 'string'],
  ['limit', 'integer'],
  ['resourceVersion', 'string'],
  ['resourceVersionMatch', 'string'],
  ['sendInitialEvents', 'boolean'],
  ['timeoutSeconds', 'integer'],
];
const deleting: readonly Parameter[] = [
  ['dryRun', 'string'],
  ['gracePeriodSeconds', 'integer'],
  ['ignoreStoreReadErrorWithClusterBreakingPotential', 'boolean'],
  ['orphanDependents', 'boolean'],
  ['propagationPolicy', 'string'],
];
const writing: readonly Parameter[] = [
  ['dryRun', 'string'],
  ['fieldManager', 'string'],
  ['fieldValidation', 'string'],
];

/** By action; `pretty` goes with every one but connections. */
const queries: Readonly<Record<string, readonly Parameter[]>> = {
  list: [['allowWatchBookmarks', 'boolean'], ...selecting, ['watch', 'boolean']],
  post: writing,
  put: writing,
  patch: [...writing, ['force', 'boolean']],
  get: [],
  delete: deleting,
  deletecollection: [...selecting, ...deleting],
  connect: [],
};

const connections: Readonly<Record<string, readonly Parameter[]>> = {
  PodAttachOptions: [
    ['container', 'string'],
    ['stderr', 'boolean'],
    ['stdin', 'boolean'],
    ['stdout', 'boolean'],
    ['tty', 'boolean'],
  ],
  PodExecOptions: [
    ['command', 'string'],
    ['container', 'string'],
    ['stderr', 'boolean'],
    ['stdin', 'boolean'],
    ['stdout', 'boolean'],
    ['tty', 'boolean'],
  ],
  PodPortForwardOptions: [['ports', 'integer']],
  PodProxyOptions: [['path', 'string']],
  NodeProxyOptions: [['path', 'string']],
  ServiceProxyOptions: [['path', 'string']],
};

const logs: readonly Parameter[] = [
  ['container', 'string'],
  ['follow', 'boolean'],
  ['insecureSkipTLSVerifyBackend', 'boolean'],
  ['limitBytes', 'integer'],
  ['previous', 'boolean'],
  ['sinceSeconds', 'integer'],
  ['stream', 'string'],
  ['tailLines', 'integer'],
  ['timestamps', 'boolean'],
];

export function queryParameters(
  action: string,
  kind: string,
  subresource: string,
  version: OpenApiVersion,
): JsonObject[] {
  const own = action === 'connect' ? (connections[kind] ?? []) : subresource === 'log' ? logs : (queries[action] ?? []);
  const all: readonly Parameter[] = action === 'connect' ? own : [...own, ['pretty', 'string']];
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, type]) => parameter('query', name, type, version));
}

/** `{namespace}`, `{name}` and `{path}` of a path template. */
export function pathParameters(template: string, version: OpenApiVersion): JsonObject[] {
  return [...template.matchAll(/\{(\w+)\}/g)]
    .map(([, name = '']) => name)
    .sort()
    .map((name) => ({ ...parameter('path', name, 'string', version), required: true }));
}

function parameter(place: 'query' | 'path', name: string, type: string, version: OpenApiVersion): JsonObject {
  const schema = { type, uniqueItems: true };
  return version === 'v2' ? { in: place, name, ...schema } : { in: place, name, schema };
}
