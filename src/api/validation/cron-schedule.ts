/** Cron schedules as upstream's parser reads them: five fields or a name such as `@daily`. Source: github.com/robfig/cron/v3. */

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names?: Readonly<Record<string, number>>;
}

const numbered = (list: string, first: number): Readonly<Record<string, number>> =>
  Object.fromEntries(list.split(' ').map((name, i) => [name, i + first]));

const fields: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: numbered('jan feb mar apr may jun jul aug sep oct nov dec', 1) },
  { min: 0, max: 6, names: numbered('sun mon tue wed thu fri sat', 0) },
];
const descriptors = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

/** @param isZone whether a time zone of this name is known. @returns what is wrong with it; undefined when nothing is. */
export function scheduleProblem(schedule: string, isZone: (name: string) => boolean): string | undefined {
  let text = schedule;
  if (text.startsWith('TZ=') || text.startsWith('CRON_TZ=')) {
    const space = text.indexOf(' ');
    const equals = text.indexOf('=');
    if (space < 0) return 'invalid schedule format: runtime error: slice bounds out of range [:-1]';
    const zone = text.slice(equals + 1, space);
    if (!isZone(zone)) return `provided bad location ${zone}: unknown time zone ${zone}`;
    text = text.slice(space).trim();
  }
  if (text.startsWith('@')) return descriptorProblem(text);
  const parts = text.split(/\s+/).filter((part) => part !== '');
  if (parts.length !== fields.length)
    return `expected exactly ${fields.length} fields, found ${parts.length}: [${parts.join(' ')}]`;
  for (const [i, part] of parts.entries())
    for (const expression of part.split(',').filter((e) => e !== '')) {
      const problem = rangeProblem(expression, fields[i]!);
      if (problem !== undefined) return problem;
    }
  return undefined;
}

function descriptorProblem(text: string): string | undefined {
  if (descriptors.includes(text)) return undefined;
  if (!text.startsWith('@every ')) return `unrecognized descriptor: ${text}`;
  const duration = text.slice('@every '.length);
  if (/^[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.test(duration)) return undefined;
  const quoted = JSON.stringify(duration);
  const why = /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(duration)
    ? `missing unit in duration ${quoted}`
    : `invalid duration ${quoted}`;
  return `failed to parse duration ${text}: time: ${why}`;
}

function rangeProblem(expression: string, { min, max, names }: Bounds): string | undefined {
  const rangeAndStep = expression.split('/');
  const ends = rangeAndStep[0]!.split('-');
  let start = min;
  let end = max;
  if (ends[0] !== '*' && ends[0] !== '?') {
    const first = parseNumber(ends[0]!, names);
    if (typeof first === 'string') return first;
    start = end = first;
    if (ends.length > 2) return `too many hyphens: ${expression}`;
    if (ends.length === 2) {
      const last = parseNumber(ends[1]!, names);
      if (typeof last === 'string') return last;
      end = last;
    }
  }
  let step = 1;
  if (rangeAndStep.length > 2) return `too many slashes: ${expression}`;
  if (rangeAndStep.length === 2) {
    const given = parseNumber(rangeAndStep[1]!, undefined);
    if (typeof given === 'string') return given;
    step = given;
    if (ends.length === 1) end = max;
  }
  if (start < min) return `beginning of range (${start}) below minimum (${min}): ${expression}`;
  if (end > max) return `end of range (${end}) above maximum (${max}): ${expression}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${expression}`;
  return step === 0 ? `step of range should be a positive number: ${expression}` : undefined;
}

/** @returns the number, or what is wrong. */
function parseNumber(text: string, names: Bounds['names']): number | string {
  const named = names?.[text.toLowerCase()];
  if (named !== undefined) return named;
  if (!/^[-+]?\d+$/.test(text))
    return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
  const number = Number(text);
  return number < 0 ? `negative number (${number}) not allowed: ${text}` : number;
}
