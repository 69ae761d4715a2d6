/**
 * Writes per CPU second of our API server and of upstream's on the same etcd, over HTTPS with JSON, round by round in turn. Each sees the other's writes, as
 * API servers of one cluster do; the CPU time is that of the API server that is asked, without etcd's.
 * Run: `node bench/etcd-writes.ts [--rounds 5] [--count 1000]` with BIREME_BENCH_UPSTREAM (`support/sides.ts`); etcd listens on the next port, without TLS.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, repository } from '../scripts/bundle.ts';
import { inTemporaryDirectory } from './support/built-cluster.ts';
import { conditions } from './support/figures.ts';
import { startHttpsProcess } from './support/https-process.ts';
import { create, patch, remove, serviceAccount } from './support/pod-calls.ts';
import { Costs, ignoreExisting, type Side, upstream } from './support/sides.ts';
import { type Call, http2Wire } from './support/wire.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, count: { type: 'string', default: '1000' } },
});
const rounds = Number(options.rounds);
const count = Number(options.count);
/** Of the issue: as many writes per CPU second as upstream's, times this. */
const times = 2.5;

const theirs = upstream();
if (!theirs)
  console.log("  etcd-writes: upstream's API server is not at hand (BIREME_BENCH_UPSTREAM): nothing to compare with");
else {
  const outdir = join(repository, '.cache', 'bench');
  await bundle({ 'https-server': 'bench/https-server.ts' }, outdir);
  await inTemporaryDirectory(async (directory) => {
    const server = await startHttpsProcess(outdir, directory, [], theirs.etcdEndpoint);
    const ours: Side = { wire: http2Wire(server.port, server.credentials, 4), pids: [server.pid] };
    const apiServer: Side = { ...theirs, pids: theirs.pids.filter((pid) => pid !== theirs.etcdPid) };
    console.log(conditions());
    try {
      for (const { wire } of [ours, theirs]) await wire.send(serviceAccount).catch(ignoreExisting);
      await compare([ours, apiServer]);
    } finally {
      for (const { wire } of [ours, theirs]) wire.close();
      await server.stop();
    }
  });
}

async function compare(sides: readonly Side[]): Promise<void> {
  const costs = new Costs(sides, { settleMs: 500 });
  const nameOf = (i: number, side: number): string => `etcd-${side}-${i}`;
  const writes: Readonly<Record<string, (name: string, i: number) => Call>> = {
    create,
    patch: (name) => patch(name, 'x'),
    delete: remove,
  };
  for (let r = -2; r < rounds; r++) {
    let all: readonly number[] = sides.map(() => 0);
    for (const what in writes) {
      const one = await costs.round(`${what} a pod on etcd`, r, count, (i, side) => writes[what]!(nameOf(i, side), i));
      all = all.map((sum, side) => sum + one[side]! / Object.keys(writes).length);
    }
    if (r >= 0) costs.add('a write on etcd: these three together', all);
  }
  costs.report(times);
}
