/** A hollow kubelet against the real API server, in virtual time: what the codec, defaults and strategies make of its writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createClient } from '../client/create-client.ts';
import type { EventRecorder } from '../client/events.ts';
import { createInProcessTransport } from '../client/in-process-transport.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { startRealApiServer } from '../client/testdata/real-api-server.ts';
import { createHollowRuntime } from '../runtime/hollow/hollow-runtime.ts';
import { defaultKubeletConfig } from './config.ts';
import { createHollowEnvironment } from './environment-hollow.ts';
import { createKubelet } from './kubelet.ts';
import { createObjectSource } from './object-source.ts';
import { createPodDispatcher } from './pod-source.ts';
import { testMachine } from './testdata/hollow-node.ts';

test('kubelet on the real API server: writes a status once, not again when it comes back in canonical form', async () => {
  const clock = createVirtualClock();
  const random = createSeededRandom(5);
  const api = await startRealApiServer(clock);
  const writes: string[] = [];
  const transport = createInProcessTransport(
    (request) => {
      if (request.method === 'PATCH') writes.push(request.path);
      return api.server.handler(request);
    },
    { clock },
  );
  const client = createClient(transport, { fieldManager: 'kubelet' });
  for (const name of ['default', 'kube-node-lease'])
    await client.resource(resources.namespaces).create({ metadata: { name } });
  const informers = createInformerFactory(client, { clock, random, log: silentLogger });
  const objects = createObjectSource({ client, clock });
  const runtime = createHollowRuntime({ clock, random, podCidrs: ['10.244.0.0/24'] });
  const events: EventRecorder = { withComponent: () => events, event: () => undefined };
  const stop = new AbortController();
  const running = createKubelet({
    nodeName: 'n1',
    client,
    pods: createPodDispatcher(informers).source('n1'),
    objects,
    events,
    runtime,
    runtimeChanges: (listener) => runtime.onChange(listener),
    environment: createHollowEnvironment(objects),
    machine: testMachine,
    nodeIPs: ['10.0.0.1'],
    clock,
    random,
    log: silentLogger,
    metrics: createMetricsRegistry(),
    config: { ...defaultKubeletConfig, enableServer: false },
    version: 'v1.36.0',
  }).run(stop.signal);
  try {
    await clock.advance(20_000);
    const pods = client.resource(resources.pods);
    await pods.create({
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        nodeName: 'n1',
        containers: [
          {
            name: 'app',
            image: 'app:1',
            resources: { requests: { cpu: '1000m', memory: '1024Ki' } },
            readinessProbe: { httpGet: { port: 80 } },
          },
        ],
      },
    });
    await clock.advance(250_000);
    assert.equal((await pods.get('web', { namespace: 'default' })).status?.phase, 'Running');
    const count = (part: string): number => writes.filter((path) => path.includes(part)).length;
    assert.ok(count('/pods/web') <= 2, writes.join());
    assert.ok(count('/nodes/n1') <= 3, writes.join());
    const before = count('/nodes/n1');
    await clock.advance(300_000);
    assert.equal(count('/nodes/n1'), before + 1, 'every five minutes all the same');
    await pods.delete('web', { namespace: 'default' });
    await clock.advance(1000);
    await assert.rejects(pods.get('web', { namespace: 'default' }), { code: 404 });
  } finally {
    stop.abort();
    await clock.settle();
    await running;
    await informers.stop();
    await runtime.close();
    await transport.close();
    await api.stop();
  }
});
