/** What the readers of the API server's configuration files (audit policy, encryption) share: a parsed file's parts, or a sentence on what they are not. */
import type { JsonObject, JsonValue } from '../api/json.ts';

export interface FileParts {
  /** @throws when it is no object. */
  objectOf(value: JsonValue | undefined, where: string): JsonObject;
  /** Absent is empty. @throws when it is no list. */
  listOf(value: JsonValue | undefined, where: string): readonly JsonValue[];
}

/** @param Refusal the reader's own error */
export const partsOf = (Refusal: new (message: string) => Error): FileParts => ({
  objectOf(value, where) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
    throw new Refusal(`${where} is no object`);
  },
  listOf(value, where) {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value;
    throw new Refusal(`${where} is no list`);
  },
});
