/**
 * Expression text to a syntax tree, macros expanded. Source: the CEL specification, cel-go/parser.
 */
import { type Expr, type MapEntry, operators, type StructField } from './ast.ts';
import { EscapeError, type Token, tokenize, unquote, unquoteBytes } from './lexer.ts';
import { expandMacro } from './macros.ts';
import { CelCompileError, type CelIssue } from './source.ts';
import { Uint, type Value } from './values.ts';

export const maxExpressionDepth = 250;
/** Upstream: parser.defaultMaxExpressionSize... code points of an expression. */
const maxExpressionSize = 100_000;

const reserved: ReadonlySet<string> = new Set(
  'as break const continue else false for function if import in let loop package namespace null return true var void while'.split(
    ' ',
  ),
);

const startsExpression =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/** @throws CelCompileError */
export function parse(text: string): Expr {
  if ([...text].length > maxExpressionSize)
    throw new CelCompileError(text, [
      {
        offset: 0,
        message: `expression code point size exceeds limit: size: ${[...text].length}, limit ${maxExpressionSize}`,
      },
    ]);
  const issues: CelIssue[] = [];
  const tokens = tokenize(text, issues);
  const parser = new Parser(text, tokens, issues);
  let expr: Expr | undefined;
  try {
    expr = parser.whole();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  if (issues.length > 0 || expr === undefined) throw new CelCompileError(text, issues);
  return expr;
}

/** Nothing more can be made of the text. */
class Stop extends Error {}

export interface NodeMaker {
  id(): number;
  issue(offset: number, message: string): void;
}

class Parser implements NodeMaker {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #issues: CelIssue[];
  #at = 0;
  #nextId = 1;
  #depth = 0;

  constructor(text: string, tokens: readonly Token[], issues: CelIssue[]) {
    this.#text = text;
    this.#tokens = tokens;
    this.#issues = issues;
  }

  id(): number {
    return this.#nextId++;
  }
  issue(offset: number, message: string): void {
    this.#issues.push({ offset, message });
  }

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }
  #is(text: string): boolean {
    const token = this.#token;
    return token.kind === 'op' && token.text === text;
  }
  #take(): Token {
    return this.#tokens[this.#at++]!;
  }
  #expect(text: string, expected = `'${text}'`): Token {
    if (this.#is(text)) return this.#take();
    throw this.#wrong(expected);
  }
  #wrong(expected: string): Stop {
    const { text, offset } = this.#token;
    this.issue(offset, `Syntax error: mismatched input '${text}' expecting ${expected}`);
    return new Stop();
  }
  /** cel-go's grammar looks ahead here: its text begins at the dot. */
  #noField(dot: Token): Stop {
    const { kind, text, offset } = this.#token;
    const end = kind === 'eof' ? dot.offset + 1 : offset + [...text].length;
    const seen = [...this.#text].slice(dot.offset, end).join('');
    this.issue(offset, `Syntax error: no viable alternative at input '${seen}'`);
    return new Stop();
  }

  whole(): Expr {
    const expr = this.#expr();
    if (this.#token.kind !== 'eof') {
      const { text, offset } = this.#token;
      const next = this.#tokens[this.#at + 1];
      this.issue(
        offset,
        next?.kind === 'eof'
          ? `Syntax error: extraneous input '${text}' expecting <EOF>`
          : `Syntax error: mismatched input '${text}' expecting <EOF>`,
      );
    }
    return expr;
  }

  #expr(): Expr {
    if (++this.#depth > maxExpressionDepth) {
      this.issue(0, `expression recursion limit exceeded: ${maxExpressionDepth}`);
      throw new Stop();
    }
    const condition = this.#or();
    let expr = condition;
    if (this.#is('?')) {
      const { offset } = this.#take();
      const yes = this.#or();
      this.#expect(':');
      const no = this.#expr();
      expr = this.#call(offset, operators['?'], [condition, yes, no]);
    }
    this.#depth--;
    return expr;
  }

  #call(offset: number, name: string, args: readonly Expr[], target?: Expr): Expr {
    const node = { id: this.id(), offset, kind: 'call', name, args } as const;
    return target === undefined ? node : { ...node, target };
  }

  #or(): Expr {
    return this.#logical('||', () => this.#and());
  }
  #and(): Expr {
    return this.#logical('&&', () => this.#relation());
  }

  /** Terms of one operator as a balanced tree, so that long chains stay shallow. */
  #logical(operator: '||' | '&&', term: () => Expr): Expr {
    const terms = [term()];
    const offsets: number[] = [];
    while (this.#is(operator)) {
      offsets.push(this.#take().offset);
      terms.push(term());
    }
    const balanced = (low: number, high: number): Expr => {
      if (low === high) return terms[low]!;
      const middle = Math.floor((low + high) / 2);
      return this.#call(offsets[middle]!, operators[operator], [balanced(low, middle), balanced(middle + 1, high)]);
    };
    return balanced(0, terms.length - 1);
  }

  #relation(): Expr {
    let left = this.#sum();
    while (this.#token.kind === 'op' && /^(?:<|<=|>|>=|==|!=|in)$/.test(this.#token.text)) {
      const { text, offset } = this.#take();
      left = this.#call(offset, operators[text as '<'], [left, this.#sum()]);
    }
    return left;
  }

  #sum(): Expr {
    let left = this.#product();
    while (this.#is('+') || this.#is('-')) {
      const { text, offset } = this.#take();
      left = this.#call(offset, operators[text as '+'], [left, this.#product()]);
    }
    return left;
  }

  #product(): Expr {
    let left = this.#unary();
    while (this.#is('*') || this.#is('/') || this.#is('%')) {
      const { text, offset } = this.#take();
      left = this.#call(offset, operators[text as '*'], [left, this.#unary()]);
    }
    return left;
  }

  #unary(): Expr {
    if (this.#is('!') || this.#is('-')) {
      const text = this.#token.text;
      const { offset } = this.#token;
      let count = 0;
      const number = this.#tokens[this.#at + 1];
      if (text === '-' && (number?.kind === 'int' || number?.kind === 'double')) {
        this.#take();
        return this.#member(this.#number('-', offset));
      }
      while (this.#is(text)) {
        this.#take();
        count++;
      }
      const operand = this.#member(this.#primary());
      if (count % 2 === 0) return operand;
      return this.#call(offset, text === '!' ? operators['!'] : operators.neg, [operand]);
    }
    return this.#member(this.#primary());
  }

  #member(first: Expr): Expr {
    let expr = first;
    for (;;) {
      if (this.#is('.')) {
        const dot = this.#take();
        const optional = this.#is('?');
        if (optional) this.#take();
        const name = this.#token;
        if (name.kind !== 'ident' && name.kind !== 'quotedIdent') throw this.#noField(dot);
        this.#take();
        const field = name.kind === 'quotedIdent' ? name.text.slice(1, -1) : name.text;
        if (optional) {
          const key: Expr = { id: this.id(), offset: name.offset, kind: 'literal', value: field };
          expr = this.#call(dot.offset, operators['.?'], [expr, key]);
        } else if (this.#is('(')) {
          const open = this.#take();
          const args = this.#arguments(')');
          expr = expandMacro(this, field, expr, args, open.offset) ?? this.#call(open.offset, field, args, expr);
        } else expr = { id: this.id(), offset: dot.offset, kind: 'select', operand: expr, field, testOnly: false };
      } else if (this.#is('[')) {
        const { offset } = this.#take();
        const optional = this.#is('?');
        if (optional) this.#take();
        const index = this.#expr();
        this.#expect(']');
        expr = this.#call(offset, optional ? operators['[?]'] : operators['[]'], [expr, index]);
      } else if (this.#is('{') && typeName(expr) !== undefined) {
        expr = this.#struct(typeName(expr)!);
      } else return expr;
    }
  }

  #struct(type: string): Expr {
    const { offset } = this.#expect('{');
    const id = this.id();
    const fields: StructField[] = [];
    while (!this.#is('}')) {
      const optional = this.#is('?');
      if (optional) this.#take();
      const name = this.#token;
      if (name.kind !== 'ident' && name.kind !== 'quotedIdent') throw this.#wrong("{'}', ',', '?', IDENTIFIER}");
      this.#take();
      const colon = this.#expect(':');
      const value = this.#expr();
      const text = name.kind === 'quotedIdent' ? name.text.slice(1, -1) : name.text;
      fields.push({ id: this.id(), offset: colon.offset, name: text, value, optional });
      if (!this.#is(',')) break;
      this.#take();
    }
    this.#expect('}');
    return { id, offset, kind: 'struct', type, fields };
  }

  #arguments(close: string): Expr[] {
    const args: Expr[] = [];
    if (!this.#is(close)) {
      args.push(this.#expr());
      while (this.#is(',')) {
        this.#take();
        args.push(this.#expr());
      }
    }
    this.#expect(close, `'${close}'`);
    return args;
  }

  #primary(): Expr {
    const token = this.#token;
    switch (token.kind) {
      case 'int':
      case 'uint':
      case 'double':
        return this.#number('', token.offset);
      case 'string':
        return this.#literal(token, () => unquote(token.text));
      case 'bytes':
        return this.#literal(token, () => unquoteBytes(token.text));
      case 'true':
      case 'false':
        return this.#literal(token, () => token.text === 'true');
      case 'null':
        return this.#literal(token, () => null);
      case 'ident':
        return this.#identifier('', token.offset);
      case 'op':
        if (token.text === '.') {
          this.#take();
          if (this.#token.kind !== 'ident') throw this.#noField(token);
          return this.#identifier('.', token.offset);
        }
        if (token.text === '(') {
          this.#take();
          const expr = this.#expr();
          this.#expect(')');
          return expr;
        }
        if (token.text === '[') return this.#list();
        if (token.text === '{') return this.#map();
        break;
      default:
        break;
    }
    // One token too many, and behind it what was looked for: the parser goes on from there.
    const next = this.#tokens[this.#at + 1];
    const superfluous = token.kind !== 'eof' && next !== undefined && startsPrimary(next);
    const what = superfluous ? 'extraneous' : 'mismatched';
    this.issue(token.offset, `Syntax error: ${what} input '${token.text}' expecting ${startsExpression}`);
    if (!superfluous) throw new Stop();
    this.#take();
    return this.#primary();
  }

  #identifier(lead: string, offset: number): Expr {
    const token = this.#take();
    if (reserved.has(token.text)) this.issue(token.offset, `reserved identifier: ${token.text}`);
    const name = lead + token.text;
    if (this.#is('(')) {
      const open = this.#take();
      const args = this.#arguments(')');
      return expandMacro(this, name, undefined, args, open.offset) ?? this.#call(open.offset, name, args);
    }
    return { id: this.id(), offset, kind: 'ident', name };
  }

  #list(): Expr {
    const { offset } = this.#take();
    const id = this.id();
    const elements: Expr[] = [];
    const optionals = new Set<number>();
    while (!this.#is(']')) {
      if (this.#is('?')) {
        this.#take();
        optionals.add(elements.length);
      }
      elements.push(this.#expr());
      if (!this.#is(',')) break;
      this.#take();
    }
    this.#expect(']');
    return { id, offset, kind: 'list', elements, optionals };
  }

  #map(): Expr {
    const { offset } = this.#take();
    const id = this.id();
    const entries: MapEntry[] = [];
    while (!this.#is('}')) {
      const optional = this.#is('?');
      if (optional) this.#take();
      const key = this.#expr();
      const colon = this.#expect(':');
      entries.push({ id: this.id(), offset: colon.offset, key, value: this.#expr(), optional });
      if (!this.#is(',')) break;
      this.#take();
    }
    this.#expect('}');
    return { id, offset, kind: 'map', entries };
  }

  #number(sign: '' | '-', offset: number): Expr {
    const token = this.#take();
    const literal = (value: Value): Expr => ({ id: this.id(), offset, kind: 'literal', value });
    if (token.kind === 'double') {
      const value = Number(sign + token.text);
      if (!Number.isFinite(value)) this.issue(offset, 'invalid double literal');
      return literal(value);
    }
    const digits = token.kind === 'uint' ? token.text.slice(0, -1) : token.text;
    const value = BigInt(digits) * (sign === '-' ? -1n : 1n);
    if (token.kind === 'uint') {
      if (value >= 2n ** 64n) this.issue(offset, 'invalid uint literal');
      return literal(new Uint(value));
    }
    if (value >= 2n ** 63n || value < -(2n ** 63n)) this.issue(offset, 'invalid int literal');
    return literal(value);
  }

  #literal(token: Token, make: () => Value): Expr {
    this.#take();
    let value: Value = null;
    try {
      value = make();
    } catch (error) {
      if (!(error instanceof EscapeError)) throw error;
      this.issue(token.offset, error.message);
    }
    return { id: this.id(), offset: token.offset, kind: 'literal', value };
  }
}

/** `a.b.C` as it may stand before the fields of a new object. */
function typeName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name;
  if (expr.kind !== 'select' || expr.testOnly) return undefined;
  const prefix = typeName(expr.operand);
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`;
}

const startsPrimary = ({ kind, text }: Token): boolean =>
  kind === 'op' ? ['[', '{', '(', '.', '-', '!'].includes(text) : kind !== 'eof' && kind !== 'quotedIdent';
