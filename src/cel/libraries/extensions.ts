/** Strings, lists, sets, optionals, maps in two variables: what cel-go has beside the language. Source: cel-go/ext, cel-go/cel/library.go. */
import type { Library } from '../environment.ts';
import {
  ArrayList,
  CelError,
  compare,
  Duration,
  equal,
  GrowingMap,
  ListValue,
  MapValue,
  noOptional,
  noOverload,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from '../values.ts';
import { doubleText } from './standard.ts';
import { formatDuration, formatTimestamp } from './time.ts';

const str = (value: Value | undefined): string => {
  if (typeof value !== 'string') throw noOverload();
  return value;
};
const num = (value: Value | undefined): number => {
  if (typeof value !== 'bigint') throw noOverload();
  return Number(value);
};
export const lst = (value: Value | undefined): ListValue => {
  if (!(value instanceof ListValue)) throw noOverload();
  return value;
};

/** Texts are counted in code points. */
const points = (text: string): string[] => [...text];

function indexOf(args: readonly Value[], last: boolean): Value {
  const [a, b, from] = args;
  if (a instanceof ListValue) {
    const at = last ? [...a].findLastIndex((item) => equal(item, b!)) : [...a].findIndex((item) => equal(item, b!));
    return BigInt(at);
  }
  const text = points(str(a));
  const wanted = points(str(b));
  const start = from === undefined ? (last ? text.length : 0) : num(from);
  if (wanted.length === 0) return BigInt(last && from === undefined ? text.length : start);
  if (from !== undefined && (start < 0 || start >= text.length)) {
    if (!last && start === text.length) return -1n;
    throw new CelError(`index out of range: ${start}`);
  }
  const matches = (at: number): boolean => wanted.every((c, i) => text[at + i] === c);
  if (last)
    for (let i = Math.min(start, text.length - wanted.length); i >= 0; i--) {
      if (matches(i)) return BigInt(i);
    }
  else for (let i = start; i <= text.length - wanted.length; i++) if (matches(i)) return BigInt(i);
  return -1n;
}

function split([text, by, limit]: readonly Value[]): Value {
  const parts = str(text) === '' && str(by) === '' ? [] : str(by) === '' ? points(str(text)) : str(text).split(str(by));
  if (limit === undefined || num(limit) < 0) return new ArrayList(parts);
  const count = num(limit);
  if (count === 0) return new ArrayList([]);
  if (parts.length <= count) return new ArrayList(parts);
  return new ArrayList([...parts.slice(0, count - 1), parts.slice(count - 1).join(str(by))]);
}

function replace([text, from, to, limit]: readonly Value[]): Value {
  let left = limit === undefined ? -1 : num(limit);
  if (left < 0)
    return str(from) === ''
      ? `${str(to)}${points(str(text))
          .map((c) => c + str(to))
          .join('')}`
      : str(text).replaceAll(str(from), str(to));
  let out = '';
  let rest = str(text);
  while (left-- > 0) {
    const at = rest.indexOf(str(from));
    if (at < 0) break;
    out += rest.slice(0, at) + str(to);
    rest = rest.slice(at + str(from).length);
  }
  return out + rest;
}

function substring([text, from, to]: readonly Value[]): Value {
  const all = points(str(text));
  const start = num(from);
  const end = to === undefined ? all.length : num(to);
  if (start < 0 || start > all.length) throw new CelError(`index out of range: ${start}`);
  if (end < 0 || end > all.length) throw new CelError(`index out of range: ${end}`);
  if (start > end) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  return all.slice(start, end).join('');
}

function quote(text: string): string {
  return `"${text
    .toWellFormed()
    .replace(
      /[\x07\b\f\n\r\t\v\\"]/g,
      (c) =>
        `\\${{ '\x07': 'a', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v', '\\': '\\', '"': '"' }[c]}`,
    )}"`;
}

/** `'%s is %d'.format([a, b])` */
function format([template, given]: readonly Value[]): Value {
  const args = [...lst(given)];
  let next = 0;
  return str(template).replace(
    /%(%|(?:\.(\d+))?([a-zA-Z]))/g,
    (_all, whole: string, precision: string | undefined, verb: string) => {
      if (whole === '%') return '%';
      if (next >= args.length) throw new CelError(`index ${next} out of range`);
      const value = args[next++]!;
      const digits = precision === undefined ? 6 : Number(precision);
      switch (verb) {
        case 's':
          return shown(value);
        case 'd':
          if (typeof value === 'bigint') return String(value);
          if (value instanceof Uint) return String(value.value);
          if (typeof value === 'number') return doubleText(value);
          throw new CelError('error during formatting: decimal clause can only be used on integers');
        case 'f':
          return fixed(value, digits);
        case 'e': {
          if (typeof value !== 'number')
            throw new CelError('error during formatting: scientific clause can only be used on doubles');
          return value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
        }
        case 'b':
          if (typeof value === 'boolean') return value ? '1' : '0';
          return integer(value, 'binary').toString(2);
        case 'o':
          return integer(value, 'octal').toString(8);
        case 'x':
        case 'X': {
          const hex =
            typeof value === 'string'
              ? Buffer.from(value).toString('hex')
              : value instanceof Uint8Array
                ? Buffer.from(value).toString('hex')
                : integer(value, 'hex').toString(16);
          return verb === 'X' ? hex.toUpperCase() : hex;
        }
        default:
          throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
      }
    },
  );
}

function integer(value: Value, clause: string): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return value.value;
  throw new CelError(`error during formatting: only integers can be formatted as ${clause}`);
}

