/** Addresses for hollow sandboxes, one from each pod CIDR of the node; a freed address is used again only after the range was walked once. */
export interface AddressPool {
  /** One address per CIDR, in their order. @throws Error when a range is used up. */
  allocate(): readonly string[];
  release(addresses: readonly string[]): void;
}

/** @param cidrs e.g. `10.244.1.0/24`, `fd00:1::/64`. @throws Error for what is not a CIDR. */
export function createAddressPool(cidrs: readonly string[]): AddressPool {
  const ranges = cidrs.map((cidr) => createRange(cidr));
  return {
    allocate() {
      const taken: string[] = [];
      for (const range of ranges) {
        const address = range.next();
        if (address === undefined) {
          for (const [i, got] of taken.entries()) ranges[i]!.release(got);
          throw new Error(`No addresses left in range ${range.cidr}`);
        }
        taken.push(address);
      }
      return taken;
    },
    release(addresses) {
      for (const [i, address] of addresses.entries()) ranges[i]?.release(address);
    },
  };
}

interface Range {
  readonly cidr: string;
  next(): string | undefined;
  release(address: string): void;
}

function createRange(cidr: string): Range {
  const [base = '', length = ''] = cidr.split('/');
  const bits = Number(length);
  const v6 = base.includes(':');
  if (!Number.isInteger(bits) || bits < 1 || bits > (v6 ? 126 : 30))
    throw new Error(`Pod CIDR ${JSON.stringify(cidr)} is not a usable range`);
  const format = v6 ? v6Formatter(base) : v4Formatter(base, bits);
  // Network address, the bridge's (.1) and broadcast are not handed out; ranges are walked up to 65536 addresses.
  const last = Math.min(2 ** ((v6 ? 128 : 32) - bits) - 2, 65_535);
  const used = new Set<string>();
  let cursor = 2;
  return {
    cidr,
    next() {
      for (let tries = 2; tries <= last; tries++) {
        const address = format(cursor);
        cursor = cursor >= last ? 2 : cursor + 1;
        if (used.has(address)) continue;
        used.add(address);
        return address;
      }
      return undefined;
    },
    release: (address) => void used.delete(address),
  };
}

function v4Formatter(base: string, bits: number): (offset: number) => string {
  const parts = base.split('.').map(Number);
  if (parts.length !== 4 || parts.some((p) => !Number.isInteger(p) || p < 0 || p > 255))
    throw new Error(`${JSON.stringify(base)} is not an IPv4 address`);
  const value = parts.reduce((sum, part) => sum * 256 + part, 0);
  const network = value - (value % 2 ** (32 - bits));
  return (offset) => {
    const n = network + offset;
    return `${Math.floor(n / 2 ** 24)}.${Math.floor(n / 65_536) % 256}.${Math.floor(n / 256) % 256}.${n % 256}`;
  };
}

/** Written as `prefix::offset`: enough for ranges of /64 and longer prefixes given in their short form. */
function v6Formatter(base: string): (offset: number) => string {
  const prefix = base.endsWith('::') ? base : `${base.replace(/:0$/, '')}:`;
  return (offset) => `${prefix}${offset.toString(16)}`;
}
