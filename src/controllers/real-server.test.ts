/** All controllers against the real API server on a memory store, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMicroTime, formatTime } from '../api/time.ts';
import type { Binding, Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../base/virtual-clock.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import { createEventRecorder } from '../client/event-recorder.ts';
import { createInProcessTransport } from '../client/in-process-transport.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { startRealApiServer } from '../client/testdata/real-api-server.ts';
import { allControllers, runControllerManager } from './index.ts';

async function withCluster(use: (cluster: { clock: VirtualClock; client: Client }) => Promise<void>): Promise<void> {
  const clock = createVirtualClock();
  const api = await startRealApiServer(clock);
  const transport = createInProcessTransport(api.server.handler, { clock });
  const client = createClient(transport, { fieldManager: 'kube-controller-manager' });
  const random = createSeededRandom(3);
  const informers = createInformerFactory(client, { clock, random, log: silentLogger });
  const events = createEventRecorder(client, { clock, random, log: silentLogger, component: 'test' });
  const stop = new AbortController();
  const running = runControllerManager(
    {
      context: { client, informers, events, clock, random, log: silentLogger, metrics: createMetricsRegistry() },
      controllers: allControllers({ rootCa: 'PEM' }),
    },
    stop.signal,
  );
  await clock.advance(100);
  try {
    await use({ clock, client });
  } finally {
    stop.abort();
    await clock.settle();
    await running;
    await events.stop();
    await informers.stop();
    await transport.close();
    await api.stop();
    await clock.settle();
  }
  assert.equal(clock.pendingTimers, 0, 'no timer is left');
}

const labels = { app: 'web' };
const web = (replicas: number) => ({
  metadata: { name: 'web', namespace: 'ns' },
  spec: {
    replicas,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
});
const pods = async (client: Client): Promise<readonly Pod[]> =>
  (await client.resource(resources.pods).list({ namespace: 'ns' })).items;

test('cluster: a namespace gets its account and authority, and takes everything with it', () =>
  withCluster(async ({ clock, client }) => {
    const namespaces = client.resource(resources.namespaces);
    await namespaces.create({ metadata: { name: 'ns' } });
    await clock.advance(100);
    assert.ok(await client.resource(resources.serviceAccounts).get('default', { namespace: 'ns' }));
    assert.ok(await client.resource(resources.configMaps).get('kube-root-ca.crt', { namespace: 'ns' }));
    await client.resource(resources.deployments).create(web(3));
    await clock.advance(1000);
    assert.equal((await pods(client)).length, 3);
    await namespaces.delete('ns');
    assert.equal((await namespaces.get('ns')).status?.phase, 'Terminating');
    await clock.advance(60_000);
    await assert.rejects(namespaces.get('ns'), { code: 404 });
    assert.equal((await pods(client)).length, 0);
    assert.equal((await client.resource(resources.replicaSets).list()).items.length, 0);
    assert.equal((await client.resource(resources.events).list({ namespace: 'ns' })).items.length, 0);
  }));

for (const propagationPolicy of ['Background', 'Foreground', 'Orphan'] as const)
  test(`cluster: a Deployment deleted with ${propagationPolicy}`, () =>
    withCluster(async ({ clock, client }) => {
      await client.resource(resources.namespaces).create({ metadata: { name: 'ns' } });
      const deployments = client.resource(resources.deployments);
      await deployments.create(web(5));
      await clock.advance(1000);
      assert.equal((await pods(client)).length, 5);
      await deployments.delete('web', { namespace: 'ns', body: { propagationPolicy } });
      await clock.advance(10_000);
      const left = (await client.resource(resources.replicaSets).list({ namespace: 'ns' })).items;
      const orphaned = propagationPolicy === 'Orphan';
      assert.equal((await deployments.list()).items.length, 0);
      assert.equal(left.length, orphaned ? 1 : 0);
      if (orphaned) assert.equal(left[0]?.metadata.ownerReferences, undefined);
      assert.equal((await pods(client)).length, orphaned ? 5 : 0);
    }));

test('cluster: a node falls silent, and after five minutes its pods are replaced', () =>
  withCluster(async ({ clock, client }) => {
    await client.resource(resources.namespaces).create({ metadata: { name: 'ns' } });
    await client.resource(resources.namespaces).create({ metadata: { name: 'kube-node-lease' } });
    const nodes = client.resource(resources.nodes);
    const leases = client.resource(resources.leases);
    for (const name of ['a', 'b']) {
      await nodes.create({
        metadata: { name, labels: { 'kubernetes.io/os': 'linux' } },
        status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: formatTime(clock.now()) }] },
      });
      await leases.create({ metadata: { name, namespace: 'kube-node-lease' }, spec: { holderIdentity: name } });
    }
    await clock.advance(100);
    assert.deepEqual(
      (await nodes.list()).items.map(({ spec, metadata }) => [
        spec?.podCIDR,
        metadata.labels?.['beta.kubernetes.io/os'],
      ]),
      [
        ['10.244.0.0/24', 'linux'],
        ['10.244.1.0/24', 'linux'],
      ],
    );
    const tolerations = [
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ];
    const deployment = web(1);
    await client.resource(resources.deployments).create({
      ...deployment,
      spec: {
        ...deployment.spec,
        template: {
          ...deployment.spec.template,
          spec: { ...deployment.spec.template.spec, tolerations },
        },
      },
    });
    await clock.advance(1000);
    const [pod] = await pods(client);
    const { name = '' } = pod?.metadata ?? {};
    const binding: Binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace: 'ns' },
      target: { kind: 'Node', name: 'a' },
    };
    await client.resource(resources.pods).createSubresource(name, 'binding', binding);
    const passing = async (seconds: number): Promise<void> => {
      for (let left = seconds; left > 0; left -= 10) {
        const patch = { spec: { renewTime: formatMicroTime(clock.now()) } };
        await leases.patch('b', { type: 'merge', patch }, { namespace: 'kube-node-lease' });
        await clock.advance(10_000);
      }
    };
    await passing(340);
    assert.equal((await pods(client)).length, 1);
    await passing(30);
    const now = await pods(client);
    assert.equal(now.length, 2, 'the old one is going, a new one is there');
    assert.ok(now.find((p) => p.metadata.uid === pod?.metadata.uid)?.metadata.deletionTimestamp);
    await nodes.delete('a');
    await passing(90);
    assert.ok(
      !(await pods(client)).some((p) => p.metadata.uid === pod?.metadata.uid),
      'nobody waits for a kubelet that is gone',
    );
  }));