function fixed(value: Value, digits: number): string {
  if (typeof value !== 'number' && typeof value !== 'bigint' && !(value instanceof Uint))
    throw new CelError('error during formatting: fixed-point clause can only be used on doubles');
  return Number(value instanceof Uint ? value.value : value).toFixed(digits);
}

/** A value as `%s` shows it. */
export function shown(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return doubleText(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof Duration) return formatDuration(value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof ListValue) return `[${[...value].map(shown).join(', ')}]`;
  if (value instanceof MapValue)
    return `{${[...value.keys()]
      .map((key) => `${shown(key)}: ${shown(value.get(key)!)}`)
      .sort()
      .join(', ')}}`;
  throw new CelError(
    'error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
  );
}

const contains = (list: ListValue, item: Value): boolean => {
  for (const one of list) if (equal(one, item)) return true;
  return false;
};
const containsAll = (list: ListValue, other: ListValue): boolean => [...other].every((item) => contains(list, item));

const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

function extreme(args: readonly Value[], name: string, wanted: number): Value {
  const list = lst(args[0]);
  if (list.size === 0) throw new CelError(`${name} called on empty list`);
  let best = list.at(0);
  for (const item of list) if (Math.sign(compare(item, best)) === wanted) best = item;
  return best;
}

function sum([given]: readonly Value[]): Value {
  const list = lst(given);
  if (list.size === 0) return 0n;
  const [first, ...rest] = list;
  return rest.reduce((total, item) => {
    if (typeof total === 'bigint' && typeof item === 'bigint') return total + item;
    if (typeof total === 'number' && typeof item === 'number') return total + item;
    if (total instanceof Uint && item instanceof Uint) return new Uint(total.value + item.value);
    if (total instanceof Duration && item instanceof Duration) return new Duration(total.nanos + item.nanos);
    throw noOverload();
  }, first!);
}

function flatten(list: ListValue, depth: number): Value[] {
  return [...list].flatMap((item) => (item instanceof ListValue && depth > 0 ? flatten(item, depth - 1) : [item]));
}

function distinct(list: ListValue): Value[] {
  const out: Value[] = [];
  for (const item of list) if (!out.some((one) => equal(one, item))) out.push(item);
  return out;
}

