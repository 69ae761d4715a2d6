/** How Go's fmt prints decoded JSON: some of upstream's patch messages carry values in that form. */
import type { JsonObject, JsonValue } from '../json.ts';

/** `%v`: `map[a:1 b:[x y]]`, keys sorted. */
export function goValue(value: JsonValue | undefined): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(goValue).join(' ')}]`;
  const object = value as JsonObject;
  const keys = Object.keys(object).sort();
  return `map[${keys.map((key) => `${key}:${goValue(object[key])}`).join(' ')}]`;
}

/** What encoding/json calls a value in its messages. */
export function goKind(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  switch (typeof value) {
    case 'object':
      return 'object';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    default:
      return 'number';
  }
}

/** The Go type a JSON value is decoded to. */
export function goType(value: JsonValue | undefined): string {
  if (value === null || value === undefined) return '%!s(<nil>)';
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'object':
      return 'map[string]interface {}';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'bigint':
      return 'int64';
    default:
      return Number.isInteger(value) ? 'int64' : 'float64';
  }
}

/** `%#v`: `map[string]interface {}{"a":"b"}`, keys sorted. */
export function goSyntax(value: JsonValue | undefined): string {
  if (value === null || value === undefined) return 'interface {}(nil)';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[]interface {}{${(value as readonly JsonValue[]).map(goSyntax).join(', ')}}`;
  const object = value as JsonObject;
  const keys = Object.keys(object).sort();
  return `map[string]interface {}{${keys.map((key) => `${JSON.stringify(key)}:${goSyntax(object[key])}`).join(', ')}}`;
}
