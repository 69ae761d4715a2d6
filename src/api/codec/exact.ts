/**
 * The exact half of decoding: walks the parsed nodes in text order with Go's semantics (sigs.k8s.io/json), so that errors, warnings and
 * duplicate members come out as upstream has them. Only input that is wrong or unusual gets here.
 */
import { canonicalQuantity } from '../quantity.ts';
import type { StructType, TypeRef } from '../schema/model.ts';
import { canonicalBase64 } from './base64.ts';
import { NumberLiteral } from './canonical.ts';
import { goType, shortName, structGoType } from './go-types.ts';
import type { JsonNode } from './json-nodes.ts';
import { maxKeptDepth } from './json-text.ts';
import { setOwn } from './own.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';

export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/** Upstream stops collecting here. */
const maxStrictErrors = 100;

type Plain = Record<string, unknown>;

export interface ExactResult {
  /** Known fields only, a later duplicate laid over the earlier one as Go does; numbers that are no plain integers are NumberLiteral. */
  readonly value: unknown;
  /** `unknown field "spec.foo"`, `duplicate field "metadata.name"`, in text order, each once. */
  readonly strictErrors: readonly string[];
}

/** @throws DecodeError with upstream's message: the first error of a type with its own parser, else the first type error. */
export function decodeExact(node: JsonNode, type: StructType): ExactResult {
  const walk = new ExactWalk();
  const value = walk.struct(node, type, undefined);
  if (walk.typeError !== undefined) throw new DecodeError(walk.typeError);
  return { value, strictErrors: [...walk.strictErrors].map(([path, what]) => `${what} field ${JSON.stringify(path)}`) };
}

class ExactWalk {
  readonly strictErrors = new Map<string, 'unknown' | 'duplicate'>();
  typeError: string | undefined;
  #struct = '';
  readonly #fields: string[] = [];
  #path = '';
  /** Inside a type with its own parser nothing is checked strictly. */
  #opaque = 0;

  struct(node: JsonNode, type: StructType, previous: unknown): unknown {
    if (node.kind === 'null') return previous ?? null;
    if (node.kind !== 'object') return this.#mismatch(node, structGoType(type));
    const out = isPlain(previous) ? previous : {};
    const outer = this.#struct;
    const path = this.#path;
    const seen = new Set<string>();
    for (let i = 0; i < node.keys.length; i++) {
      const key = node.keys[i]!;
      const field = type.fieldsByName.get(key);
      this.#path = path === '' ? key : `${path}.${key}`;
      if (!field) {
        this.#strict('unknown');
        continue;
      }
      if (seen.has(key)) this.#strict('duplicate');
      seen.add(key);
      this.#struct = shortName(type);
      const depth = this.#fields.length;
      if (field.embedded !== undefined) this.#fields.push(...field.embedded);
      this.#fields.push(key);
      const child = node.values[i]!;
      const keepsOnNull = !field.pointer && field.type.kind === 'scalar';
      if (!(child.kind === 'null' && keepsOnNull && out[key] !== undefined))
        out[key] =
          field.pointer && child.kind === 'null' ? null : this.#value(child, field.type, type, out[key], field.goType);
      this.#fields.length = depth;
    }
    this.#struct = outer;
    this.#path = path;
    return out;
  }

