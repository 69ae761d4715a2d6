/**
 * CPU time of API server and controllers, in one process on a memory store, from a Deployment to all its pods' existence. The scheduler joins
 * with `--schedule`: then until all are bound. Run: `node bench/deployment-rollout.ts [replicas] [nodes] [--schedule]`.
 */
import { resources } from '../src/api/types/resources.ts';
import { createLogger } from '../src/base/console-log.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { createClient } from '../src/client/create-client.ts';
import { createEventRecorder } from '../src/client/event-recorder.ts';
import { createInProcessTransport } from '../src/client/in-process-transport.ts';
import { createInformerFactory } from '../src/client/informer-factory.ts';
import { startRealApiServer } from '../src/client/testdata/real-api-server.ts';
import { waitFor } from '../src/client/wait-for.ts';
import { allControllers, runControllerManager } from '../src/controllers/index.ts';
import { createScheduler } from '../src/scheduler/index.ts';

const numbers = process.argv
  .slice(2)
  .filter((arg) => /^\d+$/.test(arg))
  .map(Number);
const [replicas = 1000, nodes = 50] = numbers;
const schedule = process.argv.includes('--schedule');
const clock = createRealClock();
const random = createSeededRandom(1);
const log = createLogger({ clock, level: 'warn', write: (line) => process.stderr.write(line) });
const api = await startRealApiServer(clock);
let requests = 0;
const client = createClient(
  createInProcessTransport(
    (request) => {
      requests++;
      return api.server.handler(request);
    },
    { clock },
  ),
  { fieldManager: 'bench' },
);
const informers = createInformerFactory(client, { clock, random, log });
const events = createEventRecorder(client, { clock, random, log, component: 'bench' });
const metrics = createMetricsRegistry();
const stop = new AbortController();
const keepAlive = setInterval(() => undefined, 1000);
const running = [
  runControllerManager(
    {
      context: { client, informers, events, clock, random, log, metrics },
      controllers: allControllers({ rootCa: 'PEM' }),
    },
    stop.signal,
  ),
];
if (schedule)
  running.push(createScheduler({ client, informers, events, clock, random, log, metrics }).run(stop.signal));
await client.resource(resources.namespaces).create({ metadata: { name: 'ns' } });
for (let i = 0; i < nodes; i++) {
  const quantities = { cpu: '64', memory: '256Gi', pods: '250' };
  await client.resource(resources.nodes).create({
    metadata: { name: `node-${i}` },
    status: {
      capacity: quantities,
      allocatable: quantities,
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString() }],
    },
  });
}
await informers.waitForSync();
await clock.sleep(500);
const pods = informers.informer(resources.pods);
const startCpu = process.cpuUsage();
const startAt = clock.monotonic();
const before = requests;
const labels = { app: 'web' };
await client.resource(resources.deployments).create({
  metadata: { name: 'web', namespace: 'ns' },
  spec: {
    replicas,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '10m' } } }] },
    },
  },
});
await waitFor(pods, (informer) => {
  const all = informer.list();
  if (all.length < replicas) return undefined;
  return !schedule || all.every((pod) => pod.spec?.nodeName) ? true : undefined;
});
const report = (what: string): void => {
  const { user, system } = process.cpuUsage(startCpu);
  const ms = (clock.monotonic() - startAt).toFixed(0);
  console.log(`${what}: ${ms} ms, CPU ${((user + system) / 1000).toFixed(0)} ms, ${requests - before} requests`);
};
report(schedule ? `${replicas} pods bound` : `${replicas} pods created`);
await clock.sleep(1000);
report('a second later, events written');
stop.abort();
await Promise.all(running);
await events.stop();
await informers.stop();
await api.stop();
clearInterval(keepAlive);
