/** A plain value of an in-process caller as the exact parser's nodes, so that its errors are worded by the same code. */
import { NumberLiteral } from './canonical.ts';
import type { JsonNode } from './json-nodes.ts';
import { maxKeptDepth } from './json-text.ts';

/** `undefined` members are absent, as in `JSON.stringify`. @throws TypeError for what JSON cannot hold (functions, NaN, cycles, extreme depth). */
export function valueNodes(value: unknown, within: readonly object[] = []): JsonNode {
  if (value === null || value === undefined) return { kind: 'null' };
  if (typeof value === 'string') return { kind: 'string', value: value.toWellFormed() };
  if (typeof value === 'boolean') return { kind: 'boolean', value };
  if (typeof value === 'bigint') return { kind: 'number', source: String(value) };
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`json: unsupported value: ${value}`);
    return { kind: 'number', source: String(value) };
  }
  if (value instanceof NumberLiteral) return { kind: 'number', source: value.source };
  if (typeof value !== 'object') throw new TypeError(`json: unsupported type: ${typeof value}`);
  if (within.includes(value)) throw new TypeError('json: unsupported value: encountered a cycle');
  if (within.length > maxKeptDepth) throw new TypeError('exceeded max depth');
  const inner = [...within, value];
  if (Array.isArray(value)) return { kind: 'array', items: value.map((item: unknown) => valueNodes(item, inner)) };
  const keys: string[] = [];
  const values: JsonNode[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    keys.push(key.toWellFormed());
    values.push(valueNodes(member, inner));
  }
  return { kind: 'object', keys, values };
}
