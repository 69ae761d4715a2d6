/** The language's own functions. Source: the CEL specification, cel-go/common/stdlib, cel-go/common/types. */
import type { Library } from '../environment.ts';
import {
  bool,
  bytes,
  double,
  duration,
  dyn,
  int,
  listOf,
  mapOf,
  nullType,
  string,
  type Type,
  timestamp,
  typeOf,
  uint,
} from '../types.ts';
import {
  CelError,
  compare,
  Duration,
  equal,
  GrowingList,
  ListValue,
  MapValue,
  noOverload,
  Timestamp,
  TypeValue,
  typeName,
  Uint,
  type Value,
} from '../values.ts';
import { formatDuration, formatTimestamp, parseGoDuration, parseTimestamp } from './time.ts';

const int64 = (value: bigint): bigint => {
  if (value >= 2n ** 63n || value < -(2n ** 63n)) throw new CelError('integer overflow');
  return value;
};
const uint64 = (value: bigint): Uint => {
  if (value >= 2n ** 64n || value < 0n) throw new CelError('unsigned integer overflow');
  return new Uint(value);
};
const maxDuration = 2n ** 63n - 1n;
const span = (nanos: bigint): Duration => {
  if (nanos > maxDuration || nanos < -maxDuration - 1n) throw new CelError('integer overflow');
  return new Duration(nanos);
};
const minTime = -62_135_596_800n * 1_000_000_000n;
const maxTime = 253_402_300_799n * 1_000_000_000n + 999_999_999n;
const moment = (nanos: bigint): Timestamp => {
  if (nanos < minTime || nanos > maxTime) throw new CelError('timestamp overflow');
  return new Timestamp(nanos);
};

type Arithmetic = {
  readonly int: (a: bigint, b: bigint) => bigint;
  readonly double?: (a: number, b: number) => number;
};

const arithmetic =
  ({ int: onInt, double: onDouble }: Arithmetic, more?: (a: Value, b: Value) => Value | undefined) =>
  ([a, b]: readonly Value[]): Value => {
    if (typeof a === 'bigint' && typeof b === 'bigint') return int64(onInt(a, b));
    if (onDouble && typeof a === 'number' && typeof b === 'number') return onDouble(a, b);
    if (a instanceof Uint && b instanceof Uint) return uint64(onInt(a.value, b.value));
    const other = more?.(a!, b!);
    if (other === undefined) throw noOverload();
    return other;
  };

function add(a: Value, b: Value): Value | undefined {
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return new Uint8Array(Buffer.concat([a, b]));
  if (a instanceof GrowingList && b instanceof ListValue) {
    for (const item of b) a.push(item);
    return a;
  }
  if (a instanceof ListValue && b instanceof ListValue) return a.concat(b);
  if (a instanceof Duration && b instanceof Duration) return span(a.nanos + b.nanos);
  if (a instanceof Timestamp && b instanceof Duration) return moment(a.nanos + b.nanos);
  if (a instanceof Duration && b instanceof Timestamp) return moment(a.nanos + b.nanos);
  return undefined;
}

function subtract(a: Value, b: Value): Value | undefined {
  if (a instanceof Duration && b instanceof Duration) return span(a.nanos - b.nanos);
  if (a instanceof Timestamp && b instanceof Duration) return moment(a.nanos - b.nanos);
  if (a instanceof Timestamp && b instanceof Timestamp) return span(a.nanos - b.nanos);
  return undefined;
}

const ordered =
  (test: (order: number) => boolean) =>
  ([a, b]: readonly Value[]): Value => {
    if ((typeof a === 'number' && Number.isNaN(a)) || (typeof b === 'number' && Number.isNaN(b))) return false;
    return test(compare(a!, b!));
  };

const size = ([value]: readonly Value[]): Value => {
  if (typeof value === 'string') return BigInt([...value].length);
  if (value instanceof Uint8Array) return BigInt(value.length);
  if (value instanceof ListValue || value instanceof MapValue) return BigInt(value.size);
  throw noOverload();
};

