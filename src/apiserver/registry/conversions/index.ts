/** Conversions between versions of built-in kinds whose fields differ. Versions with the same fields need none. */
import type { JsonObject } from '../../../api/json.ts';
import type { GroupVersionKind } from '../../../api/schema/model.ts';

/** @returns undefined when the two versions have the same fields. */
export function convertBuiltin(
  object: JsonObject,
  from: GroupVersionKind,
  to: GroupVersionKind,
): JsonObject | undefined {
  void object;
  void from;
  void to;
  return undefined;
}
