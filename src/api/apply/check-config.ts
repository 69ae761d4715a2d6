/**
 * Whether an applied configuration fits its type: known fields, the right kinds of values, no two list items of one key. Upstream's words.
 * Source: structured-merge-diff/typed/validate.go.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { scalarText, valueElement } from '../managed-fields/field-set.ts';
import { goSyntax, goType, goValue } from '../patch/go-format.ts';
import type { StructType, TypeRef } from '../schema/model.ts';
import { elementPath } from './paths.ts';

/** @returns undefined when all is well, else the message, several lines for several errors. */
export function configError(config: JsonObject, type: StructType): string | undefined {
  const check = new Check();
  check.struct(config, type, '');
  const { errors } = check;
  if (errors.length <= 1) return errors[0];
  return `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`;
}

/** Enough to see what is wrong; a hostile document has no end of errors. */
const errorsMax = 100;

class Check {
  readonly errors: string[] = [];

  #add(path: string, message: string): void {
    if (this.errors.length < errorsMax) this.errors.push(path === '' ? message : `${path}: ${message}`);
  }

  struct(value: JsonValue, type: StructType, path: string): void {
    if (value === null) return;
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.#add(path, `expected map, got &{${goValue(value)}}`);
      return;
    }
    // A type without any field takes whatever comes.
    if (type.fields.length === 0) return;
    for (const key of Object.keys(value)) {
      const field = type.fieldsByName.get(key);
      if (field === undefined) {
        this.#add(`${path}.${key}`, 'field not declared in schema');
        return;
      }
      const member = (value as JsonObject)[key]!;
      if (member !== null) this.#value(member, field.type, `${path}.${key}`);
    }
  }

  #value(value: JsonValue, type: TypeRef, path: string): void {
    if (value === null) return;
    switch (type.kind) {
      case 'struct':
        this.struct(value, type.type, path);
        return;
      case 'map':
        if (typeof value !== 'object' || Array.isArray(value))
          this.#add(path, `expected map, got &{${goValue(value)}}`);
        else
          for (const key of Object.keys(value)) this.#value((value as JsonObject)[key]!, type.value, `${path}.${key}`);
        return;
      case 'list':
        if (Array.isArray(value)) this.#list(value, type, path);
        else this.#add(path, `expected list, got &{${goValue(value)}}`);
        return;
      case 'scalar':
        this.#scalar(value, type.scalar, path);
        return;
      case 'special':
        this.#special(value, type.special, path);
        return;
    }
  }

  #scalar(value: JsonValue, scalar: Extract<TypeRef, { kind: 'scalar' }>['scalar'], path: string): void {
    switch (scalar) {
      case 'string':
      case 'bytes':
        if (typeof value !== 'string')
          this.#add(path, `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`);
        return;
      case 'boolean':
        if (typeof value !== 'boolean') this.#add(path, `expected boolean, got &{${goValue(value)}}`);
        return;
      default:
        if (typeof value !== 'number' && typeof value !== 'bigint')
          this.#add(path, `expected numeric (int or float), got ${goType(value)}`);
    }
  }

  #special(value: JsonValue, special: Extract<TypeRef, { kind: 'special' }>['special'], path: string): void {
    switch (special) {
      case 'Quantity':
      case 'Time':
      case 'MicroTime':
      case 'IntOrString':
        if (typeof value === 'object') this.#add(path, `expected any scalar, got &{${goValue(value)}}`);
        return;
      case 'Duration':
        this.#scalar(value, 'string', path);
        return;
      default:
        // Any value: raw extensions, JSON, schemas.
        return;
    }
  }

  #list(items: readonly JsonValue[], type: Extract<TypeRef, { kind: 'list' }>, path: string): void {
    if (type.listType !== 'set' && type.listType !== 'map') {
      for (let i = 0; i < items.length; i++) this.#value(items[i]!, type.element, `${path}[${i}]`);
      return;
    }
    const seen = new Set<string>();
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!;
      const found = type.listType === 'set' ? setElement(item) : keyedElement(item, type);
      if ('error' in found) {
        // Nothing can be said about an item that has no path.
        this.#add(path, `element ${i}: ${found.error}`);
        return;
      }
      const at = elementPath(found.element);
      if (seen.has(found.element)) this.#add(path, `duplicate entries for key ${at}`);
      seen.add(found.element);
      this.#value(item, type.element, path + at);
    }
  }
}

type Element = { readonly element: string } | { readonly error: string };

function setElement(item: JsonValue): Element {
  if (item === null) return { error: "associative list without keys has an element that's an explicit null" };
  if (Array.isArray(item)) return { error: 'not supported: associative list with lists as elements' };
  if (typeof item === 'object') return { error: "associative list without keys has an element that's a map type" };
  return { element: valueElement(item) };
}

function keyedElement(item: JsonValue, type: Extract<TypeRef, { kind: 'list' }>): Element {
  if (item === null) return { error: 'associative list with keys may not have a null element' };
  if (typeof item !== 'object' || Array.isArray(item))
    return { error: 'associative list with keys may not have non-map elements' };
  const keys = type.mapKeys ?? [];
  const fields = type.element.kind === 'struct' ? type.element.type.fieldsByName : undefined;
  let text = '';
  for (const key of [...keys].sort()) {
    const value = (item as JsonObject)[key] ?? (fields?.get(key)?.default as JsonValue | undefined);
    if (value === undefined || value === null) continue;
    text += `${text === '' ? '' : ','}"${key}":${scalarText(value)}`;
  }
  if (text === '')
    return {
      error: `associative list with keys has an element that omits all key fields [${keys.map((key) => JSON.stringify(key)).join(' ')}] (and doesn't have default values for any key fields)`,
    };
  return { element: `k:{${text}}` };
}
