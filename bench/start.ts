/**
 * How long a start takes: the built package (`npm run build`), from the start of the process to `/readyz` and to a Ready hollow node. Run: `node bench/start.ts [runs]`.
 * CPU seconds are beside the times, because a busy machine stretches only the latter.
 */
import { type BuiltCluster, inTemporaryDirectory, startBuiltCluster } from './support/built-cluster.ts';
import { conditions, print } from './support/figures.ts';

const runs = Number(process.argv[2] ?? 7);
const cold: BuiltCluster[] = [];
const first: BuiltCluster[] = [];
const warm: BuiltCluster[] = [];
for (let i = 0; i < Math.min(runs, 5); i++)
  await inTemporaryDirectory(async (directory) => {
    cold.push(await startAndStop(directory));
  });
await inTemporaryDirectory(async (cache) => {
  for (let i = 0; i < Math.min(runs, 5); i++)
    await inTemporaryDirectory(async (directory) => {
      first.push(await startAndStop(directory, cache));
    });
});
await inTemporaryDirectory(async (directory) => {
  for (let i = 0; i <= runs; i++) {
    const cluster = await startAndStop(directory);
    if (i > 0) warm.push(cluster);
  }
});

console.log(conditions());
const seconds = (of: (c: BuiltCluster) => number, clusters: readonly BuiltCluster[]): number[] => clusters.map(of);
print({
  what: 'compile cache warm, to /readyz',
  target: 0.6,
  upstream: 2.9,
  unit: 's',
  measured: seconds((c) => c.readyzMs / 1000, warm),
});
print({ what: '  its CPU', unit: 's', measured: seconds((c) => c.readyzCpu, warm) });
print({
  what: 'very first start with its PKI, nothing cached',
  target: 1.2,
  unit: 's',
  measured: seconds((c) => c.readyzMs / 1000, cold),
});
print({ what: '  its CPU', unit: 's', measured: seconds((c) => c.readyzCpu, cold) });
print({
  what: 'first start of a data directory, code cached',
  unit: 's',
  measured: seconds((c) => c.readyzMs / 1000, first),
});
print({
  what: 'compile cache warm, to a Ready node',
  target: 2,
  unit: 's',
  measured: seconds((c) => c.readyMs / 1000, warm),
});
print({ what: '  its CPU', unit: 's', measured: seconds((c) => c.readyCpu, warm) });
print({
  what: 'very first start, to a Ready node',
  target: 2,
  unit: 's',
  measured: seconds((c) => c.readyMs / 1000, cold),
});

async function startAndStop(directory: string, cache = directory): Promise<BuiltCluster> {
  const cluster = await startBuiltCluster(directory, { cacheDirectory: cache });
  await cluster.stop();
  return cluster;
}
