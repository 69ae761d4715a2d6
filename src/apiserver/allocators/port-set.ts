/** The allocated ports of a range, as a bitmap in upstream's form: a big integer, bit i for the i-th port. Source: registry/core/service/{allocator,portallocator}. */
import type { Random } from '../../base/random.ts';
import { AllocationError, rangeFull } from './cluster-ips.ts';

export interface PortRange {
  readonly base: number;
  readonly size: number;
}

/** `30000-32767`, `30000+100`, or one port. @throws Error. */
export function parsePortRange(text: string): PortRange {
  const match = /^(\d+)(?:([-+])(\d+))?$/.exec(text.trim());
  const low = Number(match?.[1]);
  const high = match?.[2] === '-' ? Number(match[3]) : match?.[2] === '+' ? low + Number(match[3]) : low;
  if (!match || low > high || high > 65535) throw new Error(`Invalid port range "${text}"`);
  return { base: low, size: high - low + 1 };
}
export const formatPortRange = ({ base, size }: PortRange): string => `${base}-${base + size - 1}`;

/** Ports at the start of the range kept for static use: a 32nd, at least 16, at most 128; none of a small range. */
export function staticPorts(size: number): number {
  return size < 16 ? 0 : Math.min(128, Math.max(16, Math.floor(size / 32)));
}

export class PortSet {
  readonly range: PortRange;
  readonly #bits: Uint8Array;
  #changed = false;

  constructor(range: PortRange) {
    this.range = range;
    this.#bits = new Uint8Array(Math.ceil(range.size / 8));
  }

  /** @param data base64 of the integer's bytes, most significant first. Ports outside `range` are dropped (the range was changed). */
  static parse(range: PortRange, stored: PortRange, data: string): PortSet {
    const set = new PortSet(range);
    const bytes = Buffer.from(data, 'base64').reverse();
    for (let i = 0; i < bytes.length * 8; i++) {
      const port = stored.base + i;
      if ((bytes[i >> 3]! >> (i & 7)) & 1 && set.contains(port)) set.#set(port, true);
    }
    set.#changed = stored.base !== range.base || stored.size !== range.size;
    return set;
  }

  data(): string {
    let length = this.#bits.length;
    while (length > 0 && this.#bits[length - 1] === 0) length--;
    return Buffer.from(this.#bits.subarray(0, length)).reverse().toString('base64');
  }

  /** Whether it differs from what was parsed. */
  get changed(): boolean {
    return this.#changed;
  }

  contains(port: number): boolean {
    return port >= this.range.base && port < this.range.base + this.range.size;
  }

  has(port: number): boolean {
    const i = port - this.range.base;
    return this.contains(port) && ((this.#bits[i >> 3]! >> (i & 7)) & 1) === 1;
  }

  /** @throws AllocationError. */
  allocate(port: number): void {
    if (!this.contains(port))
      throw new AllocationError(
        `provided port is not in the valid range. The range of valid ports is ${formatPortRange(this.range)}`,
      );
    if (this.has(port)) throw new AllocationError('provided port is already allocated');
    this.#set(port, true);
    this.#changed = true;
  }

  /** A free port: of the upper band from a random start, else of the static one. @throws AllocationError. */
  allocateNext(random: Random): number {
    const { base, size } = this.range;
    const split = staticPorts(size);
    for (const [from, count] of [
      [split, size - split],
      [0, split],
    ] as const) {
      if (count === 0) continue;
      const start = random.below(count);
      for (let i = 0; i < count; i++) {
        const port = base + from + ((start + i) % count);
        if (this.has(port)) continue;
        this.allocate(port);
        return port;
      }
    }
    throw new AllocationError(rangeFull);
  }

  release(port: number): void {
    if (!this.has(port)) return;
    this.#set(port, false);
    this.#changed = true;
  }

  ports(): number[] {
    const ports: number[] = [];
    for (let i = 0; i < this.range.size; i++) if (this.has(this.range.base + i)) ports.push(this.range.base + i);
    return ports;
  }

  #set(port: number, on: boolean): void {
    const i = port - this.range.base;
    const mask = 1 << (i & 7);
    this.#bits[i >> 3] = on ? this.#bits[i >> 3]! | mask : this.#bits[i >> 3]! & ~mask;
  }
}
