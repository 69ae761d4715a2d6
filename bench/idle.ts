/**
 * What an idle cluster costs: resident memory and CPU of the control plane (and of the node process where there is one) over a minute. Run:
 * `node bench/idle.ts [seconds] [hollow nodes]` for the built package on hollow nodes, or `node bench/idle.ts [seconds] --pids 12,34` for processes that run already (the
 * control plane and the node process of `bireme up` with containerd, which `bireme status` names; containerd does not count).
 */
import { parseArgs } from 'node:util';
import { cpuSeconds, inTemporaryDirectory, residentMiB, startBuiltCluster } from './support/built-cluster.ts';
import { conditions, print } from './support/figures.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pids: { type: 'string' }, settle: { type: 'string', default: '10' } },
});
const [seconds = 60, hollowNodes = 1] = positionals.map(Number);
if (values.pids) await measure(values.pids.split(',').map(Number), 'running processes');
else
  await inTemporaryDirectory(async (directory) => {
    const cluster = await startBuiltCluster(directory, { hollowNodes });
    try {
      await measure([cluster.process.pid!], `control plane and ${hollowNodes} hollow`);
    } finally {
      await cluster.stop();
    }
  });

async function measure(pids: readonly number[], what: string): Promise<void> {
  await pause(Number(values.settle));
  const cpu = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = cpu();
  await pause(seconds);
  const percent = ((cpu() - before) / seconds) * 100;
  const resident = pids.reduce((sum, pid) => sum + residentMiB(pid), 0);
  console.log(conditions());
  print({ what: `idle, ${what}: resident set`, target: 230, upstream: 502, unit: 'MiB', measured: [resident] });
  print({ what: `  CPU over ${seconds} s`, target: 1.5, upstream: 3.3, unit: '% of a core', measured: [percent] });
}

function pause(s: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, s * 1000));
}
