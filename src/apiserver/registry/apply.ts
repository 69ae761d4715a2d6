/** PATCH with `application/apply-patch+yaml`. Source: endpoints/handlers/patch.go (applyPatcher). */
import type { ApplyRequest } from '../../api/apply/apply.ts';
import { DecodeError, decodeUnstructured, JsonSyntaxError, parseJson } from '../../api/codec/index.ts';
import { ApiError, isAlreadyExists } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { ownableFields, resetFields } from '../../api/managed-fields/reset-fields.ts';
import type { StructType } from '../../api/schema/model.ts';
import { formatTime } from '../../api/time.ts';
import { metadataOf, plainServerError } from './object-meta.ts';
import type { WriteRequest } from './options.ts';
import type { Registry } from './registry.ts';
import type { ServedResource, StoredResource } from './resources.ts';

export interface AppliedConfig {
  readonly config: JsonObject;
  /** Upstream's words about keys that came twice; empty when none did. */
  readonly duplicates: string;
}

/** The body is YAML; most clients send JSON, which is YAML, too, and read much faster. @throws ApiError 400 */
export async function appliedConfig(body: ApiRequest['body']): Promise<AppliedConfig> {
  if (body !== undefined && 'value' in body) return { config: asConfig(body.value), duplicates: '' };
  const bytes = body?.bytes ?? new Uint8Array();
  if (bytes[0] === openBrace) {
    const parsed = tryJson(bytes);
    if (parsed !== undefined) return { config: asConfig(parsed), duplicates: '' };
  }
  const { parseYaml, YamlError } = await import('../../api/codec/yaml.ts');
  try {
    const { value, duplicates } = parseYaml(bytes);
    return {
      config: asConfig(value),
      duplicates:
        duplicates.length === 0
          ? ''
          : `error converting YAML to JSON: yaml: unmarshal errors:\n${duplicates.map((line) => `  ${line}`).join('\n')}`,
    };
  } catch (error) {
    if (error instanceof YamlError) throw ApiError.badRequest(`error decoding YAML: ${error.message}`);
    throw error;
  }
}

const openBrace = 0x7b;

/** `undefined`: it is no JSON, or has keys twice; YAML's parser words that. */
function tryJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    const { value, duplicates } = parseJson(bytes);
    return duplicates.length === 0 ? value : undefined;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    if (error.message.includes('max depth'))
      throw ApiError.badRequest(
        'error decoding YAML: error converting YAML to JSON: yaml: exceeded max depth of 10000',
      );
    return undefined;
  }
}

function asConfig(value: JsonValue): JsonObject {
  if (value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  throw ApiError.badRequest(
    `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
  );
}

/** Once more when somebody else created the object in between: then it is there to be changed. */
export async function untilSettled<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === attemptsMax || !isAlreadyExists(error)) throw error;
    }
  }
}

const attemptsMax = 5;

/** @param live in the served version. @returns the object to store, in the served version. @throws ApiError 400, 409, 500 */
export function appliedObject(
  registry: Registry,
  target: {
    readonly served: ServedResource;
    readonly stored: StoredResource;
    readonly name: string;
    readonly subresource: string;
  },
  options: WriteRequest,
  { config, duplicates }: AppliedConfig,
  live: JsonObject | undefined,
  warnings: string[],
): JsonObject {
  const { served, stored, name, subresource } = target;
  const { kinds, schema, applier, clock } = registry;
  const gvkOf = (apiVersion: string) =>
    apiVersion === served.apiVersion
      ? served.gvk
      : registry.table.served.find((other) => other.stored === stored && other.apiVersion === apiVersion)?.gvk;
  const typeOf = (apiVersion: string) => {
    const gvk = gvkOf(apiVersion);
    return gvk === undefined ? undefined : schema.byGvk(gvk);
  };
  const request: ApplyRequest = {
    live,
    config,
    type: served.schema.type,
    apiVersion: served.apiVersion,
    kind: served.gvk.kind,
    manager: options.fieldManager,
    subresource,
    force: options.force ?? false,
    now: formatTime(clock.now()),
    ignored: served.strategy?.resetFields?.(subresource) ?? resetFields(stored.group, stored.resource, subresource),
    only: ownableFields(stored.group, stored.resource, subresource),
    decode: (tree, apiVersion) => decoded(tree, config, typeOf(apiVersion)!, typeText(served)),
    applyDefaults: (object) => kinds.applyDefaults(object, served.gvk),
    typeOf,
    // Between versions of the hub: what an object calls itself says where it comes from.
    convert: (object, apiVersion) => {
      const from = gvkOf(String(object.apiVersion));
      const to = gvkOf(apiVersion);
      if (from === undefined || to === undefined) throw new Error(`apply: no conversion to ${apiVersion}`);
      return kinds.convert(object, from, to);
    },
  };
  const object = applier.apply(request);
  reportDuplicates(duplicates, options, warnings);
  const { uid } = metadataOf(object);
  if ((metadataOf(object).name ?? '') === '')
    throw ApiError.badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  if (live === undefined && uid)
    throw ApiError.conflict(
      served.qualified,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  return object;
}

/** Upstream looks for them after the apply. @throws ApiError 400 */
export function reportDuplicates(duplicates: string, options: WriteRequest, warnings: string[]): void {
  if (duplicates === '') return;
  if (options.fieldValidation === 'Strict') throw ApiError.badRequest(`error strict decoding YAML: ${duplicates}`);
  if (options.fieldValidation === 'Warn') warnings.push(duplicates);
}

/** @param typeText of the request: `apps/v1, Kind=Deployment`. */
export function decoded(tree: JsonValue, config: JsonObject, type: StructType, typeText: string): JsonObject {
  try {
    return decodeUnstructured(tree, type, { fieldValidation: 'Ignore' }).object;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const { namespace = '', name = '' } = metadataOf(config);
    throw plainServerError(
      `failed to convert new object (${namespace}/${name}; ${typeText}) to proper version: unable to convert unstructured object to ${typeText}: ${error.message}`,
    );
  }
}

const typeText = ({ gvk: { group, version, kind } }: ServedResource): string => `${group}/${version}, Kind=${kind}`;
