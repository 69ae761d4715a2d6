/**
 * Values against a schema, in upstream's words. Source: kube-openapi/pkg/validation/validate, as apiextensions-apiserver uses it.
 *
 * A value that an update leaves as it was may stay wrong (ratcheting): where the old value can be told (members by name, items of a list map
 * by key) and is the same, its errors do not count.
 */
import { sameJson } from '../edit.ts';
import type { FieldError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compileRegex, type Regex, RegexError } from '../regex.ts';
import { ErrorList } from '../validation/error-list.ts';
import { stringFormat } from './formats.ts';
import { isList, isObject, itemsOf, memberOf, type Structural } from './schema.ts';

type Code =
  | 'type'
  | 'required'
  | 'enum'
  | 'tooLong'
  | 'tooMany'
  /** Any other broken demand on one value. */
  | 'invalid'
  /** About a combination of schemas: it names no field. */
  | 'plain';

interface Violation {
  readonly code: Code;
  /** Dotted path; members of maps and required ones may begin with a dot. */
  readonly name: string;
  readonly message: string;
  readonly value: JsonValue | undefined;
  readonly limit?: number;
  readonly allowed?: readonly JsonValue[];
}

/** What the demands on one value came to. `matches` counts those that were met: it chooses which alternative to blame. */
interface Result {
  readonly violations: Violation[];
  matches: number;
}

/** The old value beside a new one; `undefined` where there is none. */
export interface Correlation {
  readonly old: JsonValue;
  readonly schema: Structural;
}

export class SchemaValidator {
  readonly #schema: Structural;
  readonly #patterns = new Map<string, Regex | string>();

  constructor(schema: Structural) {
    this.#schema = schema;
  }

