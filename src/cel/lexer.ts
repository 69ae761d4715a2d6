/** Expression text to tokens. Source: the CEL specification, cel-go/parser/gen/CEL.g4, cel-go/parser/unescape.go. */
import type { CelIssue } from './source.ts';

export type TokenKind =
  | 'ident'
  | 'quotedIdent'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'true'
  | 'false'
  | 'null'
  | 'op'
  | 'eof';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** In code points. */
  readonly offset: number;
}

const operatorTexts = [
  '==',
  '!=',
  '<=',
  '>=',
  '&&',
  '||',
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  '.',
  ',',
  '-',
  '!',
  '?',
  ':',
  '+',
  '*',
  '/',
  '%',
  '<',
  '>',
];

const numberPattern =
  /^(?:0x[0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[uU]?)/;
const stringStart = /^(?:[rR]?[bB]?|[bB][rR])?("""|'''|"|')/;

export function tokenize(text: string, issues: CelIssue[]): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  /** Code points before `at`. */
  let offset = 0;
  const advance = (length: number): void => {
    for (const _ of text.slice(at, at + length)) offset++;
    at += length;
  };
  const add = (kind: TokenKind, length: number): void => {
    tokens.push({ kind, text: text.slice(at, at + length), offset });
    advance(length);
  };
  while (at < text.length) {
    const rest = text.slice(at);
    const blank = /^(?:[ \t\r\n\f]+|\/\/[^\n]*)/.exec(rest);
    if (blank) {
      advance(blank[0].length);
      continue;
    }
    const quoted = stringStart.exec(rest);
    if (quoted) {
      const length = stringLength(
        rest,
        quoted[0].length,
        quoted[1]!,
        /[rR]/.test(quoted[0].slice(0, 2).replace(/["'].*/, '')),
      );
      if (length > 0) {
        add(/^[rR]?[bB]/.test(rest) ? 'bytes' : 'string', length);
        continue;
      }
      const shown = rest.split('\n')[0]!;
      issues.push({ offset, message: `Syntax error: token recognition error at: '${shown}'` });
      advance(shown.length === 0 ? 1 : shown.length);
      continue;
    }
    const number = numberPattern.exec(rest);
    if (number && !(number[0].startsWith('.') && afterValue(tokens))) {
      const found = number[0];
      add(
        /[uU]$/.test(found) ? 'uint' : /^0x/.test(found) ? 'int' : /[.eE]/.test(found) ? 'double' : 'int',
        found.length,
      );
      continue;
    }
    const word = /^[_a-zA-Z][_a-zA-Z0-9]*/.exec(rest);
    if (word) {
      const found = word[0];
      const kind = found === 'true' || found === 'false' || found === 'null' ? found : found === 'in' ? 'op' : 'ident';
      add(kind, found.length);
      continue;
    }
    const escaped = /^`[a-zA-Z0-9_.\-/ ]+`/.exec(rest);
    if (escaped) {
      add('quotedIdent', escaped[0].length);
      continue;
    }
    const operator = operatorTexts.find((one) => rest.startsWith(one));
    if (operator) {
      add('op', operator.length);
      continue;
    }
    // The first half of `==`, `&&` or `||` takes what follows it down too.
    const half = /^[=&|]/.test(rest);
    const bad = [...rest.slice(0, 4)].slice(0, half ? 2 : 1).join('');
    issues.push({ offset, message: `Syntax error: token recognition error at: '${bad}'` });
    advance(bad.length);
  }
  tokens.push({ kind: 'eof', text: '<EOF>', offset });
  return tokens;
}

/** A dot behind one of these selects; it begins no number. */
function afterValue(tokens: readonly Token[]): boolean {
  const last = tokens.at(-1);
  return last !== undefined && (last.kind === 'ident' || last.text === ')' || last.text === ']' || last.text === '}');
}

/** Of the whole literal; 0 when it does not end. */
function stringLength(rest: string, start: number, quote: string, raw: boolean): number {
  for (let i = start; i < rest.length; i++) {
    const c = rest[i]!;
    if (c === '\\' && !raw) i++;
    else if (quote.length === 1 && (c === '\n' || c === '\r')) return 0;
    else if (rest.startsWith(quote, i)) return i + quote.length;
  }
  return 0;
}

const simple: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
};

export class EscapeError extends Error {}

/** What a string literal says. @throws EscapeError */
export function unquote(literal: string): string {
  const { body, raw } = split(literal);
  if (raw) return body;
  return body.replace(escapes, (all, one: string) => {
    const c = one[0]!;
    if (c in simple && one.length === 1) return simple[c]!;
    if (c === 'x' || c === 'X' || c === 'u' || c === 'U') return point(Number.parseInt(one.slice(1), 16));
    if (/^[0-3][0-7]{2}$/.test(one)) return point(Number.parseInt(one, 8));
    throw new EscapeError(`unable to unescape string${all === '' ? '' : ''}`);
  });
}

const escapes = /\\(x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|[\s\S])/g;

function point(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new EscapeError('unable to unescape string');
  return String.fromCodePoint(code);
}

/** What a bytes literal says: escapes of one byte are bytes, everything else is UTF-8. @throws EscapeError */
export function unquoteBytes(literal: string): Uint8Array {
  const { body, raw } = split(literal.replace(/^([rR]?)[bB]/, '$1').replace(/^[bB]/, ''));
  if (raw) return new TextEncoder().encode(body);
  const parts: Uint8Array[] = [];
  let last = 0;
  for (const match of body.matchAll(escapes)) {
    parts.push(new TextEncoder().encode(body.slice(last, match.index)));
    last = match.index + match[0].length;
    const one = match[1]!;
    if (/^[xX]/.test(one) && one.length === 3) parts.push(Uint8Array.of(Number.parseInt(one.slice(1), 16)));
    else if (/^[0-3][0-7]{2}$/.test(one)) parts.push(Uint8Array.of(Number.parseInt(one, 8)));
    else if (one.length === 1 && one in simple) parts.push(new TextEncoder().encode(simple[one]));
    else throw new EscapeError('unable to unescape string');
  }
  parts.push(new TextEncoder().encode(body.slice(last)));
  return new Uint8Array(Buffer.concat(parts));
}

function split(literal: string): { readonly body: string; readonly raw: boolean } {
  const raw = /^[rR]/.test(literal);
  const rest = raw ? literal.slice(1) : literal;
  const quote = rest.startsWith('"""') || rest.startsWith("'''") ? 3 : 1;
  return { body: rest.slice(quote, -quote).replaceAll('\r\n', '\n').replaceAll('\r', '\n'), raw };
}
