/**
 * The server of `bench/https.ts`, a process of its own: the production handler chain on the embedded store behind HTTPS, without scheduler and
 * controllers, whose work is not the server's; with a third argument on the etcd that listens there, which others may use too. Says `ready` over IPC and answers `cpu` with `process.cpuUsage()`.
 */
import { readFileSync } from 'node:fs';
import { getHeapSpaceStatistics, getHeapStatistics, writeHeapSnapshot } from 'node:v8';
import { createLogger } from '../src/base/console-log.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { createRealRandom } from '../src/base/real-random.ts';
import { collectAtRest } from '../src/cli/memory-at-rest.ts';
import { loadOrCreateCertificates } from '../src/cluster/certificates.ts';
import { startControlPlane } from '../src/cluster/control-plane.ts';
import { openDataDir } from '../src/cluster/data-dir.ts';
import { startHttpsServer } from '../src/serve/index.ts';
import { openEmbeddedStore } from '../src/store/embedded/embedded-store.ts';
import { openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import { podBytes } from './support/pod.ts';

const calibrationText = podBytes('calibration', 1).toString();
const dir = openDataDir(process.argv[2]!);
const port = Number(process.argv[3]);
const clock = createRealClock();
const random = createRealRandom();
const log = createLogger({ clock, level: 'warn', write: (line) => void process.stderr.write(line) });
const metrics = createMetricsRegistry();
const certificates = await loadOrCreateCertificates({
  pkiDir: dir.pki,
  clock,
  random,
  dnsNames: ['bench'],
  ipAddresses: ['127.0.0.1', '10.96.0.1'],
  clusterDomain: 'cluster.local',
});
const endpoint = process.argv[4];
const store =
  endpoint === undefined
    ? await openEmbeddedStore({ path: dir.store, clock, log })
    : await openEtcdStore({ endpoints: [endpoint], clock });
const controlPlane = await startControlPlane({
  ...{ clock, random, log, metrics, store, port },
  sharedStore: endpoint !== undefined,
  serviceAccountPrivateKey: certificates.serviceAccountPrivateKey,
  rootCa: certificates.ca.cert,
  clientCa: certificates.ca.cert,
  advertiseAddress: '127.0.0.1',
  without: ['scheduler', 'controllers'],
});
const https = await startHttpsServer({
  handler: controlPlane.handler,
  key: certificates.apiserver.key,
  cert: certificates.apiserver.cert,
  clientCa: certificates.ca.cert,
  ...{ host: '127.0.0.1', port, clock, log, metrics },
});
process.on('message', (message) => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage(), rss: process.memoryUsage.rss() });
  if (message === 'memory') process.send?.({ memory: memoryBreakdown() });
  if (message === 'snapshot') process.send?.({ snapshot: writeHeapSnapshot() });
  if (message === 'calibrate') process.send?.({ cpuMs: calibrate() });
  if (message === 'stop') void stop();
});
// The benchmark was killed: nobody else would end this.
process.once('disconnect', () => process.exit());
// As `bireme up` does.
const stopCollecting = collectAtRest(clock);
process.send?.({
  ready: { ca: certificates.ca.cert, cert: certificates.admin.cert, key: certificates.admin.key },
});

/** Where the resident set is, in bytes: what V8 and Node know of, and what the kernel says of mapped files. `--expose-gc`: after a full collection. */
function memoryBreakdown(): Record<string, number> {
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
  const spaces = getHeapSpaceStatistics().map(({ space_name, space_size }) => [space_name, space_size] as const);
  const status = readFileSync('/proc/self/status', 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
  return {
    rss,
    anonymous: kilobytes('RssAnon'),
    files: kilobytes('RssFile'),
    ...{ heapTotal, heapUsed, external, arrayBuffers },
    malloced: getHeapStatistics().malloced_memory,
    ...Object.fromEntries(spaces),
  };
}

/** CPU milliseconds of work that never changes: how fast this process's core is just now. */
function calibrate(): number {
  const before = process.cpuUsage();
  let length = 0;
  for (let i = 0; i < 1_000; i++) length += JSON.stringify(JSON.parse(calibrationText)).length;
  const { user, system } = process.cpuUsage(before);
  return length > 0 ? (user + system) / 1000 : 0;
}

async function stop(): Promise<void> {
  stopCollecting();
  await https.stop({ graceMs: 1000 });
  await controlPlane.stop();
  await store.close();
  process.disconnect?.();
}