  #value(node: JsonNode, type: TypeRef, owner: StructType, previous: unknown, named?: string): unknown {
    switch (type.kind) {
      case 'struct':
        return this.struct(node, type.type, previous);
      case 'list':
        return this.#list(node, type, owner, named);
      case 'map':
        return this.#map(node, type, owner, previous, named);
      case 'scalar':
        return this.#scalar(node, type, named);
      case 'special':
        return this.#special(node, type, owner);
    }
  }

  #list(node: JsonNode, type: TypeRef & { kind: 'list' }, owner: StructType, named = goType(type)): unknown {
    if (node.kind === 'null') return null;
    if (node.kind !== 'array') return this.#mismatch(node, named);
    const path = this.#path;
    const element = named.startsWith('[]') ? named.slice(2) : undefined;
    const out = node.items.map((item, i) => {
      this.#path = `${path}[${i}]`;
      return this.#value(item, type.element, owner, undefined, element);
    });
    this.#path = path;
    return out;
  }

  #map(
    node: JsonNode,
    type: TypeRef & { kind: 'map' },
    owner: StructType,
    previous: unknown,
    named = goType(type),
  ): unknown {
    if (node.kind === 'null') return null;
    if (node.kind !== 'object') return this.#mismatch(node, named);
    const out = isPlain(previous) ? previous : {};
    const path = this.#path;
    const element = /^map\[[^\]]+\](.+)$/.exec(named)?.[1];
    const seen = new Set<string>();
    for (let i = 0; i < node.keys.length; i++) {
      const key = node.keys[i]!;
      this.#path = path === '' ? key : `${path}.${key}`;
      if (seen.has(key)) this.#strict('duplicate');
      seen.add(key);
      setOwn(out, key, this.#value(node.values[i]!, type.value, owner, undefined, element));
    }
    this.#path = path;
    return out;
  }

  #scalar(node: JsonNode, type: TypeRef & { kind: 'scalar' }, named = goType(type)): unknown {
    if (node.kind === 'null') return null;
    switch (type.scalar) {
      case 'string':
        if (node.kind === 'string') return node.value;
        break;
      case 'boolean':
        if (node.kind === 'boolean') return node.value;
        break;
      case 'bytes':
        if (node.kind === 'array') return this.#byteList(node);
        if (node.kind !== 'string') break;
        try {
          return canonicalBase64(node.value);
        } catch (error) {
          this.typeError ??= messageOf(error);
          return null;
        }
      case 'int32':
      case 'int64': {
        if (node.kind !== 'number') break;
        const value = /[.eE]/.test(node.source) ? undefined : BigInt(node.source);
        const limit = type.scalar === 'int32' ? 2n ** 31n : 2n ** 63n;
        if (value === undefined || value >= limit || value < -limit)
          return this.#refuse(`number ${node.source}`, named);
        return Number.isSafeInteger(Number(value)) ? Number(value) : value;
      }
      case 'double':
        if (node.kind !== 'number') break;
        if (!Number.isFinite(Number(node.source))) return this.#refuse(`number ${node.source}`, 'float64');
        return new NumberLiteral(node.source);
    }
    return this.#mismatch(node, named);
  }

  /** Go takes a list of numbers for bytes too. */
  #byteList(node: JsonNode & { kind: 'array' }): string {
    const numbers = node.items.map((item) => {
      if (item.kind === 'null') return 0;
      if (item.kind !== 'number') return this.#mismatch(item, 'uint8') ?? 0;
      const value = /[.eE]/.test(item.source) ? Number.NaN : Number(item.source);
      if (!(value >= 0 && value < 256)) return this.#refuse(`number ${item.source}`, 'uint8') ?? 0;
      return value;
    });
    return Buffer.from(numbers).toString('base64');
  }

  #special(node: JsonNode, type: TypeRef & { kind: 'special' }, owner: StructType): unknown {
    if (node.kind === 'null') return null;
    switch (type.special) {
      case 'Quantity': {
        const text = node.kind === 'string' ? node.value : node.kind === 'number' ? node.source : textOf(node);
        return this.#own(() => canonicalQuantity(text.trim()), text);
      }
      case 'Time':
      case 'MicroTime': {
        if (node.kind !== 'string')
          throw new DecodeError(`json: cannot unmarshal ${word(node)} into ${this.#place()} of type string`);
        const text = node.value;
        return this.#own(() => (type.special === 'Time' ? canonicalTime(text) : canonicalMicroTime(text)), text);
      }
      case 'Duration':
        if (node.kind !== 'string')
          throw new DecodeError(`json: cannot unmarshal ${word(node)} into ${this.#place()} of type string`);
        return node.value;
      case 'IntOrString': {
        if (node.kind === 'string') return node.value;
        if (node.kind !== 'number')
          throw new DecodeError(`json: cannot unmarshal ${word(node)} into ${this.#place()} of type int32`);
        const value = /[.eE]/.test(node.source) ? Number.NaN : Number(node.source);
        if ((value | 0) !== value)
          throw new DecodeError(`json: cannot unmarshal number ${node.source} into ${this.#place()} of type int32`);
        return value | 0;
      }
      case 'JSONSchemaPropsOrBool':
        if (node.kind === 'boolean') return node.value;
        if (node.kind === 'object') return this.#nested(() => this.struct(node, owner, undefined));
        throw new DecodeError('boolean or JSON schema expected');
      case 'JSONSchemaPropsOrArray':
        if (node.kind === 'object') return this.#nested(() => this.struct(node, owner, undefined));
        if (node.kind === 'array')
          return this.#nested(() => node.items.map((item) => this.struct(item, owner, undefined)));
        return null;
      case 'JSONSchemaPropsOrStringArray':
        if (node.kind === 'object') return this.#nested(() => this.struct(node, owner, undefined));
        if (node.kind === 'array')
          return this.#nested(() => node.items.map((item) => this.#scalar(item, { kind: 'scalar', scalar: 'string' })));
        return null;
      case 'FieldsV1':
      case 'RawExtension':
      case 'JSON':
      case 'Patch':
      case 'Any':
        return rawValue(node);
    }
  }

  /** A type with its own parser ends the decoding with its error. @returns the text: canonical.ts brings it into form. */
  #own(parse: () => unknown, text: string): string {
    try {
      parse();
    } catch (error) {
      throw new DecodeError(messageOf(error), { cause: error });
    }
    return text;
  }

  /** Types with their own parser call a fresh decoder: its errors come before those collected outside. */
  #nested(parse: () => unknown): unknown {
    const outer = { struct: this.#struct, fields: this.#fields.splice(0), error: this.typeError };
    this.#struct = '';
    this.typeError = undefined;
    this.#opaque++;
    const value = parse();
    this.#opaque--;
    const inner = this.typeError as string | undefined;
    this.#struct = outer.struct;
    this.#fields.push(...outer.fields);
    // The outer decoder puts its own struct and path before the inner one's.
    if (inner !== undefined)
      throw new DecodeError(
        inner.replace(
          /into Go (?:struct field [^.]*\.(\S+)|value) of type/,
          (_, path: string | undefined) => `into ${this.#place()}${path === undefined ? '' : `.${path}`} of type`,
        ),
      );
    this.typeError = outer.error;
    return value;
  }

  #strict(what: 'unknown' | 'duplicate'): void {
    if (this.#opaque > 0 || this.strictErrors.size >= maxStrictErrors || this.strictErrors.has(this.#path)) return;
    this.strictErrors.set(this.#path, what);
  }

  #mismatch(node: JsonNode, type: string): undefined {
    return this.#refuse(word(node), type);
  }

  /** The first one counts; decoding goes on, as a type with its own parser may still fail and then wins. */
  #refuse(what: string, type: string): undefined {
    this.typeError ??= `json: cannot unmarshal ${what} into ${this.#place()} of type ${type}`;
    return undefined;
  }

  #place(): string {
    return this.#struct !== '' || this.#fields.length > 0
      ? `Go struct field ${this.#struct}.${this.#fields.join('.')}`
      : 'Go value';
  }
}

