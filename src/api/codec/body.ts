/** A request body to an API object, with upstream's 400 answers: what kind the body says it is, and whether the endpoint takes that kind. */
import { ApiError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { GroupVersionKind, Schema, StructType } from '../schema/model.ts';
import { type Decoded, decodeParsed, type FieldValidation } from './decode.ts';
import { word } from './exact.ts';
import { type JsonNode, parseNodes } from './json-nodes.ts';
import { decodeUtf8 } from './json-text.ts';
import { setOwn } from './own.ts';
import { tryPlainJson } from './parse-json.ts';
import { valueNodes } from './value-nodes.ts';

export type RequestBody = { readonly bytes: Uint8Array } | { readonly value: JsonValue };

export interface BodyOptions {
  readonly schema: Schema;
  /** The kind the endpoint takes; stands in for a missing kind or apiVersion. */
  readonly expected: GroupVersionKind;
  /** Further versions of the kind's group that are taken, of the same fields. */
  readonly alsoVersions?: readonly string[];
  /** Its struct. */
  readonly type: StructType;
  readonly fieldValidation: FieldValidation;
  /** Of the bytes; a value has none. */
  readonly mediaType: 'application/json' | 'application/yaml' | 'application/vnd.kubernetes.protobuf';
  /** Refusals carry the decoder's bare message, as those of options in the body of a DELETE. */
  readonly bare?: boolean;
  /** Where upstream's scheme of these kinds is made, as its message says it. */
  readonly scheme?: string;
}

/**
 * The object always carries `kind` and `apiVersion` of the expected kind. Synchronous for JSON and values, a promise for YAML and protobuf,
 * whose parsers are loaded on first use. @throws ApiError 400 with upstream's message.
 */
export function decodeBody(body: RequestBody, options: BodyOptions): Decoded | Promise<Decoded> {
  if ('value' in body) return decodeKnown({ value: body.value }, () => valueNodes(body.value), '', options);
  switch (options.mediaType) {
    case 'application/json': {
      const text = decodeUtf8(body.bytes);
      return decodeKnown(tryPlainJson(text), () => parseNodes(text), body.bytes, options);
    }
    case 'application/yaml':
      return decodeYamlBody(body.bytes, options);
    case 'application/vnd.kubernetes.protobuf':
      return decodeProtobufBody(body.bytes, options);
  }
}

async function decodeYamlBody(bytes: Uint8Array, options: BodyOptions): Promise<Decoded> {
  const { parseYaml } = await import('./yaml.ts');
  let parsed: ReturnType<typeof parseYaml>;
  try {
    parsed = parseYaml(bytes);
  } catch (error) {
    throw unrecognized(messageOf(error), bytes, options);
  }
  const decoded = decodeKnown({ value: parsed.value }, () => valueNodes(parsed.value), bytes, options);
  if (parsed.duplicates.length === 0 || options.fieldValidation === 'Ignore') return decoded;
  if (options.fieldValidation === 'Strict') {
    const lines = parsed.duplicates.map((line) => `  ${line}`).join('\n');
    throw cannotHandle(options.expected, options, `strict decoding error: yaml: unmarshal errors:\n${lines}`);
  }
  return { object: decoded.object, warnings: [...parsed.duplicates, ...decoded.warnings] };
}

async function decodeProtobufBody(bytes: Uint8Array, options: BodyOptions): Promise<Decoded> {
  const { decodeProtobuf } = await import('./protobuf/index.ts');
  const { expected } = options;
  let value: JsonObject;
  try {
    value = decodeProtobuf(bytes, expected, options.schema);
  } catch (error) {
    throw unrecognized(messageOf(error), bytes, options);
  }
  return decodeKnown({ value }, () => valueNodes(value), bytes, options);
}

function decodeKnown(
  parsed: { readonly value: unknown; readonly members?: number } | undefined,
  nodes: () => JsonNode,
  original: Uint8Array | string,
  options: BodyOptions,
): Decoded {
  let exact: JsonNode | undefined;
  const node = (): JsonNode => {
    exact ??= nodes();
    return exact;
  };
  let actual: GroupVersionKind;
  try {
    actual = interpret(parsed?.value, node);
  } catch (error) {
    throw unrecognized(messageOf(error), original, options);
  }
  const { expected, schema } = options;
  if (actual.group === expected.group && options.alsoVersions?.includes(actual.version))
    actual = { ...actual, version: expected.version };
  const kind = actual.kind === '' ? expected.kind : actual.kind;
  if (options.type.custom) return decodeCustomKnown(parsed, node, original, actual, options);
  const versionless = actual.version === '' && (actual.group === '' || actual.group === expected.group);
  const gvk = versionless ? { ...expected, kind } : { ...actual, kind };
  const same = gvk.kind === expected.kind && gvk.group === expected.group && gvk.version === expected.version;
  const found = same ? options.type : schema.byGvk(gvk);
  // Options are looked up among the kinds of every group, which have no others beside them.
  const type = options.bare && found && !same && !found.name.startsWith('meta.v1.') ? undefined : found;
  if (!type)
    throw cannotHandle(
      gvk,
      options,
      `no kind "${gvk.kind}" is registered for version "${versionOf(gvk)}" in scheme "${options.scheme ?? 'pkg/api/legacyscheme/scheme.go:30'}"`,
    );
  let decoded: Decoded;
  try {
    // Another kind is refused before what it has too much.
    const strictness = gvk.kind === expected.kind && gvk.group === expected.group ? options.fieldValidation : 'Ignore';
    decoded = decodeParsed(parsed, type, strictness, node);
  } catch (error) {
    throw cannotHandle(gvk, options, messageOf(error), error);
  }
  if (!same && type !== options.type) {
    if (gvk.kind !== expected.kind || gvk.group !== expected.group)
      throw cannotHandle(
        gvk,
        options,
        `converting (${gvk.version}.${gvk.kind}) to (${options.bare ? expected.version : internalPackage(expected.group)}.${expected.kind}): unknown conversion`,
      );
    throw ApiError.badRequest(
      `the API version in the data (${versionOf(gvk)}) does not match the expected API version (${versionOf(expected)})`,
    );
  }
  const { object } = decoded;
  const apiVersion = versionOf(expected);
  if (object.kind === expected.kind && object.apiVersion === apiVersion) return decoded;
  return { ...decoded, object: Object.freeze(typeMeta(type, expected.kind, apiVersion, object)) };
}

/** Custom kinds: nothing stands in for a missing kind, and a wrong one is validation's to refuse. */
function decodeCustomKnown(
  parsed: { readonly value: unknown; readonly members?: number } | undefined,
  node: () => JsonNode,
  original: Uint8Array | string,
  actual: GroupVersionKind,
  options: BodyOptions,
): Decoded {
  const { expected, type } = options;
  if (actual.kind === '') {
    const text = typeof original === 'string' ? JSON.stringify(parsed?.value ?? null) : decodeUtf8(original);
    throw unrecognized(`Object 'Kind' is missing in '${text}'`, original, options);
  }
  let decoded: Decoded;
  try {
    decoded = decodeParsed(parsed, type, options.fieldValidation, node);
  } catch (error) {
    throw cannotHandle(actual, options, messageOf(error), error);
  }
  if (versionOf(actual) !== versionOf(expected))
    throw ApiError.badRequest(
      `the API version in the data (${versionOf(actual)}) does not match the expected API version (${versionOf(expected)})`,
    );
  return decoded;
}

/** `kind` and `apiVersion` first, as every kind's struct has them; types without them (a bare struct as body) stay as they are. */
function typeMeta(type: StructType, kind: string, apiVersion: string, object: JsonObject): JsonObject {
  if (!type.fieldsByName.has('kind')) return object;
  const out: Record<string, JsonValue> = { kind, apiVersion };
  for (const key of Object.keys(object)) if (key !== 'kind' && key !== 'apiVersion') setOwn(out, key, object[key]!);
  return out;
}

const metaType =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

/** What the body says it is; empty strings where it does not say. */
function interpret(value: unknown, node: () => JsonNode): GroupVersionKind {
  let apiVersion: unknown;
  let kind: unknown;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    ({ apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown });
  } else {
    let parsed: JsonNode;
    try {
      parsed = node();
    } catch (error) {
      throw new Error(`couldn't get version/kind; json parse error: ${messageOf(error)}`, { cause: error });
    }
    if (parsed.kind === 'object') {
      apiVersion = scalarMember(parsed, 'apiVersion');
      kind = scalarMember(parsed, 'kind');
    } else if (parsed.kind !== 'null') {
      throw new Error(
        `couldn't get version/kind; json parse error: json: cannot unmarshal ${word(parsed)} into Go value of type ${metaType}`,
      );
    }
  }
  for (const [name, member] of [
    ['apiVersion', apiVersion],
    ['kind', kind],
  ] as const) {
    if (member !== undefined && member !== null && typeof member !== 'string')
      throw new Error(
        `couldn't get version/kind; json parse error: json: cannot unmarshal ${word(valueNodes(member))} into Go struct field .${name} of type string`,
      );
  }
  const [group, version] = parseGroupVersion((apiVersion as string | null | undefined) ?? '');
  return { group, version, kind: (kind as string | null | undefined) ?? '' };
}

