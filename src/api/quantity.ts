/**
 * Fixed-point numbers with a suffix: `500m`, `1Gi`, `12e6`. Parses, compares, computes and prints them as upstream does.
 * Source: k8s.io/apimachinery/pkg/api/resource.Quantity.
 *
 * A value is `digits * 10^exponent`; nothing is finer than 10^-9 (finer input is rounded away from zero when parsed).
 * Hot paths that only want whole numbers use `parseMilli` and `parseValue`, which allocate nothing for the common forms.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  readonly digits: bigint;
  /** Power of ten, at least -9. */
  readonly exponent: number;
  readonly format: QuantityFormat;
  /** The text it was parsed from, when upstream would print it unchanged. */
  readonly text?: string;
}

/** The text is no quantity. The message is upstream's. */
export class QuantityError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'QuantityError';
  }
}

const formatWrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const suffixWrong = "unable to parse quantity's suffix";

const nano = -9;
const maxInt64 = (1n << 63n) - 1n;

/** Decimal digits that upstream keeps in an int64; whatever is longer takes its arbitrary-precision path, which rounds and caps. */
const maxInt64Digits = 18;

/** @throws QuantityError with upstream's message. */
export function parseQuantity(text: string): Quantity {
  if (text === '') throw new QuantityError(formatWrong);
  if (text === '0') return { digits: 0n, exponent: 0, format: 'DecimalSI', text };
  const { negative, whole, fraction, suffix } = scan(text);
  const { base, exponent, format } = interpretSuffix(suffix);
  const shifted = whole + fraction;
  if (fitsInt64(whole, fraction, base, exponent)) {
    const scale = (base === 10 ? exponent : 0) - fraction.length;
    if (scale >= nano) {
      const unscaled = BigInt(shifted);
      const value = base === 2 ? unscaled << BigInt(exponent) : unscaled;
      if (value <= maxInt64) {
        const canonical =
          format === 'BinarySI'
            ? (unscaled & 7n) !== 0n
            : scale % 3 === 0 && !shifted.endsWith('000') && shifted[0] !== '0';
        const digits = negative ? -value : value;
        return canonical ? { digits, exponent: scale, format, text } : { digits, exponent: scale, format };
      }
    }
  }
  return parseLarge(negative, shifted, fraction.length, base, exponent, format);
}

function parseLarge(
  negative: boolean,
  shifted: string,
  fractionLength: number,
  base: 2 | 10,
  suffixExponent: number,
  format: QuantityFormat,
): Quantity {
  let digits = BigInt(shifted);
  let exponent = (base === 10 ? suffixExponent : 0) - fractionLength;
  if (base === 2) digits <<= BigInt(suffixExponent);
  if (exponent < nano) {
    digits = divideRoundingUp(digits, nano - exponent);
    exponent = nano;
  }
  const magnitude: Quantity = { digits, exponent, format };
  if (format === 'BinarySI') {
    if (compareQuantities(magnitude, wholeNumber(maxInt64)) > 0) {
      digits = maxInt64;
      exponent = 0;
    } else if (digits !== 0n && compareQuantities(magnitude, wholeNumber(1n)) < 0) {
      // A fraction of a byte has no binary suffix to be shown with.
      format = 'DecimalSI';
    }
  }
  return { digits: negative ? -digits : digits, exponent, format };
}

interface Scanned {
  readonly negative: boolean;
  /** Without leading zeros; `0` when there are no digits at all (`.5`, `m`, `+` are legal upstream). */
  readonly whole: string;
  readonly fraction: string;
  readonly suffix: string;
}

function scan(text: string): Scanned {
  const end = text.length;
  let position = 0;
  const negative = text[0] === '-';
  if (negative || text[0] === '+') position = 1;
  while (position < end && text.charCodeAt(position) === 48) position++;
  const wholeStart = position;
  position = skipDigits(text, position);
  const whole = position === wholeStart ? '0' : text.slice(wholeStart, position);
  let fraction = '';
  if (text[position] === '.') {
    const fractionStart = position + 1;
    position = skipDigits(text, fractionStart);
    fraction = text.slice(fractionStart, position);
  }
  const suffixStart = position;
  while (position < end && 'eEinumkKMGTP'.includes(text[position]!)) position++;
  if (text[position] === '-' || text[position] === '+') position++;
  position = skipDigits(text, position);
  if (position < end) throw new QuantityError(formatWrong);
  return { negative, whole, fraction, suffix: text.slice(suffixStart) };
}

function skipDigits(text: string, position: number): number {
  for (; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code < 48 || code > 57) break;
  }
  return position;
}

