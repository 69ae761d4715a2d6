/**
 * metav1.Time and MicroTime: parsing with Go's layouts and Go's error texts, canonical form in UTC. A parsed time is its canonical text, so
 * sub-microsecond digits are dropped where upstream drops them (when it writes).
 */

export const rfc3339 = '2006-01-02T15:04:05Z07:00';
export const rfc3339Micro = '2006-01-02T15:04:05.000000Z07:00';
/** January 1 of year 1 in seconds since 1970: Go's zero time, which is written as null. */
const zeroTime = -62_135_596_800;

export class TimeError extends Error {
  override readonly name = 'TimeError';
}

/** @returns `2026-01-02T03:04:05Z`, or null for Go's zero time. @throws TimeError with Go's message. */
export function canonicalTime(text: string): string | null {
  if (isCanonical(text, 20)) return text;
  const { seconds } = parse(text, rfc3339, false);
  return seconds === zeroTime ? null : isoSeconds(seconds);
}

/** @returns `2026-01-02T03:04:05.000000Z`, or null for Go's zero time. @throws TimeError with Go's message. */
export function canonicalMicroTime(text: string): string | null {
  if (isCanonical(text, 27)) return text;
  const { seconds, fraction } = parse(text, rfc3339Micro, true);
  if (seconds === zeroTime && /^0*$/.test(fraction)) return null;
  return `${isoSeconds(seconds).slice(0, -1)}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

/** The hot case, without a regex: `dddd-dd-ddTdd:dd:dd[.dddddd]Z` that needs no change and is surely in range (day 1 to 28, year 2000 on). */
function isCanonical(text: string, length: number): boolean {
  if (text.length !== length || text.charCodeAt(length - 1) !== 0x5a) return false;
  for (let i = 0; i < length - 1; i++) {
    const c = text.charCodeAt(i);
    if (i === 4 || i === 7) {
      if (c !== 0x2d) return false;
    } else if (i === 10) {
      if (c !== 0x54) return false;
    } else if (i === 13 || i === 16) {
      if (c !== 0x3a) return false;
    } else if (i === 19) {
      if (c !== 0x2e) return false;
    } else if (c < 0x30 || c > 0x39) return false;
  }
  const two = (at: number): number => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;
  const month = two(5);
  const day = two(8);
  return (
    text.charCodeAt(0) >= 0x32 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= 28 &&
    two(11) < 24 &&
    two(14) < 60 &&
    two(17) < 60
  );
}

function isoSeconds(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** Seconds since the epoch and the digits after the point. `layout` is only quoted in errors; `micro` asks for exactly its six digits. */
function parse(text: string, layout: string, micro: boolean): { seconds: number; fraction: string } {
  let rest = text;
  const refuse = (element: string): TimeError =>
    new TimeError(
      `parsing time ${quoted(text)} as ${quoted(layout)}: cannot parse ${quoted(rest)} as ${quoted(element)}`,
    );
  const outOfRange = (what: string): TimeError => new TimeError(`parsing time ${quoted(text)}: ${what} out of range`);
  const digits = (count: number, element: string): number => {
    const found = rest.slice(0, count);
    if (!/^\d+$/.test(found) || found.length < count) throw refuse(element);
    rest = rest.slice(count);
    return Number(found);
  };
  const skip = (separator: string): void => {
    if (!rest.startsWith(separator)) throw refuse(separator);
    rest = rest.slice(1);
  };
  const year = digits(4, '2006');
  skip('-');
  const month = digits(2, '01');
  if (month < 1 || month > 12) throw outOfRange('month');
  skip('-');
  const day = digits(2, '02');
  skip('T');
  // Go reads the hour with one or two digits.
  const hour = /^\d\d/.test(rest) ? digits(2, '15') : digits(1, '15');
  if (hour > 23) throw outOfRange('hour');
  skip(':');
  const minute = digits(2, '04');
  if (minute > 59) throw outOfRange('minute');
  skip(':');
  const second = digits(2, '05');
  if (second > 59) throw outOfRange('second');
  let fraction = '';
  if (micro) {
    const found = /^[.,](\d{6})/.exec(rest);
    if (!found) throw refuse('.000000');
    fraction = found[1]!;
    rest = rest.slice(7);
  } else {
    const found = /^[.,](\d+)/.exec(rest);
    if (found) {
      fraction = found[1]!;
      rest = rest.slice(found[0].length);
    }
  }
  let offset = 0;
  if (rest.startsWith('Z')) rest = rest.slice(1);
  else {
    const found = /^([+-])(\d\d):(\d\d)/.exec(rest);
    if (!found) throw refuse('Z07:00');
    const [, sign, hours, minutes] = found;
    if (Number(hours) > 24) throw outOfRange('time zone offset hour');
    if (Number(minutes) > 60) throw outOfRange('time zone offset minute');
    offset = (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
    rest = rest.slice(6);
  }
  if (rest !== '') throw new TimeError(`parsing time ${quoted(text)}: extra text: ${quoted(rest)}`);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (day < 1 || date.getUTCDate() !== day) throw outOfRange('day');
  return { seconds: date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset, fraction };
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
