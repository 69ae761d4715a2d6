/**
 * Custom kinds: their values are read by a structural schema instead of a struct. A wrong type is not refused here but by validation; what the
 * schema does not name is pruned, and metadata is read as that of every kind.
 * Source: apiextensions-apiserver/pkg/apiserver/customresource_handler.go (unstructuredSchemaCoercer).
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { goType, goValue } from '../patch/go-format.ts';
import type { StructType } from '../schema/model.ts';
import { withoutNulls } from '../structural/defaults.ts';
import { prune } from '../structural/prune.ts';
import { isEmbedded, isList, isObject, itemsOf, memberOf, type Structural } from '../structural/schema.ts';
import { DecodeError } from './exact.ts';
import type { JsonNode } from './json-nodes.ts';
import { compareUtf8, setOwn } from './own.ts';
import { countMembers, nodeValue } from './parse-json.ts';
import { type Decoded, decodeStruct, type FieldValidation, StrictDecodeError } from './struct.ts';
import { valueNodes } from './value-nodes.ts';

/** @throws DecodeError, StrictDecodeError */
export function decodeCustom(
  parsed: { readonly value: unknown; readonly members?: number } | undefined,
  type: StructType,
  fieldValidation: FieldValidation,
  nodes: () => JsonNode,
): Decoded {
  const duplicates: string[] = [];
  const unique =
    parsed !== undefined && (parsed.members === undefined || parsed.members === countMembers(parsed.value));
  const value = unique ? (parsed.value as JsonValue) : nodeValue(nodes(), '', duplicates, 1);
  if (!isObject(value)) throw new DecodeError(`couldn't get version/kind; json parse error: expected an object`);
  const walk = new Coercion(type, { dropInvalid: false });
  const object = walk.object(value);
  const problems = [
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...walk.unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ];
  if (fieldValidation === 'Strict' && problems.length > 0) throw new StrictDecodeError(problems);
  return { object, warnings: fieldValidation === 'Warn' ? problems : [] };
}

/** An object from the store, which an older schema may have let in: pruned by the present one, malformed metadata dropped. Frozen. */
export function coerceStored(object: JsonObject, type: StructType): JsonObject {
  return new Coercion(type, { dropInvalid: true }).object(object);
}

class Coercion {
  /** Paths of what was dropped, those of the metadata first. */
  readonly unknown: string[] = [];
  readonly #metadata: StructType;
  readonly #schema: Structural | undefined;
  readonly #dropInvalid: boolean;

  constructor(type: StructType, options: { readonly dropInvalid: boolean }) {
    this.#metadata = metadataType(type);
    this.#schema = type.custom?.schema;
    this.#dropInvalid = options.dropInvalid;
  }

  object(value: JsonObject): JsonObject {
    for (const key of ['kind', 'apiVersion']) {
      const given = value[key];
      if (given !== undefined && typeof given !== 'string')
        throw new DecodeError(
          `.${key} accessor error: ${goValue(given)} is of the type ${given === null ? '<nil>' : goType(given)}, expected string`,
        );
    }
    const metadata = value.metadata === undefined ? undefined : this.#meta(value.metadata, '');
    const pruned = prune(value, this.#schema);
    this.unknown.push(...pruned.unknown);
    const cleaned = this.#embedded(withoutNulls(pruned.value, this.#schema), this.#schema, '') as JsonObject;
    const out: Record<string, JsonValue> = {};
    if (value.kind !== undefined) out.kind = value.kind;
    if (value.apiVersion !== undefined) out.apiVersion = value.apiVersion;
    if (metadata !== undefined) out.metadata = metadata;
    for (const key of Object.keys(cleaned).sort(compareUtf8))
      if (key !== 'kind' && key !== 'apiVersion' && key !== 'metadata' && cleaned[key] !== undefined)
        setOwn(out, key, canonical(cleaned[key]));
    return Object.freeze(out);
  }

