/** Addresses of Services within a CIDR, as far as bootstrap needs them. */
import { isIPv4, isIPv6 } from 'node:net';

/** The first address after the network's own: `10.96.0.0/12` -> `10.96.0.1`. @throws Error for what is no CIDR. */
export function firstServiceAddress(cidr: string): string {
  const slash = cidr.lastIndexOf('/');
  const [base, bits] = [cidr.slice(0, slash), Number(cidr.slice(slash + 1))];
  if (slash > 0 && isIPv4(base) && Number.isInteger(bits) && bits >= 0 && bits <= 30) {
    const value = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const size = 2 ** (32 - bits);
    const first = value - (value % size) + 1;
    return [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.');
  }
  if (slash > 0 && isIPv6(base) && Number.isInteger(bits) && bits >= 0 && bits <= 126) {
    const size = 1n << BigInt(128 - bits);
    const value = parseIPv6(base);
    return formatIPv6(value - (value % size) + 1n);
  }
  throw new Error(`Not a service address range: "${cidr}"; give a CIDR such as 10.96.0.0/12`);
}

function parseIPv6(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** Lower case, the longest run of zero groups as `::` (RFC 5952). */
function formatIPv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(16 * (7 - i))) & 0xffffn).toString(16));
  const joined = groups.join(':');
  const runs = [...joined.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const longest = runs[0];
  if (longest === undefined) return joined;
  const before = joined.slice(0, longest.index);
  const after = joined.slice(longest.index + longest[0].length);
  return `${before}:${after === '' ? ':' : after}`.replace(/^:(?!:)/, '::');
}
