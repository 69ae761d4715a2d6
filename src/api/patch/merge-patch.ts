/**
 * JSON Merge Patch (RFC 7386) as upstream's library does it: where the RFC keeps an array of the patch as it is, nulls inside its objects
 * are dropped when the array meets something that is no object.
 */
import type { JsonObject, JsonValue } from '../json.ts';

/** Neither argument is changed; unchanged parts are shared. */
export function applyMergePatch(document: JsonObject, patch: JsonObject): JsonObject {
  const result: Record<string, JsonValue | undefined> = { ...document };
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null || value === undefined) {
      delete result[key];
      continue;
    }
    const current = Object.hasOwn(document, key) ? document[key] : undefined;
    setOwn(result, key, current === undefined || current === null ? pruned(value) : merged(current, value));
  }
  return result;
}

function merged(current: JsonValue, patch: JsonValue): JsonValue {
  if (typeof current !== 'object' || current === null || Array.isArray(current)) return pruned(patch);
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  return applyMergePatch(current as JsonObject, patch as JsonObject);
}

/** Without the nulls of objects, at any depth; an array keeps its null items. */
function pruned(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(pruned);
  const result: Record<string, JsonValue | undefined> = {};
  for (const [key, child] of Object.entries(value as JsonObject))
    if (child !== null && child !== undefined) setOwn(result, key, pruned(child));
  return result;
}

function setOwn(object: Record<string, JsonValue | undefined>, key: string, value: JsonValue): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
