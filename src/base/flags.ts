/**
 * Flags as data (decision 15): a component's table names upstream's flags with their types and defaults, and this reads a command line as
 * upstream's parser (spf13/pflag) does: `--name=value`, `--name value`, `--switch`, `-v 2`, `-v=2`; `_` counts as `-`; later ones win, lists add up.
 */

export interface FlagSpec {
  /** Upstream's name of the type, as `--help` shows it. */
  readonly type: string;
  readonly default?: string;
  readonly shorthand?: string;
  /** Deprecated upstream: still works, told in the log. */
  readonly old?: boolean;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** A command line that upstream's parser refuses too; its message is upstream's. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FlagError';
  }
}

/** Values by flag. Asking for a flag that the table does not have is a programming error. */
export class Flags {
  readonly #specs: FlagSpecs;
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(specs: FlagSpecs, given: ReadonlyMap<string, readonly string[]>) {
    this.#specs = specs;
    this.#given = given;
  }

  /** Names on the command line, in its order, each once. */
  get given(): readonly string[] {
    return [...this.#given.keys()];
  }

  isGiven(name: string): boolean {
    return this.#given.has(name);
  }

  /** The last value given, else the default, else ''. */
  text(name: string): string {
    return this.#given.get(name)?.at(-1) ?? this.#spec(name).default ?? '';
  }

  /** Undefined when the value is ''. */
  optional(name: string): string | undefined {
    return this.text(name) || undefined;
  }

  bool(name: string): boolean {
    return trueTexts.has(this.text(name));
  }

  number(name: string): number {
    return Number(this.text(name) || 0);
  }

  /** Milliseconds. */
  duration(name: string): number {
    return parseDuration(this.text(name) || '0s')!;
  }

  /** Of a list: what was given, all occurrences together, else the default. */
  list(name: string): readonly string[] {
    const spec = this.#spec(name);
    const given = this.#given.get(name);
    if (given === undefined) return splitList((spec.default ?? '').replace(/^\[(.*)\]$/s, '$1'));
    // `stringArray` takes each value as it is.
    return spec.type === 'stringArray' ? given : given.flatMap(splitList);
  }

  /** Of a map: `a=1,b=2`, all occurrences together. */
  map(name: string): Readonly<Record<string, string>> {
    const out: Record<string, string> = {};
    for (const pair of this.list(name)) {
      const at = pair.search(/[=<:]/);
      Object.defineProperty(out, at < 0 ? pair : pair.slice(0, at), {
        value: at < 0 ? '' : pair.slice(at + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return out;
  }

  #spec(name: string): FlagSpec {
    const spec = this.#specs[name];
    if (spec === undefined) throw new Error(`There is no flag --${name} in the table`);
    return spec;
  }
}

/** @throws FlagError in upstream's words. */
export function parseFlags(specs: FlagSpecs, args: readonly string[]): Flags {
  const given = new Map<string, string[]>();
  const byShorthand = new Map<string, string>();
  for (const [name, { shorthand }] of Object.entries(specs)) if (shorthand) byShorthand.set(shorthand, name);
  const take = (name: string, shown: string, value: string): void => {
    const problem = checkValue(specs[name]!.type, value);
    if (problem !== undefined)
      throw new FlagError(`invalid argument ${quoted(value)} for ${quoted(shown)} flag: ${problem}`);
    const values = given.get(name);
    if (values === undefined) given.set(name, [value]);
    else values.push(value);
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const long = arg.startsWith('--');
    if (!arg.startsWith('-') || arg === '-') throw new FlagError(`unknown command ${quoted(arg)}`);
    if (arg === '--') {
      if (i + 1 < args.length) throw new FlagError(`unknown command ${quoted(args[i + 1]!)}`);
      break;
    }
    const equals = arg.indexOf('=');
    const written = arg.slice(long ? 2 : 1, equals < 0 ? undefined : equals);
    if (long && (written === '' || written.startsWith('-'))) throw new FlagError(`bad flag syntax: ${arg}`);
    // A shorthand may be glued to its value: -v4.
    const letter = long ? '' : written.slice(0, 1);
    const name = long ? written.replaceAll('_', '-') : byShorthand.get(letter);
    if (name === undefined || !Object.hasOwn(specs, name))
      throw new FlagError(
        long ? `unknown flag: --${written}` : `unknown shorthand flag: ${quoteRune(letter)} in ${arg}`,
      );
    const spec = specs[name]!;
    const shown = spec.shorthand ? `-${spec.shorthand}, --${name}` : `--${name}`;
    if (equals >= 0) take(name, shown, arg.slice(equals + 1));
    else if (!long && written.length > 1) take(name, shown, written.slice(1));
    else if (spec.type === 'bool' || spec.type === 'version') take(name, shown, 'true');
    else if (i + 1 < args.length) take(name, shown, args[++i]!);
    else
      throw new FlagError(
        long ? `flag needs an argument: --${name}` : `flag needs an argument: ${quoteRune(letter)} in ${arg}`,
      );
  }
  return new Flags(specs, given);
}

const trueTexts: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falseTexts: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** @returns why the value does not fit, in Go's words. */
function checkValue(type: string, value: string): string | undefined {
  switch (type) {
    case 'bool':
      return trueTexts.has(value) || falseTexts.has(value)
        ? undefined
        : `strconv.ParseBool: parsing ${quoted(value)}: invalid syntax`;
    case 'int':
    case 'int32':
    case 'Level':
      return checkInteger(value, type === 'int' ? 64n : 32n);
    case 'float':
    case 'float32':
      return value !== '' && Number.isFinite(Number(value))
        ? undefined
        : `strconv.ParseFloat: parsing ${quoted(value)}: invalid syntax`;
    case 'duration':
      return parseDuration(value) === undefined ? `time: invalid duration ${quoted(value)}` : undefined;
    default:
      return undefined;
  }
}

function checkInteger(value: string, bits: bigint): string | undefined {
  if (!/^[+-]?(\d+|0[xX][\da-fA-F]+)$/.test(value)) return `strconv.ParseInt: parsing ${quoted(value)}: invalid syntax`;
  const number = value.startsWith('-') ? -BigInt(value.slice(1)) : BigInt(value.replace('+', ''));
  const limit = 1n << (bits - 1n);
  return number >= -limit && number < limit
    ? undefined
    : `strconv.ParseInt: parsing ${quoted(value)}: value out of range`;
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's `1h2m3.5s` in milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)(.+)$/s.exec(text);
  if (!match) return undefined;
  const [, sign, rest = ''] = match;
  if (rest === '0') return 0;
  let total = 0;
  let at = 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  while (at < rest.length) {
    part.lastIndex = at;
    const found = part.exec(rest);
    if (!found) return undefined;
    total += Number(found[1]) * units[found[2]!]!;
    at = part.lastIndex;
  }
  return sign === '-' ? -total : total;
}

const splitList = (text: string): readonly string[] => (text === '' ? [] : text.split(','));
const quoted = (text: string): string => JSON.stringify(text);
const quoteRune = (letter: string): string => `'${letter}'`;
