/**
 * `startCluster()` in a process that has started one before: what each further test file's cluster costs. Run: `node bench/start-cluster.ts [runs]`.
 * The first one, with all modules to load, is printed as well; stopping too.
 */
import { conditions, print } from './support/figures.ts';

const runs = Number(process.argv[2] ?? 20);
const loading = performance.now();
const { startCluster } = await import('../src/testing/index.ts');
const firsts: number[] = [];
const starts: number[] = [];
const virtual: number[] = [];
const cpus: number[] = [];
const stops: number[] = [];
for (let i = 0; i <= runs; i++) {
  const cpu = process.cpuUsage();
  const began = i === 0 ? loading : performance.now();
  const cluster = await startCluster();
  const { user, system } = process.cpuUsage(cpu);
  (i === 0 ? firsts : starts).push(performance.now() - began);
  if (i > 0) cpus.push((user + system) / 1000);
  const stopping = performance.now();
  await cluster.stop();
  if (i > 0) stops.push(performance.now() - stopping);
}
for (let i = 0; i <= runs; i++) {
  const began = performance.now();
  const cluster = await startCluster({ time: 'virtual' });
  if (i > 0) virtual.push(performance.now() - began);
  await cluster.stop();
}
console.log(conditions());
const unit = 'ms';
print({ what: 'the first startCluster(), modules included', unit, measured: firsts });
print({ what: 'startCluster() after the first', target: 50, unit, measured: starts });
print({ what: '  its CPU', unit, measured: cpus });
print({ what: 'startCluster() in virtual time', target: 50, unit, measured: virtual });
print({ what: 'stop()', unit, measured: stops });
