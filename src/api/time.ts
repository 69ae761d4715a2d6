/**
 * Times and durations as the API writes them. RFC 3339 in UTC: whole seconds (`meta/v1.Time`) or microseconds (`MicroTime`).
 * Go durations: `1h30m`, `15s`, `100ms`. Milliseconds since the epoch are what the rest of the program uses.
 */

/** `2026-01-02T03:04:05Z`; the fraction of the second is dropped. @throws RangeError outside the years 0 to 9999 */
export function formatTime(ms: number): string {
  return `${isoSeconds(ms)}Z`;
}

/** `2026-01-02T03:04:05.678000Z` */
export function formatMicroTime(ms: number, microseconds = 0): string {
  const millisecond = String((((ms % 1000) + 1000) % 1000) | 0).padStart(3, '0');
  return `${isoSeconds(ms)}.${millisecond}${String(microseconds).padStart(3, '0')}Z`;
}

function isoSeconds(ms: number): string {
  const text = new Date(Math.floor(ms)).toISOString();
  if (text.length !== 24) throw new RangeError(`Time ${ms} ms lies outside the years 0 to 9999`);
  return text.slice(0, 19);
}

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(Z|[+-](\d{2}):(\d{2}))$/;

/** Milliseconds since the epoch of an RFC 3339 text with any offset (finer digits are dropped); `undefined` when it is none. */
export function parseTime(text: string): number | undefined {
  const m = rfc3339.exec(text);
  if (!m) return undefined;
  const [year, month, day, hour, minute, second] = [m[1], m[2], m[3], m[4], m[5], m[6]].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHour, offsetMinute] = [Number(m[9] ?? 0), Number(m[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A day that does not exist (30 February) rolls over to the next month.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const milliseconds = Number((m[7] ?? '').padEnd(3, '0').slice(0, 3));
  const offset = (offsetHour * 60 + offsetMinute) * 60_000 * (m[8]?.startsWith('-') ? -1 : 1);
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds - offset;
}

const nanosecondsOf: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const maxInt64 = (1n << 63n) - 1n;

/** Nanoseconds of a Go duration (`-1.5h`, `1h15m30.918s`, `0`); `undefined` when it is none. Source: time.ParseDuration. */
export function parseDurationNanoseconds(text: string): bigint | undefined {
  const sign = text[0] === '-' ? -1n : 1n;
  let rest = text[0] === '-' || text[0] === '+' ? text.slice(1) : text;
  if (rest === '0') return 0n;
  if (rest === '') return undefined;
  let total = 0n;
  while (rest !== '') {
    const m = /^(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/.exec(rest);
    if (!m || (m[1] === '' && (m[2] ?? '') === '')) return undefined;
    const unit = nanosecondsOf[m[3]!]!;
    const fraction = m[2] ?? '';
    total += BigInt(m[1] || 0) * unit;
    if (fraction !== '') total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
    if (total > maxInt64) return undefined;
    rest = rest.slice(m[0].length);
  }
  return sign * total;
}

/** What Go's parser says of a text that is no duration. Source: time.ParseDuration. */
export function durationProblem(text: string): string {
  const quoted = JSON.stringify(text);
  let rest = text.replace(/^[-+]/, '');
  while (rest !== '') {
    const number = /^(\d+\.?\d*|\.\d+)/.exec(rest)?.[0];
    if (number === undefined) break;
    rest = rest.slice(number.length);
    const unit = /^[^.\d]*/.exec(rest)![0];
    if (unit === '') return `time: missing unit in duration ${quoted}`;
    if (nanosecondsOf[unit] === undefined) return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`;
    rest = rest.slice(unit.length);
  }
  return `time: invalid duration ${quoted}`;
}

/** Milliseconds of a Go duration, or `undefined`. */
export function parseDuration(text: string): number | undefined {
  const nanoseconds = parseDurationNanoseconds(text);
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}

/** As Go prints it: `1h30m0s`, `1.5s`, `100ms`, `0s`. @param ms may carry a fraction down to nanoseconds */
export function formatDuration(ms: number): string {
  const nanoseconds = BigInt(Math.round(ms * 1e6));
  if (nanoseconds === 0n) return '0s';
  const sign = nanoseconds < 0n ? '-' : '';
  const n = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (n < 1000n) return `${sign}${n}ns`;
  if (n < 1_000_000n) return `${sign}${decimal(n, 1000n)}µs`;
  if (n < 1_000_000_000n) return `${sign}${decimal(n, 1_000_000n)}ms`;
  const seconds = n / 1_000_000_000n;
  const hours = seconds / 3600n;
  const minutes = (seconds / 60n) % 60n;
  const rest = decimal(n - (hours * 3600n + minutes * 60n) * 1_000_000_000n, 1_000_000_000n);
  return `${sign}${hours > 0n ? `${hours}h` : ''}${hours > 0n || minutes > 0n ? `${minutes}m` : ''}${rest}s`;
}

function decimal(n: bigint, unit: bigint): string {
  const digits = String(unit).length - 1;
  const fraction = String(n % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(n / unit) : `${n / unit}.${fraction}`;
}

/** How long ago, as kubectl's AGE column: `5s`, `2m30s`, `3h12m`, `4d`, `2y10d`. Source: util/duration.HumanDuration. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (days < 365 * 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}
