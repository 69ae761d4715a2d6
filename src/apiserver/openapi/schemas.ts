/** Struct types as OpenAPI definitions. v2 and v3 differ in how they refer to each other and in a few special types. */

import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { FieldSchema, SpecialType, StructType, TypeRef } from '../../api/schema/model.ts';
import { customDefinition } from './custom.ts';
import { fieldText } from './field-texts.ts';

export type OpenApiVersion = 'v2' | 'v3';

const prefix = { v2: '#/definitions/', v3: '#/components/schemas/' };

export const reference = (name: string, version: OpenApiVersion): JsonObject => ({ $ref: `${prefix[version]}${name}` });

/** Definitions of special types and their OpenAPI names: they are referred to like structs. */
const specials: Readonly<Record<SpecialType, readonly [name: string, v2: JsonObject, v3?: JsonObject]>> = {
  Quantity: [
    'io.k8s.apimachinery.pkg.api.resource.Quantity',
    { type: 'string' },
    { oneOf: [{ type: 'string' }, { type: 'number' }] },
  ],
  Time: ['io.k8s.apimachinery.pkg.apis.meta.v1.Time', { type: 'string', format: 'date-time' }],
  MicroTime: ['io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime', { type: 'string', format: 'date-time' }],
  Duration: ['io.k8s.apimachinery.pkg.apis.meta.v1.Duration', { type: 'string' }],
  IntOrString: [
    'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    { type: 'string', format: 'int-or-string' },
    { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  ],
  RawExtension: ['io.k8s.apimachinery.pkg.runtime.RawExtension', { type: 'object' }],
  FieldsV1: ['io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1', { type: 'object' }],
  JSON: ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON', {}],
  JSONSchemaPropsOrArray: ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray', {}],
  JSONSchemaPropsOrBool: ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool', {}],
  JSONSchemaPropsOrStringArray: [
    'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray',
    {},
  ],
  Patch: ['io.k8s.apimachinery.pkg.apis.meta.v1.Patch', { type: 'object' }],
  // Custom kinds publish their own schema; nothing refers to this.
  Any: ['io.k8s.apimachinery.pkg.runtime.Object', {}],
};

/** Published as an atomic list, which bytes are to no other part. */
const atomicBytes = 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec caBundle';

/** The OpenAPI name of the body of a patch. */
export const patchDefinition = specials.Patch[0];

/** What a document defines: a struct, or a special type by its name in the schema. */
export type Definition = StructType | SpecialType;

/** The definitions that a document needs: those named and whatever they refer to, by OpenAPI name in order. */
export function reachable(roots: Iterable<StructType>, patches: boolean): [name: string, definition: Definition][] {
  const found = new Map<string, Definition>(patches ? [[specials.Patch[0], 'Patch']] : []);
  const open: StructType[] = [];
  const meetStruct = (type: StructType): void => {
    if (found.has(type.openapiName)) return;
    found.set(type.openapiName, type);
    open.push(type);
  };
  const meet = (type: TypeRef): void => {
    if (type.kind === 'struct') meetStruct(type.type);
    else if (type.kind === 'list') meet(type.element);
    else if (type.kind === 'map') meet(type.value);
    else if (type.kind === 'special') found.set(specials[type.special][0], type.special);
  };
  for (const root of roots) meetStruct(root);
  for (let type = open.pop(); type; type = open.pop()) {
    // A custom kind refers to nothing but metadata: its own parts stand in its schema.
    const fields = type.custom ? type.fields.filter(({ name }) => name === 'metadata') : type.fields;
    for (const field of fields) meet(field.type);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** For documents of custom kinds, which do not leave any out. */
export const allGroups = '*';

/** @param groupVersion of the v3 document it stands in: a kind of every group (DeleteOptions) names the core group and that one. */
export function definitionSchema(definition: Definition, version: OpenApiVersion, groupVersion: string): JsonObject {
  if (typeof definition !== 'string')
    return definition.custom
      ? customDefinition(definition, version, reference)
      : structSchema(definition, version, groupVersion);
  const [, v2, v3] = specials[definition];
  return version === 'v3' ? (v3 ?? v2) : v2;
}

function structSchema(type: StructType, version: OpenApiVersion, groupVersion: string): JsonObject {
  // A custom kind's list says what the kind says.
  const items = type.fieldsByName.get('items')?.type;
  const element = items?.kind === 'list' && items.element.kind === 'struct' ? items.element.type : undefined;
  const selectable = element?.custom?.selectableFields ?? [];
  const gvks =
    version === 'v2' || groupVersion === allGroups || type.gvks.length < 2
      ? type.gvks
      : type.gvks.filter(({ group, version: v }) => group === '' || `${group}/${v}` === groupVersion);
  const properties: Record<string, JsonObject> = {};
  for (const field of [...type.fields].sort((a, b) => (a.name < b.name ? -1 : 1)))
    properties[field.name] = described(
      property(field, version, type.openapiName),
      fieldText(type.openapiName, field.name, type.gvks.length > 0),
      version,
    );
  const required = type.fields.filter((field) => field.required).map((field) => field.name);
  return {
    ...(type.fields.length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required } : {}),
    type: 'object',
    ...(gvks.length > 0
      ? {
          'x-kubernetes-group-version-kind': gvks.map(({ group, version: v, kind }) => ({
            group,
            kind,
            version: v,
          })),
        }
      : {}),
    ...(selectable.length > 0
      ? { 'x-kubernetes-selectable-fields': selectable.map((fieldPath) => ({ fieldPath })) }
      : {}),
    ...(type.mapType ? { 'x-kubernetes-map-type': type.mapType } : {}),
    ...(type.unions.length > 0
      ? {
          'x-kubernetes-unions': type.unions.map(({ discriminator, fields }) => ({
            ...(discriminator === undefined ? {} : { discriminator }),
            'fields-to-discriminateBy': fields,
          })),
        }
      : {}),
  };
}

/** Beside a reference v3 reads nothing: with company it goes into a list of its own. */
function described(schema: JsonObject, description: string | undefined, version: OpenApiVersion): JsonObject {
  const { $ref, ...rest } = schema;
  if ($ref === undefined || version === 'v2') return description === undefined ? schema : { description, ...schema };
  if (description === undefined) return Object.keys(rest).length === 0 ? schema : { allOf: [{ $ref }], ...rest };
  return { description, allOf: [{ $ref }], ...rest };
}

function property(field: FieldSchema, version: OpenApiVersion, owner: string): JsonObject {
  const { patchStrategy, patchMergeKey, mapType, type } = field;
  return {
    ...typeSchema(type, version, field.enum, field.default),
    ...(type.kind === 'list' && type.mapKeys ? { 'x-kubernetes-list-map-keys': type.mapKeys } : {}),
    ...(type.kind === 'list' && type.listType ? { 'x-kubernetes-list-type': type.listType } : {}),
    ...(`${owner} ${field.name}` === atomicBytes ? { 'x-kubernetes-list-type': 'atomic' } : {}),
    ...(mapType || (type.kind === 'map' && type.mapType)
      ? { 'x-kubernetes-map-type': mapType ?? (type as TypeRef & { kind: 'map' }).mapType }
      : {}),
    ...(patchMergeKey ? { 'x-kubernetes-patch-merge-key': patchMergeKey } : {}),
    ...(patchStrategy ? { 'x-kubernetes-patch-strategy': patchStrategy.join(',') } : {}),
  };
}

const scalars: Readonly<Record<string, JsonObject>> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { format: 'int32', type: 'integer' },
  int64: { format: 'int64', type: 'integer' },
  double: { format: 'double', type: 'number' },
  bytes: { format: 'byte', type: 'string' },
};

/** @param given the default; only v3 publishes defaults. @param values what an element, or else the value, may be */
function typeSchema(
  type: TypeRef,
  version: OpenApiVersion,
  values: readonly string[] | undefined,
  given?: unknown,
): JsonObject {
  const withDefault = version === 'v3' && given !== undefined ? { default: given as JsonValue } : {};
  switch (type.kind) {
    case 'scalar':
      return { ...withDefault, ...scalars[type.scalar], ...(values ? { enum: values } : {}) };
    case 'struct':
      return refSchema(type.type.openapiName, version, withDefault);
    case 'special':
      return refSchema(specials[type.special][0], version, withDefault);
    case 'list':
      return { ...withDefault, items: typeSchema(type.element, version, values), type: 'array' };
    case 'map':
      return { ...withDefault, additionalProperties: typeSchema(type.value, version, values), type: 'object' };
  }
}

/** Beside a reference v3 allows nothing, so it is wrapped when it has company. */
function refSchema(name: string, version: OpenApiVersion, beside: JsonObject): JsonObject {
  const ref = reference(name, version);
  return 'default' in beside ? { allOf: [ref], ...beside } : ref;
}
