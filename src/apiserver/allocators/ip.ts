/** IP addresses as numbers, for both families alike. */
import { isIPv4, isIPv6 } from 'node:net';

export type IpFamily = 'IPv4' | 'IPv6';
export interface Ip {
  readonly family: IpFamily;
  readonly value: bigint;
}
export interface Cidr {
  readonly family: IpFamily;
  /** The network's own address. */
  readonly base: bigint;
  /** Addresses in it, the unusable ones included. */
  readonly size: bigint;
  readonly text: string;
}

/** @returns undefined for what is no address. */
export function parseIp(text: string): Ip | undefined {
  if (isIPv4(text))
    return { family: 'IPv4', value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = withoutDots(text).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  return {
    family: 'IPv6',
    value: [...left, ...zeros, ...right].reduce((sum, part) => sum * 65536n + BigInt(`0x${part}`), 0n),
  };
}

/** `::ffff:1.2.3.4` with its last four bytes in hexadecimal. */
function withoutDots(text: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (!dotted) return text;
  const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
  return `${text.slice(0, dotted.index)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** The canonical text (RFC 5952 for IPv6). */
export function formatIp({ family, value }: Ip): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const parts = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let best = { start: 0, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && parts[i + length] === '0') length++;
    if (length > best.length) best = { start: i, length };
  }
  if (best.length < 2) return parts.join(':');
  return `${parts.slice(0, best.start).join(':')}::${parts.slice(best.start + best.length).join(':')}`;
}

/** @throws Error when `text` is no CIDR. */
export function parseCidr(text: string): Cidr {
  const [address = '', bitsText = ''] = text.split('/');
  const ip = parseIp(address);
  const width = ip?.family === 'IPv6' ? 128 : 32;
  const bits = Number(bitsText);
  if (!ip || !/^\d+$/.test(bitsText) || bits > width) throw new Error(`Invalid CIDR "${text}"`);
  const size = 1n << BigInt(width - bits);
  return { family: ip.family, base: ip.value - (ip.value % size), size, text };
}

export const inCidr = (cidr: Cidr, ip: Ip): boolean =>
  ip.family === cidr.family && ip.value >= cidr.base && ip.value < cidr.base + cidr.size;
