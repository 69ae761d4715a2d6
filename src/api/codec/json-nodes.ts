/**
 * The exact JSON parser: keeps member order, duplicate keys and number literals, and fails with the messages of Go's encoding/json, which
 * users see in a Status. It is the slow way: `JSON.parse` does the work where that is provably the same (see json-text.ts).
 */
import { maxDepth } from './json-text.ts';

export type JsonNode =
  | { readonly kind: 'object'; readonly keys: readonly string[]; readonly values: readonly JsonNode[] }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly value: string }
  /** The literal as it stands in the text. */
  | { readonly kind: 'number'; readonly source: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' };

export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
}

const atEnd = (): JsonSyntaxError => new JsonSyntaxError('unexpected end of JSON input');

interface OpenObject {
  readonly node: { readonly kind: 'object'; readonly keys: string[]; readonly values: JsonNode[] };
}
interface OpenArray {
  readonly node: { readonly kind: 'array'; readonly items: JsonNode[] };
}

/** @throws JsonSyntaxError. Iterative, so that depth costs heap and not stack. */
export function parseNodes(text: string): JsonNode {
  return new NodeParser(text).parse();
}

class NodeParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): JsonNode {
    const open: (OpenObject | OpenArray)[] = [];
    for (;;) {
      let done = this.#startValue(open);
      while (done) {
        const top = open.at(-1);
        if (!top) {
          if (this.#peek() !== undefined) throw this.#invalid('after top-level value');
          return done;
        }
        done = top.node.kind === 'array' ? this.#afterElement(open, done) : this.#afterMember(open, done);
      }
    }
  }

  /** Reads a scalar or an empty container whole, or opens a container (and returns nothing). */
  #startValue(open: (OpenObject | OpenArray)[]): JsonNode | undefined {
    const c = this.#peek();
    switch (c) {
      case undefined:
        throw atEnd();
      case '{': {
        if (open.length >= maxDepth) throw this.#invalid('exceeded max depth');
        this.#at++;
        if (this.#peek() === '}') {
          this.#at++;
          return { kind: 'object', keys: [], values: [] };
        }
        const node: OpenObject['node'] = { kind: 'object', keys: [], values: [] };
        open.push({ node });
        node.keys.push(this.#key());
        return undefined;
      }
      case '[':
        if (open.length >= maxDepth) throw this.#invalid('exceeded max depth');
        this.#at++;
        if (this.#peek() === ']') {
          this.#at++;
          return { kind: 'array', items: [] };
        }
        open.push({ node: { kind: 'array', items: [] } });
        return undefined;
      case '"':
        return { kind: 'string', value: this.#string() };
      case 't':
        return this.#literal('true', { kind: 'boolean', value: true });
      case 'f':
        return this.#literal('false', { kind: 'boolean', value: false });
      case 'n':
        return this.#literal('null', { kind: 'null' });
      default:
        if (c === '-' || (c >= '0' && c <= '9')) return { kind: 'number', source: this.#number() };
        throw this.#invalid('looking for beginning of value');
    }
  }

  #afterElement(open: (OpenObject | OpenArray)[], value: JsonNode): JsonNode | undefined {
    const node = open.at(-1)!.node as OpenArray['node'];
    node.items.push(value);
    switch (this.#peek()) {
      case undefined:
        throw atEnd();
      case ',':
        this.#at++;
        return undefined;
      case ']':
        this.#at++;
        open.pop();
        return node;
      default:
        throw this.#invalid('after array element');
    }
  }

  #afterMember(open: (OpenObject | OpenArray)[], value: JsonNode): JsonNode | undefined {
    const node = open.at(-1)!.node as OpenObject['node'];
    node.values.push(value);
    switch (this.#peek()) {
      case undefined:
        throw atEnd();
      case ',':
        this.#at++;
        node.keys.push(this.#key());
        return undefined;
      case '}':
        this.#at++;
        open.pop();
        return node;
      default:
        throw this.#invalid('after object key:value pair');
    }
  }

  /** Skips white space. @returns the next character, undefined at the end. */
  #peek(): string | undefined {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) this.#at++;
      else return this.#text[this.#at];
    }
  }

  #key(): string {
    const c = this.#peek();
    if (c === undefined) throw atEnd();
    if (c !== '"') throw this.#invalid('looking for beginning of object key string');
    const key = this.#string();
    const colon = this.#peek();
    if (colon === undefined) throw atEnd();
    if (colon !== ':') throw this.#invalid('after object key');
    this.#at++;
    return key;
  }

  #string(): string {
    const start = this.#at;
    let escaped = false;
    for (this.#at++; ; this.#at++) {
      const c = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(c)) throw atEnd();
      if (c === 0x22) break;
      if (c < 0x20) throw this.#invalid('in string literal');
      if (c !== 0x5c) continue;
      escaped = true;
      this.#at++;
      const kind = this.#text[this.#at];
      if (kind === undefined) throw atEnd();
      if (kind === 'u') {
        for (let i = 0; i < 4; i++) {
          this.#at++;
          const digit = this.#text[this.#at];
          if (digit === undefined) throw atEnd();
          if (!/[0-9a-fA-F]/.test(digit)) throw this.#invalid('in \\u hexadecimal character escape');
        }
      } else if (!'bfnrt\\/"'.includes(kind)) throw this.#invalid('in string escape code');
    }
    this.#at++;
    if (!escaped) return this.#text.slice(start + 1, this.#at - 1);
    return (JSON.parse(this.#text.slice(start, this.#at)) as string).toWellFormed();
  }

  #number(): string {
    const start = this.#at;
    if (this.#text[this.#at] === '-') {
      this.#at++;
      this.#needDigit('in numeric literal');
    }
    if (this.#text[this.#at] === '0') this.#at++;
    else this.#digits();
    if (this.#text[this.#at] === '.') {
      this.#at++;
      this.#needDigit('after decimal point in numeric literal');
      this.#digits();
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      this.#at++;
      if (this.#text[this.#at] === '+' || this.#text[this.#at] === '-') this.#at++;
      this.#needDigit('in exponent of numeric literal');
      this.#digits();
    }
    return this.#text.slice(start, this.#at);
  }

  #needDigit(context: string): void {
    const c = this.#text[this.#at];
    if (c === undefined) throw atEnd();
    if (c < '0' || c > '9') throw this.#invalid(context);
  }

  #digits(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (!(c >= 0x30 && c <= 0x39)) return;
      this.#at++;
    }
  }

  #literal(word: string, node: JsonNode): JsonNode {
    for (let i = 0; i < word.length; i++, this.#at++) {
      const c = this.#text[this.#at];
      if (c === undefined) throw atEnd();
      if (c !== word[i]) throw this.#invalid(`in literal ${word} (expecting '${word[i]}')`);
    }
    return node;
  }

  #invalid(context: string): JsonSyntaxError {
    return new JsonSyntaxError(`invalid character ${quoteByte(this.#text, this.#at)} ${context}`);
  }
}

/** The first byte of the character at `at`, quoted as Go quotes a byte taken for a rune. */
function quoteByte(text: string, at: number): string {
  const byte = Buffer.from(String.fromCodePoint(text.codePointAt(at) ?? 0), 'utf8')[0]!;
  if (byte === 0x27) return "'\\''";
  if (byte === 0x22) return "'\"'";
  if (byte === 0x5c) return "'\\\\'";
  const named = { 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r' }[byte];
  if (named !== undefined) return `'${named}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, '0')}'`;
  return `'${String.fromCharCode(byte)}'`;
}