  /** @param at where the value stands: `status`; empty for the whole object. */
  validate(value: JsonValue, at = ''): readonly FieldError[] {
    return fieldErrors(this.#value(value, this.#schema, '', undefined).violations, at);
  }

  validateUpdate(value: JsonValue, old: JsonValue | undefined, at = ''): readonly FieldError[] {
    const correlation = old === undefined ? undefined : { old, schema: this.#schema };
    return fieldErrors(this.#value(value, this.#schema, '', correlation).violations, at);
  }

  #value(value: JsonValue, schema: Structural, path: string, correlation: Correlation | undefined): Result {
    const result: Result = { violations: [], matches: 0 };
    if (value === null) {
      merge(result, this.#type(value, schema, path));
      merge(result, enumeration(value, schema, path));
    } else {
      const steps = [
        hasType(schema) ? this.#type(value, schema, path) : skipped,
        this.#combinations(value, schema, path),
        typeof value === 'string' ? this.#string(value, schema, path) : skipped,
        typeof value === 'string' ? format(value, schema, path) : skipped,
        typeof value === 'number' || typeof value === 'bigint' ? numeric(value, schema, path) : skipped,
        isList(value) ? this.#list(value, schema, path, correlation) : skipped,
        enumeration(value, schema, path),
        isObject(value) ? this.#object(value, schema, path, correlation) : skipped,
      ];
      for (const step of steps) {
        if (step === skipped) continue;
        merge(result, step);
        result.matches++;
      }
      result.matches++;
    }
    if (result.violations.length > 0 && correlation !== undefined && sameJson(value, correlation.old))
      return { violations: [], matches: 0 };
    return result;
  }

  #type(value: JsonValue, schema: Structural, path: string): Result {
    const types = typesOf(schema);
    if (value === null) {
      if (types.length > 0 && !schema.nullable) return wrongType(path, types.join(','), 'null');
      return met();
    }
    const kind = kindOf(value);
    const known = knownFormat(schema);
    const wholeFloat = kind === 'number' && Number.isInteger(value) && types.includes('integer');
    const integerAsNumber = kind === 'integer' && types.includes('number');
    const textual = typeof value === 'string' || isList(value);
    const fits = types.includes(kind) || wholeFloat || integerAsNumber;
    if (!textual && known !== '' && !fits)
      return wrongType(path, known, kind === 'integer' ? 'int64' : kind === 'number' ? 'float64' : '');
    if (!types.includes('number') && !types.includes('integer') && known !== '' && textual) return met();
    if (!fits) return wrongType(path, types.join(','), kind);
    return met();
  }

  #combinations(value: JsonValue, schema: Structural, path: string): Result {
    const { anyOf = [], oneOf = [], allOf = [], not } = schema;
    const result: Result = { violations: [], matches: 1 };
    if (anyOf.length > 0) {
      const { passed, best, first } = this.#alternatives(value, anyOf, path, { stopAtFirst: true });
      if (passed === 0) result.violations.push(plain(`${quoted(path)} must validate at least one schema (anyOf)`));
      const counted = best ?? first;
      if (counted) merge(result, counted);
    }
    if (oneOf.length > 0) {
      const { passed, best, first } = this.#alternatives(value, oneOf, path, { stopAtFirst: false });
      if (passed === 1) merge(result, first!);
      else {
        const found = passed === 0 ? 'Found none valid' : `Found ${passed} valid alternatives`;
        result.violations.push(plain(`${quoted(path)} must validate one and only one schema (oneOf). ${found}`));
        if (best) merge(result, best);
      }
    }
    if (allOf.length > 0) {
      let passed = 0;
      for (const one of allOf) {
        const found = this.#value(value, one, path, undefined);
        if (found.violations.length === 0) passed++;
        merge(result, found);
      }
      if (passed !== allOf.length)
        result.violations.push(
          plain(`${quoted(path)} must validate all the schemas (allOf)${passed === 0 ? '. None validated' : ''}`),
        );
    }
    if (not && this.#value(value, not, path, undefined).violations.length === 0)
      result.violations.push(plain(`${quoted(path)} must not validate the schema (not)`));
    return result;
  }

  #alternatives(
    value: JsonValue,
    schemas: readonly Structural[],
    path: string,
    { stopAtFirst }: { readonly stopAtFirst: boolean },
  ): { readonly passed: number; readonly best: Result | undefined; readonly first: Result | undefined } {
    let passed = 0;
    let best: Result | undefined;
    let first: Result | undefined;
    for (const schema of schemas) {
      const found = this.#value(value, schema, path, undefined);
      if (found.violations.length === 0) {
        passed++;
        best = undefined;
        first ??= found;
        if (stopAtFirst) break;
      } else if (passed === 0 && (best === undefined || found.matches > best.matches)) best = found;
    }
    return { passed, best, first };
  }

  #string(value: string, schema: Structural, path: string): Result {
    const { maxLength, minLength, pattern = '' } = schema;
    const length = maxLength === undefined && minLength === undefined ? 0 : runes(value);
    if (maxLength !== undefined && length > maxLength)
      return broken({
        code: 'tooLong',
        name: path,
        message: `${path} in body should be at most ${maxLength} chars long`,
        value,
        limit: maxLength,
      });
    if (minLength !== undefined && length < minLength)
      return invalid(path, value, `should be at least ${minLength} chars long`);
    if (pattern !== '') {
      const regex = this.#pattern(pattern);
      if (typeof regex === 'string')
        return invalid(path, value, `should match '${pattern}, but pattern is invalid: ${regex}'`);
      if (!regex.test(value)) return invalid(path, value, `should match '${pattern}'`);
    }
    return none();
  }

