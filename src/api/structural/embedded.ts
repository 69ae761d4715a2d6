/** Objects of any kind inside custom ones. Source: apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go. */
import type { FieldError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { checkDns1035Label } from '../names.ts';
import { at, type ErrorList } from '../validation/error-list.ts';
import { additionalOf, isEmbedded, isList, isObject, itemsOf, type Structural } from './schema.ts';

/** @param validateMeta metadata's own rules; the errors' fields begin with `metadata`. */
export function validateEmbedded(
  errors: ErrorList,
  value: JsonValue,
  schema: Structural | undefined,
  validateMeta: (object: JsonObject) => readonly FieldError[],
  path = '',
): void {
  if (schema === undefined) return;
  if (isList(value)) {
    const items = itemsOf(schema);
    for (let i = 0; i < value.length; i++) validateEmbedded(errors, value[i]!, items, validateMeta, at(path, i));
    return;
  }
  if (!isObject(value)) return;
  if (isEmbedded(schema)) validateOne(errors, value, validateMeta, path);
  const additional = additionalOf(schema);
  const { properties = {} } = schema;
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    if (Object.hasOwn(properties, key))
      validateEmbedded(errors, member, properties[key], validateMeta, path === '' ? key : `${path}.${key}`);
    else if (additional !== undefined && additional !== true)
      validateEmbedded(errors, member, additional, validateMeta, at(path, key));
  }
}

function validateOne(
  errors: ErrorList,
  object: JsonObject,
  validateMeta: (object: JsonObject) => readonly FieldError[],
  path: string,
): void {
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined) errors.required(`${path}.apiVersion`);
  if (kind === undefined) errors.required(`${path}.kind`);
  if (apiVersion !== undefined) {
    const field = `${path}.apiVersion`;
    if (typeof apiVersion !== 'string') errors.invalid(field, apiVersion, 'must be a string');
    else if (apiVersion === '') errors.invalid(field, apiVersion, 'must not be empty');
    else if (apiVersion.split('/').length > 2)
      errors.invalid(field, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  }
  if (kind !== undefined) {
    const field = `${path}.kind`;
    const wrong = typeof kind === 'string' ? checkDns1035Label(kind.toLowerCase()) : [];
    if (typeof kind !== 'string') errors.invalid(field, kind, 'must be a string');
    else if (kind === '') errors.invalid(field, kind, 'must not be empty');
    else if (wrong.length > 0)
      errors.invalid(field, kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`);
  }
  if (!isObject(metadata)) return;
  const named = metadata.name ? object : { ...object, metadata: { ...metadata, name: 'fakename' } };
  errors.append(validateMeta(named).map((error) => ({ ...error, field: `${path}.${error.field}` })));
}