function toInt(value: Value): Value {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) {
    if (value.value >= 2n ** 63n) throw new CelError('integer overflow');
    return value.value;
  }
  if (typeof value === 'number') {
    if (!(value > -(2 ** 63) && value < 2 ** 63)) throw new CelError('integer overflow');
    return BigInt(Math.trunc(value));
  }
  if (typeof value === 'string') {
    if (!/^[+-]?\d+$/.test(value))
      throw new CelError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
    const parsed = BigInt(value);
    if (parsed >= 2n ** 63n || parsed < -(2n ** 63n))
      throw new CelError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: value out of range`);
    return parsed;
  }
  if (value instanceof Timestamp) return floorDivide(value.nanos, 1_000_000_000n);
  if (value instanceof Duration) return value.nanos;
  throw noOverload();
}

export const floorDivide = (a: bigint, b: bigint): bigint => (a < 0n && a % b !== 0n ? a / b - 1n : a / b);

function toUint(value: Value): Value {
  if (value instanceof Uint) return value;
  if (typeof value === 'bigint') return uint64(value);
  if (typeof value === 'number') {
    if (!(value >= 0 && value < 2 ** 64)) throw new CelError('unsigned integer overflow');
    return new Uint(BigInt(Math.trunc(value)));
  }
  if (typeof value === 'string') {
    if (!/^\d+$/.test(value) || BigInt(value) >= 2n ** 64n)
      throw new CelError(`strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`);
    return new Uint(BigInt(value));
  }
  throw noOverload();
}

function toDouble(value: Value): Value {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (typeof value === 'string') {
    if (!/^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf(inity)?|nan)$/i.test(value))
      throw new CelError(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`);
    if (/nan/i.test(value)) return Number.NaN;
    if (/inf/i.test(value)) return value.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return Number(value);
  }
  throw noOverload();
}

/** As Go writes a float with %g and the fewest digits. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 21) return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return String(value);
}

function toText(value: Value): Value {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      return doubleText(value);
  }
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(value);
    } catch (error) {
      throw new CelError('invalid UTF-8 in bytes, cannot convert to string', { cause: error });
    }
  }
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value);
  throw noOverload();
}

/** A part of a time, in UTC or in a zone: `America/New_York`, `+02:00`. */
const part =
  (read: (parts: CalendarParts) => number, ofDuration?: (nanos: bigint) => bigint) =>
  ([value, zone]: readonly Value[]): Value => {
    if (value instanceof Duration && ofDuration && zone === undefined) return ofDuration(value.nanos);
    if (!(value instanceof Timestamp)) throw noOverload();
    if (zone !== undefined && typeof zone !== 'string') throw noOverload();
    return BigInt(read(calendar(value, zone ?? 'UTC')));
  };

interface CalendarParts {
  readonly date: Date;
  readonly millis: number;
}

function calendar({ nanos }: Timestamp, zone: string): CalendarParts {
  const millis = Number(floorDivide(nanos, 1_000_000n));
  return { date: new Date(millis + zoneOffset(millis, zone)), millis: ((millis % 1000) + 1000) % 1000 };
}

function zoneOffset(millis: number, zone: string): number {
  if (zone === 'UTC' || zone === '') return 0;
  const fixed = /^([+-]?)(\d{2}):(\d{2})$/.exec(zone);
  if (fixed) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  } catch (error) {
    throw new CelError(`unknown time zone ${zone}`, { cause: error });
  }
  const name = format.formatToParts(millis).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  const offset = /GMT([+-])(\d{2}):(\d{2})/.exec(name);
  return offset ? (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000 : 0;
}

const dayOfYear = (date: Date): number =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  );

const timePart = (name: string): readonly string[] => [
  `timestamp_to_${name}: timestamp.() -> int`,
  `timestamp_to_${name}_with_tz: timestamp.(string) -> int`,
];
const spanPart = (name: string): readonly string[] => [...timePart(name), `duration_to_${name}: duration.() -> int`];
const comparisons = (name: string): readonly string[] => [
  ...['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'].map(
    (type) => `${name}_${type === 'int' ? 'int64' : type === 'uint' ? 'uint64' : type}: (${type}, ${type}) -> bool`,
  ),
  ...(
    [
      ['int64', 'int', 'double'],
      ['int64', 'int', 'uint'],
      ['uint64', 'uint', 'double'],
      ['uint64', 'uint', 'int'],
      ['double', 'double', 'int'],
      ['double', 'double', 'uint'],
    ] as const
  ).map(([id, a, b]) => `${name}_${id}_${b}: (${a}, ${b}) -> bool`),
];
const numeric = (name: string, double = true): readonly string[] => [
  ...(double ? [`${name}_double: (double, double) -> double`] : []),
  `${name}_int64: (int, int) -> int`,
  `${name}_uint64: (uint, uint) -> uint`,
];

const text =
  (test: (value: string, other: string) => boolean) =>
  ([a, b]: readonly Value[]): Value => {
    if (typeof a !== 'string' || typeof b !== 'string') throw noOverload();
    return test(a, b);
  };

const constant = (type: Type, name: string) => ({ type: typeOf(type), value: new TypeValue(name) });

