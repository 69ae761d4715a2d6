/** The kinds' pure functions, put together from the schema and the rooms that own them. */
import { createConversionHub } from '../../api/conversion/hub.ts';
import type { Defaulter } from '../../api/defaulting/index.ts';
import type { Schema } from '../../api/schema/model.ts';
import type { KindFunctions } from './registry.ts';
import { validateMeta, validateMetaUpdate } from './validate-meta.ts';

export function kindFunctions(schema: Schema, defaulter: Defaulter): KindFunctions {
  const hub = createConversionHub(schema);
  return {
    applyDefaults(object, gvk) {
      const type = schema.byGvk(gvk);
      return type ? defaulter(object, type) : object;
    },
    convert: (object, _from, to) => hub.convert(object, to),
    validateMeta,
    validateMetaUpdate,
  };
}