export const extensionLibrary: Library = {
  functions: {
    charAt: ['string_char_at_int: string.(int) -> string'],
    format: ['string_format: string.(list(dyn)) -> string'],
    'strings.quote': ['strings_quote: (string) -> string'],
    indexOf: [
      'string_index_of_string: string.(string) -> int',
      'string_index_of_string_int: string.(string, int) -> int',
      'list_a_index_of_int: list(A).(A) -> int',
    ],
    lastIndexOf: [
      'string_last_index_of_string: string.(string) -> int',
      'string_last_index_of_string_int: string.(string, int) -> int',
      'list_a_last_index_of_int: list(A).(A) -> int',
    ],
    join: ['list_join: list(string).() -> string', 'list_join_string: list(string).(string) -> string'],
    lowerAscii: ['string_lower_ascii: string.() -> string'],
    upperAscii: ['string_upper_ascii: string.() -> string'],
    replace: [
      'string_replace_string_string: string.(string, string) -> string',
      'string_replace_string_string_int: string.(string, string, int) -> string',
    ],
    split: [
      'string_split_string: string.(string) -> list(string)',
      'string_split_string_int: string.(string, int) -> list(string)',
    ],
    substring: [
      'string_substring_int: string.(int) -> string',
      'string_substring_int_int: string.(int, int) -> string',
    ],
    trim: ['string_trim: string.() -> string'],
    'sets.contains': ['list_sets_contains_list: (list(A), list(A)) -> bool'],
    'sets.equivalent': ['list_sets_equivalent_list: (list(A), list(A)) -> bool'],
    'sets.intersects': ['list_sets_intersects_list: (list(A), list(A)) -> bool'],
    isSorted: comparable.map((type) => `list_${type}_is_sorted_bool: list(${type}).() -> bool`),
    sum: ['int', 'uint', 'double', 'duration'].map((type) => `list_${type}_sum_${type}: list(${type}).() -> ${type}`),
    max: comparable.map((type) => `list_${type}_max_${type}: list(${type}).() -> ${type}`),
    min: comparable.map((type) => `list_${type}_min_${type}: list(${type}).() -> ${type}`),
    'lists.range': ['lists_range: (int) -> list(int)'],
    slice: ['list_slice: list(A).(int, int) -> list(A)'],
    flatten: ['list_flatten: list(list(A)).() -> list(A)', 'list_flatten_int: list(dyn).(int) -> list(dyn)'],
    reverse: ['list_reverse: list(A).() -> list(A)'],
    distinct: ['list_distinct: list(A).() -> list(A)'],
    sort: comparable.map((type) => `list_${type}_sort: list(${type}).() -> list(${type})`),
    first: ['list_first: list(A).() -> optional(A)'],
    last: ['list_last: list(A).() -> optional(A)'],
    'optional.of': ['optional_of: (A) -> optional(A)'],
    'optional.ofNonZeroValue': ['optional_ofNonZeroValue: (A) -> optional(A)'],
    'optional.none': ['optional_none: () -> optional(A)'],
    'optional.unwrap': ['optional_unwrap: (list(optional(A))) -> list(A)'],
    unwrapOpt: ['optional_unwrapOpt: list(optional(A)).() -> list(A)'],
    value: ['optional_value: optional(A).() -> A'],
    hasValue: ['optional_hasValue: optional(A).() -> bool'],
    or: ['optional_or_optional: optional(A).(optional(A)) -> optional(A)'],
    orValue: ['optional_orValue_value: optional(A).(A) -> A'],
    '_[?_]': [
      'list_optindex_optional_int: (list(A), int) -> optional(A)',
      'optional_list_optindex_optional_int: (optional(list(A)), int) -> optional(A)',
      'map_optindex_optional_value: (map(A, B), A) -> optional(B)',
      'optional_map_optindex_optional_value: (optional(map(A, B)), A) -> optional(B)',
    ],
    'jsonpatch.escapeKey': ['string_jsonpatch_escapeKey_string: (string) -> string'],
    'cel.@mapInsert': [
      '@mapInsert_map_key_value: (map(A, B), A, B) -> map(A, B)',
      '@mapInsert_map_map: (map(A, B), map(A, B)) -> map(A, B)',
    ],
  },
  implementations: {
    charAt: ([text, at]) => {
      const all = points(str(text));
      const i = num(at);
      if (i < 0 || i > all.length) throw new CelError(`index out of range: ${i}`);
      return all[i] ?? '';
    },
    format,
    'strings.quote': ([text]) => quote(str(text)),
    indexOf: (args) => indexOf(args, false),
    lastIndexOf: (args) => indexOf(args, true),
    join: ([list, by]) => [...lst(list)].map(str).join(by === undefined ? '' : str(by)),
    lowerAscii: ([text]) => str(text).replace(/[A-Z]+/g, (run) => run.toLowerCase()),
    upperAscii: ([text]) => str(text).replace(/[a-z]+/g, (run) => run.toUpperCase()),
    replace,
    split,
    substring,
    trim: ([text]) => str(text).replace(/^\p{White_Space}+|\p{White_Space}+$/gu, ''),
    'sets.contains': ([a, b]) => containsAll(lst(a), lst(b)),
    'sets.equivalent': ([a, b]) => containsAll(lst(a), lst(b)) && containsAll(lst(b), lst(a)),
    'sets.intersects': ([a, b]) => [...lst(b)].some((item) => contains(lst(a), item)),
    isSorted: ([given]) => {
      const list = lst(given);
      for (let i = 1; i < list.size; i++) if (compare(list.at(i - 1), list.at(i)) > 0) return false;
      return true;
    },
    sum,
    max: (args) => extreme(args, 'max', 1),
    min: (args) => extreme(args, 'min', -1),
    'lists.range': ([n]) => {
      if (num(n) > 1_000_000) throw new CelError('range is too long');
      return new ArrayList(Array.from({ length: Math.max(0, num(n)) }, (_, i) => BigInt(i)));
    },
    slice: ([list, from, to]) => {
      const [start, end] = [num(from), num(to)];
      if (start < 0 || end < 0) throw new CelError(`cannot slice(${start}, ${end}), negative indexes not supported`);
      if (start > end)
        throw new CelError(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
      if (lst(list).size < end) throw new CelError(`cannot slice(${start}, ${end}), list is length ${lst(list).size}`);
      return new ArrayList([...lst(list)].slice(start, end));
    },
    flatten: ([list, depth]) => {
      const levels = depth === undefined ? 1 : num(depth);
      if (levels < 0) throw new CelError('level must be non-negative');
      return new ArrayList(flatten(lst(list), levels));
    },
    reverse: ([list]) => new ArrayList([...lst(list)].reverse()),
    distinct: ([list]) => new ArrayList(distinct(lst(list))),
    sort: ([list]) => new ArrayList([...lst(list)].sort(compare)),
    first: ([list]) => (lst(list).size === 0 ? noOptional : new Optional(lst(list).at(0))),
    last: ([list]) => (lst(list).size === 0 ? noOptional : new Optional(lst(list).at(lst(list).size - 1))),
    'optional.of': ([value]) => new Optional(value!),
    'optional.ofNonZeroValue': ([value]) => (isZero(value!) ? noOptional : new Optional(value!)),
    'optional.none': () => noOptional,
    'optional.unwrap': ([list]) => unwrapAll(lst(list)),
    unwrapOpt: ([list]) => unwrapAll(lst(list)),
    value: ([value]) => {
      if (!(value instanceof Optional)) throw noOverload();
      if (value.value === undefined) throw new CelError('optional.none() dereference');
      return value.value;
    },
    hasValue: ([value]) => {
      if (!(value instanceof Optional)) throw noOverload();
      return value.value !== undefined;
    },
    'jsonpatch.escapeKey': ([key]) => str(key).replaceAll('~', '~0').replaceAll('/', '~1'),
    'cel.@mapInsert': ([map, key, value]) => {
      if (!(map instanceof GrowingMap)) throw noOverload();
      if (value !== undefined) map.insert(key!, value);
      else if (key instanceof MapValue) for (const one of key.keys()) map.insert(one, key.get(one)!);
      else throw noOverload();
      return map;
    },
  },
};

function unwrapAll(list: ListValue): Value {
  const out: Value[] = [];
  for (const item of list) if (item instanceof Optional && item.value !== undefined) out.push(item.value);
  return new ArrayList(out);
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0n || value === 0) return true;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  return false;
}