interface Suffix {
  readonly base: 2 | 10;
  readonly exponent: number;
  readonly format: QuantityFormat;
}

const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const suffixes: ReadonlyMap<string, Suffix> = new Map<string, Suffix>([
  ...decimalSuffixes.map((s, i) => [s, { base: 10, exponent: i * 3 - 9, format: 'DecimalSI' }] as const),
  ...binarySuffixes.slice(1).map((s, i) => [s, { base: 2, exponent: (i + 1) * 10, format: 'BinarySI' }] as const),
]);

function interpretSuffix(suffix: string): Suffix {
  const known = suffixes.get(suffix);
  if (known) return known;
  if (/^[eE][+-]?[0-9]+$/.test(suffix)) {
    const parsed = BigInt(suffix.slice(suffix[1] === '+' ? 2 : 1));
    // Upstream narrows the exponent from 64 to 32 bits.
    if (parsed <= maxInt64 && parsed >= -maxInt64 - 1n)
      return { base: 10, exponent: Number(BigInt.asIntN(32, parsed)), format: 'DecimalExponent' };
  }
  throw new QuantityError(suffixWrong);
}

function fitsInt64(whole: string, fraction: string, base: 2 | 10, exponent: number): boolean {
  if (base === 10) return maxInt64Digits - (whole.length + fraction.length) >= 0;
  return fraction === '' && 15 - whole.length - Math.trunc((exponent * 3) / 10) - 1 >= 0;
}

/** As upstream prints it: `1000m` becomes `1`, `1.5Gi` `1536Mi`. @throws QuantityError */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text));
}

/**
 * As upstream prints a resource list's quantity after defaulting: rounded up to a thousandth, then canonical. Core kinds only.
 * @throws QuantityError
 */
export function canonicalResource(text: string): string {
  return formatQuantity(roundUp(parseQuantity(text), -3));
}

/** The canonical text: zero is `0`; the format's suffix with the largest power that leaves a whole number. */
export function formatQuantity(q: Quantity): string {
  if (q.text !== undefined) return q.text;
  if (q.digits === 0n) return '0';
  if (q.format === 'BinarySI' && !isBetween(q, 1024n)) {
    const whole = roundUp(q, 0);
    if (compareQuantities(whole, q) === 0) return formatBinary(shiftToZero(whole));
  }
  let digits = q.digits;
  let exponent = q.exponent;
  while (digits % 10n === 0n) {
    digits /= 10n;
    exponent++;
  }
  while (exponent % 3 !== 0) {
    digits *= 10n;
    exponent--;
  }
  if (q.format === 'DecimalExponent') return exponent === 0 ? String(digits) : `${digits}e${exponent}`;
  // Beyond E there is no suffix, and upstream then prints none.
  return String(digits) + (decimalSuffixes[exponent / 3 + 3] ?? '');
}

function formatBinary(value: bigint): string {
  let times = 0;
  while (value !== 0n && value % 1024n === 0n) {
    value /= 1024n;
    times++;
  }
  return String(value) + (binarySuffixes[times] ?? '');
}

const isBetween = (q: Quantity, bound: bigint): boolean =>
  compareQuantities(q, wholeNumber(-bound)) > 0 && compareQuantities(q, wholeNumber(bound)) < 0;
const wholeNumber = (digits: bigint): Quantity => ({ digits, exponent: 0, format: 'DecimalSI' });

/** `value * 10^-3` when `milli` is set, else `value`. */
export function makeQuantity(
  value: number | bigint,
  format: QuantityFormat,
  options: { milli?: boolean } = {},
): Quantity {
  return { digits: BigInt(value), exponent: options.milli ? -3 : 0, format };
}

/** @returns negative, 0 or positive. Never aligns far apart exponents, so `1e2147483647` costs nothing. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  const signA = a.digits === 0n ? 0 : a.digits < 0n ? -1 : 1;
  const signB = b.digits === 0n ? 0 : b.digits < 0n ? -1 : 1;
  if (signA !== signB) return signA - signB;
  if (signA === 0) return 0;
  if (a.exponent === b.exponent) return a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0;
  const sizeA = decimalLength(a.digits) + a.exponent;
  const sizeB = decimalLength(b.digits) + b.exponent;
  if (sizeA !== sizeB) return sizeA < sizeB ? -signA : signA;
  const [x, y] = align(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

const decimalLength = (digits: bigint): number => String(digits < 0n ? -digits : digits).length;

function align(a: Quantity, b: Quantity): readonly [bigint, bigint, number] {
  const exponent = Math.min(a.exponent, b.exponent);
  return [a.digits * 10n ** BigInt(a.exponent - exponent), b.digits * 10n ** BigInt(b.exponent - exponent), exponent];
}

/** Exponents further apart than this are not aligned: the smaller operand is lost, as no machine has such resources. */
const exponentGapMax = 10_000;

