/**
 * Text to label selector: `app=web,tier in (a,b),!canary,weight>2`. Upstream's grammar and messages.
 *
 *   selector    = [ requirement { "," requirement } ]
 *   requirement = [ "!" ] KEY | KEY ("in" | "notin") "(" [values] ")" | KEY ("=" | "==" | "!=" | ">" | "<") [VALUE]
 *
 * `in` and `notin` are words only in operator position; an empty value is legal everywhere a value is.
 */
import { checkQualifiedName } from '../names.ts';
import {
  byKey,
  everyLabel,
  type LabelMatcher,
  type LabelOperator,
  type LabelRequirement,
  makeRequirement,
  SelectorError,
} from './label-selector.ts';

/** @throws SelectorError with upstream's message */
export function parseLabelSelector(text: string): LabelMatcher {
  if (text === '') return everyLabel;
  const tokens = new Tokens(text);
  const requirements: LabelRequirement[] = [];
  for (;;) {
    const { kind, literal } = tokens.peek();
    if (kind === 'end') break;
    if (kind !== 'identifier' && kind !== '!')
      throw new SelectorError(`found '${literal}', expected: !, identifier, or 'end of string'`);
    requirements.push(parseRequirement(tokens));
    const separator = tokens.next();
    if (separator.kind === 'end') break;
    if (separator.kind !== ',')
      throw new SelectorError(`found '${separator.literal}', expected: ',' or 'end of string'`);
    const following = tokens.peek();
    if (following.kind !== 'identifier' && following.kind !== '!')
      throw new SelectorError(`found '${following.literal}', expected: identifier after ','`);
  }
  return requirements.length === 0 ? everyLabel : { requirements: requirements.sort(byKey), nothing: false };
}

function parseRequirement(tokens: Tokens): LabelRequirement {
  try {
    let token = tokens.next();
    const negated = token.kind === '!';
    if (negated) token = tokens.next();
    if (token.kind !== 'identifier') throw new SelectorError(`found '${token.literal}', expected: identifier`);
    const key = token.literal;
    const problems = checkQualifiedName(key);
    if (problems.length > 0)
      throw new SelectorError(`<nil>: Invalid value: ${JSON.stringify(key)}: ${problems.join('; ')}`);
    if (negated) return makeRequirement(key, '!', []);
    const following = tokens.peek().kind;
    if (following === 'end' || following === ',') return makeRequirement(key, 'exists', []);
    const operator = parseOperator(tokens);
    const values = operator === 'in' || operator === 'notin' ? parseValues(tokens) : parseExactValue(tokens);
    return makeRequirement(key, operator, [...values].sort());
  } catch (error) {
    if (error instanceof SelectorError) throw new SelectorError(`unable to parse requirement: ${error.message}`);
    throw error;
  }
}

const operatorOf: Readonly<Record<string, LabelOperator>> = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '==',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
};

function parseOperator(tokens: Tokens): LabelOperator {
  const { kind, literal } = tokens.nextOperator();
  const operator = Object.hasOwn(operatorOf, kind) ? operatorOf[kind] : undefined;
  if (operator === undefined) throw new SelectorError(`found '${literal}', expected: in, notin, =, ==, !=, gt, lt`);
  return operator;
}

function parseValues(tokens: Tokens): ReadonlySet<string> {
  const open = tokens.next();
  if (open.kind !== '(') throw new SelectorError(`found '${open.literal}' expected: '('`);
  const first = tokens.peek();
  if (first.kind === ')') {
    tokens.next();
    return new Set(['']);
  }
  if (first.kind !== 'identifier' && first.kind !== ',')
    throw new SelectorError(`found '${first.literal}', expected: ',', ')' or identifier`);
  const values = parseValueList(tokens);
  tokens.next(); // the closing parenthesis, which parseValueList has seen
  return values;
}

function parseValueList(tokens: Tokens): ReadonlySet<string> {
  const values = new Set<string>();
  for (;;) {
    const { kind, literal } = tokens.next();
    const following = tokens.peek();
    if (kind === 'identifier') {
      values.add(literal);
      if (following.kind === ')') return values;
      if (following.kind !== ',') throw new SelectorError(`found '${following.literal}', expected: ',' or ')'`);
    } else if (kind === ',') {
      if (values.size === 0) values.add('');
      if (following.kind === ')') {
        values.add('');
        return values;
      }
      if (following.kind === ',') values.add('');
    } else throw new SelectorError(`found '${literal}', expected: ',', or identifier`);
  }
}

function parseExactValue(tokens: Tokens): ReadonlySet<string> {
  const { kind } = tokens.peek();
  if (kind === 'end' || kind === ',') return new Set(['']);
  const value = tokens.next();
  if (value.kind === 'identifier') return new Set([value.literal]);
  throw new SelectorError(`found '${value.literal}', expected: identifier`);
}

interface Token {
  /** `identifier`, `end`, or the symbol or word itself. */
  readonly kind: string;
  readonly literal: string;
}

const symbols = new Set([')', ',', '!', '==', '=', '>', '<', '!=', '(']);
const isSpecial = (c: string | undefined): boolean => c !== undefined && '=!(),><'.includes(c);
const isSpace = (c: string | undefined): boolean => c === ' ' || c === '\t' || c === '\r' || c === '\n';
const endToken: Token = { kind: 'end', literal: '' };

/** The end comes as often as it is asked for; a NUL ends the text, as in upstream's lexer. */
class Tokens {
  readonly #items: readonly Token[];
  #position = 0;
  constructor(text: string) {
    this.#items = scan(text);
  }
  peek(): Token {
    return asValue(this.#items[this.#position] ?? endToken);
  }
  next(): Token {
    return asValue(this.nextOperator());
  }
  /** Like `next`, but `in` and `notin` are operators here. */
  nextOperator(): Token {
    return this.#items[this.#position++] ?? endToken;
  }
}

const asValue = (token: Token): Token =>
  token.kind === 'in' || token.kind === 'notin' ? { kind: 'identifier', literal: token.literal } : token;

function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  for (;;) {
    while (isSpace(text[i])) i++;
    const first = text[i];
    if (first === undefined || first === '\0') return tokens;
    if (isSpecial(first)) {
      const pair = text.slice(i, i + 2);
      const symbol = pair.length === 2 && symbols.has(pair) ? pair : first;
      tokens.push({ kind: symbol, literal: symbol });
      i += symbol.length;
      continue;
    }
    const start = i;
    while (i < text.length && text[i] !== '\0' && !isSpecial(text[i]) && !isSpace(text[i])) i++;
    const literal = text.slice(start, i);
    if (text[i] === '\0') i++;
    tokens.push({ kind: literal === 'in' || literal === 'notin' ? literal : 'identifier', literal });
  }
}
