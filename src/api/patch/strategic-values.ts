/** What merging maps and merging lists share: errors, directives, and plain values cleared of nulls and directives. */
import type { JsonObject, JsonValue } from '../json.ts';
import { goType, goValue } from './go-format.ts';

/** `badRequest` and `unprocessable` are upstream's known malformations; all else is a plain error there. */
export class StrategicPatchError extends Error {
  readonly kind: 'badRequest' | 'unprocessable' | 'internal';
  constructor(kind: 'badRequest' | 'unprocessable' | 'internal', message: string) {
    super(message);
    this.name = 'StrategicPatchError';
    this.kind = kind;
  }
}

export const unknownDirective = (directive: JsonValue | undefined, patch: JsonObject): StrategicPatchError =>
  new StrategicPatchError('internal', `unknown patch type: ${goValue(directive)} in map: ${goValue(patch)}`);

export const wrongType = (expected: string, value: JsonValue | undefined): StrategicPatchError =>
  new StrategicPatchError('internal', `expected a ${expected}, but received a ${goType(value)}`);

export function kindOf(value: JsonValue): string {
  return Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
}

/** Without the null properties of maps, at any depth. */
export function withoutNulls(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(withoutNulls);
  const kept: Record<string, JsonValue | undefined> = {};
  for (const [key, child] of Object.entries(value as JsonObject))
    if (child !== null && child !== undefined) setOwn(kept, key, withoutNulls(child));
  return kept;
}

/** `undefined` when the value itself is a directive. */
export function withoutDirectives(value: JsonValue): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).map(withoutDirectives).filter((item) => item !== undefined);
  if (Object.hasOwn(value, '$patch')) return undefined;
  const kept: Record<string, JsonValue | undefined> = {};
  for (const [key, child] of Object.entries(value as JsonObject))
    if (child !== undefined) setOrDrop(kept, key, withoutDirectives(child));
  return kept;
}

export function setOrDrop(
  object: Record<string, JsonValue | undefined>,
  key: string,
  value: JsonValue | undefined,
): void {
  if (value === undefined) delete object[key];
  else setOwn(object, key, value);
}

/** Sets an own property of any name. */
export function setOwn(object: Record<string, JsonValue | undefined>, key: string, value: JsonValue): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
