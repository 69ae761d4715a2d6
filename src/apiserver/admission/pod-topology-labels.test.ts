/** A bound pod carries its node's zone and region: through the plugin, the binding and the store. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { alwaysAllow } from '../authorization/union.ts';
import { startTestServer, type TestServer } from '../testdata/test-server.ts';
import { createPodTopologyLabels } from './pod-topology-labels.ts';

const zone = 'topology.kubernetes.io/zone';
const region = 'topology.kubernetes.io/region';
const pods = '/api/v1/namespaces/a/pods';
interface Seen {
  readonly metadata: { readonly labels?: object; readonly annotations?: object };
  readonly status: { readonly nominatedNodeName?: string };
}

let t: TestServer;
before(async () => {
  t = await startTestServer({
    security: ({ reader }) => ({
      authenticate: () => ({ name: 'tester', groups: ['system:masters'] }),
      authorizer: alwaysAllow,
      admission: [createPodTopologyLabels(reader)],
    }),
  });
  const labels = { [zone]: 'z1', [region]: 'r1', 'topology.kubernetes.io/rack': 'k1', other: 'x' };
  await t.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels } });
  await t.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'plain' } });
});
after(() => t.stop());

const pod = (name: string, labels: object, nodeName?: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { ...(nodeName ? { nodeName } : {}), containers: [{ name: 'c', image: 'i' }] },
});
async function bind(name: string, node: string, metadata: object = {}): Promise<Seen> {
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, ...metadata },
    target: { kind: 'Node', name: node },
  };
  const answer = await t.send('POST', `${pods}/${name}/binding`, binding);
  assert.equal(answer.status, 201, answer.text);
  return (await t.send('GET', `${pods}/${name}`)).body as unknown as Seen;
}

test('pod topology: a binding gives the pod zone and region of its node, and no other label', async () => {
  await t.create(pods, pod('bound', { app: 'a', [zone]: 'mine' }));
  const seen = await bind('bound', 'n1');
  assert.deepEqual(Object.entries(seen.metadata.labels!), [
    ['app', 'a'],
    [region, 'r1'],
    [zone, 'z1'],
  ]);
});

test('pod topology: a pod that is made with its node has them too', async () => {
  const made = (await t.create(pods, pod('assigned', { app: 'a' }, 'n1'))) as unknown as Seen;
  assert.deepEqual(made.metadata.labels, { app: 'a', [region]: 'r1', [zone]: 'z1' });
});

test('pod topology: nodes without topology and unknown nodes change nothing', async () => {
  for (const node of ['plain', 'unknown']) {
    await t.create(pods, pod(`on-${node}`, { app: 'a' }));
    assert.deepEqual((await bind(`on-${node}`, node)).metadata.labels, { app: 'a' });
  }
});

test('binding: labels and annotations of the binding are the pod’s, and its nomination is over', async () => {
  await t.create(pods, pod('told', { app: 'a', b: 'old' }));
  await t.send(
    'PATCH',
    `${pods}/told/status`,
    { status: { nominatedNodeName: 'plain' } },
    {
      'content-type': 'application/merge-patch+json',
    },
  );
  const seen = await bind('told', 'plain', { labels: { b: 'new', a: '1' }, annotations: { note: 'x' } });
  assert.deepEqual(Object.entries(seen.metadata.labels!), [
    ['a', '1'],
    ['app', 'a'],
    ['b', 'new'],
  ]);
  assert.deepEqual(seen.metadata.annotations, { note: 'x' });
  assert.equal(seen.status.nominatedNodeName, undefined);
});
