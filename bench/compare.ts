/**
 * Two revisions side by side: server CPU per operation over HTTPS of this checkout and of another, each in a process of its own, round by round in turn, the order
 * reversed each time, so that what else the machine does falls on both. Run: `node bench/compare.ts CHECKOUT [--only create,get,patch,delete,label,list] [--rounds 9] [--count 1000] [--at-rest 5000]`.
 * The ratio is the median over the pairs of rounds: below 1, this checkout costs less. `--v8 FLAGS` for this checkout's server alone.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, repository } from '../scripts/bundle.ts';
import { inTemporaryDirectory } from './support/built-cluster.ts';
import { conditions, median } from './support/figures.ts';
import { type HttpsProcess, startHttpsProcess } from './support/https-process.ts';
import { create, get, listAll, listShard, patch, remove, serviceAccount } from './support/pod-calls.ts';
import { cpuMs, threadCpuMs } from './support/thread-time.ts';
import { type Call, http1Wire, http2Wire, type Wire } from './support/wire.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    http1: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '9' },
    count: { type: 'string', default: '1000' },
    'at-rest': { type: 'string', default: '5000' },
    v8: { type: 'string', default: '' },
  },
});
const other = positionals[0];
if (other === undefined) throw new Error('Name the checkout to compare with, with its node_modules');
const rounds = Number(options.rounds);
const count = Number(options.count);
const only = options.only === '' ? undefined : new Set(options.only.split(','));
const concurrency = 48;
const atRest = Number(options['at-rest']);

interface Side {
  readonly server: HttpsProcess;
  readonly wire: Wire;
}
/** CPU milliseconds per call: of the whole process, and of its main thread. */
interface Cost {
  readonly all: number;
  readonly main: number;
}

const outdir = join('.cache', 'bench');
const theirs = (await import(join(other, 'scripts', 'bundle.ts'))) as { bundle: typeof bundle };
await bundle({ 'https-server': 'bench/https-server.ts' }, join(repository, outdir));
await theirs.bundle({ 'https-server': 'bench/https-server.ts' }, join(other, outdir));

await inTemporaryDirectory(async (directory) => {
  const sides: Side[] = [];
  const flags = options.v8.split(' ').filter((flag) => flag !== '');
  for (const [checkout, name] of [
    [repository, 'ours'],
    [other, 'theirs'],
  ] as const) {
    mkdirSync(join(directory, name));
    const server = await startHttpsProcess(
      join(checkout, outdir),
      join(directory, name),
      checkout === repository ? flags : [],
    );
    const wire = options.http1
      ? http1Wire(server.port, server.credentials, concurrency)
      : http2Wire(server.port, server.credentials, 4);
    sides.push({ server, wire });
  }
  console.log(conditions());
  try {
    await compare(sides[0]!, sides[1]!);
  } finally {
    for (const { wire, server } of sides) {
      wire.close();
      await server.stop();
    }
  }
});

async function compare(ours: Side, theirs: Side): Promise<void> {
  const both = async (calls: number, call: (i: number) => Call): Promise<void> => {
    for (const side of [ours, theirs]) await round(side, calls, call);
  };
  for (const side of [ours, theirs]) await side.wire.send(serviceAccount);
  await both(2_000, (i) => create(`warm-${i}`, i));
  await both(2_000, (i) => remove(`warm-${i}`));
  await both(atRest, (i) => create(`pod-${i}`, i));
  const costs = new Map<string, [Cost, Cost][]>();
  for (let r = -1; r < rounds; r++) {
    const pair = async (name: string, calls: number, call: (i: number) => Call): Promise<void> => {
      if (only && !only.has(name) && name !== 'create' && name !== 'delete') return;
      const first = r % 2 === 0 ? ours : theirs;
      const a = await round(first, calls, call);
      const b = await round(first === ours ? theirs : ours, calls, call);
      const known = costs.get(name) ?? [];
      // The first round is a warm-up.
      if (r >= 0) known.push(first === ours ? [a, b] : [b, a]);
      costs.set(name, known);
    };
    await pair('create', count, (i) => create(`more-${i}`, i));
    await pair('delete', count, (i) => remove(`more-${i}`));
    await pair('get', count * 2, (i) => get(`pod-${i % atRest}`));
    await pair('patch', count, (i) => patch(`pod-${i % atRest}`, `${r}-${i}`));
    await pair('label', Math.ceil(count / 4), listShard);
    await pair('list', 24, () => listAll);
  }
  for (const [name, pairs] of costs) {
    if (pairs.length === 0) continue;
    const column = (of: (pair: [Cost, Cost]) => number): string => median(pairs.map(of)).toFixed(3).padStart(8);
    console.log(
      `  ${name.padEnd(8)} ${column(([a]) => a.all)} ms, theirs ${column(([, b]) => b.all)} ms, ratio ${column(([a, b]) => a.all / b.all)}; main thread ${column(([a]) => a.main)}, theirs ${column(([, b]) => b.main)}, ratio ${column(([a, b]) => a.main / b.main)}`,
    );
  }
}

async function round({ server, wire }: Side, calls: number, call: (i: number) => Call): Promise<Cost> {
  const before = threadsMs(server.pid);
  let next = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < calls) await wire.send(call(next++));
    }),
  );
  const after = threadsMs(server.pid);
  return { all: (after.all - before.all) / calls, main: (after.main - before.main) / calls };
}

function threadsMs(pid: number): Cost {
  return { all: cpuMs([pid]), main: threadCpuMs(pid, pid) };
}
