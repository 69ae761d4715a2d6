/** PATCH: JSON, merge and strategic merge patches as updates. Source: endpoints/handlers/patch.go. */
import {
  DecodeError,
  decodeObject,
  encodeText,
  JsonSyntaxError,
  parseJson,
  StrictDecodeError,
} from '../../api/codec/index.ts';
import { ApiError, isConflict } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { goValue } from '../../api/patch/go-format.ts';
import { applyPatch, type PatchType } from '../../api/patch/patch.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { RequestContext } from './context.ts';

/** Upstream: MaxRetryWhenPatchConflicts. */
const attempts = 5;

/** Repeats a patch that lost a race, unless it names a resourceVersion: then it fails the same way every time. */
export async function withPatchRetries<T>(patch: JsonValue, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === attempts || !isConflict(error) || namesRevision(patch)) throw error;
    }
  }
}

const namesRevision = (patch: JsonValue): boolean =>
  typeof (patch as { metadata?: { resourceVersion?: unknown } | null } | null)?.metadata?.resourceVersion === 'string';

/** The patch document. @throws ApiError 400 */
export function patchOf(context: RequestContext, type: PatchType): JsonValue {
  const { body } = context.request;
  if (body !== undefined && 'value' in body) return body.value;
  const where = type === 'json' ? 'error decoding patch: ' : '';
  try {
    return parseJson(body?.bytes ?? new Uint8Array()).value;
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw ApiError.badRequest(`${where}${error.message}`);
    throw error;
  }
}

/** @param current in the request's version. @returns the patched object, decoded into the canonical tree. @throws ApiError 422 */
export function patchedObject(
  type: PatchType,
  patch: JsonValue,
  current: JsonObject,
  structType: StructType,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
  warnings: string[],
): JsonObject {
  const tree = applyPatch({ type, patch, object: current, structType });
  try {
    const { object, warnings: found } = decodeObject({ value: tree }, structType, { fieldValidation });
    warnings.push(...found);
    return object;
  } catch (error) {
    if (!(error instanceof StrictDecodeError) && !(error instanceof DecodeError)) throw error;
    const shown = type === 'strategic' ? goValue(patch) : sortedText(tree);
    throw ApiError.invalid({ group: '', kind: '' }, '', [
      {
        type: 'FieldValueInvalid',
        field: 'patch',
        message: `Invalid value: ${JSON.stringify(shown)}: ${error.message}`,
      },
    ]);
  }
}

/** A patched document as upstream prints it: its top level is a Go map, so its keys are sorted. */
function sortedText(tree: JsonValue): string {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
    return encodeText(tree as unknown as JsonObject);
  const object = tree as JsonObject;
  return encodeText(
    Object.fromEntries(
      Object.keys(object)
        .sort()
        .map((key) => [key, object[key]]),
    ),
  );
}
