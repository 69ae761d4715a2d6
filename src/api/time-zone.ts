/** Local time in a zone of the IANA database, as the runtime knows it. */

export interface TimeZone {
  /** Milliseconds that local clocks are ahead of UTC. */
  offsetMs(at: number): number;
  /** A date whose UTC fields are the local ones. */
  local(at: number): Date;
  /**
   * The first moment of a local day. @param month from 0; days and months beyond the end count on. @param before some earlier moment, not much
   * earlier than the day.
   */
  startOfDay(year: number, month: number, day: number, before: number): number;
}

/** @throws RangeError for a zone that is not known. */
export function timeZone(name: string): TimeZone {
  const offsetMs = isUtc(name) ? () => 0 : offsetsOf(name);
  const local = (at: number): Date => new Date(at + offsetMs(at));
  return {
    offsetMs,
    local,
    startOfDay(year, month, day, before) {
      const midnight = Date.UTC(year, month, day);
      const guess = midnight - offsetMs(before);
      // The clocks may have changed in between, and midnight itself may be skipped.
      let at = midnight - offsetMs(guess);
      while (at + offsetMs(at) < midnight) at += 30 * 60_000;
      return at;
    },
  };
}

/** Clusters run in UTC, so that is what local means. */
const isUtc = (name: string): boolean => name === 'UTC' || name === '' || name === 'Local';

export function isTimeZone(name: string): boolean {
  try {
    timeZone(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function offsetsOf(name: string): (at: number) => number {
  // The runtime takes offsets for zones, the database has no such names.
  if (/^[+-]/.test(name)) throw new RangeError(`Invalid time zone specified: ${name}`);
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const fields: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(at)) fields[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = fields;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
  };
}
