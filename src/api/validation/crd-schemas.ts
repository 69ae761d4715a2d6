/** The schemas of a definition of resources: structural ones, within what the server supports of OpenAPI v3. No expressions, no defaults yet. */
import type { CustomResourceValidation, JSONSchemaProps } from '../types/apiextensions-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { schemaIn, validateStructural } from './structural-schemas.ts';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const listType = 'x-kubernetes-list-type';
const mapType = 'x-kubernetes-map-type';
const mapKeys = 'x-kubernetes-list-map-keys';
const preserve = 'x-kubernetes-preserve-unknown-fields';

/** Parts of JSON Schema that the server does not take; a schema with one of them is not looked at further as a structural one. */
const unsupported = [
  ['id', 'id is not supported'],
  ['additionalItems', 'additionalItems is not supported'],
  ['patternProperties', 'patternProperties is not supported'],
  ['definitions', 'definitions is not supported'],
  ['dependencies', 'dependencies is not supported'],
  ['$ref', '$ref is not supported'],
] as const;

/** @param status the version has a status subresource. */
export function validateCustomSchema(
  errors: ErrorList,
  validation: CustomResourceValidation | undefined,
  { status }: { readonly status: boolean },
  field: string,
): void {
  const schema = validation?.openAPIV3Schema;
  if (!schema) return;
  const path = `${field}.openAPIV3Schema`;
  if (status && schema.type && schema.type !== 'object')
    errors.invalid(
      `${path}.type`,
      schema.type,
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
    );
  if (schema.nullable) errors.forbidden(`${path}.nullable`, 'nullable cannot be true at the root');
  if (!some(schema, isUnsupported)) validateStructural(errors, schema, path);
  validateSchema(errors, schema, { root: true, inMetadata: false }, path);
}

/** Some value of the schema has a default. */
export const hasDefaults = (schema: JSONSchemaProps | undefined): boolean =>
  schema !== undefined && some(schema, (one) => (one.default ?? null) !== null);

const isUnsupported = (schema: JSONSchemaProps): boolean =>
  unsupported.some(([name]) => (schema[name] ?? null) !== null) || Array.isArray(schema.items);

interface Place {
  readonly root: boolean;
  readonly inMetadata: boolean;
  /** Why a default is not allowed here. */
  readonly noDefaults?: string;
}

