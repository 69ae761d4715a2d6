/** Kubernetes' libraries: regular expressions, URLs, addresses, quantities, formats, versions. Source: apiserver/pkg/cel/library. */
import {
  checkDns1035Label,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkLabelValue,
  checkQualifiedName,
  maskTrailingDash,
} from '../../api/names.ts';
import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  QuantityError,
  subtractQuantities,
} from '../../api/quantity.ts';
import { compileRegex, type Regex, RegexError } from '../../api/regex.ts';
import { stringFormat } from '../../api/structural/formats.ts';
import { type Address, formatAddress, parseAddress, parseRange, type Range } from '../../api/validation/addresses.ts';
import type { Library } from '../environment.ts';
import { opaque, typeOf } from '../types.ts';
import {
  ArrayList,
  CelError,
  EntryMap,
  noOptional,
  noOverload,
  Opaque,
  Optional,
  TypeValue,
  type Value,
} from '../values.ts';

const str = (value: Value | undefined): string => {
  if (typeof value !== 'string') throw noOverload();
  return value;
};

/** Patterns of an environment, so that one in a loop is read once. Bounded: a pattern may be made by an expression. */
class Patterns {
  readonly #known = new Map<string, Regex>();
  get(pattern: string): Regex {
    let regex = this.#known.get(pattern);
    if (regex === undefined) {
      try {
        regex = compileRegex(pattern);
      } catch (error) {
        if (!(error instanceof RegexError)) throw error;
        throw new CelError(`Illegal regex: ${error.message}`, { cause: error });
      }
      if (this.#known.size >= 100) this.#known.clear();
      this.#known.set(pattern, regex);
    }
    return regex;
  }
}

class UrlValue extends Opaque {
  readonly typeName = 'kubernetes.URL';
  readonly text: string;
  readonly parts: UrlParts;
  constructor(text: string, parts: UrlParts) {
    super();
    this.text = text;
    this.parts = parts;
  }
  override equals(other: Opaque): boolean {
    return other instanceof UrlValue && other.text === this.text;
  }
}

interface UrlParts {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

/** As Go's url.ParseRequestURI. */
function parseUrl(text: string): UrlParts | string {
  if (/[\u0000-\u001f\u007f]/.test(text))
    return `parse ${JSON.stringify(text)}: net/url: invalid control character in URL`;
  if (text === '') return 'parse "": empty url';
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text);
  const rest = scheme ? text.slice(scheme[0].length) : text;
  const invalid = `parse ${JSON.stringify(text)}: invalid URI for request`;
  if (!scheme && /^:/.test(text)) return `parse ${JSON.stringify(text)}: missing protocol scheme`;
  if (!rest.startsWith('/')) return invalid;
  const authority =
    rest.startsWith('//') && (scheme || !rest.startsWith('///')) ? /^\/\/([^/?]*)/.exec(rest)! : undefined;
  const behind = authority ? rest.slice(authority[0].length) : rest;
  const host = authority ? authority[1]!.slice(authority[1]!.lastIndexOf('@') + 1) : '';
  if (/[\s<>"]/.test(host)) return `parse ${JSON.stringify(text)}: invalid character " " in host name`;
  if (/^[^[]*:[^0-9]/.test(host) || /\]:[^0-9]/.test(host))
    return `parse ${JSON.stringify(text)}: invalid port ${JSON.stringify(host.slice(host.lastIndexOf(':')))} after host`;
  const question = behind.indexOf('?');
  const path = question < 0 ? behind : behind.slice(0, question);
  if (/%(?![0-9a-fA-F]{2})/.test(path))
    return `parse ${JSON.stringify(text)}: invalid URL escape ${JSON.stringify(/%.{0,2}/.exec(path)![0])}`;
  return {
    scheme: (scheme?.[1] ?? '').toLowerCase(),
    host,
    path,
    query: question < 0 ? '' : behind.slice(question + 1),
  };
}

const url = (value: Value | undefined): UrlValue => {
  if (!(value instanceof UrlValue)) throw noOverload();
  return value;
};
const hostname = (host: string): string =>
  host.startsWith('[')
    ? host.slice(1, host.indexOf(']'))
    : host.includes(':')
      ? host.slice(0, host.lastIndexOf(':'))
      : host;
const port = (host: string): string => /:(\d*)$/.exec(host.replace(/^\[.*\]/, ''))?.[1] ?? '';

class IpValue extends Opaque {
  readonly typeName = 'net.IP';
  readonly address: Address;
  constructor(address: Address) {
    super();
    this.address = address;
  }
  get costSize(): number {
    return this.address.family === 4 ? 4 : 16;
  }
  override equals(other: Opaque): boolean {
    return other instanceof IpValue && sameAddress(this.address, other.address);
  }
}
const sameAddress = (a: Address, b: Address): boolean => a.family === b.family && a.value === b.value;

class CidrValue extends Opaque {
  readonly typeName = 'net.CIDR';
  readonly range: Range;
  constructor(range: Range) {
    super();
    this.range = range;
  }
  get costSize(): number {
    return Math.ceil(this.range.bits / 8);
  }
  override equals(other: Opaque): boolean {
    return (
      other instanceof CidrValue &&
      sameAddress(this.range.address, other.range.address) &&
      this.range.bits === other.range.bits
    );
  }
}

const widthOf = ({ family }: Address): number => (family === 4 ? 32 : 128);
const masked = ({ address, bits }: Range): Range => {
  const rest = BigInt(widthOf(address) - bits);
  return { address: { ...address, value: (address.value >> rest) << rest }, bits } as Range;
};
const within = (range: Range, address: Address): boolean =>
  range.address.family === address.family &&
  address.value >> BigInt(widthOf(address) - range.bits) ===
    range.address.value >> BigInt(widthOf(address) - range.bits);

function ipOf(text: string): IpValue {
  const address = parseIp(text);
  if (typeof address === 'string') throw new CelError(address);
  return new IpValue(address);
}
function parseIp(text: string): Address | string {
  const address = parseAddress(text);
  if (address === undefined || /^0\d|\.0\d/.test(text.includes(':') ? '' : text))
    return `IP Address ${JSON.stringify(text)} parse error during conversion from string: ParseAddr(${JSON.stringify(text)}): unable to parse IP`;
  if (text.includes('%')) return `IP address ${JSON.stringify(text)} with zone value is not allowed`;
  if (text.includes(':') && /\d+\.\d+/.test(text))
    return `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`;
  return address;
}
function cidrOf(text: string): CidrValue {
  const range = parseRange(text);
  if (range === undefined)
    throw new CelError(
      `network address parse error during conversion from string: netip.ParsePrefix(${JSON.stringify(text)}): ${text.includes('/') ? 'bad bits after slash' : "no '/'"}`,
    );
  return new CidrValue(range);
}
const ip = (value: Value | undefined): Address => {
  if (!(value instanceof IpValue)) throw noOverload();
  return value.address;
};
const cidr = (value: Value | undefined): Range => {
  if (!(value instanceof CidrValue)) throw noOverload();
  return value.range;
};
const inRange = (address: Address, text: string): boolean => within(parseRange(text)!, address);

class QuantityValue extends Opaque {
  readonly typeName = 'kubernetes.Quantity';
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }
  override equals(other: Opaque): boolean {
    return other instanceof QuantityValue && compareQuantities(this.quantity, other.quantity) === 0;
  }
}
const quantity = (value: Value | undefined): Quantity => {
  if (!(value instanceof QuantityValue)) throw noOverload();
  return value.quantity;
};
function quantityOf(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text));
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    throw new CelError(error.message, { cause: error });
  }
}
function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    return false;
  }
}
const zero = parseQuantity('0');
function wholeOf({ digits, exponent }: Quantity): bigint | undefined {
  const scale = 10n ** BigInt(Math.abs(exponent));
  if (exponent < 0 && digits % scale !== 0n) return undefined;
  const value = exponent < 0 ? digits / scale : digits * scale;
  return value < 2n ** 63n && value >= -(2n ** 63n) ? value : undefined;
}
const toQuantity = (value: Value | undefined): Quantity =>
  typeof value === 'bigint' ? parseQuantity(String(value)) : quantity(value);

