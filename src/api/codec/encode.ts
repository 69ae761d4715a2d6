/**
 * API values to JSON bytes as Go's encoder writes them: integers of any size, map keys in UTF-8 byte order, `<`, `>`, `&`, U+2028 and
 * U+2029 escaped. Nobody else stringifies API objects (decision 2).
 */
import type { JsonValue } from '../json.ts';
import { sortedKeys } from './own.ts';

const encoder = new TextEncoder();

/** JSON in UTF-8. Upstream ends an answer with a line feed; that belongs to whoever frames it. Members that are `undefined` are left out. */
export function encode(value: JsonValue | object): Uint8Array {
  return encoder.encode(encodeText(value));
}

/** The same as text. */
export function encodeText(value: JsonValue | object): string {
  const text = plainText(value) ?? exactText(value as JsonValue);
  return needsEscape.test(text) ? text.replace(escapes, escaped) : text;
}

const needsEscape = /[<>&\u2028\u2029]/;
const escapes = /[<>&\u2028\u2029]/g;
const escaped = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Keys that JavaScript moves to the front of an object in numeric order; byte order may differ. */
const arrayIndexKey = /[{,]"\d{1,10}":/;

/** @returns undefined when `JSON.stringify` would not do: big integers, members in JavaScript's numeric order, great depth. */
function plainText(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value);
    return arrayIndexKey.test(text) ? undefined : text;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined; // bigint; too deep for the stack
    throw error;
  }
}

/** Iterative. Objects whose keys are numeric are maps, whose order is that of UTF-8 bytes; other objects keep theirs. */
function exactText(value: JsonValue): string {
  let out = '';
  const rest: (JsonValue | Closing)[] = [value];
  while (rest.length > 0) {
    const next = rest.pop() as JsonValue | Closing;
    if (next instanceof Closing) out += next.text;
    else if (typeof next === 'bigint') out += String(next);
    else if (typeof next !== 'object' || next === null) out += JSON.stringify(next);
    else if (Array.isArray(next)) {
      out += '[';
      rest.push(close.list);
      for (let i = next.length - 1; i >= 0; i--) {
        rest.push(next[i] as JsonValue);
        if (i > 0) rest.push(close.comma);
      }
    } else {
      const object = next as Readonly<Record<string, JsonValue | undefined>>;
      const keys = (hasIndexKeys(object) ? sortedKeys(object) : Object.keys(object)).filter(
        (key) => object[key] !== undefined,
      );
      out += '{';
      rest.push(close.object);
      for (let i = keys.length - 1; i >= 0; i--) {
        const key = keys[i]!;
        rest.push(object[key] as JsonValue, new Closing(`${i > 0 ? ',' : ''}${JSON.stringify(key)}:`));
      }
    }
  }
  return out;
}

/** Text that is due after what was pushed later. */
class Closing {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
const close = { list: new Closing(']'), object: new Closing('}'), comma: new Closing(',') };

/** JavaScript lists such keys first. */
function hasIndexKeys(object: object): boolean {
  for (const key in object) return /^\d{1,10}$/.test(key);
  return false;
}

/** Indented by two blanks, for `?pretty=true` and people: as Go's MarshalIndent of the same bytes. */
export function encodePretty(value: JsonValue | object): Uint8Array {
  const text = encodeText(value);
  let out = '';
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    if (c === '"') {
      let end = at + 1;
      while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      out += text.slice(at, end + 1);
      at = end;
    } else if (c === '{' || c === '[') {
      if (text[at + 1] === '}' || text[at + 1] === ']') {
        out += c + text[++at];
      } else out += `${c}\n${'  '.repeat(++depth)}`;
    } else if (c === '}' || c === ']') out += `\n${'  '.repeat(--depth)}${c}`;
    else if (c === ',') out += `,\n${'  '.repeat(depth)}`;
    else out += c === ':' ? ': ' : c;
  }
  return encoder.encode(out);
}
