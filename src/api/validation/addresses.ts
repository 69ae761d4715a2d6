/**
 * IP addresses and ranges as upstream reads them. Old fields take any form of a valid address; leading zeros and IPv4 inside IPv6, which programs
 * read in different ways, are refused (StrictIPCIDRValidation). Newer fields want the canonical form.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { at, type ErrorList } from './error-list.ts';

export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
  /** Written as IPv6 around an IPv4 address. */
  readonly mapped: boolean;
  readonly leadingZeros: boolean;
}

const mappedPrefix = 0xffffn << 32n;

/** As Go once read addresses: leading zeros are ignored; an IPv4 address inside IPv6 is the IPv4 address. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: ipv4Value(text), mapped: false, leadingZeros: false };
  if (/^\d+(\.\d+){3}$/.test(text)) {
    const parts = text.split('.').map(Number);
    if (parts.some((part) => part > 255)) return undefined;
    return { family: 4, value: ipv4Value(parts.join('.')), mapped: false, leadingZeros: true };
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const value = ipv6Value(text);
  if (value >> 32n === mappedPrefix >> 32n)
    return { family: 4, value: value & 0xffffffffn, mapped: true, leadingZeros: false };
  return { family: 6, value, mapped: false, leadingZeros: false };
}

function ipv4Value(text: string): bigint {
  let value = 0n;
  for (const part of text.split('.')) value = (value << 8n) | BigInt(part);
  return value;
}

function ipv6Value(text: string): bigint {
  let source = text;
  const dotted = /(\d+\.\d+\.\d+\.\d+)$/.exec(source)?.[1];
  if (dotted) {
    const value = ipv4Value(dotted);
    source = `${source.slice(0, -dotted.length)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  }
  const [head, tail] = source.split('::');
  const first = head ? head.split(':') : [];
  const last = tail ? tail.split(':') : [];
  const gap = tail === undefined ? 0 : 8 - first.length - last.length;
  let value = 0n;
  for (const part of [...first, ...Array<string>(gap).fill('0'), ...last]) value = (value << 16n) | BigInt(`0x${part}`);
  return value;
}

/** RFC 5952. */
export function formatAddress({ family, value }: Pick<Address, 'family' | 'value'>): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const parts = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(16 * (7 - i))) & 0xffffn));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && parts[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  const hex = parts.map((part) => part.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

const notAnIp = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const notACidr = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

/** For a field older than the strict rules. @param kept values of the old object, which stay valid. */
export function checkIp(text: string, kept?: readonly string[]): readonly string[] {
  if (kept?.includes(text)) return [];
  const address = parseAddress(text);
  if (!address) return [notAnIp];
  if (address.leadingZeros) return ['must not have leading 0s'];
  return address.mapped ? ['must not be an IPv4-mapped IPv6 address'] : [];
}

/** For a newer field. */
export function checkCanonicalIp(text: string): readonly string[] {
  const messages = checkIp(text);
  if (messages.length > 0) return messages;
  const canonical = formatAddress(parseAddress(text)!);
  return canonical === text ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
}

export interface Range {
  readonly address: Address;
  readonly bits: number;
}

export function parseRange(text: string): Range | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const suffix = text.slice(slash + 1);
  if (!address || !/^\d+$/.test(suffix)) return undefined;
  const bits = Number(suffix);
  const max = address.family === 4 && !address.mapped ? 32 : 128;
  return bits > max ? undefined : { address, bits: address.mapped ? bits - 96 : bits };
}

export function checkCidr(text: string, kept?: readonly string[]): readonly string[] {
  if (kept?.includes(text)) return [];
  const range = parseRange(text);
  if (!range) return [notACidr];
  const { address, bits } = range;
  if (address.leadingZeros || /\/0\d/.test(text)) return ['must not have leading 0s in IP or prefix length'];
  if (address.mapped) return ['must not have an IPv4-mapped IPv6 address'];
  return network(address, bits) === address.value ? [] : ['must not have bits set beyond the prefix length'];
}

export function checkCanonicalCidr(text: string): readonly string[] {
  const messages = checkCidr(text);
  if (messages.length > 0) return messages;
  const { address, bits } = parseRange(text)!;
  const canonical = `${formatAddress(address)}/${bits}`;
  return canonical === text ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
}

function network({ family, value }: Address, bits: number): bigint {
  const host = BigInt((family === 4 ? 32 : 128) - bits);
  return (value >> host) << host;
}

export const rangeNetwork = ({ address, bits }: Range): bigint => network(address, bits);

/** Kinds of addresses that make no sense behind a Service. */
export function validateEndpointIp(errors: ErrorList, text: string, field: string): void {
  const address = parseAddress(text);
  if (!address) {
    errors.invalid(field, text, 'must be a valid IP address');
    return;
  }
  const { family, value } = address;
  const high = (bits: number): bigint => value >> BigInt((family === 4 ? 32 : 128) - bits);
  if (value === 0n) errors.invalid(field, text, `may not be unspecified (${text})`);
  if (family === 4 ? high(8) === 127n : value === 1n)
    errors.invalid(field, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (family === 4 ? high(16) === 0xa9fen : high(10) === 0xfe80n >> 6n)
    errors.invalid(field, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  if (family === 4 ? high(24) === 0xe00000n : high(8) === 0xffn && ((value >> 112n) & 0xfn) === 2n)
    errors.invalid(field, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
}

/** Addresses of a status: valid, and one of each family at most. */
export function validateAddressPair(
  errors: ErrorList,
  given: readonly { readonly ip?: string }[] | undefined,
  kept: readonly { readonly ip?: string }[] | undefined,
  shown: unknown,
  field: string,
): void {
  const texts = (given ?? []).map(({ ip = '' }) => ip);
  const before = (kept ?? []).map(({ ip = '' }) => ip);
  for (const [i, text] of texts.entries()) errors.invalidEach(at(field, i), text, checkIp(text, before));
  if (texts.length < 2) return;
  const families = texts.map((text) => parseAddress(text)?.family);
  const bad = families.indexOf(undefined);
  if (bad >= 0) errors.internal(field, `failed to check for dual stack with error:invalid IP[${bad}]: ${texts[bad]}`);
  if (bad >= 0 || new Set(families).size < 2 || texts.length > 2)
    errors.invalid(field, shown, 'may specify no more than one IP for each IP family');
}
