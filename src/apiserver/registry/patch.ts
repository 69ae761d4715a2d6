/** PATCH: JSON, merge and strategic merge patches as updates. Source: endpoints/handlers/patch.go. */
import {
  DecodeError,
  decodeObject,
  decodeUnstructured,
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

/** A patch document and the members that came twice in it. */
export interface PatchDocument {
  readonly patch: JsonValue;
  /** `duplicate field "a.b"` */
  readonly strictErrors: readonly string[];
}

/** @throws ApiError 400 */
export function patchOf(
  context: RequestContext,
  type: PatchType,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
): PatchDocument {
  const { body } = context.request;
  if (body !== undefined && 'value' in body) return { patch: body.value, strictErrors: [] };
  try {
    const { value, duplicates } = parseJson(body?.bytes ?? new Uint8Array());
    if (fieldValidation === 'Ignore') return { patch: value, strictErrors: [] };
    const twice = duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`);
    if (type !== 'json') return { patch: value, strictErrors: twice };
    return { patch: value, strictErrors: [...twice, ...unknownOperationFields(value)].map((e) => `json patch ${e}`) };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    if (type === 'merge' && fieldValidation === 'Ignore') throw ApiError.badRequest('Invalid JSON Patch');
    const where =
      type === 'strategic' || (type === 'json' && fieldValidation === 'Ignore') ? '' : 'error decoding patch: ';
    throw ApiError.badRequest(`${where}${error.message}`);
  }
}

function unknownOperationFields(patch: JsonValue): string[] {
  if (!Array.isArray(patch)) return [];
  return (patch as readonly JsonValue[]).flatMap((operation, i) =>
    typeof operation !== 'object' || operation === null || Array.isArray(operation)
      ? []
      : Object.keys(operation)
          .filter((key) => !['op', 'path', 'from', 'value'].includes(key))
          .map((key) => `unknown field ${JSON.stringify(`[${i}].${key}`)}`),
  );
}

/** @param current in the request's version. @returns the patched object, decoded into the canonical tree. @throws ApiError 422 */
export function patchedObject(
  type: PatchType,
  { patch, strictErrors }: PatchDocument,
  current: JsonObject,
  structType: StructType,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
  warnings: string[],
): JsonObject {
  const tree = applyPatch({ type, patch, object: current, structType });
  try {
    const found =
      type === 'strategic'
        ? decodeUnstructured(tree, structType, { fieldValidation })
        : decodeObject({ value: tree }, structType, { fieldValidation });
    if (fieldValidation === 'Strict' && strictErrors.length > 0) throw new StrictDecodeError(strictErrors);
    if (fieldValidation === 'Warn') warnings.push(...strictErrors);
    warnings.push(...found.warnings);
    return found.object;
  } catch (error) {
    if (!(error instanceof StrictDecodeError) && !(error instanceof DecodeError)) throw error;
    const shown = type === 'strategic' ? goValue(patch) : sortedText(tree);
    const why =
      error instanceof StrictDecodeError && error.errors !== strictErrors
        ? new StrictDecodeError([...strictErrors, ...error.errors]).message
        : error.message;
    throw ApiError.invalid({ group: '', kind: '' }, '', [
      { type: 'FieldValueInvalid', field: 'patch', message: `Invalid value: ${JSON.stringify(shown)}: ${why}` },
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
