/**
 * CPU time that hollow kubelets need to start pods: N nodes and M pods in one process, on the client tests' small API server (whose own cost
 * is included). Run: `node bench/hollow-kubelets.ts [nodes] [pods]`.
 */
import type { JsonObject } from '../src/api/json.ts';
import { applyStrategicPatch } from '../src/api/patch/strategic.ts';
import { builtinSchema } from '../src/api/schema/builtin.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { createClient } from '../src/client/create-client.ts';
import type { EventRecorder } from '../src/client/events.ts';
import { createInProcessTransport } from '../src/client/in-process-transport.ts';
import { createInformerFactory } from '../src/client/informer-factory.ts';
import { answer, createFakeApiServer } from '../src/client/testdata/fake-api-server.ts';
import { defaultKubeletConfig } from '../src/kubelet/config.ts';
import { createHollowEnvironment } from '../src/kubelet/environment-hollow.ts';
import { createKubelet } from '../src/kubelet/kubelet.ts';
import { createObjectSource } from '../src/kubelet/object-source.ts';
import { createPodDispatcher } from '../src/kubelet/pod-source.ts';
import { quietLog, testMachine } from '../src/kubelet/testdata/hollow-node.ts';
import { createHollowRuntime } from '../src/runtime/hollow/hollow-runtime.ts';

const nodes = Number(process.argv[2] ?? 50);
const pods = Number(process.argv[3] ?? 1000);
const clock = createRealClock();
const random = createSeededRandom(1);
const log = quietLog((message, pairs) => console.error(message, pairs));
const server = createFakeApiServer();
const podType = builtinSchema.type('core.v1.Pod')!;
const nodeType = builtinSchema.type('core.v1.Node')!;
let patches = 0;
server.intercept = (request) => {
  if (request.method !== 'PATCH') return undefined;
  const path = request.path.replace(/\/status$/, '');
  const before = server.get(path)!;
  if (path.includes('/pods/')) patches++;
  const body = (request.body as { value: JsonObject }).value;
  return answer(200, server.put(path, applyStrategicPatch(before, body, path.includes('/pods/') ? podType : nodeType)));
};
const client = createClient(createInProcessTransport(server.handler, { clock }));
const stop = new AbortController();
const informers = createInformerFactory(client, { clock, random, log, signal: stop.signal });
const dispatcher = createPodDispatcher(informers);
const objects = createObjectSource({ client, clock });
let recorded = 0;
const events: EventRecorder = { withComponent: () => events, event: () => void recorded++ };
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

// The clock's timers keep no process alive by themselves.
const alive = setInterval(() => undefined, 1000);
const startCpu = cpuMs();
const startAt = clock.monotonic();
const running: Promise<void>[] = [];
for (let i = 0; i < nodes; i++) {
  const runtime = createHollowRuntime({ clock, random, podCidrs: [`10.${100 + (i >> 8)}.${i & 255}.0/24`] });
  const kubelet = createKubelet({
    nodeName: `hollow-${i}`,
    client,
    pods: dispatcher.source(`hollow-${i}`),
    objects,
    events,
    runtime,
    runtimeChanges: (listener) => runtime.onChange(listener),
    environment: createHollowEnvironment(objects),
    machine: testMachine,
    nodeIPs: ['10.0.0.1'],
    clock,
    random,
    log,
    metrics: createMetricsRegistry(),
    config: { ...defaultKubeletConfig, syncFrequencyMs: 0, enableServer: false, maxPods: 5000 },
    version: 'v1.36.0',
  });
  running.push(kubelet.run(stop.signal));
}
await clock.sleep(500);
console.log(
  `${nodes} nodes registered: ${(cpuMs() - startCpu).toFixed(0)} CPU ms in ${(clock.monotonic() - startAt).toFixed(0)} ms`,
);

const cpu = cpuMs();
const at = clock.monotonic();
for (let i = 0; i < pods; i++)
  server.put(`/api/v1/namespaces/default/pods/p-${i}`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p-${i}`, namespace: 'default', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      nodeName: `hollow-${i % nodes}`,
      restartPolicy: 'Always',
      containers: [{ name: 'app', image: 'app:1', resources: {} }],
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  });
const done = (): boolean => {
  for (let i = pods - 1; i >= 0; i--)
    if ((server.get(`/api/v1/namespaces/default/pods/p-${i}`)!.status as JsonObject).phase !== 'Running') return false;
  return true;
};
while (!done()) await clock.sleep(5);
await clock.sleep(50);
const used = cpuMs() - cpu;
console.log(
  `${pods} pods running: ${used.toFixed(0)} CPU ms (${(used / pods).toFixed(3)} ms a pod, API server double included) in ${(clock.monotonic() - at - 50).toFixed(0)} ms; ${patches} status writes, ${recorded} events`,
);
const idle = cpuMs();
await clock.sleep(3000);
console.log(`idle: ${((cpuMs() - idle) / 30).toFixed(2)}% of a core`);
stop.abort();
await Promise.all(running);
await informers.stop();
clearInterval(alive);
