/**
 * Collects refused fields with upstream's wording. A path is a string as people read it: `spec.containers[0].name`, `data[a b]`.
 * Source: k8s.io/apimachinery/pkg/util/validation/field.
 */

import { encodeText } from '../codec/index.ts';
import type { FieldError } from '../errors.ts';

/** How Go prints the path of no field at all. */
export const nowhere = '[]';

export class ErrorList {
  readonly errors: FieldError[] = [];

  required(field: string, detail = ''): void {
    this.add('FieldValueRequired', field, `Required value${detail === '' ? '' : `: ${detail}`}`);
  }
  invalid(field: string, value: unknown, detail: string): void {
    this.add('FieldValueInvalid', field, `Invalid value: ${shown(value)}${detail === '' ? '' : `: ${detail}`}`);
  }
  /** One invalid error for each message. */
  invalidEach(field: string, value: unknown, details: readonly string[]): void {
    for (let i = 0; i < details.length; i++) this.invalid(field, value, details[i]!);
  }
  /** `supported` is shown in the order given; upstream sorts most of its sets. */
  notSupported(field: string, value: unknown, supported: readonly string[]): void {
    this.add(
      'FieldValueNotSupported',
      field,
      `Unsupported value: ${shown(value)}${supported.length === 0 ? '' : `: supported values: ${supported.map((v) => JSON.stringify(v)).join(', ')}`}`,
    );
  }
  duplicate(field: string, value: unknown, detail = ''): void {
    this.add('FieldValueDuplicate', field, `Duplicate value: ${shown(value)}${detail === '' ? '' : `: ${detail}`}`);
  }
  notFound(field: string, value: unknown, detail = ''): void {
    this.add('FieldValueNotFound', field, `Not found: ${shown(value)}${detail === '' ? '' : `: ${detail}`}`);
  }
  forbidden(field: string, detail: string): void {
    this.add('FieldValueForbidden', field, `Forbidden: ${detail}`);
  }
  tooLong(field: string, maxBytes: number): void {
    this.add('FieldValueTooLong', field, `Too long: may not be more than ${maxBytes} byte${maxBytes === 1 ? '' : 's'}`);
  }
  tooMany(field: string, actual: number, max: number): void {
    this.add('FieldValueTooMany', field, `Too many: ${actual}: must have at most ${max} item${max === 1 ? '' : 's'}`);
  }
  internal(field: string, detail: string): void {
    this.add('InternalError', field, `Internal error: ${detail}`);
  }
  append(errors: readonly FieldError[]): void {
    for (const error of errors) this.errors.push(error);
  }

  private add(type: FieldError['type'], field: string, message: string): void {
    this.errors.push({ type, field, message });
  }
}

/** Strings in quotes, everything else as JSON. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === undefined || value === null) return 'null';
  return encodeText(value as object);
}

export const positive = 'must be greater than zero';
export const notNegative = 'must be greater than or equal to 0';
export const immutable = 'field is immutable';
export const notInteger = 'must be an integer';
export const fileModeRange = 'must be a number between 0 and 0777 (octal), both inclusive';

/** The path of a list item or map entry. */
export const at = (field: string, index: number | string): string => `${field}[${index}]`;

/** One invalid error when the number is below zero. */
export function nonNegative(errors: ErrorList, value: number | undefined, field: string): void {
  if (value !== undefined && value < 0) errors.invalid(field, value, notNegative);
}
