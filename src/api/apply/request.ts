/** What one apply works on, and what of it the endpoint lets its callers own. */
import type { JsonPath } from '../edit.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { type FieldSet, onlyFields, withoutFields } from '../managed-fields/field-set.ts';
import type { StructType } from '../schema/model.ts';

export interface ApplyRequest {
  /** In the request's version, canonical, with kind and apiVersion; absent when there is no object yet. */
  readonly live: JsonObject | undefined;
  /** As it was sent: not decoded, since what is written differently counts as different. */
  readonly config: JsonObject;
  readonly type: StructType;
  /** Of the request: `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly manager: string;
  /** Empty for the object itself. */
  readonly subresource: string;
  readonly force: boolean;
  /** RFC 3339, whole seconds. */
  readonly now: string;
  /** Parts the endpoint ignores; nobody comes to own them through it. */
  readonly ignored: readonly JsonPath[];
  /** The only parts that the endpoint gives to its callers, where it is not everything. */
  readonly only?: readonly JsonPath[] | undefined;
  /** The canonical object of a tree in this version. @throws ApiError 500 */
  decode(tree: JsonValue, apiVersion: string): JsonObject;
  /** Of the request's version. */
  applyDefaults(object: JsonObject): JsonObject;
  /** `undefined` when the kind is not served in that version. */
  typeOf(apiVersion: string): StructType | undefined;
  convert(object: JsonObject, apiVersion: string): JsonObject;
}

/** Without what the endpoint ignores. */
export function ownable({ ignored, only }: ApplyRequest, fields: FieldSet | undefined): FieldSet | undefined {
  const rest = fields === undefined ? undefined : withoutFields(fields, ignored);
  return rest === undefined || only === undefined ? rest : onlyFields(rest, only);
}