  /** @returns what is wrong with the pattern, where it is no regular expression. */
  #pattern(pattern: string): Regex | string {
    let regex = this.#patterns.get(pattern);
    if (regex !== undefined) return regex;
    try {
      regex = compileRegex(pattern);
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      regex = error.message;
    }
    this.#patterns.set(pattern, regex);
    return regex;
  }

  #list(items: readonly JsonValue[], schema: Structural, path: string, correlation: Correlation | undefined): Result {
    const result: Result = { violations: [], matches: 1 };
    const of = itemsOf(schema);
    const before = correlation === undefined ? undefined : itemsBefore(correlation);
    if (of !== undefined)
      for (let i = 0; i < items.length; i++) {
        const old = before?.(items[i]!);
        const inner = itemsOf(correlation?.schema);
        merge(
          result,
          this.#value(
            items[i]!,
            of,
            `${path}[${i}]`,
            old === undefined || inner === undefined ? undefined : { old, schema: inner },
          ),
        );
      }
    const { minItems, maxItems, uniqueItems } = schema;
    if (minItems !== undefined && items.length < minItems)
      result.violations.push(violation(path, items.length, `should have at least ${minItems} items`));
    if (maxItems !== undefined && items.length > maxItems)
      result.violations.push({
        code: 'tooMany',
        name: path,
        message: `${path} in body should have at most ${maxItems} items`,
        value: items.length,
        limit: maxItems,
      });
    if (uniqueItems && items.some((item, i) => items.findIndex((other) => sameJson(item, other)) < i))
      result.violations.push(violation(path, undefined, "shouldn't contain duplicates"));
    return result;
  }

  #object(value: JsonObject, schema: Structural, path: string, correlation: Correlation | undefined): Result {
    const result: Result = { violations: [], matches: 0 };
    const keys = Object.keys(value).filter((key) => value[key] !== undefined);
    const { minProperties, maxProperties, properties = {}, required = [], additionalProperties } = schema;
    if (minProperties !== undefined && keys.length < minProperties)
      result.violations.push(violation(path, keys.length, `should have at least ${minProperties} properties`));
    if (maxProperties !== undefined && keys.length > maxProperties)
      result.violations.push({
        code: 'tooMany',
        name: path,
        message: `${path} in body should have at most ${maxProperties} properties`,
        value: keys.length,
        limit: maxProperties,
      });
    if (additionalProperties === false) {
      for (const key of keys)
        if (!Object.hasOwn(properties, key))
          result.violations.push({
            code: 'invalid',
            name: path,
            message: `${path}.${key} in body is a forbidden property`,
            value: key,
          });
    } else if (isObject(additionalProperties)) {
      const members = additionalProperties as Structural;
      for (const key of keys)
        if (!Object.hasOwn(properties, key))
          merge(result, this.#value(value[key]!, members, `${path}.${key}`, childOf(correlation, key, path)));
    }
    for (const name of Object.keys(properties)) {
      const member = Object.hasOwn(value, name) ? value[name] : undefined;
      if (member === undefined) continue;
      const at = path === '' ? name : `${path}.${name}`;
      merge(result, this.#value(member, properties[name]!, at, childOf(correlation, name, path)));
    }
    for (const name of required)
      if (!Object.hasOwn(value, name) || value[name] === undefined)
        result.violations.push({
          code: 'required',
          name: `${path}.${name}`,
          message: `${path}.${name} in body is required`,
          value: undefined,
        });
    return result;
  }
}

function childOf(correlation: Correlation | undefined, key: string, path: string): Correlation | undefined {
  if (correlation === undefined || !isObject(correlation.old)) return undefined;
  // The version an object is shown in is not the user's doing.
  if (path === '' && (key === 'kind' || key === 'apiVersion')) return undefined;
  const old = Object.hasOwn(correlation.old, key) ? correlation.old[key] : undefined;
  const schema = memberOf(correlation.schema, key);
  return old === undefined || schema === undefined ? undefined : { old, schema };
}

/** How to find an item's old state; only lists keyed by fields know. */
export function itemsBefore({ old, schema }: Correlation): ((item: JsonValue) => JsonValue | undefined) | undefined {
  if (schema['x-kubernetes-list-type'] !== 'map' || !isList(old)) return undefined;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const keyOf = (item: JsonValue): string | undefined =>
    isObject(item) ? JSON.stringify(keys.map((key) => item[key] ?? null)) : undefined;
  const byKey = new Map<string, JsonValue>();
  for (const item of old) {
    const key = keyOf(item);
    if (key !== undefined && !byKey.has(key)) byKey.set(key, item);
  }
  return (item) => {
    const key = keyOf(item);
    return key === undefined ? undefined : byKey.get(key);
  };
}

const none = (): Result => ({ violations: [], matches: 0 });
const met = (): Result => ({ violations: [], matches: 1 });
const broken = (one: Violation): Result => ({ violations: [one], matches: 0 });
const skipped: Result = Object.freeze({ violations: [], matches: 0 });

const violation = (name: string, value: JsonValue | undefined, demand: string): Violation => ({
  code: 'invalid',
  name,
  message: `${name} in body ${demand}`,
  value,
});
const invalid = (name: string, value: JsonValue | undefined, demand: string): Result =>
  broken(violation(name, value, demand));
const plain = (message: string): Violation => ({ code: 'plain', name: '', message, value: undefined });
const quoted = (path: string): string => JSON.stringify(path);

function wrongType(name: string, wanted: string, given: string): Result {
  return broken({
    code: 'type',
    name,
    message: `${name} in body must be of type ${wanted}: ${JSON.stringify(given)}`,
    value: given,
  });
}

function merge(into: Result, from: Result): void {
  into.matches += from.matches;
  for (const one of from.violations)
    if (!into.violations.some((known) => known.message === one.message)) into.violations.push(one);
}

function typesOf(schema: Structural): readonly string[] {
  if (schema['x-kubernetes-int-or-string']) return ['integer', 'string'];
  return schema.type ? [schema.type] : [];
}