/** The last member of that name; containers only matter for their kind. */
function scalarMember(node: JsonNode & { readonly kind: 'object' }, name: string): unknown {
  const member = node.values[node.keys.lastIndexOf(name)];
  if (!member) return undefined;
  switch (member.kind) {
    case 'null':
      return undefined;
    case 'object':
      return {};
    case 'array':
      return [];
    case 'number':
      return 0;
    default:
      return member.value;
  }
}

function parseGroupVersion(text: string): [string, string] {
  if (text === '' || text === '/') return ['', ''];
  const parts = text.split('/');
  if (parts.length === 1) return ['', text];
  if (parts.length === 2) return [parts[0]!, parts[1]!];
  throw new Error(`unexpected GroupVersion string: ${text}`);
}

export const versionOf = ({ group, version }: { readonly group: string; readonly version: string }): string =>
  group === '' ? version : `${group}/${version}`;

const internalPackage = (group: string): string => (group === '' ? 'core' : group.split('.')[0]!);

function cannotHandle(
  gvk: GroupVersionKind,
  { expected, bare = false }: BodyOptions,
  why: string,
  cause?: unknown,
): ApiError {
  return ApiError.badRequest(
    bare ? why : `${gvk.kind} in version "${gvk.version}" cannot be handled as a ${expected.kind}: ${why}`,
    cause === undefined ? {} : { cause },
  );
}

function unrecognized(why: string, original: Uint8Array | string, { expected, bare = false }: BodyOptions): ApiError {
  return ApiError.badRequest(
    bare
      ? why
      : `the object provided is unrecognized (must be of type ${expected.kind}): ${why} (${summary(original)})`,
  );
}

/** The start of the body: text when it looks like JSON, else hexadecimal. */
function summary(original: Uint8Array | string): string {
  const bytes = typeof original === 'string' ? Buffer.from(original) : original;
  if (bytes.length === 0) return '<empty>';
  const start = Buffer.from(bytes.subarray(0, 30));
  const text = bytes[0] === 0x7b ? decodeUtf8(start) : start.toString('hex');
  return bytes.length > 30 ? `${text} ...` : text;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