/** What Go calls a value that does not fit. */
export const word = (node: JsonNode): string => (node.kind === 'boolean' ? 'bool' : node.kind);

/** Any value, nothing dropped. @throws DecodeError for a number that no float64 holds, and for extreme depth. */
function rawValue(node: JsonNode, depth = 1): unknown {
  if (depth > maxKeptDepth) throw new DecodeError('exceeded max depth');
  switch (node.kind) {
    case 'object': {
      const out: Plain = {};
      for (let i = 0; i < node.keys.length; i++) setOwn(out, node.keys[i]!, rawValue(node.values[i]!, depth + 1));
      return out;
    }
    case 'array':
      return node.items.map((item) => rawValue(item, depth + 1));
    case 'number': {
      if (/^-?\d+$/.test(node.source)) {
        const integer = BigInt(node.source);
        if (integer >= -(2n ** 63n) && integer < 2n ** 63n)
          return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
      }
      if (!Number.isFinite(Number(node.source)))
        throw new DecodeError(`json: cannot unmarshal number ${node.source} into Go value of type float64`);
      return new NumberLiteral(node.source);
    }
    case 'null':
      return null;
    default:
      return node.value;
  }
}

function textOf(node: JsonNode): string {
  switch (node.kind) {
    case 'object':
      return '{}';
    case 'array':
      return '[]';
    case 'boolean':
      return String(node.value);
    case 'null':
      return 'null';
    case 'number':
      return node.source;
    case 'string':
      return node.value;
  }
}

const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