const hasType = (schema: Structural): boolean => typesOf(schema).length > 0 || knownFormat(schema) !== '';

/** The format, where the server enforces it for the schema's type. */
function knownFormat(schema: Structural): string {
  const { format: name = '' } = schema;
  if (name === '') return '';
  const types = typesOf(schema);
  const type = types.length === 1 ? types[0]! : '';
  switch (type) {
    case '':
    case 'string':
      return stringFormat(name) ? name : '';
    case 'integer':
      return name === 'int32' || name === 'int64' ? name : '';
    case 'number':
      return name === 'float' || name === 'double' ? name : '';
    default:
      return '';
  }
}

function kindOf(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'boolean';
    case 'bigint':
      return 'integer';
    case 'number':
      return Number.isInteger(value) ? 'integer' : 'number';
    default:
      return isList(value) ? 'array' : 'object';
  }
}

function format(value: string, schema: Structural, path: string): Result {
  const name = knownFormat(schema);
  const check = name === '' ? undefined : stringFormat(name);
  if (check === undefined) return skipped;
  return check(value)
    ? none()
    : broken({
        code: 'type',
        name: path,
        message: `${path} in body must be of type ${name}: ${JSON.stringify(value)}`,
        value,
      });
}

function enumeration(value: JsonValue, schema: Structural, path: string): Result {
  const allowed = schema.enum ?? [];
  if (allowed.length === 0) return none();
  if (value !== null && allowed.some((one) => sameJson(one, value))) return none();
  return broken({
    code: 'enum',
    name: path,
    message: `${path} in body should be one of [${allowed.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(' ')}]`,
    value,
    allowed,
  });
}

function numeric(value: number | bigint, schema: Structural, path: string): Result {
  const result: Result = { violations: [], matches: 1 };
  const { multipleOf, maximum, minimum, exclusiveMaximum, exclusiveMinimum } = schema;
  const types = typesOf(schema);
  const type = types.length === 1 ? types[0]! : '';
  const name = type === 'integer' || type === 'number' ? knownFormat(schema) : '';
  const outside =
    (type === 'integer' && name === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) ||
    (type === 'integer' && name !== 'int32' && (value < -(2n ** 63n) || value >= 2n ** 63n)) ||
    (type === 'number' && name === 'float' && Math.abs(Number(value)) > 3.4028234663852886e38);
  if (outside)
    result.violations.push(
      plain(
        name === ''
          ? `Checked value must be of type ${type} (default format) in ${path}`
          : `Checked value must be of type ${type} with format ${name} in ${path}`,
      ),
    );
  const add = (demand: string): void => {
    result.violations.push(violation(path, value, demand));
  };
  if (multipleOf !== undefined) {
    if (multipleOf <= 0)
      result.violations.push({
        code: 'invalid',
        name: path,
        message: `factor MultipleOf declared for ${path} must be positive: ${multipleOf}`,
        value: multipleOf,
      });
    else if (!isMultiple(value, multipleOf)) add(`should be a multiple of ${multipleOf}`);
  }
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum && !(value > minimum))))
    add(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum && !(value < maximum))))
    add(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  return result;
}

function isMultiple(value: number | bigint, factor: number): boolean {
  if (typeof value === 'bigint') return Number.isInteger(factor) && value % BigInt(factor) === 0n;
  const quotient = factor < 1 ? (1 / factor) * value : value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient));
}

function runes(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function fieldErrors(violations: readonly Violation[], at: string): readonly FieldError[] {
  const errors = new ErrorList();
  for (const { code, name, message, value = '', limit = 0, allowed = [] } of violations) {
    const below = name.startsWith('.') ? name.slice(1) : name;
    const field = at === '' ? below || '<nil>' : below === '' ? at : `${at}.${below}`;
    switch (code) {
      case 'required':
        errors.required(field);
        break;
      case 'enum':
        errors.notSupported(
          field,
          value,
          allowed.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))),
        );
        break;
      case 'tooLong':
        errors.tooLong(field, limit);
        break;
      case 'tooMany':
        errors.tooMany(field, Number(value), limit);
        break;
      case 'type':
        errors.append([
          { type: 'FieldValueTypeInvalid', field, message: `Invalid value: ${JSON.stringify(value)}: ${message}` },
        ]);
        break;
      case 'invalid':
        errors.invalid(field, value, message);
        break;
      case 'plain':
        errors.invalid(at === '' ? '<nil>' : at, '', message);
        break;
    }
  }
  return errors.errors;
}
