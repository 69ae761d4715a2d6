/**
 * Cron schedules as upstream reads them: five fields (numbers, names, lists, ranges, steps, `?` for `*`), `@hourly` and its like, `@every 1h30m`,
 * and a leading `TZ=...` or `CRON_TZ=...`. Source: github.com/robfig/cron/v3, parser.go and spec.go.
 */
import { parseDurationNanoseconds } from './time.ts';
import { type TimeZone, timeZone } from './time-zone.ts';

export interface CronSchedule {
  /**
   * The first time after `afterMs`; milliseconds, whole minutes (whole seconds with `@every`). undefined when there is none within five years.
   * An hour that summer time skips is skipped, one that comes twice counts twice.
   */
  next(afterMs: number): number | undefined;
}

/** @throws Error with upstream's text, about the schedule or its time zone. */
export function parseCronSchedule(text: string, defaultZone = 'UTC'): CronSchedule {
  if (text === '') throw new Error('empty spec string');
  let rest = text;
  let zone = defaultZone;
  const prefix = /^(?:CRON_)?TZ=/.exec(text);
  if (prefix) {
    const space = text.indexOf(' ');
    // What upstream's recovered panic says.
    if (space < 0) throw new Error('invalid schedule format: runtime error: slice bounds out of range [:-1]');
    zone = text.slice(prefix[0].length, space);
    rest = text.slice(space).trim();
  }
  const every = /^@every (.*)$/s.exec(rest);
  if (every) return constantDelay(every[1]!, rest);
  const fields = rest.startsWith('@') ? descriptors[rest] : rest.split(/\s+/).filter((field) => field !== '');
  if (!fields) throw new Error(`unrecognized descriptor: ${rest}`);
  if (fields.length !== 5) throw new Error(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  const [minute, hour, day, month, weekday] = fields.map((field, i) => parseField(field, bounds[i]!));
  return new FieldSchedule({ minute: minute!, hour: hour!, day: day!, month: month!, weekday: weekday! }, zoneOf(zone));
}

function zoneOf(name: string): TimeZone {
  try {
    return timeZone(name);
  } catch (error) {
    throw new Error(`provided bad location ${name}: unknown time zone ${name}`, { cause: error });
  }
}

const descriptors: Readonly<Record<string, readonly string[]>> = {
  '@yearly': ['0', '0', '1', '1', '*'],
  '@annually': ['0', '0', '1', '1', '*'],
  '@monthly': ['0', '0', '1', '*', '*'],
  '@weekly': ['0', '0', '*', '*', '0'],
  '@daily': ['0', '0', '*', '*', '*'],
  '@midnight': ['0', '0', '*', '*', '*'],
  '@hourly': ['0', '*', '*', '*', '*'],
};

function constantDelay(duration: string, text: string): CronSchedule {
  const nanoseconds = parseDurationNanoseconds(duration);
  if (nanoseconds === undefined) {
    const problem = /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(duration) ? 'missing unit in duration' : 'invalid duration';
    throw new Error(`failed to parse duration ${text}: time: ${problem} ${JSON.stringify(duration)}`);
  }
  const delayMs = Math.max(1, Math.floor(Number(nanoseconds) / 1e9)) * 1000;
  return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + delayMs };
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}
const bounds: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  {
    min: 1,
    max: 12,
    names: ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

/** Which values match; `star`: the field says nothing, which matters for the two kinds of days. */
interface Field {
  readonly matches: readonly boolean[];
  readonly star: boolean;
}

function parseField(text: string, limits: Bounds): Field {
  const matches = new Array<boolean>(limits.max + 1).fill(false);
  let star = false;
  for (const part of text.split(',')) {
    if (part === '') continue;
    const { start, end, step, isStar } = parseRange(part, limits);
    for (let value = start; value <= end; value += step) matches[value] = true;
    star ||= isStar;
  }
  return { matches, star };
}

function parseRange(text: string, limits: Bounds) {
  const [range = '', stepText, ...moreSteps] = text.split('/');
  const [low = '', high, ...moreHyphens] = range.split('-');
  const isAny = low === '*' || low === '?';
  if (!isAny && moreHyphens.length > 0) throw new Error(`too many hyphens: ${text}`);
  const start = isAny ? limits.min : parseValue(low, limits);
  let end = isAny ? limits.max : high === undefined ? start : parseValue(high, limits);
  if (moreSteps.length > 0) throw new Error(`too many slashes: ${text}`);
  const step = stepText === undefined ? 1 : parseNumber(stepText);
  // `5/10` means from 5 on.
  if (stepText !== undefined && high === undefined) end = limits.max;
  if (start < limits.min) throw new Error(`beginning of range (${start}) below minimum (${limits.min}): ${text}`);
  if (end > limits.max) throw new Error(`end of range (${end}) above maximum (${limits.max}): ${text}`);
  if (start > end) throw new Error(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (step === 0) throw new Error(`step of range should be a positive number: ${text}`);
  return { start, end, step, isStar: isAny && step === 1 };
}

function parseValue(text: string, { names }: Bounds): number {
  const named = text === '' ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  return named >= 0 ? named : parseNumber(text);
}
function parseNumber(text: string): number {
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  const number = Number(text);
  if (number < 0) throw new Error(`negative number (${number}) not allowed: ${text}`);
  return number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

class FieldSchedule implements CronSchedule {
  private readonly fields: Readonly<Record<'minute' | 'hour' | 'day' | 'month' | 'weekday', Field>>;
  private readonly zone: TimeZone;

  constructor(fields: FieldSchedule['fields'], zone: TimeZone) {
    this.fields = fields;
    this.zone = zone;
  }

  next(afterMs: number): number | undefined {
    const { minute, hour, month } = this.fields;
    let at = Math.floor(afterMs / minuteMs) * minuteMs + minuteMs;
    const lastYear = this.zone.local(at).getUTCFullYear() + 5;
    for (;;) {
      const local = this.zone.local(at);
      const year = local.getUTCFullYear();
      if (year > lastYear) return undefined;
      if (!month.matches[local.getUTCMonth() + 1]) at = this.zone.startOfDay(year, local.getUTCMonth() + 1, 1, at);
      else if (!this.dayMatches(local))
        at = this.zone.startOfDay(year, local.getUTCMonth(), local.getUTCDate() + 1, at);
      else if (!hour.matches[local.getUTCHours()]) at += hourMs - local.getUTCMinutes() * minuteMs;
      else {
        const from = local.getUTCMinutes();
        const to = minute.matches.indexOf(true, from);
        if (to === from) return at;
        at += ((to < 0 ? 60 : to) - from) * minuteMs;
      }
    }
  }

  /** Both kinds of days restricted: either will do. */
  private dayMatches(local: Date): boolean {
    const { day, weekday } = this.fields;
    const inMonth = day.matches[local.getUTCDate()] === true;
    const inWeek = weekday.matches[local.getUTCDay()] === true;
    return day.star || weekday.star ? inMonth && inWeek : inMonth || inWeek;
  }
}
