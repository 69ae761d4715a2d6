/**
 * Custom kinds as OpenAPI definitions: their schema with kind, apiVersion and metadata. OpenAPI v2 cannot say everything; what it cannot is left out, so that
 * old clients refuse nothing that the server takes. Source: apiextensions-apiserver/pkg/controller/openapi.
 */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { StructType } from '../../api/schema/model.ts';
import {
  additionalOf,
  isEmbedded,
  isIntOrString,
  isObject,
  itemsOf,
  preserves,
  type Structural,
} from '../../api/structural/schema.ts';
import { apiVersionText, kindText, metadataText } from './field-texts.ts';

type OpenApiVersion = 'v2' | 'v3';
type Reference = (name: string, version: OpenApiVersion) => JsonObject;
type Draft = Record<string, JsonValue>;

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

export function customDefinition(type: StructType, version: OpenApiVersion, reference: Reference): JsonObject {
  const { schema, selectableFields = [] } = type.custom!;
  const gvk = {
    'x-kubernetes-group-version-kind': type.gvks.map(({ group, version: v, kind }) => ({ group, kind, version: v })),
    ...(selectableFields.length > 0
      ? { 'x-kubernetes-selectable-fields': selectableFields.map((fieldPath) => ({ fieldPath })) }
      : {}),
  };
  // Whoever reads v2 takes named properties for all there are.
  if (schema === undefined || (version === 'v2' && preserves(schema))) return { type: 'object', ...gvk };
  const definition = shown(schema, version, reference);
  const properties = { ...(definition.properties as JsonObject | undefined), ...metaProperties(version, reference) };
  return { ...definition, properties: sorted(properties), ...gvk };
}

function metaProperties(version: OpenApiVersion, reference: Reference): JsonObject {
  const ref = reference(objectMeta, version);
  return {
    apiVersion: { description: apiVersionText, type: 'string' },
    kind: { description: kindText, type: 'string' },
    metadata: version === 'v2' ? { description: metadataText, ...ref } : { description: metadataText, allOf: [ref] },
  };
}

const plain = [
  'description',
  'type',
  'format',
  'title',
  'default',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'multipleOf',
  'enum',
  'maxProperties',
  'minProperties',
  'required',
  'externalDocs',
  'example',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const;

function shown(schema: Structural, version: OpenApiVersion, reference: Reference): Draft {
  const out: Draft = {};
  for (const key of plain) {
    const value = schema[key] as JsonValue | undefined;
    if (key === 'default' && version === 'v2') continue;
    if (value !== undefined && value !== null && value !== false && value !== '') out[key] = value;
  }
  const items = itemsOf(schema);
  const additional = additionalOf(schema);
  if (items) out.items = shown(items, version, reference);
  if (schema.properties)
    out.properties = sorted(
      Object.fromEntries(
        Object.entries(schema.properties).map(([name, property]) => [name, shown(property, version, reference)]),
      ),
    );
  if (additional !== undefined)
    out.additionalProperties = additional === true ? true : shown(additional, version, reference);
  if (version === 'v3') junctors(schema, out);
  else withoutV3(schema, out);
  if (isEmbedded(schema) && !(version === 'v2' && preserves(schema))) {
    out.properties = sorted({ ...(out.properties as JsonObject | undefined), ...metaProperties(version, reference) });
    const required = (out.required ?? []) as readonly string[];
    out.required = [...required, ...['kind', 'apiVersion'].filter((name) => !required.includes(name))];
  }
  return out;
}

const intOrString: readonly JsonObject[] = [{ type: 'integer' }, { type: 'string' }];

function junctors(schema: Structural, out: Draft): void {
  const { allOf, anyOf, oneOf, not } = schema;
  if (allOf?.length) out.allOf = allOf as unknown as JsonValue;
  if (anyOf?.length) out.anyOf = anyOf as unknown as JsonValue;
  if (oneOf?.length) out.oneOf = oneOf as unknown as JsonValue;
  if (not) out.not = not as unknown as JsonValue;
  if (isIntOrString(schema) && !anyOf?.length && !allOf?.some((one) => one.anyOf?.length)) out.anyOf = intOrString;
}

/** v2 knows neither nulls nor unknown members beside known ones. */
function withoutV3(schema: Structural, out: Draft): void {
  const drop = (...keys: readonly string[]): void => {
    for (const key of keys) delete out[key];
  };
  if (schema.nullable) drop('type', 'nullable', 'items', 'properties');
  if (preserves(schema)) drop('items', 'properties');
  if (out.type === 'array' && out.items === undefined) drop('type');
  if (preserves(schema) && out.type === 'object') drop('type');
  const required = (out.required ?? []) as readonly string[];
  const additional = additionalOf(schema);
  if (isObject(additional) && additional.nullable) drop('required');
  else {
    const nullable = Object.entries(schema.properties ?? {}).filter(([, property]) => property.nullable);
    const left = required.filter((name) => !nullable.some(([key]) => key === name));
    if (left.length === 0) drop('required');
    else if (left.length < required.length) out.required = left;
  }
}

const sorted = (map: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