class FormatValue extends Opaque {
  readonly typeName = 'kubernetes.NamedFormat';
  readonly name: string;
  readonly check: (text: string) => readonly string[];
  readonly patternSize: number;
  constructor(name: string, check: (text: string) => readonly string[], patternSize: number) {
    super();
    this.name = name;
    this.check = check;
    this.patternSize = patternSize;
  }
  override equals(other: Opaque): boolean {
    return other instanceof FormatValue && other.name === this.name;
  }
}
const strfmt = (name: string, message: string) => {
  const check = stringFormat(name)!;
  return (text: string): readonly string[] => (check(text) ? [] : [message]);
};
const formats: Readonly<Record<string, FormatValue>> = Object.fromEntries(
  (
    [
      ['dns1123Label', checkDns1123Label, 30],
      ['dns1123Subdomain', checkDns1123Subdomain, 60],
      ['dns1035Label', checkDns1035Label, 30],
      ['qualifiedName', checkQualifiedName, 60],
      ['dns1123LabelPrefix', (text: string) => checkDns1123Label(maskTrailingDash(text)), 30],
      ['dns1123SubdomainPrefix', (text: string) => checkDns1123Subdomain(maskTrailingDash(text)), 60],
      ['dns1035LabelPrefix', (text: string) => checkDns1035Label(maskTrailingDash(text)), 30],
      ['labelValue', checkLabelValue, 40],
      [
        'uri',
        (text: string) => {
          const parsed = parseUrl(text);
          return typeof parsed === 'string' ? [parsed] : [];
        },
        1000,
      ],
      ['uuid', strfmt('uuid', 'does not match the UUID format'), 75],
      ['byte', strfmt('byte', 'invalid base64'), 128],
      ['date', strfmt('date', 'invalid date'), 1000],
      ['datetime', strfmt('datetime', 'invalid datetime'), 1000],
    ] as const
  ).map(([name, check, size]) => [name, new FormatValue(name, check, size)]),
);