export const standardLibrary: Library = {
  variables: {
    bool: constant(bool, 'bool'),
    bytes: constant(bytes, 'bytes'),
    double: constant(double, 'double'),
    int: constant(int, 'int'),
    uint: constant(uint, 'uint'),
    string: constant(string, 'string'),
    list: constant(listOf(dyn), 'list'),
    map: constant(mapOf(dyn, dyn), 'map'),
    null_type: constant(nullType, 'null_type'),
    type: constant(typeOf(dyn), 'type'),
    'google.protobuf.Duration': constant(duration, 'google.protobuf.Duration'),
    'google.protobuf.Timestamp': constant(timestamp, 'google.protobuf.Timestamp'),
  },
  functions: {
    '_?_:_': ['conditional: (bool, A, A) -> A'],
    '_&&_': ['logical_and: (bool, bool) -> bool'],
    '_||_': ['logical_or: (bool, bool) -> bool'],
    '!_': ['logical_not: (bool) -> bool'],
    '@not_strictly_false': ['not_strictly_false: (bool) -> bool'],
    '_==_': ['equals: (A, A) -> bool'],
    '_!=_': ['not_equals: (A, A) -> bool'],
    '_+_': [
      'add_bytes: (bytes, bytes) -> bytes',
      'add_double: (double, double) -> double',
      'add_duration_duration: (duration, duration) -> duration',
      'add_duration_timestamp: (duration, timestamp) -> timestamp',
      'add_timestamp_duration: (timestamp, duration) -> timestamp',
      'add_int64: (int, int) -> int',
      'add_list: (list(A), list(A)) -> list(A)',
      'add_string: (string, string) -> string',
      'add_uint64: (uint, uint) -> uint',
    ],
    '_-_': [
      'subtract_double: (double, double) -> double',
      'subtract_duration_duration: (duration, duration) -> duration',
      'subtract_int64: (int, int) -> int',
      'subtract_timestamp_duration: (timestamp, duration) -> timestamp',
      'subtract_timestamp_timestamp: (timestamp, timestamp) -> duration',
      'subtract_uint64: (uint, uint) -> uint',
    ],
    '_*_': numeric('multiply'),
    '_/_': numeric('divide'),
    '_%_': numeric('modulo', false),
    '-_': ['negate_double: (double) -> double', 'negate_int64: (int) -> int'],
    '_<_': comparisons('less'),
    '_<=_': comparisons('less_equals'),
    '_>_': comparisons('greater'),
    '_>=_': comparisons('greater_equals'),
    '_[_]': [
      'index_list: (list(A), int) -> A',
      'index_map: (map(A, B), A) -> B',
      'optional_list_index_int: (optional(list(A)), int) -> optional(A)',
      'optional_map_index_value: (optional(map(A, B)), A) -> optional(B)',
    ],
    '@in': ['in_list: (A, list(A)) -> bool', 'in_map: (A, map(A, B)) -> bool'],
    size: [
      'size_bytes: (bytes) -> int',
      'bytes_size: bytes.() -> int',
      'size_list: (list(A)) -> int',
      'list_size: list(A).() -> int',
      'size_map: (map(A, B)) -> int',
      'map_size: map(A, B).() -> int',
      'size_string: (string) -> int',
      'string_size: string.() -> int',
    ],
    type: ['type: (A) -> type(A)'],
    dyn: ['to_dyn: (A) -> dyn'],
    bool: ['bool_to_bool: (bool) -> bool', 'string_to_bool: (string) -> bool'],
    bytes: ['bytes_to_bytes: (bytes) -> bytes', 'string_to_bytes: (string) -> bytes'],
    double: [
      'double_to_double: (double) -> double',
      'int64_to_double: (int) -> double',
      'string_to_double: (string) -> double',
      'uint64_to_double: (uint) -> double',
    ],
    duration: [
      'duration_to_duration: (duration) -> duration',
      'int64_to_duration: (int) -> duration',
      'string_to_duration: (string) -> duration',
    ],
    int: [
      'int64_to_int64: (int) -> int',
      'double_to_int64: (double) -> int',
      'duration_to_int64: (duration) -> int',
      'string_to_int64: (string) -> int',
      'timestamp_to_int64: (timestamp) -> int',
      'uint64_to_int64: (uint) -> int',
    ],
    string: [
      'string_to_string: (string) -> string',
      'bool_to_string: (bool) -> string',
      'bytes_to_string: (bytes) -> string',
      'double_to_string: (double) -> string',
      'duration_to_string: (duration) -> string',
      'int64_to_string: (int) -> string',
      'timestamp_to_string: (timestamp) -> string',
      'uint64_to_string: (uint) -> string',
    ],
    timestamp: [
      'timestamp_to_timestamp: (timestamp) -> timestamp',
      'int64_to_timestamp: (int) -> timestamp',
      'string_to_timestamp: (string) -> timestamp',
    ],
    uint: [
      'uint64_to_uint64: (uint) -> uint',
      'double_to_uint64: (double) -> uint',
      'int64_to_uint64: (int) -> uint',
      'string_to_uint64: (string) -> uint',
    ],
    contains: ['contains_string: string.(string) -> bool'],
    endsWith: ['ends_with_string: string.(string) -> bool'],
    startsWith: ['starts_with_string: string.(string) -> bool'],
    getFullYear: timePart('year'),
    getMonth: timePart('month'),
    getDayOfYear: timePart('day_of_year'),
    getDayOfMonth: timePart('day_of_month'),
    getDate: timePart('day_of_month_1_based'),
    getDayOfWeek: timePart('day_of_week'),
    getHours: spanPart('hours'),
    getMinutes: spanPart('minutes'),
    getSeconds: spanPart('seconds'),
    getMilliseconds: spanPart('milliseconds'),
  },
  implementations: {
    '!_': ([a]) => {
      if (typeof a !== 'boolean') throw noOverload();
      return !a;
    },
    '_==_': ([a, b]) => equal(a!, b!),
    '_!=_': ([a, b]) => !equal(a!, b!),
    '_+_': arithmetic({ int: (a, b) => a + b, double: (a, b) => a + b }, add),
    '_-_': arithmetic({ int: (a, b) => a - b, double: (a, b) => a - b }, subtract),
    '_*_': arithmetic({ int: (a, b) => a * b, double: (a, b) => a * b }),
    '_/_': arithmetic({
      int: (a, b) => {
        if (b === 0n) throw new CelError('division by zero');
        return a / b;
      },
      double: (a, b) => a / b,
    }),
    '_%_': arithmetic({
      int: (a, b) => {
        if (b === 0n) throw new CelError('modulus by zero');
        return a % b;
      },
    }),
    '-_': ([a]) => {
      if (typeof a === 'bigint') return int64(-a);
      if (typeof a === 'number') return -a;
      throw noOverload();
    },
    '_<_': ordered((order) => order < 0),
    '_<=_': ordered((order) => order <= 0),
    '_>_': ordered((order) => order > 0),
    '_>=_': ordered((order) => order >= 0),
    '@in': ([item, within]) => {
      if (within instanceof ListValue) {
        for (let i = 0; i < within.size; i++) if (equal(item!, within.at(i))) return true;
        return false;
      }
      if (within instanceof MapValue) return within.get(item!) !== undefined;
      throw noOverload();
    },
    size,
    type: ([value]) => new TypeValue(typeName(value!)),
    dyn: ([value]) => value!,
    bool: ([value]) => {
      if (typeof value === 'boolean') return value;
      if (typeof value === 'string') {
        if (['true', 'TRUE', 'True', 't', '1'].includes(value)) return true;
        if (['false', 'FALSE', 'False', 'f', '0'].includes(value)) return false;
        throw new CelError(`strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
      }
      throw noOverload();
    },
    bytes: ([value]) => {
      if (value instanceof Uint8Array) return value;
      if (typeof value === 'string') return new TextEncoder().encode(value);
      throw noOverload();
    },
    double: ([value]) => toDouble(value!),
    int: ([value]) => toInt(value!),
    uint: ([value]) => toUint(value!),
    string: ([value]) => toText(value!),
    duration: ([value]) => {
      if (value instanceof Duration) return value;
      if (typeof value === 'bigint') return span(value);
      if (typeof value === 'string') return span(parseGoDuration(value));
      throw noOverload();
    },
    timestamp: ([value]) => {
      if (value instanceof Timestamp) return value;
      if (typeof value === 'bigint') return moment(value * 1_000_000_000n);
      if (typeof value === 'string') return parseTimestamp(value);
      throw noOverload();
    },
    contains: text((a, b) => a.includes(b)),
    endsWith: text((a, b) => a.endsWith(b)),
    startsWith: text((a, b) => a.startsWith(b)),
    getFullYear: part(({ date }) => date.getUTCFullYear()),
    getMonth: part(({ date }) => date.getUTCMonth()),
    getDayOfYear: part(({ date }) => dayOfYear(date)),
    getDayOfMonth: part(({ date }) => date.getUTCDate() - 1),
    getDate: part(({ date }) => date.getUTCDate()),
    getDayOfWeek: part(({ date }) => date.getUTCDay()),
    getHours: part(
      ({ date }) => date.getUTCHours(),
      (nanos) => nanos / 3_600_000_000_000n,
    ),
    getMinutes: part(
      ({ date }) => date.getUTCMinutes(),
      (nanos) => nanos / 60_000_000_000n,
    ),
    getSeconds: part(
      ({ date }) => date.getUTCSeconds(),
      (nanos) => nanos / 1_000_000_000n,
    ),
    getMilliseconds: part(
      ({ millis }) => millis,
      (nanos) => (nanos / 1_000_000n) % 1_000n,
    ),
  },
};
