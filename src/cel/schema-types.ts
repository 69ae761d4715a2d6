/** Types of a structural schema. Source: apiserver/pkg/cel/common/schemas.go (SchemaDeclType). */
import { additionalOf, isEmbedded, isIntOrString, itemsOf, type Structural } from '../api/structural/schema.ts';
import { escapeField } from './names.ts';
import {
  bool,
  bytes,
  double,
  duration,
  dyn,
  int,
  listOf,
  mapOf,
  string,
  struct,
  type Type,
  timestamp,
} from './types.ts';

export type Structs = Record<string, Map<string, Type>>;

/** What every object has, whatever its schema says of it. */
export function withMetaFields(schema: Structural): Structural {
  const text: Structural = { type: 'string' };
  const { properties = {} } = schema;
  return {
    ...schema,
    type: 'object',
    properties: {
      ...properties,
      kind: text,
      apiVersion: text,
      metadata: { type: 'object', properties: { name: text, generateName: text, ...properties.metadata?.properties } },
    },
  };
}

/**
 * @param name of the type, if it is an object's; fields' types are called after their paths. @param structs gets the objects' fields.
 * @returns undefined for what expressions cannot look at: values of unknown type.
 */
export function schemaType(schema: Structural, name: string, structs: Structs, root = false): Type | undefined {
  if (isIntOrString(schema)) return dyn;
  const shape = root || isEmbedded(schema) ? withMetaFields(schema) : schema;
  switch (shape.type) {
    case 'array': {
      const items = itemsOf(shape);
      const type = items && schemaType(items, `${name}.@idx`, structs);
      return type && listOf(type);
    }
    case 'object': {
      const additional = additionalOf(shape);
      if (additional !== undefined && additional !== true) {
        const type = schemaType(additional, `${name}.@elem`, structs);
        return type && mapOf(string, type);
      }
      const fields = new Map<string, Type>();
      for (const [property, inner] of Object.entries(shape.properties ?? {})) {
        const field = escapeField(property);
        const type = schemaType(inner, `${name}.${property}`, structs);
        if (field !== undefined && type !== undefined) fields.set(field, type);
      }
      structs[name] = fields;
      return struct(name);
    }
    case 'string':
      switch (shape.format) {
        case 'byte':
          return bytes;
        case 'duration':
          return duration;
        case 'date':
        case 'date-time':
          return timestamp;
        default:
          return string;
      }
    case 'boolean':
      return bool;
    case 'number':
      return double;
    case 'integer':
      return int;
    default:
      return undefined;
  }
}
