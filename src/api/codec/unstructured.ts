/**
 * A generic tree to a typed one the way upstream's unstructured converter does it, which is how strategic merge patches become objects: other rules and other
 * words than the JSON decoder's. Whole floats become integers, integers that are too big wrap, and a map is "restored" from something.
 * Source: k8s.io/apimachinery/pkg/runtime/converter.go.
 */
import { canonicalQuantity } from '../quantity.ts';
import type { FieldSchema, StructType, TypeRef } from '../schema/model.ts';
import { canonicalBase64 } from './base64.ts';
import { DecodeError, decodeExact } from './exact.ts';
import { goType } from './go-types.ts';
import { setOwn } from './own.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';
import { valueNodes } from './value-nodes.ts';

export interface Converted {
  /** Known fields only; for the canonical form still to be made. */
  readonly value: unknown;
  /** `unknown field "spec.foo"`, sorted. */
  readonly unknown: readonly string[];
}

type Tree = Readonly<Record<string, unknown>>;

/** @throws DecodeError: the first thing that does not fit, in struct order. */
export function fromUnstructured(tree: unknown, type: StructType): Converted {
  const unknown: string[] = [];
  const value = structFrom(tree, type, '', unknown);
  return { value, unknown: unknown.sort() };
}

function structFrom(source: unknown, type: StructType, path: string, unknown: string[]): unknown {
  if (!isTree(source)) throw new DecodeError(`cannot restore struct from: ${goKind(source)}`);
  const out: Record<string, unknown> = {};
  for (const field of type.fields) {
    const given = Object.hasOwn(source, field.name) ? source[field.name] : undefined;
    if (given === undefined || given === null) continue;
    out[field.name] = valueFrom(given, field.type, type, within(path, field.name), unknown, field);
  }
  for (const key of Object.keys(source))
    if (!type.fieldsByName.has(key) && source[key] !== undefined)
      unknown.push(`unknown field ${JSON.stringify(within(path, key))}`);
  return out;
}

const within = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

function valueFrom(
  source: unknown,
  type: TypeRef,
  owner: StructType,
  path: string,
  unknown: string[],
  field?: FieldSchema,
): unknown {
  if (source === null || source === undefined) return null;
  switch (type.kind) {
    case 'struct':
      return structFrom(source, type.type, path, unknown);
    case 'map': {
      if (!isTree(source)) throw new DecodeError(`cannot restore map from ${goKind(source)}`);
      const out: Record<string, unknown> = {};
      for (const key of Object.keys(source)) setOwn(out, key, valueFrom(source[key], type.value, owner, path, unknown));
      return out;
    }
    case 'list':
      if (!Array.isArray(source)) throw new DecodeError(`cannot restore slice from ${goKind(source)}`);
      return source.map((item: unknown, i) => valueFrom(item, type.element, owner, `${path}[${i}]`, unknown));
    case 'scalar':
      return scalarFrom(source, type.scalar, field?.goType ?? goType(type));
    case 'special':
      return specialFrom(source, type.special, owner);
  }
}

function scalarFrom(source: unknown, scalar: (TypeRef & { kind: 'scalar' })['scalar'], named: string): unknown {
  const kind = goKind(source);
  switch (scalar) {
    case 'string':
      if (kind === 'string') return source;
      if (kind === 'int64') throw new DecodeError(`cannot convert int64 to ${named}`);
      throw new DecodeError('unrecognized type: string');
    case 'boolean':
      if (kind === 'bool') return source;
      throw new DecodeError('unrecognized type: bool');
    case 'int32':
    case 'int64':
      if (kind === 'int64') return scalar === 'int32' ? Number(BigInt.asIntN(32, BigInt(source as number))) : source;
      if (kind === 'float64') {
        const float = Number(source);
        if (!Number.isInteger(float)) throw new DecodeError(`cannot convert float64 to ${named}`);
        return scalar === 'int32' ? float | 0 : Number.isSafeInteger(float) ? float : goInt64(float);
      }
      throw new DecodeError(`unrecognized type: ${scalar}`);
    case 'double':
      if (kind === 'int64' || kind === 'float64') return source;
      throw new DecodeError('unrecognized type: float64');
    case 'bytes':
      if (kind === 'string') {
        try {
          return canonicalBase64(source as string);
        } catch (error) {
          throw new DecodeError(`error decoding from json: ${messageOf(error)}`, { cause: error });
        }
      }
      if (kind !== 'slice') throw new DecodeError(`cannot restore slice from ${kind}`);
      return Buffer.from((source as readonly unknown[]).map(byteFrom)).toString('base64');
  }
}

function byteFrom(item: unknown): number {
  const kind = goKind(item);
  if (kind === 'int64' || kind === 'float64') return Number(BigInt.asUintN(8, BigInt(Math.trunc(Number(item)))));
  if (kind === 'invalid') return 0;
  throw new DecodeError('unrecognized type: uint8');
}

/** Types with their own parser get the value as JSON text, alone: their errors know no field. */
function specialFrom(source: unknown, special: (TypeRef & { kind: 'special' })['special'], owner: StructType): unknown {
  const kind = goKind(source);
  switch (special) {
    case 'Quantity':
      return own(
        source,
        canonicalQuantity,
        typeof source === 'object' ? (Array.isArray(source) ? '[]' : '{}') : String(source),
      );
    case 'Time':
    case 'MicroTime':
      if (kind !== 'string')
        throw new DecodeError(`json: cannot unmarshal ${jsonKind(kind)} into Go value of type string`);
      return own(source, special === 'Time' ? canonicalTime : canonicalMicroTime, source as string);
    case 'IntOrString': {
      if (kind === 'string') return source;
      if (kind === 'int64' && ((source as number) | 0) === source) return source;
      const what = kind === 'int64' || kind === 'float64' ? `number ${String(source)}` : jsonKind(kind);
      throw new DecodeError(`json: cannot unmarshal ${what} into Go value of type int32`);
    }
    case 'JSONSchemaPropsOrBool':
    case 'JSONSchemaPropsOrArray':
    case 'JSONSchemaPropsOrStringArray':
      return isTree(source) ? (decodeExact(valueNodes(source), owner).value ?? source) : source;
    default:
      return source;
  }
}

function own(source: unknown, parse: (text: string) => unknown, text: string): unknown {
  try {
    parse(text);
  } catch (error) {
    throw new DecodeError(messageOf(error), { cause: error });
  }
  return typeof source === 'object' ? text : source;
}

/** What reflection calls a decoded value. */
function goKind(value: unknown): string {
  if (value === null || value === undefined) return 'invalid';
  if (Array.isArray(value)) return 'slice';
  switch (typeof value) {
    case 'object':
      return 'map';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'bigint':
      return 'int64';
    default:
      return Number.isSafeInteger(value) ? 'int64' : 'float64';
  }
}

function jsonKind(kind: string): string {
  switch (kind) {
    case 'map':
      return 'object';
    case 'slice':
      return 'array';
    case 'int64':
    case 'float64':
      return 'number';
    default:
      return kind;
  }
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Go's `int64(float)` on amd64, also of what does not fit. */
const goInt64 = (float: number): bigint => (Math.abs(float) < 2 ** 63 ? BigInt(float) : -(2n ** 63n));
