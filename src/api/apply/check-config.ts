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
  check.struct(config, type);
  const { errors } = check;
  if (errors.length <= 1) return errors[0];
  return `errors:\n${errors.map((error) => `  ${error}`).join('\n')}`;
}

/** Enough to see what is wrong; a hostile document has no end of errors. */
const errorsMax = 100;

class Check {
  readonly errors: string[] = [];
  /** Where the walk is: path elements as sets have them, read out only for an error. */
  readonly #path: string[] = [];

  #add(message: string): void {
    if (this.errors.length >= errorsMax) return;
    const path = this.#path.map(elementPath).join('');
    this.errors.push(path === '' ? message : `${path}: ${message}`);
  }

  #at(element: string, value: JsonValue, type: TypeRef): void {
    this.#path.push(element);
    this.#value(value, type);
    this.#path.pop();
  }

  struct(value: JsonValue, type: StructType): void {
    if (value === null) return;
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.#add(`expected map, got &{${goValue(value)}}`);
      return;
    }
    // A type without any field takes whatever comes.
    if (type.fields.length === 0) return;
    for (const key of Object.keys(value)) {
      const field = type.fieldsByName.get(key);
      if (field === undefined && type.open) continue;
      if (field === undefined) {
        this.#path.push(`f:${key}`);
        this.#add('field not declared in schema');
        this.#path.pop();
        return;
      }
      const member = (value as JsonObject)[key]!;
      if (member !== null) this.#at(`f:${key}`, member, field.type);
    }
  }

  #value(value: JsonValue, type: TypeRef): void {
    if (value === null) return;
    switch (type.kind) {
      case 'struct':
        this.struct(value, type.type);
        return;
      case 'map':
        if (typeof value !== 'object' || Array.isArray(value)) this.#add(`expected map, got &{${goValue(value)}}`);
        else for (const key of Object.keys(value)) this.#at(`f:${key}`, (value as JsonObject)[key]!, type.value);
        return;
      case 'list':
        if (Array.isArray(value)) this.#list(value, type);
        else this.#add(`expected list, got &{${goValue(value)}}`);
        return;
      case 'scalar':
        this.#scalar(value, type.scalar);
        return;
      case 'special':
        this.#special(value, type.special);
        return;
    }
  }

  #scalar(value: JsonValue, scalar: Extract<TypeRef, { kind: 'scalar' }>['scalar']): void {
    switch (scalar) {
      case 'string':
      case 'bytes':
        if (typeof value !== 'string')
          this.#add(`expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`);
        return;
      case 'boolean':
        if (typeof value !== 'boolean') this.#add(`expected boolean, got &{${goValue(value)}}`);
        return;
      default:
        if (typeof value !== 'number' && typeof value !== 'bigint')
          this.#add(`expected numeric (int or float), got ${goType(value)}`);
    }
  }

  #special(value: JsonValue, special: Extract<TypeRef, { kind: 'special' }>['special']): void {
    switch (special) {
      case 'Quantity':
      case 'Time':
      case 'MicroTime':
      case 'IntOrString':
        if (typeof value === 'object') this.#add(`expected any scalar, got &{${goValue(value)}}`);
        return;
      case 'Duration':
        this.#scalar(value, 'string');
        return;
      default:
        // Any value: raw extensions, JSON, schemas.
        return;
    }
  }

  #list(items: readonly JsonValue[], type: Extract<TypeRef, { kind: 'list' }>): void {
    if (type.listType !== 'set' && type.listType !== 'map') {
      for (let i = 0; i < items.length; i++) this.#at(`i:${i}`, items[i]!, type.element);
      return;
    }
    const seen = new Set<string>();
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!;
      const found = type.listType === 'set' ? setElement(item) : keyedElement(item, type);
      if ('error' in found) {
        // Nothing can be said about an item that has no path.
        this.#add(`element ${i}: ${found.error}`);
        return;
      }
      if (seen.has(found.element)) this.#add(`duplicate entries for key ${elementPath(found.element)}`);
      seen.add(found.element);
      this.#at(found.element, item, type.element);
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
    const given = (item as JsonObject)[key];
    const value = given === undefined ? (fields?.get(key)?.default as JsonValue | undefined) : given;
    if (value === undefined) continue;
    text += `${text === '' ? '' : ','}"${key}":${scalarText(value)}`;
  }
  if (text === '')
    return {
      error: `associative list with keys has an element that omits all key fields [${keys.map((key) => JSON.stringify(key)).join(' ')}] (and doesn't have default values for any key fields)`,
    };
  return { element: `k:{${text}}` };
}
