/** Two servers side by side, asked for the same in turn: ours, and upstream's where it is at hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { median, print } from './figures.ts';
import { cpuMs } from './thread-time.ts';
import { type Call, http2Wire, type Wire } from './wire.ts';

export interface Side {
  readonly wire: Wire;
  /** Whose CPU time counts. */
  readonly pids: readonly number[];
}

const concurrency = 48;

/** CPU per call of each side, in pairs; the first two rounds (below 0) are warm-ups. */
export class Costs {
  readonly #sides: readonly Side[];
  readonly #costs = new Map<string, number[][]>();
  readonly #settleMs: number;
  /** @param settleMs before each measurement: what the other side's work has set going comes to its end. */
  constructor(sides: readonly Side[], { settleMs = 0 }: { readonly settleMs?: number } = {}) {
    this.#sides = sides;
    this.#settleMs = settleMs;
  }

  /** @param what empty: not measured @param call is told the side's index too @returns each side's cost of a call */
  async round(
    what: string,
    number: number,
    calls: number,
    call: (i: number, side: number) => Call,
  ): Promise<readonly number[]> {
    const order = number % 2 === 0 ? this.#sides : this.#sides.toReversed();
    const costs = this.#sides.map(() => 0);
    for (const side of order) {
      const index = this.#sides.indexOf(side);
      if (this.#settleMs > 0) await setTimeout(this.#settleMs);
      const before = cpuMs(side.pids);
      await inTurn(side.wire, calls, (i) => call(i, index));
      costs[index] = (cpuMs(side.pids) - before) / calls;
    }
    if (number >= 0 && what !== '') this.add(what, costs);
    return costs;
  }

  /** @param costs one for each side */
  add(what: string, costs: readonly number[]): void {
    const known = this.#costs.get(what) ?? this.#sides.map(() => []);
    for (const [i, cost] of costs.entries()) known[i]!.push(cost);
    this.#costs.set(what, known);
  }

  /** @param times at most upstream's cost divided by this is wanted */
  report(times: number): void {
    for (const [what, [ours = [], theirs]] of this.#costs) {
      const upstream = theirs && median(theirs);
      print({
        what,
        unit: 'ms',
        measured: ours,
        ...(upstream === undefined ? {} : { target: upstream / times, upstream }),
      });
    }
  }
}

export async function inTurn(wire: Wire, calls: number, call: (i: number) => Call): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < calls) await wire.send(call(next++));
    }),
  );
}

export interface Upstream extends Side {
  readonly etcdPid: number;
  /** Where its etcd listens: the next port. */
  readonly etcdEndpoint: string;
}

/** BIREME_BENCH_UPSTREAM=DIRECTORY:PORT, where DIRECTORY holds ca.crt, admin.crt, admin.key and apiserver.pid, etcd.pid of running processes. */
export function upstream(): Upstream | undefined {
  const named = process.env.BIREME_BENCH_UPSTREAM;
  if (named === undefined) return undefined;
  const [directory = '', port = ''] = named.split(':');
  const file = (name: string): string => readFileSync(join(directory, name), 'utf8');
  const wire = http2Wire(Number(port), { ca: file('ca.crt'), cert: file('admin.crt'), key: file('admin.key') }, 4);
  const etcdPid = Number(file('etcd.pid'));
  const etcdEndpoint = `http://127.0.0.1:${Number(port) + 1}`;
  return { wire, pids: [Number(file('apiserver.pid')), etcdPid], etcdPid, etcdEndpoint };
}

export function ignoreExisting(error: Error): void {
  if (!error.message.includes('409')) throw error;
}