  /** @param within path of the object that holds it. */
  #meta(value: JsonValue, within: string): JsonObject {
    const at = within === '' ? 'metadata' : `${within}.metadata`;
    const nodes = (): JsonNode => valueNodes(value);
    try {
      const { object, warnings } = decodeStruct({ value }, this.#metadata, 'Warn', nodes);
      for (const warning of warnings) {
        const path = /^unknown field "(.*)"$/.exec(warning)?.[1];
        if (path !== undefined) this.unknown.push(`${at}.${path}`);
      }
      return withoutEmptyTime(object);
    } catch (error) {
      if (!(error instanceof DecodeError) || !this.#dropInvalid) throw error;
      return this.#readable(value);
    }
  }

  /** Field by field: those that cannot be read are dropped. */
  #readable(value: JsonValue): JsonObject {
    const kept: Record<string, JsonValue> = {};
    if (isObject(value))
      for (const key of Object.keys(value)) {
        const one = { [key]: value[key] ?? null };
        try {
          decodeStruct({ value: one }, this.#metadata, 'Ignore', () => valueNodes(one));
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          continue;
        }
        setOwn(kept, key, value[key] ?? null);
      }
    return withoutEmptyTime(decodeStruct({ value: kept }, this.#metadata, 'Ignore', () => valueNodes(kept)).object);
  }

  /** Objects of any kind within the object. */
  #embedded(value: JsonValue, schema: Structural | undefined, path: string): JsonValue {
    if (schema === undefined || !holdsEmbedded(schema)) return value;
    if (isList(value)) {
      const items = itemsOf(schema);
      return value.map((item, i) => this.#embedded(item, items, `${path}[${i}]`));
    }
    if (!isObject(value)) return value;
    const out: Record<string, JsonValue> = {};
    for (const key of Object.keys(value)) {
      const member = value[key];
      if (member === undefined) continue;
      const at = path === '' ? key : `${path}.${key}`;
      if (isEmbedded(schema) && (key === 'kind' || key === 'apiVersion') && typeof member !== 'string') {
        if (this.#dropInvalid) continue;
        throw new DecodeError(`${at}: Invalid value: ${JSON.stringify(member)}: must be a string`);
      }
      if (isEmbedded(schema) && key === 'metadata') {
        setOwn(out, key, this.#embeddedMeta(member, path, at));
        continue;
      }
      setOwn(out, key, this.#embedded(member, memberOf(schema, key), at));
    }
    return out;
  }

  #embeddedMeta(value: JsonValue, path: string, at: string): JsonValue {
    try {
      return this.#meta(value, path);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new DecodeError(`${at}: Invalid value: ${JSON.stringify(value)}: ${error.message}`, { cause: error });
    }
  }
}

function holdsEmbedded(schema: Structural): boolean {
  if (isEmbedded(schema)) return true;
  const items = itemsOf(schema);
  if (items && holdsEmbedded(items)) return true;
  if (isObject(schema.additionalProperties) && holdsEmbedded(schema.additionalProperties as Structural)) return true;
  return Object.values(schema.properties ?? {}).some(holdsEmbedded);
}

function metadataType(type: StructType): StructType {
  const field = type.fieldsByName.get('metadata')?.type;
  if (field?.kind !== 'struct') throw new Error(`codec: ${type.name} has no metadata`);
  return field.type;
}

/** A custom object says nothing about times that it does not have. */
function withoutEmptyTime(metadata: JsonObject): JsonObject {
  if (metadata.creationTimestamp !== null) return metadata;
  const { creationTimestamp: _empty, ...rest } = metadata;
  return Object.freeze(rest);
}

/** A frozen copy with members in the order upstream writes them: that of their names. */
function canonical(value: JsonValue): JsonValue {
  if (typeof value === 'string') return value.isWellFormed() ? value : value.toWellFormed();
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new DecodeError('a number that JSON cannot hold');
    return Object.is(value, -0) ? 0 : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return Object.freeze(value.map(canonical));
  const out: Record<string, JsonValue> = {};
  for (const key of Object.keys(value).sort(compareUtf8)) {
    const member = (value as JsonObject)[key];
    if (member !== undefined) setOwn(out, key, canonical(member));
  }
  return Object.freeze(out);
}
