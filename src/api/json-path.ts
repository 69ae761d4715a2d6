/**
 * JSONPath as columns and selectable fields use it: `.spec.a`, `['a.b']`, `\.` in names, `[0]`, `[-1:]`, `[*]`, `..`, `[?(@.type=="Ready")]`.
 * Source: client-go/util/jsonpath.
 */
import type { JsonObject, JsonValue } from './json.ts';

export type JsonPathQuery = (value: JsonValue) => readonly JsonValue[];

export class JsonPathError extends Error {
  override readonly name = 'JsonPathError';
}

type Step = (values: readonly JsonValue[]) => readonly JsonValue[];

/** @returns the values the path leads to; a missing member leads nowhere. @throws JsonPathError */
export function parseJsonPath(text: string): JsonPathQuery {
  const steps = new Parser(text).parse();
  return (value) => {
    let values: readonly JsonValue[] = [value];
    for (let i = 0; i < steps.length && values.length > 0; i++) values = steps[i]!(values);
    return values;
  };
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const each =
  (step: (value: JsonValue) => readonly JsonValue[]): Step =>
  (values) =>
    values.flatMap(step);

const member = (name: string): Step =>
  each((value) => (isObject(value) && Object.hasOwn(value, name) && value[name] !== undefined ? [value[name]] : []));

const all: Step = each((value) =>
  Array.isArray(value)
    ? (value as readonly JsonValue[])
    : isObject(value)
      ? Object.values(value).map((v) => v ?? null)
      : [],
);

function descend(value: JsonValue): readonly JsonValue[] {
  const below = Array.isArray(value)
    ? (value as readonly JsonValue[])
    : isObject(value)
      ? Object.values(value).map((v) => v ?? null)
      : [];
  return [value, ...below.flatMap(descend)];
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): readonly Step[] {
    const steps: Step[] = [];
    const text = this.#text;
    if (text[0] === '$' || text[0] === '@') this.#at = 1;
    while (this.#at < text.length) {
      const c = text[this.#at]!;
      if (c === '.') {
        this.#at++;
        if (text[this.#at] === '.') {
          this.#at++;
          steps.push(each(descend));
          if (text[this.#at] === '[') continue;
        } else if (text[this.#at] === '[' || this.#at === text.length) continue;
        steps.push(this.#name());
      } else if (c === '[') steps.push(this.#bracket());
      else steps.push(this.#name());
    }
    return steps;
  }

  #name(): Step {
    let name = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text[this.#at]!;
      if (c === '\\' && this.#at + 1 < this.#text.length) name += this.#text[++this.#at];
      else if (c === '.' || c === '[') break;
      else if (/[\s{}()'"|]/.test(c))
        throw new JsonPathError(
          `unrecognized character in action: U+${c.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()} '${c}'`,
        );
      else name += c;
    }
    if (name === '') throw new JsonPathError('invalid path');
    return name === '*' ? all : member(name);
  }

  #bracket(): Step {
    const start = ++this.#at;
    if (this.#text[start] === '?') return this.#filter();
    let quote = '';
    let end = start;
    for (; end < this.#text.length; end++) {
      const c = this.#text[end]!;
      if (quote !== '') {
        if (c === '\\') end++;
        else if (c === quote) quote = '';
      } else if (c === '"' || c === "'") quote = c;
      else if (c === ']') break;
    }
    if (end >= this.#text.length) throw new JsonPathError('unterminated array');
    const inner = this.#text.slice(start, end).trim();
    this.#at = end + 1;
    return bracket(inner);
  }

  #filter(): Step {
    const open = this.#text.indexOf('(', this.#at);
    let depth = 0;
    let quote = '';
    for (let end = open; end >= 0 && end < this.#text.length; end++) {
      const c = this.#text[end]!;
      if (quote !== '') {
        if (c === '\\') end++;
        else if (c === quote) quote = '';
      } else if (c === '"' || c === "'") quote = c;
      else if (c === '(' || c === '[') depth++;
      else if (c === ')' || c === ']') {
        depth--;
        if (depth > 0) continue;
        if (this.#text[end + 1] !== ']') break;
        const condition = filterOf(this.#text.slice(open + 1, end));
        this.#at = end + 2;
        return each((value) => (Array.isArray(value) ? (value as readonly JsonValue[]).filter(condition) : []));
      }
    }
    throw new JsonPathError('unterminated filter');
  }
}

function bracket(inner: string): Step {
  if (inner === '*') return all;
  const quoted = /^(['"])((?:\\.|(?!\1).)*)\1$/s.exec(inner);
  if (quoted) return member(quoted[2]!.replace(/\\(.)/gs, '$1'));
  if (inner.includes(',')) {
    const parts = inner.split(',').map((part) => bracket(part.trim()));
    return (values) => parts.flatMap((part) => part(values));
  }
  const slice = /^(-?\d*)(?::(-?\d*)(?::(-?\d*))?)?$/.exec(inner);
  if (!slice || inner === '') throw new JsonPathError(`invalid array index ${inner}`);
  const [, from = '', to, by] = slice;
  return each((value) => {
    if (!Array.isArray(value)) return [];
    const items = value as readonly JsonValue[];
    const place = (text: string, fallback: number): number =>
      text === '' ? fallback : Number(text) < 0 ? items.length + Number(text) : Number(text);
    const first = place(from, 0);
    if (to === undefined) return first >= 0 && first < items.length ? [items[first]!] : [];
    const last = Math.min(place(to, items.length), items.length);
    const step = by === undefined || by === '' ? 1 : Number(by);
    const found: JsonValue[] = [];
    if (step > 0) for (let i = Math.max(0, first); i < last; i += step) found.push(items[i]!);
    return found;
  });
}

function filterOf(text: string): (item: JsonValue) => boolean {
  const comparison = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text.trim());
  if (!comparison) {
    const path = parseJsonPath(text.trim());
    return (item) => path(item).length > 0;
  }
  const left = operand(comparison[1]!.trim());
  const right = operand(comparison[3]!.trim());
  const operator = comparison[2]!;
  return (item) => {
    const [a] = left(item);
    const [b] = right(item);
    if (a === undefined || b === undefined) return false;
    return compare(a, b, operator);
  };
}

function operand(text: string): JsonPathQuery {
  if (text.startsWith('@') || text.startsWith('$') || text.startsWith('.')) return parseJsonPath(text);
  const quoted = /^(['"])(.*)\1$/s.exec(text);
  if (quoted) return () => [quoted[2]!.replace(/\\(.)/gs, '$1')];
  if (/^-?\d+(\.\d+)?$/.test(text)) return () => [Number(text)];
  if (text === 'true' || text === 'false') return () => [text === 'true'];
  throw new JsonPathError(`unrecognized identifier ${text}`);
}

function compare(a: JsonValue, b: JsonValue, operator: string): boolean {
  const [x, y] = typeof a === typeof b ? [a, b] : [String(a), String(b)];
  switch (operator) {
    case '==':
      return x === y;
    case '!=':
      return x !== y;
    case '<':
      return x! < y!;
    case '<=':
      return x! <= y!;
    case '>':
      return x! > y!;
    default:
      return x! >= y!;
  }
}