/** The sum in `a`'s format, or `b`'s when `a` is zero (upstream's rule). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  const format = a.digits === 0n ? b.format : a.format;
  if (b.digits === 0n) return { digits: a.digits, exponent: a.exponent, format };
  if (a.digits === 0n) return { digits: b.digits, exponent: b.exponent, format };
  if (Math.abs(a.exponent - b.exponent) > exponentGapMax) {
    const { digits, exponent } = a.exponent > b.exponent ? a : b;
    return { digits, exponent, format };
  }
  const [x, y, exponent] = align(a, b);
  return { digits: x + y, exponent, format };
}

/** `a - b` in `a`'s format, or `b`'s when `a` is zero. */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return addQuantities(a, { digits: -b.digits, exponent: b.exponent, format: b.format });
}

export function negateQuantity({ digits, exponent, format }: Quantity): Quantity {
  return { digits: -digits, exponent, format };
}

/** Rounds away from zero to a multiple of 10^scale. */
export function roundUp(q: Quantity, scale: number): Quantity {
  if (q.exponent >= scale) return q;
  const magnitude = divideRoundingUp(q.digits < 0n ? -q.digits : q.digits, scale - q.exponent);
  return { digits: q.digits < 0n ? -magnitude : magnitude, exponent: scale, format: q.format };
}

/** `digits / 10^places` of a non-negative number, rounded up; `places` may be huge. */
function divideRoundingUp(digits: bigint, places: number): bigint {
  if (digits === 0n) return 0n;
  if (places > decimalLength(digits)) return 1n;
  const divisor = 10n ** BigInt(places);
  return (digits + divisor - 1n) / divisor;
}

const shiftToZero = (q: Quantity): bigint => q.digits * 10n ** BigInt(q.exponent);

/** Whole units, rounded up (away from zero), saturated at int64. Source: Quantity.Value. */
export function value(q: Quantity): number {
  return scaledValue(q, 0);
}
/** Thousandths, rounded up (away from zero), saturated at int64. Source: Quantity.MilliValue. */
export function milliValue(q: Quantity): number {
  return scaledValue(q, -3);
}

function scaledValue(q: Quantity, scale: number): number {
  if (q.digits === 0n) return 0;
  const rounded = roundUp(q, scale);
  const negative = rounded.digits < 0n;
  if (decimalLength(rounded.digits) + rounded.exponent - scale > 20)
    return Number(negative ? -maxInt64 - 1n : maxInt64);
  const whole = rounded.digits * 10n ** BigInt(rounded.exponent - scale);
  return Number(whole > maxInt64 ? maxInt64 : whole < -maxInt64 - 1n ? -maxInt64 - 1n : whole);
}

/**
 * `milliValue(parseQuantity(text))`: thousandths, rounded up. Common forms (`2`, `250m`, `64Mi`, `1.5`) cost a short loop and no allocation.
 * @throws QuantityError
 */
export function parseMilli(text: string): number {
  const fast = scanSimple(text, 1000);
  return fast >= 0 ? fast : milliValue(parseQuantity(text));
}

/** `value(parseQuantity(text))`: whole units, rounded up. @throws QuantityError */
export function parseValue(text: string): number {
  const fast = scanSimple(text, 1);
  return fast >= 0 ? fast : value(parseQuantity(text));
}

/** Digits and at most one common suffix, times `unit`, rounded up; -1 when the text is anything else or the number too big to be exact. */
function scanSimple(text: string, unit: number): number {
  const end = text.length;
  let number = 0;
  let i = 0;
  for (; i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
  }
  if (i === 0 || i > 15) return -1;
  let factor: number;
  if (i === end) factor = 1;
  else {
    const c = text.charCodeAt(i);
    if (i + 1 === end) {
      if (c === 109) return Math.ceil((number * unit) / 1000);
      factor = c === 107 ? 1e3 : c === 77 ? 1e6 : c === 71 ? 1e9 : 0;
    } else if (i + 2 === end && text.charCodeAt(i + 1) === 105) {
      factor = c === 75 ? 1024 : c === 77 ? 1_048_576 : c === 71 ? 1_073_741_824 : c === 84 ? 1_099_511_627_776 : 0;
    } else return -1;
    if (factor === 0) return -1;
  }
  const result = number * factor * unit;
  return result <= Number.MAX_SAFE_INTEGER ? result : -1;
}