function validateSchema(errors: ErrorList, schema: JSONSchemaProps, place: Place, field: string): void {
  validateSupport(errors, schema, place, field);
  if (schema.uniqueItems)
    errors.forbidden(
      `${field}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
  const properties = Object.entries(schema.properties ?? {});
  const additional = schema.additionalProperties ?? undefined;
  if (additional !== undefined) {
    if (properties.length > 0 && additional !== true)
      errors.forbidden(`${field}.additionalProperties`, 'additionalProperties and properties are mutual exclusive');
    const values = schemaIn(additional);
    const inside = place.inMetadata
      ? { ...place, noDefaults: 'inside additionalProperties applying to object metadata' }
      : place;
    if (values) validateSchema(errors, values, { ...inside, root: false }, `${field}.additionalProperties`);
  }
  for (const [name, property] of properties) {
    const meta =
      (place.root || schema['x-kubernetes-embedded-resource']) && ['metadata', 'kind', 'apiVersion'].includes(name);
    validateSchema(
      errors,
      property,
      {
        root: false,
        inMetadata: place.inMetadata || !!meta,
        ...(meta && place.root
          ? { noDefaults: `in top-level ${name}` }
          : place.noDefaults
            ? { noDefaults: place.noDefaults }
            : {}),
      },
      at(`${field}.properties`, name),
    );
  }
  const below = { ...place, root: false };
  if (schema.not) validateSchema(errors, schema.not, below, `${field}.not`);
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const)
    for (const [i, one] of (schema[name] ?? []).entries())
      validateSchema(errors, one, below, at(`${field}.${name}`, i));
  const items = schemaIn(schema.items);
  if (items) validateSchema(errors, items, below, `${field}.items`);
  validateExtensions(errors, schema, field);
  validateListMap(errors, schema, field);
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries())
    validateRule(errors, rule, at(`${field}.x-kubernetes-validations`, i));
}

function validateSupport(errors: ErrorList, schema: JSONSchemaProps, place: Place, field: string): void {
  const { type = '' } = schema;
  if (type !== '' && !types.includes(type)) errors.notSupported(`${field}.type`, type, types);
  if ((schema.default ?? null) !== null && place.noDefaults)
    errors.forbidden(`${field}.default`, `must not be set ${place.noDefaults}`);
  for (const [name, message] of unsupported)
    if ((schema[name] ?? null) !== null) errors.forbidden(`${field}.${name}`, message);
  if (type === 'null') errors.forbidden(`${field}.type`, 'type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items)) errors.forbidden(`${field}.items`, 'items must be a schema object and not an array');
  if (place.inMetadata && schema['x-kubernetes-embedded-resource'])
    errors.forbidden(`${field}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta');
}

function validateExtensions(errors: ErrorList, schema: JSONSchemaProps, field: string): void {
  const { type = '' } = schema;
  const list = schema[listType];
  const map = schema[mapType];
  if (schema[preserve] === false) errors.invalid(`${field}.${preserve}`, false, 'must be true or undefined');
  const needs = (given: string | undefined, wanted: string, extension: string): boolean => {
    if (given === undefined || type === wanted) return false;
    const message = `must be ${wanted} if ${extension} is specified`;
    if (type === '') errors.required(`${field}.type`, message);
    else errors.invalid(`${field}.type`, type, message);
    return true;
  };
  needs(map, 'object', mapType);
  if (map !== undefined && !['atomic', 'granular'].includes(map))
    errors.notSupported(`${field}.${mapType}`, map, ['atomic', 'granular']);
  const items = schemaIn(schema.items);
  if (!needs(list, 'array', listType) && list === 'set' && items) {
    const atomic = 'must be atomic as item of a list with x-kubernetes-list-type=set';
    if (items.type === 'array' && (items[listType] ?? 'atomic') !== 'atomic')
      errors.invalid(`${field}.items.${listType}`, items[listType], atomic);
    if (items.type === 'object' && items[mapType] !== 'atomic')
      errors.invalid(`${field}.items.${mapType}`, items[listType] ?? null, atomic);
  }
  if (list !== undefined && !['atomic', 'set', 'map'].includes(list))
    errors.notSupported(`${field}.${listType}`, list, ['atomic', 'set', 'map']);
}

function validateListMap(errors: ErrorList, schema: JSONSchemaProps, field: string): void {
  const list = schema[listType];
  const keys = schema[mapKeys] ?? [];
  const items = schemaIn(schema.items);
  const mustBeMap = `must be map if ${mapKeys} is non-empty`;
  if (keys.length > 0 && list === undefined) errors.required(`${field}.${listType}`, mustBeMap);
  else if (keys.length > 0 && list !== 'map') errors.invalid(`${field}.${listType}`, list, mustBeMap);
  if (list === 'map') {
    const parent = "if parent array's x-kubernetes-list-type is map";
    if (keys.length === 0) errors.required(`${field}.${mapKeys}`, `must not be empty if ${listType} is map`);
    if (schema.items === undefined) errors.required(`${field}.items`, `must have a schema if ${listType} is map`);
    if (items && items.type !== 'object')
      errors.invalid(`${field}.items.type`, items.type ?? '', `must be object ${parent}`);
    if (items?.type === 'object')
      for (const [i, key] of keys.entries()) {
        const property = items.properties?.[key];
        if (!property) errors.invalid(`${field}.${mapKeys}`, keys, 'entries must all be names of item properties');
        else if (property.type === 'array' || property.type === 'object')
          errors.invalid(`${at(`${field}.items.properties`, key)}.type`, 'object', `must be a scalar type ${parent}`);
        if (keys.indexOf(key) < i) errors.invalid(`${field}.${mapKeys}`, keys, 'must not contain duplicate entries');
      }
  }
  if (!items || (list !== 'map' && list !== 'set')) return;
  if (items.nullable) errors.forbidden(`${field}.items.nullable`, `cannot be nullable when ${listType} is ${list}`);
  if (list === 'set') return;
  for (const key of keys) {
    const property = items.properties?.[key];
    if (!property) continue;
    const path = at(`${field}.items.properties`, key);
    if (!items.required?.includes(key) && (property.default ?? null) === null)
      errors.required(
        `${path}.default`,
        `this property is in ${mapKeys}, so it must have a default or be a required property`,
      );
    if (property.nullable)
      errors.forbidden(`${path}.nullable`, `this property is in ${mapKeys}, so it cannot be nullable`);
  }
}

type Rule = NonNullable<JSONSchemaProps['x-kubernetes-validations']>[number];

function validateRule(errors: ErrorList, rule: Rule, field: string): void {
  const { message = '', messageExpression = '', reason, fieldPath = '' } = rule;
  const lines = (text: string): boolean => /[\n\r]/.test(text);
  const expression = rule.rule?.trim() ?? '';
  if (expression === '') errors.required(`${field}.rule`, 'rule is not specified');
  else if (message && !message.trim()) errors.invalid(`${field}.message`, message, 'must be non-empty if specified');
  else if (lines(message.trim())) errors.invalid(`${field}.message`, message, 'must not contain line breaks');
  else if (lines(expression) && !message.trim())
    errors.required(`${field}.message`, 'message must be specified if rule contains line breaks');
  if (messageExpression && !messageExpression.trim())
    errors.required(`${field}.messageExpression`, 'messageExpression must be non-empty if specified');
  if ((reason ?? null) !== null && !reasons.includes(reason!)) errors.notSupported(`${field}.reason`, reason, reasons);
  if (fieldPath && !fieldPath.trim()) errors.invalid(`${field}.fieldPath`, fieldPath, 'must be non-empty if specified');
  if (lines(fieldPath)) errors.invalid(`${field}.fieldPath`, fieldPath, 'must not contain line breaks');
}

/** Some schema of the tree is like that. */
function some(schema: JSONSchemaProps, is: (schema: JSONSchemaProps) => boolean): boolean {
  if (is(schema)) return true;
  const { properties = {}, allOf = [], oneOf = [], anyOf = [], not, items, additionalProperties } = schema;
  const below = [
    ...Object.values(properties),
    ...allOf,
    ...oneOf,
    ...anyOf,
    ...[not, schemaIn(items), schemaIn(additionalProperties)].filter((one) => one !== undefined),
  ];
  return below.some((one) => some(one, is));
}
