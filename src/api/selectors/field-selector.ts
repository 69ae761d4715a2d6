/**
 * Field selectors: `status.phase=Running,spec.nodeName!=`, with `\`, `,` and `=` escaped by a backslash in values.
 * Source: k8s.io/apimachinery/pkg/fields.
 */
import { SelectorError } from './label-selector.ts';

export interface FieldTerm {
  readonly field: string;
  readonly value: string;
  /** `!=` */
  readonly negated: boolean;
}

/** All terms must hold; none: everything. */
export type FieldMatcher = readonly FieldTerm[];

export const everyField: FieldMatcher = Object.freeze([]);

/**
 * Maps a field label to the one the object answers to (`spec.host` -> `spec.nodeName`), or throws SelectorError for a label the kind does
 * not know. Returning both empty drops the term.
 */
export type FieldLabelConversion = (field: string, value: string) => readonly [field: string, value: string];

/** @throws SelectorError with upstream's message */
export function parseFieldSelector(text: string, convert?: FieldLabelConversion): FieldMatcher {
  if (text === '') return everyField;
  const terms: FieldTerm[] = [];
  for (const part of splitTerms(text).sort()) {
    if (part === '') continue;
    const operator = /!=|==|=/.exec(part);
    if (!operator) throw new SelectorError(`invalid selector: '${text}'; can't understand '${part}'`);
    const field = part.slice(0, operator.index);
    const value = unescapeFieldValue(part.slice(operator.index + operator[0].length));
    terms.push({ field, value, negated: operator[0] === '!=' });
  }
  if (!convert) return terms;
  const converted: FieldTerm[] = [];
  for (const term of terms) {
    const [field, value] = convert(term.field, term.value);
    if (field !== '' || value !== '') converted.push({ field, value, negated: term.negated });
  }
  return converted;
}

/** @param get the object's value of a field; `''` when it has none */
export function matchFields(matcher: FieldMatcher, get: (field: string) => string): boolean {
  for (let i = 0; i < matcher.length; i++) {
    const term = matcher[i]!;
    if ((get(term.field) === term.value) === term.negated) return false;
  }
  return true;
}

/** The value a field must have exactly, if the selector demands one: lets an index answer. */
export function requiredFieldValue(matcher: FieldMatcher, field: string): string | undefined {
  return matcher.find((term) => term.field === field && !term.negated)?.value;
}

export function formatFieldMatcher(matcher: FieldMatcher): string {
  return matcher
    .map(({ field, value, negated }) => `${field}${negated ? '!=' : '='}${escapeFieldValue(value)}`)
    .join(',');
}

export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, '\\$&');
}

/** @throws SelectorError for an unknown escape or an unescaped `,` or `=` */
export function unescapeFieldValue(text: string): string {
  if (!/[\\,=]/.test(text)) return text;
  let value = '';
  const characters = [...text];
  for (let i = 0; i < characters.length; i++) {
    const c = characters[i]!;
    if (c === '\\') {
      const escaped = characters[++i];
      if (escaped !== '\\' && escaped !== ',' && escaped !== '=')
        throw new SelectorError(`invalid field selector: invalid escape sequence: \\${escaped ?? ''}`);
      value += escaped;
    } else if (c === ',' || c === '=')
      throw new SelectorError(`invalid field selector: unescaped character in value: ${c.charCodeAt(0)}`);
    else value += c;
  }
  return value;
}

/** Splits at commas that no backslash precedes; the backslashes stay. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === ',') {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}
