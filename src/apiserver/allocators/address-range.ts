/**
 * Which addresses of a CIDR a Service may get, and in which order one is looked for: a random start in the upper band, so that the lower band
 * stays free for addresses that people choose themselves. Source: KEP-3070, registry/core/service/ipallocator.
 */
import type { Random } from '../../base/random.ts';
import { type Cidr, formatIp, type Ip, inCidr } from './ip.ts';

/** How many addresses at the start of a range are kept for static use: a sixteenth, at least 16, at most 256; none of a tiny range. */
export function staticBand(size: bigint): bigint {
  const [min, max, step] = [16n, 256n, 16n];
  if (size <= min) return 0n;
  const band = size / step;
  return band < min ? min : band > max ? max : band;
}

export interface Usable {
  readonly first: bigint;
  readonly last: bigint;
}
/** All but the network's own address and, for IPv4, the broadcast address. */
export function usable({ family, base, size }: Cidr): Usable {
  return { first: base + 1n, last: base + size - (family === 'IPv4' ? 2n : 1n) };
}

/** Upstream's refusal of an address, or undefined. */
export function refusal(ranges: readonly Cidr[], ip: Ip): string | undefined {
  const range = ranges.find((cidr) => inCidr(cidr, ip));
  if (!range) return 'the provided network does not match the current range';
  const { first, last } = usable(range);
  if (ip.value >= first && ip.value <= last) return undefined;
  return `the provided IP (${formatIp(ip)}) is not in the valid range. The range of valid IPs is ${range.text}`;
}

/** Candidates of one range: all of the upper band from a random start, then all of the static band likewise. */
export function* candidates(range: Cidr, random: Random): Generator<Ip> {
  const { first, last } = usable(range);
  // The network's own address is never offered.
  const split = range.base + (staticBand(range.size) || 1n);
  for (const [from, to] of [
    [split, last],
    [first, split - 1n],
  ] as const) {
    const size = to - from + 1n;
    if (size <= 0n) continue;
    const start = below(size, random);
    for (let i = 0n; i < size; i++) yield { family: range.family, value: from + ((start + i) % size) };
  }
}

/** Uniform in [0, n). IPv6 ranges may be larger than what one draw covers; their first 2^48 addresses are plenty. */
function below(n: bigint, random: Random): bigint {
  return BigInt(random.below(Number(n < 1n << 48n ? n : 1n << 48n)));
}
