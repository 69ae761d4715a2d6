/**
 * How long hosts take to join: the built package in five network namespaces, hosts one after the other on real etcd, from the start of the command until the API server
 * shows the node as Ready; nodes run hollow containers. Run: `node bench/join.ts [--rounds 3]` after `npm run build`, as root.
 */
import { parseArgs } from 'node:util';
import { resources } from '../src/api/types/resources.ts';
import { type Fleet, type FleetHost, hollow, joinFlags, startFleet } from '../test/e2e/fleet.ts';
import { isReady } from '../test/e2e/under-load.ts';
import { conditions, print } from './support/figures.ts';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
const rounds = Number(options.rounds);
const measured = { init: [] as number[], worker: [] as number[], master: [] as number[] };

console.log(conditions());
for (let round = 0; round < rounds; round++) {
  const ends: (() => Promise<void>)[] = [];
  try {
    await once(
      await startFleet({ after: (end: () => Promise<void>) => void ends.push(end) }, ['m1', 'm2', 'm3', 'w1', 'w2']),
    );
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}
print({ what: 'init of the first master until its node is ready', unit: 'ms', measured: measured.init });
print({ what: 'join of a worker until its node is ready', target: 3000, unit: 'ms', measured: measured.worker });
print({ what: 'join of a master until its node is ready', target: 8000, unit: 'ms', measured: measured.master });

async function once({ hosts }: Fleet): Promise<void> {
  const { m1, m2, m3, w1, w2 } = hosts as Readonly<Record<string, FleetHost>>;
  const start = performance.now();
  const printed = await m1!.ok('init', '--upload-certs', ...hollow);
  await using cluster = m1!.access();
  const untilReady = ({ name }: FleetHost): Promise<unknown> =>
    cluster.until(resources.nodes, `${name} is ready`, (nodes) =>
      nodes.some((node) => node.metadata.name === name && isReady(node)),
    );
  await untilReady(m1!);
  measured.init.push(performance.now() - start);
  const flags = joinFlags(printed);
  for (const [kind, host, args] of [
    ['worker', w1!, flags.worker],
    ['master', m2!, [...flags.master, '--control-plane']],
    ['worker', w2!, flags.worker],
    ['master', m3!, [...flags.master, '--control-plane']],
  ] as const) {
    const began = performance.now();
    await host.ok('join', ...args, ...hollow);
    await untilReady(host);
    measured[kind].push(performance.now() - began);
  }
}
