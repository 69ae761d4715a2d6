/** Bytes to plain JSON values without a type: what patches, custom objects and configuration need. */
import type { JsonValue } from '../json.ts';
import { countMembers } from './canonical.ts';

export { countMembers };

import { type JsonNode, JsonSyntaxError, parseNodes } from './json-nodes.ts';
import { decodeUtf8, maxKeptDepth, plainMembers } from './json-text.ts';
import { setOwn } from './own.ts';

export interface ParsedJson {
  /** Not frozen; no two parses share anything. */
  readonly value: JsonValue;
  /** Paths of members that came more than once (the last one counts), in text order: `metadata.labels.a`, `spec.ports[0].name`. */
  readonly duplicates: readonly string[];
}

/**
 * Integers beyond ±2^53 within int64 become bigint, other numbers are floats as in Go's unstructured decoding; a number no float64 holds is
 * refused. @throws JsonSyntaxError with Go's message, also for values nested deeper than `maxKeptDepth`.
 */
export function parseJson(bytes: Uint8Array | string): ParsedJson {
  const text = typeof bytes === 'string' ? bytes : decodeUtf8(bytes);
  const plain = tryPlainJson(text);
  if (plain !== undefined && countMembers(plain.value) === plain.members)
    return { value: plain.value as JsonValue, duplicates: [] };
  const duplicates: string[] = [];
  const value = nodeValue(parseNodes(text), '', duplicates, 1);
  return { value, duplicates };
}

/** What `JSON.parse` made of a text, and how many members the text has: if the value has fewer, some came twice. */
export interface PlainJson {
  readonly value: unknown;
  readonly members: number;
}

/** @returns undefined when only the exact parser gives the right value or error. */
export function tryPlainJson(text: string): PlainJson | undefined {
  const members = plainMembers(text);
  if (members < 0) return undefined;
  try {
    return { value: JSON.parse(text) as unknown, members };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // the exact parser words the refusal
    throw error;
  }
}

/** The value of parsed nodes; `duplicates` gets the paths of members that came again. */
export function nodeValue(node: JsonNode, path: string, duplicates: string[], depth: number): JsonValue {
  if (depth > maxKeptDepth) throw new JsonSyntaxError('exceeded max depth');
  switch (node.kind) {
    case 'object': {
      const out: Record<string, JsonValue> = {};
      const again = new Set<string>();
      for (let i = 0; i < node.keys.length; i++) {
        const key = node.keys[i]!;
        const at = path === '' ? key : `${path}.${key}`;
        if (Object.hasOwn(out, key) && !again.has(key)) {
          again.add(key);
          duplicates.push(at);
        }
        setOwn(out, key, nodeValue(node.values[i]!, at, duplicates, depth + 1));
      }
      return out;
    }
    case 'array':
      return node.items.map((item, i) => nodeValue(item, `${path}[${i}]`, duplicates, depth + 1));
    case 'number':
      return untypedNumber(node.source);
    case 'null':
      return null;
    default:
      return node.value;
  }
}

/** As upstream reads a number without a type: int64 where it fits, else float64. @throws JsonSyntaxError when no float64 holds it. */
export function untypedNumber(source: string): number | bigint {
  if (!/[.eE]/.test(source)) {
    const integer = BigInt(source);
    if (integer >= -(2n ** 63n) && integer < 2n ** 63n)
      return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
  }
  const float = Number(source);
  if (!Number.isFinite(float))
    throw new JsonSyntaxError(`json: cannot unmarshal number ${source} into Go value of type float64`);
  return Object.is(float, -0) ? 0 : float;
}
