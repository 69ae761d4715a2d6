/** How large values of a schema can be in one request. Source: apiserver/pkg/cel/common/schemas.go, apiserver/pkg/cel/limits.go. */
import { additionalOf, isIntOrString, itemsOf, type Structural } from '../api/structural/schema.ts';

/** Upstream: DefaultMaxRequestSizeBytes. */
export const maxRequestBytes = 3 * 1024 * 1024;

/** Characters of a text, items of a list, members of a map; 0 for everything of one size. */
export function maxElements(schema: Structural): number {
  const { maxLength } = schema;
  if (isIntOrString(schema)) return maxLength === undefined ? maxRequestBytes - 2 : maxLength * 4;
  switch (schema.type) {
    case 'array': {
      const items = itemsOf(schema);
      return schema.maxItems ?? Math.floor((maxRequestBytes - 2) / ((items ? minBytes(items) : 1) + 1));
    }
    case 'object': {
      const values = additionalOf(schema);
      if (values === undefined || values === true) return 0;
      return schema.maxProperties ?? Math.floor((maxRequestBytes - 2) / (minBytes(values) + 6));
    }
    case 'string':
      switch (schema.format) {
        case 'duration':
          return 32;
        case 'date':
          return 12;
        case 'date-time':
          return 38;
        case 'byte':
          return maxLength ?? maxRequestBytes - 2;
      }
      if (maxLength !== undefined) return maxLength * 4;
      if (schema.enum?.length) return Math.max(...schema.enum.map((one) => (typeof one === 'string' ? one.length : 0)));
      return maxRequestBytes - 2;
    default:
      return 0;
  }
}

/** The least a value takes in JSON. */
export function minBytes(schema: Structural): number {
  if (isIntOrString(schema)) return 1;
  switch (schema.type) {
    case 'boolean':
      return 4;
    case 'string':
      switch (schema.format) {
        case 'duration':
          return 4;
        case 'date':
          return 12;
        case 'date-time':
          return 22;
        default:
          return 2;
      }
    case 'array':
      return 2;
    case 'object': {
      let size = 2;
      for (const name of schema.required ?? []) {
        const property = schema.properties?.[name];
        if (property && (property.default ?? null) === null) size += name.length + minBytes(property) + 4;
      }
      return size;
    }
    default:
      return 1;
  }
}
