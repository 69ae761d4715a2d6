/**
 * Structural schemas (KEP-1693): every value has one type that can be told without looking at the value, so that the server can prune, default
 * and merge. Source of behaviour: apiextensions-apiserver/pkg/apiserver/schema.
 */
import { sameJson } from '../edit.ts';
import type { JsonValue } from '../json.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.ts';
import { at, ErrorList } from './error-list.ts';

type Level = 'root' | 'item' | 'field';

const untyped: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};
const intOrString = [{ type: 'integer' }, { type: 'string' }];
const preserve = 'x-kubernetes-preserve-unknown-fields';
const embedded = 'x-kubernetes-embedded-resource';
const either = 'x-kubernetes-int-or-string';

/** The one schema in a field that may hold others things too. */
export const schemaIn = (value: JsonValue | undefined): JSONSchemaProps | undefined =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JSONSchemaProps) : undefined;

/** In the order of their texts, as upstream sorts them. */
export function validateStructural(errors: ErrorList, schema: JSONSchemaProps, field: string): void {
  const found = new ErrorList();
  validateNode(found, schema, 'root', field);
  validateJunctors(schema, (nested, path) => complete(found, nested, schema, field, path), field);
  const text = ({ field: path, message }: (typeof found.errors)[number]): string => `${path}: ${message}`;
  errors.append([...found.errors].sort((a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0)));
}

function validateNode(errors: ErrorList, schema: JSONSchemaProps, level: Level, field: string): void {
  const { type = '', properties = {} } = schema;
  const items = schemaIn(schema.items);
  const additional = schema.additionalProperties ?? undefined;
  const hasAdditional = additional !== undefined && additional !== false;
  if (type === 'array' && !items) errors.required(`${field}.items`, 'must be specified');
  if (items) validateNode(errors, items, 'item', `${field}.items`);
  for (const [name, property] of Object.entries(properties))
    validateNode(errors, property, 'field', at(`${field}.properties`, name));
  if (hasAdditional) {
    if (level === 'root') errors.forbidden(`${field}.additionalProperties`, 'must not be used at the root');
    const values = schemaIn(additional);
    if (values) validateNode(errors, values, 'field', `${field}.additionalProperties`);
  }
  if (schema[either] && schema[preserve])
    errors.invalid(`${field}.${preserve}`, true, `must be false if ${either} is true`);
  if (schema[either] && schema[embedded])
    errors.invalid(`${field}.${embedded}`, true, `must be false if ${either} is true`);
  validateJunctors(schema, (nested, path) => validateNested(errors, nested, path), field);
  validateType(errors, schema, level, field);
  if (schema[embedded] && hasAdditional)
    errors.forbidden(`${field}.additionalProperties`, `must not be used if ${embedded} is set`);
  if (level === 'root' && type !== '' && type !== 'object')
    errors.invalid(`${field}.type`, type, 'must be object at the root');
  validateMetaFields(errors, schema, level, field);
  if (schema[embedded] && !schema[preserve] && Object.keys(properties).length === 0)
    errors.required(`${field}.properties`, `must not be empty if ${embedded} is true without ${preserve}`);
}

function validateType(errors: ErrorList, schema: JSONSchemaProps, level: Level, field: string): void {
  const { type = '' } = schema;
  if (schema[embedded] && type !== 'object') {
    const message = `must be object if ${embedded} is true`;
    if (type === '') errors.required(`${field}.type`, message);
    else errors.invalid(`${field}.type`, type, message);
  } else if (type === '' && !schema[either] && !schema[preserve]) errors.required(`${field}.type`, untyped[level]);
}

function validateMetaFields(errors: ErrorList, schema: JSONSchemaProps, level: Level, field: string): void {
  const { properties = {} } = schema;
  const object = level === 'root' || schema[embedded] === true;
  const path = (name: string): string => at(`${field}.properties`, name);
  for (const name of ['kind', 'apiVersion'])
    if (object && properties[name] && properties[name].type !== 'string')
      errors.invalid(`${path(name)}.type`, properties[name].type ?? '', 'must be string');
  const { metadata } = properties;
  if (!metadata || !object) return;
  if (metadata.type !== 'object') errors.invalid(`${path('metadata')}.type`, metadata.type ?? '', 'must be object');
  if (level !== 'root') return;
  const more = Object.entries(metadata).some(
    ([key, value]) =>
      !['type', 'default', 'properties'].includes(key) && value !== undefined && value !== null && value !== false,
  );
  const named = Object.keys(metadata.properties ?? {}).every((name) => name === 'name' || name === 'generateName');
  if (more || !named)
    errors.forbidden(
      path('metadata'),
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
}

/** Calls back for the schemas that only judge a value: those under anyOf, allOf, oneOf and not. */
function validateJunctors(
  schema: JSONSchemaProps,
  visit: (nested: JSONSchemaProps, path: string) => void,
  field: string,
): void {
  const { anyOf = [], allOf = [], oneOf = [], not } = schema;
  if (!isIntOrString(anyOf)) for (const [i, one] of anyOf.entries()) visit(one, at(`${field}.anyOf`, i));
  for (const [i, one] of allOf.entries()) {
    const plain = i === 0 && isIntOrString(one.anyOf) ? { ...one, anyOf: [] } : one;
    visit(plain, at(`${field}.allOf`, i));
  }
  for (const [i, one] of oneOf.entries()) visit(one, at(`${field}.oneOf`, i));
  if (not) visit(not, `${field}.not`);
}

const isIntOrString = (schemas: readonly JSONSchemaProps[] | undefined): boolean =>
  sameJson(schemas ?? [], intOrString);

const forbidden: readonly (readonly [keyof JSONSchemaProps, string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  [preserve, 'must be false to be structural'],
  [embedded, 'must be false to be structural'],
  [either, 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
];

function validateNested(errors: ErrorList, schema: JSONSchemaProps, field: string): void {
  validateJunctors(schema, (nested, path) => validateNested(errors, nested, path), field);
  const items = schemaIn(schema.items);
  if (items) validateNested(errors, items, `${field}.items`);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    validateNested(errors, property, at(`${field}.properties`, name));
  for (const [key, message] of forbidden) {
    const value = schema[key];
    const given = key === 'default' || key === 'additionalProperties' ? (value ?? null) !== null : !!value;
    if (given && !(Array.isArray(value) && value.length === 0)) errors.forbidden(`${field}.${key}`, message);
  }
  if (schema['x-kubernetes-validations']?.length)
    errors.forbidden(`${field}.x-kubernetes-validations`, 'must be empty to be structural');
  if (schema.properties?.metadata)
    errors.forbidden(at(`${field}.properties`, 'metadata'), 'must not be specified in a nested context');
}

/** What a judging schema speaks of is there in the structure. @param field of the structure, `path` of the judging schema. */
function complete(
  errors: ErrorList,
  judging: JSONSchemaProps,
  structure: JSONSchemaProps | undefined,
  field: string,
  path: string,
): void {
  if (!structure) {
    errors.required(field, `because it is defined in ${path}`);
    return;
  }
  validateJunctors(judging, (nested, below) => complete(errors, nested, structure, field, below), path);
  const items = schemaIn(judging.items);
  if (items) complete(errors, items, schemaIn(structure.items), `${field}.items`, `${path}.items`);
  for (const [name, property] of Object.entries(judging.properties ?? {}))
    complete(
      errors,
      property,
      structure.properties?.[name],
      at(`${field}.properties`, name),
      at(`${path}.properties`, name),
    );
}
