/** DaemonSets on the real API server with the scheduler, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSet, DaemonSetSpec } from '../src/api/types/apps-v1.ts';
import type { Pod, PodSpec } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import type { Client } from '../src/client/client.ts';
import { daemonSetController } from '../src/controllers/daemon-set/controller.ts';
import {
  namespace,
  node,
  type WorkloadCluster,
  type WorkloadClusterOptions,
  withWorkloads,
} from './support/workload-cluster.ts';

const cluster = (
  options: Omit<WorkloadClusterOptions, 'controllers'>,
  body: (cluster: WorkloadCluster) => Promise<void>,
): Promise<void> => withWorkloads({ controllers: [daemonSetController()], ...options }, body);

const labels = { app: 'agent' };
const agent = (image = 'i:1', more: Partial<DaemonSetSpec> = {}, podSpec: Partial<PodSpec> = {}): DaemonSet => ({
  metadata: { name: 'agent', namespace },
  spec: {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image }], ...podSpec } },
    ...more,
  },
});
const get = (client: Client): Promise<DaemonSet> => client.resource(resources.daemonSets).get('agent', { namespace });
async function setImage(client: Client, image: string): Promise<void> {
  const patch = { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } };
  await client.resource(resources.daemonSets).patch('agent', { type: 'strategic', patch }, { namespace });
}
const imageOf = ({ spec }: Pod): string => spec!.containers[0]!.image!;
const alive = (pods: readonly Pod[]): readonly Pod[] => pods.filter(({ metadata }) => !metadata.deletionTimestamp);
const nodesOf = (pods: readonly Pod[]): readonly string[] => pods.map(({ spec }) => spec!.nodeName ?? '').sort();

test('daemon set: one pod on each node, bound by the scheduler through its affinity, with the automatic tolerations', () =>
  cluster({}, async ({ clock, client, pods, events }) => {
    await client.resource(resources.daemonSets).create(agent());
    await clock.advance(2_000);
    const all = await pods();
    assert.deepEqual(nodesOf(all), ['n0', 'n1', 'n2']);
    const [pod] = all;
    assert.deepEqual(pod!.spec!.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution, {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [pod!.spec!.nodeName] }] }],
    });
    assert.deepEqual(
      pod!.spec!.tolerations!.map(({ key, effect }) => `${key?.split('/')[1]}:${effect}`),
      [
        'not-ready:NoExecute',
        'unreachable:NoExecute',
        'disk-pressure:NoSchedule',
        'memory-pressure:NoSchedule',
        'pid-pressure:NoSchedule',
        'unschedulable:NoSchedule',
      ],
    );
    const { status } = await get(client);
    assert.deepEqual(status, {
      currentNumberScheduled: 3,
      desiredNumberScheduled: 3,
      numberAvailable: 3,
      numberMisscheduled: 0,
      numberReady: 3,
      observedGeneration: 1,
      updatedNumberScheduled: 3,
    });
    assert.match((await events('DaemonSet'))[0]!, /^SuccessfulCreate: Created pod: agent-/);
  }));

test('daemon set: nodes come, go, change their labels; cordoned ones keep and get pods', () =>
  cluster({ nodes: 1 }, async ({ clock, client, pods }) => {
    const nodes = client.resource(resources.nodes);
    await nodes.create(node('ssd', { labels: { disk: 'ssd' } }));
    await client.resource(resources.daemonSets).create(agent('i:1', {}, { nodeSelector: { disk: 'ssd' } }));
    await clock.advance(2_000);
    assert.deepEqual(nodesOf(await pods()), ['ssd']);
    await nodes.patch('n0', { type: 'merge', patch: { metadata: { labels: { disk: 'ssd' } } } });
    await nodes.create(
      node('cordoned', {
        labels: { disk: 'ssd' },
        spec: { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] },
      }),
    );
    await clock.advance(2_000);
    assert.deepEqual(nodesOf(await pods()), ['cordoned', 'n0', 'ssd']);
    await nodes.patch('ssd', { type: 'merge', patch: { metadata: { labels: { disk: null } } } });
    await clock.advance(2_000);
    assert.deepEqual(nodesOf(await pods()), ['cordoned', 'n0']);
    assert.equal((await get(client)).status?.desiredNumberScheduled, 2);
  }));

test('daemon set: a NoSchedule taint keeps new pods off but lets present ones stay, NoExecute drives them out', () =>
  cluster({ nodes: 2 }, async ({ clock, client, pods }) => {
    await client.resource(resources.daemonSets).create(agent());
    await clock.advance(2_000);
    const nodes = client.resource(resources.nodes);
    const taint = (name: string, effect: string) =>
      nodes.patch(name, { type: 'merge', patch: { spec: { taints: [{ key: 'k', effect }] } } });
    await taint('n0', 'NoSchedule');
    await taint('n1', 'NoExecute');
    await clock.advance(2_000);
    assert.deepEqual(nodesOf(await pods()), ['n0']);
    const { status } = await get(client);
    assert.deepEqual([status?.desiredNumberScheduled, status?.numberMisscheduled], [0, 1]);
  }));

test('daemon set: a pod that was never bound to a vanished node is deleted', () =>
  cluster({ nodes: 1, kubelet: false }, async ({ clock, client, pods }) => {
    await client.resource(resources.daemonSets).create(agent('i:1', {}, { schedulingGates: [{ name: 'g' }] }));
    await clock.advance(1_000);
    assert.equal((await pods()).length, 1);
    await client.resource(resources.nodes).delete('n0');
    await clock.advance(1_000);
    assert.equal((await pods()).length, 0);
  }));

test('daemon set: a rolling update replaces maxUnavailable pods at a time and waits for them', () =>
  cluster({ nodes: 4, kubelet: { isReady: (pod) => imageOf(pod) !== 'broken' } }, async ({ clock, client, pods }) => {
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '50%' } };
    await client.resource(resources.daemonSets).create(agent('i:1', { updateStrategy }));
    await clock.advance(2_000);
    await setImage(client, 'broken');
    await clock.advance(60_000);
    const images = async () =>
      alive(await pods())
        .map(imageOf)
        .sort();
    assert.deepEqual(await images(), ['broken', 'broken', 'i:1', 'i:1']);
    assert.equal((await get(client)).status?.updatedNumberScheduled, 2);
    await setImage(client, 'i:2');
    await clock.advance(60_000);
    assert.deepEqual(await images(), ['i:2', 'i:2', 'i:2', 'i:2']);
  }));

test('daemon set: with maxSurge the new pod is there before the old one goes', () =>
  cluster({ nodes: 2, kubelet: { isReady: (pod) => imageOf(pod) !== 'broken' } }, async ({ clock, client, pods }) => {
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
    await client.resource(resources.daemonSets).create(agent('i:1', { updateStrategy }));
    await clock.advance(2_000);
    await setImage(client, 'broken');
    await clock.advance(10_000);
    assert.deepEqual((await pods()).map(imageOf).sort(), ['broken', 'i:1', 'i:1']);
    assert.equal((await get(client)).status?.numberAvailable, 2);
    await setImage(client, 'i:2');
    await clock.advance(20_000);
    assert.deepEqual((await pods()).map(imageOf), ['i:2', 'i:2']);
  }));

test('daemon set: with OnDelete only what the user deletes is replaced', () =>
  cluster({ nodes: 2 }, async ({ clock, client, pods }) => {
    await client.resource(resources.daemonSets).create(agent('i:1', { updateStrategy: { type: 'OnDelete' } }));
    await clock.advance(2_000);
    await setImage(client, 'i:2');
    await clock.advance(5_000);
    assert.deepEqual((await pods()).map(imageOf), ['i:1', 'i:1']);
    await client.resource(resources.pods).delete((await pods())[0]!.metadata.name!, { namespace });
    await clock.advance(5_000);
    assert.deepEqual((await pods()).map(imageOf).sort(), ['i:1', 'i:2']);
  }));

test('daemon set: revisions are numbered, come back under a new number, and those beyond the limit go', () =>
  cluster({ nodes: 1 }, async ({ clock, client }) => {
    await client.resource(resources.daemonSets).create(agent('i:1', { revisionHistoryLimit: 1 }));
    await clock.advance(5_000);
    const revisions = async () =>
      (await client.resource(resources.controllerRevisions).list({ namespace })).items
        .map(({ revision, data }) => [
          revision,
          (data as unknown as DaemonSet).spec!.template.spec!.containers[0]!.image,
        ])
        .sort();
    await setImage(client, 'i:2');
    await clock.advance(5_000);
    assert.deepEqual(await revisions(), [
      [1, 'i:1'],
      [2, 'i:2'],
    ]);
    await setImage(client, 'i:1');
    await clock.advance(5_000);
    assert.deepEqual(await revisions(), [
      [2, 'i:2'],
      [3, 'i:1'],
    ]);
    await setImage(client, 'i:3');
    await clock.advance(5_000);
    assert.deepEqual(await revisions(), [
      [3, 'i:1'],
      [4, 'i:3'],
    ]);
  }));

test('daemon set: applying a revision undoes a roll-out, and the name of a foreign revision is evaded', () =>
  cluster({ nodes: 1 }, async ({ clock, client, pods }) => {
    const daemonSets = client.resource(resources.daemonSets);
    await daemonSets.create(agent('i:1'));
    await clock.advance(5_000);
    const revisions = client.resource(resources.controllerRevisions);
    const [first] = (await revisions.list({ namespace })).items;
    // As Go writes a map: upstream compares the bytes.
    assert.match(
      JSON.stringify(first!.data),
      /^\{"spec":\{"template":\{"\$patch":"replace","metadata":\{.*\},"spec":\{"containers":\[\{"image":.*"name":/,
    );
    await setImage(client, 'i:2');
    await clock.advance(5_000);
    assert.deepEqual((await pods()).map(imageOf), ['i:2']);
    await daemonSets.patch('agent', { type: 'strategic', patch: first!.data as never }, { namespace });
    await clock.advance(5_000);
    assert.deepEqual((await pods()).map(imageOf), ['i:1']);
    await daemonSets.delete('agent', { namespace, body: { propagationPolicy: 'Background' } });
    await revisions.delete(first!.metadata.name!, { namespace });
    await revisions.create({ metadata: { name: first!.metadata.name!, namespace }, data: { spec: {} }, revision: 1 });
    await daemonSets.create({ ...agent('i:1'), metadata: { name: 'agent', namespace } });
    await clock.advance(5_000);
    assert.equal((await get(client)).status?.collisionCount, 1);
    assert.equal((await get(client)).status?.numberAvailable, 1);
  }));

test('daemon set: failed pods are replaced ever more slowly, and the user is told', () =>
  cluster({ nodes: 1, kubelet: false }, async ({ clock, client, pods, events, setPodStatus }) => {
    await client.resource(resources.daemonSets).create(agent());
    await clock.advance(100);
    const born: number[] = [];
    let last = '';
    for (let i = 0; i < 160; i++) {
      const [pod] = alive(await pods());
      if (pod && pod.metadata.name !== last) {
        last = pod.metadata.name!;
        born.push(clock.now());
        await setPodStatus(last, { phase: 'Failed' });
      }
      for (const { metadata } of await pods())
        if (metadata.deletionTimestamp)
          await client.resource(resources.pods).delete(metadata.name!, { namespace, body: { gracePeriodSeconds: 0 } });
      await clock.advance(100);
    }
    const gaps = born.slice(1).map((at, i) => Math.round((at - born[i]!) / 1000));
    assert.deepEqual(gaps, [0, 1, 2, 4, 8]);
    assert.ok(
      (await events('DaemonSet')).some((text) =>
        /^FailedDaemonPod: Found failed daemon pod default\/agent-/.test(text),
      ),
    );
  }));
