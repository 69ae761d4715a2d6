/** Durations and times as text. Source: Go's time package, as CEL uses it. */
import { CelError, type Duration, Timestamp } from '../values.ts';

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** `1h30m`, `-1.5s`. @returns nanoseconds. @throws CelError */
export function parseGoDuration(text: string): bigint {
  const bad = (): CelError => new CelError(`time: invalid duration ${JSON.stringify(text)}`);
  const signed = /^([+-]?)(.*)$/s.exec(text)!;
  const rest = signed[2]!;
  if (rest === '0') return 0n;
  if (rest === '' || !/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) throw bad();
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit] of rest.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = units[unit!]!;
    nanos += BigInt(whole === '' ? 0 : whole) * scale;
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  return signed[1] === '-' ? -nanos : nanos;
}

/** `3600.5s`: seconds, as protobuf's JSON writes them. */
export function formatDuration({ nanos }: Duration): string {
  const negative = nanos < 0n;
  const absolute = negative ? -nanos : nanos;
  const fraction = String(absolute % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${negative ? '-' : ''}${absolute / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}s`;
}

/** RFC 3339. @throws CelError */
export function parseTimestamp(text: string): Timestamp {
  const parts = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  const bad = (): CelError =>
    new CelError(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`,
    );
  if (!parts) throw bad();
  const [, year, month, day, hour, minute, second, fraction = '', zone] = parts;
  const millis = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const date = new Date(millis);
  if (Number(year) < 100) date.setUTCFullYear(Number(year));
  if (
    date.getUTCMonth() !== Number(month) - 1 ||
    date.getUTCDate() !== Number(day) ||
    Number(hour) > 23 ||
    Number(minute) > 59
  )
    throw bad();
  const offset = /^[Zz]$/.test(zone!)
    ? 0
    : (zone![0] === '-' ? -1 : 1) * (Number(zone!.slice(1, 3)) * 60 + Number(zone!.slice(4))) * 60_000;
  const nanos = BigInt(date.getTime() - offset) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return new Timestamp(nanos);
}

export function formatTimestamp({ nanos }: Timestamp): string {
  const seconds = nanos < 0n && nanos % 1_000_000_000n !== 0n ? nanos / 1_000_000_000n - 1n : nanos / 1_000_000_000n;
  const rest = nanos - seconds * 1_000_000_000n;
  const fraction = String(rest).padStart(9, '0').replace(/0+$/, '');
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${base}${fraction === '' ? '' : `.${fraction}`}Z`;
}
