/** A cluster range cut into equal blocks, one for each node. Addresses are bigint, so IPv4 and IPv6 are the same. */

export interface CidrSet {
  /** The next free block for `owner`, going round; `undefined` when all are taken. */
  allocate(owner: string): string | undefined;
  /**
   * Notes that `owner` has this block (or a smaller or larger piece of the range). @returns the owner it clashes with, if any.
   * A range outside the set is left alone.
   */
  occupy(cidr: string, owner: string): string | undefined;
  /** Frees every block of `owner`. */
  release(owner: string): void;
  readonly free: number;
  contains(cidr: string): boolean;
}

interface Range {
  readonly bits: 32 | 128;
  readonly base: bigint;
  readonly prefix: number;
}

/** @param clusterCidr `10.244.0.0/16`. @param blockPrefix 24. @throws Error in upstream's words when the two do not fit. */
export function createCidrSet(clusterCidr: string, blockPrefix: number): CidrSet {
  const cluster = parseCidr(clusterCidr);
  if (!cluster) throw new Error(`Invalid cluster CIDR "${clusterCidr}"`);
  if (blockPrefix < cluster.prefix || blockPrefix > cluster.bits)
    throw new Error(`Cluster CIDR "${clusterCidr}" cannot be cut into /${blockPrefix} blocks for nodes`);
  if (blockPrefix - cluster.prefix > 16)
    throw new Error(`Cluster CIDR "${clusterCidr}" is too large: New CIDR set failed; the node CIDR size is too big`);
  const count = 2 ** (blockPrefix - cluster.prefix);
  const blockSize = 1n << BigInt(cluster.bits - blockPrefix);
  const owners = new Map<number, string>();
  const blocks = new Map<string, Set<number>>();
  let next = 0;

  const take = (index: number, owner: string): void => {
    owners.set(index, owner);
    const own = blocks.get(owner);
    if (own) own.add(index);
    else blocks.set(owner, new Set([index]));
  };
  /** First and last block that a range touches. */
  const span = (range: Range): readonly [number, number] | undefined => {
    if (range.bits !== cluster.bits) return undefined;
    const end = range.base + (1n << BigInt(range.bits - range.prefix)) - 1n;
    const first = (range.base - cluster.base) / blockSize;
    const last = (end - cluster.base) / blockSize;
    if (end < cluster.base || first >= BigInt(count)) return undefined;
    return [range.base < cluster.base ? 0 : Number(first), last >= BigInt(count) ? count - 1 : Number(last)];
  };
  return {
    allocate(owner) {
      for (let i = 0; i < count; i++) {
        const index = (next + i) % count;
        if (owners.has(index)) continue;
        next = (index + 1) % count;
        take(index, owner);
        return `${formatIp(cluster.base + BigInt(index) * blockSize, cluster.bits)}/${blockPrefix}`;
      }
      return undefined;
    },
    occupy(cidr, owner) {
      const range = parseCidr(cidr);
      const touched = range && span(range);
      if (!touched) return undefined;
      let clash: string | undefined;
      for (let index = touched[0]; index <= touched[1]; index++) {
        const other = owners.get(index);
        if (other === undefined) take(index, owner);
        else if (other !== owner) clash = other;
      }
      return clash;
    },
    release(owner) {
      for (const index of blocks.get(owner) ?? []) owners.delete(index);
      blocks.delete(owner);
    },
    get free() {
      return count - owners.size;
    },
    contains(cidr) {
      const range = parseCidr(cidr);
      return range !== undefined && span(range) !== undefined;
    },
  };
}

/** @returns the range with host bits cleared; `undefined` for anything that is no CIDR. */
export function parseCidr(text: string): Range | undefined {
  const [address = '', prefixText = '', ...rest] = text.split('/');
  if (rest.length > 0 || !/^\d{1,3}$/.test(prefixText)) return undefined;
  const bits = address.includes(':') ? 128 : 32;
  const value = bits === 32 ? parseIpv4(address) : parseIpv6(address);
  const prefix = Number(prefixText);
  if (value === undefined || prefix > bits) return undefined;
  const hostBits = BigInt(bits - prefix);
  return { bits, base: (value >> hostBits) << hostBits, prefix };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

function formatIp(value: bigint, bits: 32 | 128): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const zeros = [...groups.join(':').matchAll(/\b0(:0\b)+/g)].sort((a, b) => b[0].length - a[0].length)[0];
  if (!zeros) return groups.join(':');
  const text = groups.join(':');
  return `${text.slice(0, zeros.index).replace(/:$/, '')}::${text.slice(zeros.index + zeros[0].length).replace(/^:/, '')}`;
}