class SemverValue extends Opaque {
  readonly typeName = 'kubernetes.Semver';
  readonly parts: Semver;
  constructor(parts: Semver) {
    super();
    this.parts = parts;
  }
  override equals(other: Opaque): boolean {
    return other instanceof SemverValue && compareSemver(this.parts, other.parts) === 0;
  }
}
interface Semver {
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly pre: readonly string[];
}
function parseSemver(given: string, normalize: boolean): Semver | undefined {
  let text = given;
  if (normalize) {
    text = text.trim().replace(/^v/, '');
    const [, core = '', rest = ''] = /^([0-9.]*)(.*)$/s.exec(text)!;
    const numbers = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
    while (numbers.length < 3) numbers.push('0');
    text = numbers.join('.') + rest;
  }
  const parts =
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/.exec(
      text,
    );
  if (!parts) return undefined;
  const pre = parts[4]?.split('.') ?? [];
  if (pre.some((one) => /^0\d+$/.test(one))) return undefined;
  return { numbers: [BigInt(parts[1]!), BigInt(parts[2]!), BigInt(parts[3]!)], pre };
}
function compareSemver(a: Semver, b: Semver): number {
  for (let i = 0; i < 3; i++) if (a.numbers[i] !== b.numbers[i]) return a.numbers[i]! < b.numbers[i]! ? -1 : 1;
  if (a.pre.length === 0 || b.pre.length === 0) return Math.sign(b.pre.length) - Math.sign(a.pre.length);
  for (let i = 0; i < Math.max(a.pre.length, b.pre.length); i++) {
    const [x, y] = [a.pre[i], b.pre[i]];
    if (x === undefined) return -1;
    if (y === undefined) return 1;
    if (x === y) continue;
    const [numericX, numericY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (numericX && numericY) return BigInt(x) < BigInt(y) ? -1 : 1;
    if (numericX !== numericY) return numericX ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}
const semver = (value: Value | undefined): Semver => {
  if (!(value instanceof SemverValue)) throw noOverload();
  return value.parts;
};

const compared =
  (test: (order: number) => boolean) =>
  ([a, b]: readonly Value[]): Value => {
    if (a instanceof SemverValue) return test(compareSemver(a.parts, semver(b)));
    return test(compareQuantities(quantity(a), quantity(b)));
  };
const constant = (name: string) => ({ type: typeOf(opaque(name)), value: new TypeValue(name) });

export function kubernetesLibrary(): Library {
  const patterns = new Patterns();
  const matches = ([text, pattern]: readonly Value[]): Value => {
    try {
      return patterns.get(str(pattern)).test(str(text));
    } catch (error) {
      if (!(error instanceof CelError) || !error.message.startsWith('Illegal regex: ')) throw error;
      throw new CelError(error.message.slice('Illegal regex: '.length), { cause: error });
    }
  };
  return {
    variables: {
      'net.IP': constant('net.IP'),
      'net.CIDR': constant('net.CIDR'),
      'kubernetes.URL': constant('kubernetes.URL'),
      'kubernetes.Quantity': constant('kubernetes.Quantity'),
      'kubernetes.Semver': constant('kubernetes.Semver'),
    },
    functions: {
      matches: ['matches: (string, string) -> bool', 'matches_string: string.(string) -> bool'],
      find: ['string_find_string: string.(string) -> string'],
      findAll: [
        'string_find_all_string: string.(string) -> list(string)',
        'string_find_all_string_int: string.(string, int) -> list(string)',
      ],
      url: ['string_to_url: (string) -> kubernetes.URL'],
      isURL: ['is_url_string: (string) -> bool'],
      getScheme: ['url_get_scheme: kubernetes.URL.() -> string'],
      getHost: ['url_get_host: kubernetes.URL.() -> string'],
      getHostname: ['url_get_hostname: kubernetes.URL.() -> string'],
      getPort: ['url_get_port: kubernetes.URL.() -> string'],
      getEscapedPath: ['url_get_escaped_path: kubernetes.URL.() -> string'],
      getQuery: ['url_get_query: kubernetes.URL.() -> map(string, list(string))'],
      ip: ['string_to_ip: (string) -> net.IP', 'cidr_ip: net.CIDR.() -> net.IP'],
      isIP: ['is_ip: (string) -> bool'],
      'ip.isCanonical': ['ip_is_canonical: (string) -> bool'],
      family: ['ip_family: net.IP.() -> int'],
      isUnspecified: ['ip_is_unspecified: net.IP.() -> bool'],
      isLoopback: ['ip_is_loopback: net.IP.() -> bool'],
      isLinkLocalMulticast: ['ip_is_link_local_multicast: net.IP.() -> bool'],
      isLinkLocalUnicast: ['ip_is_link_local_unicast: net.IP.() -> bool'],
      isGlobalUnicast: ['ip_is_global_unicast: net.IP.() -> bool'],
      cidr: ['string_to_cidr: (string) -> net.CIDR'],
      isCIDR: ['is_cidr: (string) -> bool'],
      containsIP: [
        'cidr_contains_ip_string: net.CIDR.(string) -> bool',
        'cidr_contains_ip_ip: net.CIDR.(net.IP) -> bool',
      ],
      containsCIDR: [
        'cidr_contains_cidr_string: net.CIDR.(string) -> bool',
        'cidr_contains_cidr: net.CIDR.(net.CIDR) -> bool',
      ],
      prefixLength: ['cidr_prefix_length: net.CIDR.() -> int'],
      masked: ['cidr_masked: net.CIDR.() -> net.CIDR'],
      string: ['ip_to_string: (net.IP) -> string', 'cidr_to_string: (net.CIDR) -> string'],
      quantity: ['string_to_quantity: (string) -> kubernetes.Quantity'],
      isQuantity: ['is_quantity_string: (string) -> bool'],
      sign: ['quantity_sign: kubernetes.Quantity.() -> int'],
      isGreaterThan: [
        'quantity_is_greater_than: kubernetes.Quantity.(kubernetes.Quantity) -> bool',
        'semver_is_greater_than: kubernetes.Semver.(kubernetes.Semver) -> bool',
      ],
      isLessThan: [
        'quantity_is_less_than: kubernetes.Quantity.(kubernetes.Quantity) -> bool',
        'semver_is_less_than: kubernetes.Semver.(kubernetes.Semver) -> bool',
      ],
      compareTo: [
        'quantity_compare_to: kubernetes.Quantity.(kubernetes.Quantity) -> int',
        'semver_compare_to: kubernetes.Semver.(kubernetes.Semver) -> int',
      ],
      asApproximateFloat: ['quantity_get_float: kubernetes.Quantity.() -> double'],
      asInteger: ['quantity_get_int: kubernetes.Quantity.() -> int'],
      isInteger: ['quantity_is_integer: kubernetes.Quantity.() -> bool'],
      add: [
        'quantity_add: kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity',
        'quantity_add_int: kubernetes.Quantity.(int) -> kubernetes.Quantity',
      ],
      sub: [
        'quantity_sub: kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity',
        'quantity_sub_int: kubernetes.Quantity.(int) -> kubernetes.Quantity',
      ],
      validate: ['format-validate: kubernetes.NamedFormat.(string) -> optional(list(string))'],
      'format.named': ['format-named: (string) -> optional(kubernetes.NamedFormat)'],
      ...Object.fromEntries(
        Object.keys(formats).map((name) => [`format.${name}`, [`format.${name}: () -> kubernetes.NamedFormat`]]),
      ),
      semver: [
        'string_to_semver: (string) -> kubernetes.Semver',
        'string_bool_to_semver: (string, bool) -> kubernetes.Semver',
      ],
      isSemver: ['is_semver_string: (string) -> bool', 'is_semver_string_bool: (string, bool) -> bool'],
      major: ['semver_major: kubernetes.Semver.() -> int'],
      minor: ['semver_minor: kubernetes.Semver.() -> int'],
      patch: ['semver_patch: kubernetes.Semver.() -> int'],
    },
    implementations: {
      matches,
      find: ([text, pattern]) => patterns.get(str(pattern)).findAll(str(text), 1)[0] ?? '',
      findAll: ([text, pattern, limit]) => {
        const count = limit === undefined ? -1 : Number(limit);
        return new ArrayList(patterns.get(str(pattern)).findAll(str(text), count));
      },
      url: ([text]) => {
        const parsed = parseUrl(str(text));
        if (typeof parsed === 'string') throw new CelError(`URL parse error during conversion from string: ${parsed}`);
        return new UrlValue(str(text), parsed);
      },
      isURL: ([text]) => typeof parseUrl(str(text)) !== 'string',
      getScheme: ([value]) => url(value).parts.scheme,
      getHost: ([value]) => url(value).parts.host,
      getHostname: ([value]) => hostname(url(value).parts.host),
      getPort: ([value]) => port(url(value).parts.host),
      getEscapedPath: ([value]) => url(value).parts.path,
      getQuery: ([value]) => {
        const found = new Map<string, string[]>();
        for (const [name, one] of new URLSearchParams(url(value).parts.query)) {
          const known = found.get(name);
          if (known) known.push(one);
          else found.set(name, [one]);
        }
        return new EntryMap([...found].map(([name, values]) => [name, new ArrayList(values)] as const));
      },
      ip: ([value]) => (value instanceof CidrValue ? new IpValue(value.range.address) : ipOf(str(value))),
      isIP: ([text]) => typeof parseIp(str(text)) !== 'string',
      'ip.isCanonical': ([text]) => formatAddress(ipOf(str(text)).address) === text,
      family: ([value]) => BigInt(ip(value).family),
      isUnspecified: ([value]) => ip(value).value === 0n,
      isLoopback: ([value]) => (ip(value).family === 4 ? inRange(ip(value), '127.0.0.0/8') : ip(value).value === 1n),
      isLinkLocalMulticast: ([value]) =>
        ip(value).family === 4 ? inRange(ip(value), '224.0.0.0/24') : inRange(ip(value), 'ff02::/16'),
      isLinkLocalUnicast: ([value]) =>
        ip(value).family === 4 ? inRange(ip(value), '169.254.0.0/16') : inRange(ip(value), 'fe80::/10'),
      isGlobalUnicast: ([value]) => {
        const address = ip(value);
        if (address.value === 0n) return false;
        return address.family === 4
          ? address.value !== 0xffffffffn &&
              !['127.0.0.0/8', '224.0.0.0/4', '169.254.0.0/16'].some((range) => inRange(address, range))
          : address.value !== 1n && !['ff00::/8', 'fe80::/10'].some((range) => inRange(address, range));
      },
      cidr: ([text]) => cidrOf(str(text)),
      isCIDR: ([text]) => parseRange(str(text)) !== undefined,
      containsIP: ([range, other]) => within(cidr(range), typeof other === 'string' ? ipOf(other).address : ip(other)),
      containsCIDR: ([range, other]) => {
        const outer = cidr(range);
        const inner = typeof other === 'string' ? cidrOf(other).range : cidr(other);
        return outer.bits <= inner.bits && within(outer, masked(inner).address);
      },
      prefixLength: ([range]) => BigInt(cidr(range).bits),
      masked: ([range]) => new CidrValue(masked(cidr(range))),
      string: ([value]) => {
        if (value instanceof IpValue) return formatAddress(value.address);
        if (value instanceof CidrValue) return `${formatAddress(value.range.address)}/${value.range.bits}`;
        throw noOverload();
      },
      quantity: ([text]) => quantityOf(str(text)),
      isQuantity: ([text]) => isQuantity(str(text)),
      sign: ([value]) => BigInt(Math.sign(compareQuantities(quantity(value), zero))),
      isGreaterThan: compared((order) => order > 0),
      isLessThan: compared((order) => order < 0),
      compareTo: ([a, b]) =>
        BigInt(
          a instanceof SemverValue
            ? compareSemver(a.parts, semver(b))
            : Math.sign(compareQuantities(quantity(a), quantity(b))),
        ),
      asApproximateFloat: ([value]) => {
        const { digits, exponent } = quantity(value);
        return Number(digits) * 10 ** exponent;
      },
      asInteger: ([value]) => {
        const whole = wholeOf(quantity(value));
        if (whole === undefined) throw new CelError('cannot convert value to integer');
        return whole;
      },
      isInteger: ([value]) => wholeOf(quantity(value)) !== undefined,
      add: ([a, b]) => new QuantityValue(addQuantities(quantity(a), toQuantity(b))),
      sub: ([a, b]) => new QuantityValue(subtractQuantities(quantity(a), toQuantity(b))),
      validate: ([format, text]) => {
        if (!(format instanceof FormatValue)) throw noOverload();
        const wrong = format.check(str(text));
        return wrong.length === 0 ? noOptional : new Optional(new ArrayList(wrong));
      },
      'format.named': ([name]) => (Object.hasOwn(formats, str(name)) ? new Optional(formats[str(name)]!) : noOptional),
      ...Object.fromEntries(Object.entries(formats).map(([name, format]) => [`format.${name}`, () => format])),
      semver: ([text, normalize]) => {
        const parsed = parseSemver(str(text), normalize === true);
        if (!parsed) throw new CelError('No Major.Minor.Patch elements found');
        return new SemverValue(parsed);
      },
      isSemver: ([text, normalize]) => parseSemver(str(text), normalize === true) !== undefined,
      major: ([value]) => semver(value).numbers[0],
      minor: ([value]) => semver(value).numbers[1],
      patch: ([value]) => semver(value).numbers[2],
    },
  };
}
