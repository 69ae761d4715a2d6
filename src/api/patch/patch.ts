/**
 * The three patch types on plain JSON trees, before the result is decoded into the canonical tree. Server-side apply is not one of them.
 * Inputs may be frozen and are never changed; the result shares what did not change with them.
 * Errors are what the API server answers, upstream's code and message. Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
 */
import { ApiError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { StructType } from '../schema/model.ts';
import { goKind } from './go-format.ts';
import { applyJsonPatch, JsonPatchError, type JsonPatchOperation } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicPatch } from './strategic.ts';
import { StrategicPatchError } from './strategic-values.ts';

export type PatchType = 'json' | 'merge' | 'strategic';

export const patchTypes: Readonly<Record<string, PatchType>> = Object.freeze({
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
});

/** Operations in one JSON patch. */
const operationsMax = 10_000;

export interface PatchRequest {
  readonly type: PatchType;
  /** The decoded body. */
  readonly patch: JsonValue;
  /** In the request's version, as the server would show it. */
  readonly object: JsonObject;
  /** Needed by `strategic` only; absent for kinds without a built-in type, where that answers 415 earlier. */
  readonly structType?: StructType;
}

/** @returns the patched tree, not yet decoded: it may hold wrong types and unknown fields. @throws ApiError */
export function applyPatch({ type, patch, object, structType }: PatchRequest): JsonValue {
  switch (type) {
    case 'json':
      return jsonPatch(object, patch);
    case 'merge':
      if (patch === null) throw ApiError.badRequest('Invalid JSON Patch');
      return applyMergePatch(object, patchMap(patch));
    case 'strategic':
      if (!structType) throw ApiError.badRequest('strategic merge patch format is not supported');
      return strategicPatch(object, patchMap(patch, ''), structType);
  }
}

function jsonPatch(object: JsonObject, patch: JsonValue): JsonValue {
  const operations = decodeOperations(patch);
  if (operations.length > operationsMax)
    throw ApiError.tooLarge(
      `The allowed maximum operations in a JSON patch is ${operationsMax}, got ${operations.length}`,
    );
  try {
    return applyJsonPatch(object, operations);
  } catch (error) {
    if (error instanceof JsonPatchError) throw unprocessable(error);
    throw error;
  }
}

function strategicPatch(object: JsonObject, patch: JsonObject, type: StructType): JsonValue {
  try {
    return applyStrategicPatch(object, patch, type);
  } catch (error) {
    if (!(error instanceof StrategicPatchError)) throw error;
    switch (error.kind) {
      case 'badRequest':
        throw ApiError.badRequest(error.message, { cause: error });
      case 'unprocessable':
        throw unprocessable(error);
      case 'internal':
        // Upstream returns these as plain errors: 500 without a reason.
        throw new ApiError({ code: 500, message: error.message }, { cause: error });
    }
  }
}

/** Upstream hides the message behind a generic one; it stays in `cause` for the log. */
const unprocessable = (cause: Error): ApiError =>
  new ApiError(
    {
      code: 422,
      reason: 'Invalid',
      message: 'the server rejected our request due to an error in our request',
      details: {},
    },
    { cause },
  );

/** @param before the message: upstream reads a strategic patch at another place, which says less. */
function patchMap(patch: JsonValue, before = 'error decoding patch: '): JsonObject {
  if (isJsonObject(patch)) return patch;
  if (patch === null) return {};
  throw ApiError.badRequest(
    `${before}json: cannot unmarshal ${goKind(patch)} into Go value of type map[string]interface {}`,
  );
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function decodeOperations(patch: JsonValue): readonly JsonPatchOperation[] {
  if (patch === null) return [];
  if (!Array.isArray(patch)) throw cannotUnmarshal(patch, 'value of type []handlers.jsonPatchOp');
  return (patch as readonly JsonValue[]).map((operation) => {
    if (!isJsonObject(operation)) throw cannotUnmarshal(operation, 'value of type handlers.jsonPatchOp');
    for (const key of ['op', 'from', 'path']) {
      const field = Object.hasOwn(operation, key) ? operation[key] : undefined;
      if (field !== undefined && field !== null && typeof field !== 'string')
        throw cannotUnmarshal(field, `struct field jsonPatchOp.${key} of type string`);
    }
    return operation as unknown as JsonPatchOperation;
  });
}

const cannotUnmarshal = (value: JsonValue, into: string): ApiError =>
  ApiError.badRequest(`error decoding patch: json: cannot unmarshal ${goKind(value)} into Go ${into}`);
