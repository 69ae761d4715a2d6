/** The kinds' pure functions, put together from the schema and the rooms that own them. */
import type { Defaulter } from '../../api/defaulting/index.ts';
import type { JsonObject } from '../../api/json.ts';
import type { GroupVersionKind, Schema } from '../../api/schema/model.ts';
import type { KindFunctions } from './registry.ts';
import { apiVersionOf } from './resources.ts';
import { validateMeta, validateMetaUpdate } from './validate-meta.ts';

/** A conversion between two versions of one kind whose fields differ; kind and apiVersion are set by the caller. */
export type Conversion = (object: JsonObject, from: GroupVersionKind, to: GroupVersionKind) => JsonObject | undefined;

export function kindFunctions(schema: Schema, defaulter: Defaulter, conversions: Conversion): KindFunctions {
  return {
    applyDefaults(object, gvk) {
      const type = schema.byGvk(gvk);
      return type ? defaulter(object, type) : object;
    },
    convert(object, from, to) {
      const converted = conversions(object, from, to) ?? object;
      const { kind: _kind, apiVersion: _apiVersion, ...rest } = converted;
      return Object.freeze({ kind: to.kind, apiVersion: apiVersionOf(to.group, to.version), ...rest });
    },
    validateMeta,
    validateMetaUpdate,
  };
}
