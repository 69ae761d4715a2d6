/** One operation of a path as OpenAPI writes it. */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { GroupVersionKind, StructType } from '../../api/schema/model.ts';
import {
  customQueryParameters,
  inOrder,
  type Parameter,
  pathParameters,
  promoted,
  queryParameters,
  sharedBodies,
  used,
} from './parameters.ts';
import { type OpenApiVersion, patchDefinition, reference } from './schemas.ts';

export interface PathSet {
  readonly paths: Record<string, JsonObject>;
  /** Types that bodies and answers refer to. */
  readonly types: Set<StructType>;
  /** v2's table of parameters, by name. */
  readonly parameters: Map<string, JsonObject>;
  /** Some operation takes a patch. */
  patches: boolean;
}

export const emptyPaths = (): PathSet => ({ paths: {}, types: new Set(), parameters: new Map(), patches: false });

export interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'patch' | 'head' | 'options';
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

export interface PlainGet {
  readonly id: string;
  readonly tag: string;
  readonly answer?: StructType | undefined;
  readonly consumes?: readonly string[];
  readonly produces: readonly string[];
}

/** A document that is got without parameters. */
export function plainGet({ id, tag, answer, consumes, produces }: PlainGet, openApi: OpenApiVersion): JsonObject {
  return {
    ...(openApi === 'v2' ? { ...(consumes ? { consumes } : {}), produces, schemes: ['https'] } : {}),
    operationId: id,
    responses: responses({ '200': 'OK' }, answer, produces, openApi),
    tags: [tag],
  };
}

const json = 'application/json';
const protobuf = 'application/vnd.kubernetes.protobuf';
/** As upstream orders them. */
export const plainTypes = [json, 'application/yaml', protobuf];
const streamTypes = [
  ...plainTypes,
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
];
const customTypes = [json, 'application/yaml'];
const customPatchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

export function pathItem(
  path: string,
  operations: readonly Operation[],
  tag: string,
  set: PathSet,
  openApi: OpenApiVersion,
): JsonObject {
  const inPath = pathParameters(path);
  const queries = operations.map(({ action, gvk, subresource, custom }) =>
    custom ? customQueryParameters(action) : queryParameters(action, gvk.kind, subresource),
  );
  const common = promoted(queries);
  const item: Record<string, JsonValue> = {};
  operations.forEach((operation, i) => {
    const own = queries[i]!.filter((parameter) => !common.includes(parameter));
    item[operation.method] = operationObject(operation, own, tag, set, openApi);
  });
  const parameters = inOrder([...inPath, ...common]).map((one) => used(one, openApi, set.parameters));
  return parameters.length > 0 ? { ...item, parameters } : item;
}

const isWatch = (action: string): boolean => action === 'list' || action === 'watch' || action === 'watchlist';

function operationObject(
  operation: Operation,
  query: readonly Parameter[],
  tag: string,
  set: PathSet,
  openApi: OpenApiVersion,
): JsonObject {
  const { action, gvk, id, body, answer, subresource } = operation;
  if (answer) set.types.add(answer);
  if (body === 'patch') set.patches = true;
  else if (body) set.types.add(body);
  const produces = operation.custom
    ? customTypes
    : action === 'connect'
      ? ['*/*']
      : subresource === 'log'
        ? ['text/plain', ...plainTypes]
        : isWatch(action)
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
  const codes: Record<string, string> =
    action === 'post'
      ? { '200': 'OK', '201': 'Created', '202': 'Accepted' }
      : action === 'put' || (action === 'patch' && !operation.custom)
        ? { '200': 'OK', '201': 'Created' }
        : action === 'delete'
          ? { '200': 'OK', '202': 'Accepted' }
          : { '200': 'OK' };
  const required = action === 'post' || action === 'put' || action === 'patch';
  const bodySchema = bodyName === undefined ? undefined : reference(bodyName, openApi);
  const parameters = inOrder(query).map((one) => used(one, openApi, set.parameters));
  if (openApi === 'v2' && bodyName !== undefined && bodySchema)
    parameters.unshift(bodyParameter(bodyName, required, bodySchema, set));
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

/** A body comes before the parameters: upstream orders them by name, and no other name starts with a or b. */
function bodyParameter(name: string, required: boolean, schema: JsonObject, set: PathSet): JsonObject {
  const parameter = { in: 'body', name: 'body', ...(required ? { required } : {}), schema };
  const shared = sharedBodies[name];
  if (shared === undefined) return parameter;
  if (!set.parameters.has(shared)) set.parameters.set(shared, parameter);
  return { $ref: `#/parameters/${shared}` };
}

function responses(
  codes: Readonly<Record<string, string>>,
  answer: StructType | undefined,
  produces: readonly string[],
  openApi: OpenApiVersion,
): JsonObject {
  const schema = answer ? reference(answer.openapiName, openApi) : { type: 'string' };
  const out: Record<string, JsonObject> = {};
  for (const [code, description] of Object.entries(codes))
    out[code] =
      openApi === 'v2'
        ? { description, schema }
        : { description, content: Object.fromEntries(produces.map((type) => [type, { schema }])) };
  out['401'] = { description: 'Unauthorized' };
  return out;
}
