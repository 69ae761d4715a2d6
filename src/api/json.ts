/**
 * API objects are plain JSON values, deep-frozen wherever they cross the API boundary (decision 3).
 * Integers are `number`; an integer field whose value lies beyond ±2^53 is a `bigint`, so that it survives unchanged (decision 2). Code
 * that computes with a user's int64 passes it through `Number(...)`.
 */
export type JsonScalar = string | number | bigint | boolean | null;
export type JsonValue = JsonScalar | JsonArray | JsonObject;
export type JsonArray = readonly JsonValue[];
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}
