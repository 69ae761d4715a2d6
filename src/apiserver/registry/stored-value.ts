/** Stored bytes to a value. They were canonical when they were written: no type is needed to read them. */
import { parseJson } from '../../api/codec/index.ts';
import type { JsonObject } from '../../api/json.ts';

export function parseStored(bytes: Uint8Array): JsonObject {
  return parseJson(bytes).value as JsonObject;
}
