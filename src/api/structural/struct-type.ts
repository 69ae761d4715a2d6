/** A custom kind in the schema's model: one struct type made from its structural schema, so that everything that walks types serves it, too. */
import type { FieldSchema, GroupVersionKind, StructType, TypeRef } from '../schema/model.ts';
import { additionalOf, defaultOf, isEmbedded, isIntOrString, itemsOf, preserves, type Structural } from './schema.ts';

export interface CustomTypeOptions {
  readonly gvk: GroupVersionKind;
  readonly schema: Structural | undefined;
  /** `meta.v1.ObjectMeta` */
  readonly objectMeta: StructType;
  /** `spec.color` */
  readonly selectableFields?: readonly string[];
}

export function customStructType({ gvk, schema, objectMeta, selectableFields }: CustomTypeOptions): StructType {
  const { group, version, kind } = gvk;
  const reversed = group.split('.').reverse().join('.');
  const build = new Builder(objectMeta);
  const name = `${group}.${version}.${kind}`;
  return {
    ...build.struct(name, schema ?? {}, { root: true, open: schema === undefined || preserves(schema) }),
    openapiName: `${reversed}.${version}.${kind}`,
    gvks: [gvk],
    custom: { schema, ...(selectableFields?.length ? { selectableFields } : {}) },
  };
}

/** The list of a kind, as a struct of the schema's model. */
export function customListType(item: StructType, listKind: string, listMeta: StructType): StructType {
  const { group, version } = item.gvks[0]!;
  const field = (name: string, type: FieldSchema['type'], required: boolean, index: number): FieldSchema => ({
    name,
    index,
    type,
    required,
    omitEmpty: !required,
    omitZero: false,
    pointer: false,
  });
  const text = { kind: 'scalar', scalar: 'string' } as const;
  const fields = [
    field('kind', text, false, 0),
    field('apiVersion', text, false, 1),
    field('metadata', { kind: 'struct', type: listMeta }, false, 2),
    field('items', { kind: 'list', element: { kind: 'struct', type: item } }, true, 3),
  ];
  return {
    name: `${item.name}List`,
    openapiName: `${group.split('.').reverse().join('.')}.${version}.${listKind}`,
    gvks: [{ group, version, kind: listKind }],
    unions: [],
    fields,
    fieldsByName: new Map(fields.map((one) => [one.name, one])),
    alwaysWritten: [],
  };
}

const any: TypeRef = { kind: 'special', special: 'Any' };
const text: TypeRef = { kind: 'scalar', scalar: 'string' };

class Builder {
  readonly #objectMeta: StructType;
  constructor(objectMeta: StructType) {
    this.#objectMeta = objectMeta;
  }

  /** @param options.root kind, apiVersion and metadata are there whatever the schema says. */
  struct(
    name: string,
    schema: Structural,
    options: { readonly root: boolean; readonly open: boolean },
  ): Omit<StructType, 'gvks'> & { readonly gvks: readonly [] } {
    const { required = [], properties = {} } = schema;
    const fields: FieldSchema[] = [];
    const add = (field: string, type: TypeRef, source?: Structural): void => {
      fields.push(fieldOf(field, fields.length, type, required.includes(field), source));
    };
    const meta = options.root || isEmbedded(schema);
    if (meta) {
      add('kind', text);
      add('apiVersion', text);
      add('metadata', { kind: 'struct', type: this.#objectMeta });
    }
    for (const field of Object.keys(properties))
      if (!meta || (field !== 'kind' && field !== 'apiVersion' && field !== 'metadata'))
        add(field, this.#type(`${name}.${field}`, properties[field]!), properties[field]);
    return {
      name,
      openapiName: name,
      gvks: [],
      unions: [],
      fields,
      fieldsByName: new Map(fields.map((field) => [field.name, field])),
      alwaysWritten: [],
      ...(schema['x-kubernetes-map-type'] === 'atomic' ? { mapType: 'atomic' as const } : {}),
      ...(options.open ? { open: true } : {}),
    };
  }

  #type(name: string, schema: Structural): TypeRef {
    if (isIntOrString(schema)) return { kind: 'special', special: 'IntOrString' };
    switch (schema.type) {
      case 'string':
        return text;
      case 'boolean':
        return { kind: 'scalar', scalar: 'boolean' };
      case 'integer':
        return { kind: 'scalar', scalar: 'int64' };
      case 'number':
        return { kind: 'scalar', scalar: 'double' };
      case 'array':
        return this.#list(name, schema);
      case 'object':
        return this.#object(name, schema);
      default:
        return any;
    }
  }

  #list(name: string, schema: Structural): TypeRef {
    const items = itemsOf(schema);
    const listType = schema['x-kubernetes-list-type'];
    const keys = schema['x-kubernetes-list-map-keys'];
    return {
      kind: 'list',
      element: items === undefined ? any : this.#type(`${name}.items`, items),
      ...(listType === 'set' || listType === 'map' || listType === 'atomic' ? { listType } : {}),
      ...(keys === undefined ? {} : { mapKeys: keys }),
    };
  }

  #object(name: string, schema: Structural): TypeRef {
    const open = preserves(schema);
    const mapType = schema['x-kubernetes-map-type'] === 'atomic' ? ({ mapType: 'atomic' } as const) : {};
    const named = Object.keys(schema.properties ?? {}).length > 0 || isEmbedded(schema);
    if (named) return { kind: 'struct', type: this.struct(name, schema, { root: false, open }) };
    const additional = additionalOf(schema);
    const value =
      additional === undefined || additional === true ? any : this.#type(`${name}.additionalProperties`, additional);
    return { kind: 'map', value, ...mapType };
  }
}

/** Nothing of a custom kind is written that was not given: every field is like a pointer. */
function fieldOf(
  name: string,
  index: number,
  type: TypeRef,
  required: boolean,
  source: Structural | undefined,
): FieldSchema {
  const atomic = source?.['x-kubernetes-map-type'] === 'atomic' ? ({ mapType: 'atomic' } as const) : {};
  const fallback = defaultOf(source);
  return {
    name,
    index,
    type,
    required,
    omitEmpty: true,
    omitZero: false,
    pointer: name !== 'metadata',
    ...(fallback === undefined ? {} : { default: fallback }),
    ...atomic,
  };
}
