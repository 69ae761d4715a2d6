/** The kinds' pure functions, put together from the schema and the rooms that own them. */

import { coerceStored } from '../../api/codec/custom.ts';
import { createConversionHub } from '../../api/conversion/hub.ts';
import type { Defaulter } from '../../api/defaulting/index.ts';
import type { Schema } from '../../api/schema/model.ts';
import { applySchemaDefaults } from '../../api/structural/defaults.ts';
import type { KindFunctions } from './registry.ts';
import { validateMeta, validateMetaUpdate } from './validate-meta.ts';

export function kindFunctions(schema: Schema, defaulter: Defaulter): KindFunctions {
  const hub = createConversionHub(schema);
  return {
    applyDefaults(object, gvk) {
      const type = schema.byGvk(gvk);
      if (type?.custom) return applySchemaDefaults(object, type.custom.schema);
      return type ? defaulter(object, type) : object;
    },
    convert(object, _from, to) {
      const type = schema.byGvk(to);
      if (!type?.custom) return hub.convert(object, to);
      return coerceStored({ ...object, apiVersion: `${to.group}/${to.version}` }, type);
    },
    validateMeta,
    validateMetaUpdate,
  };
}
