import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMicroTime, formatTime } from '../../api/time.ts';
import type { Node } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createTaintEvictionController } from '../taint-eviction/taint-eviction.ts';
import { type Bench, createBench } from '../testdata/controller-bench.ts';
import { createNodeLifecycleController } from './node-lifecycle.ts';
import { labelsToReconcile, withNoScheduleTaints } from './node-taints.ts';
import { defaultEvictionRates, evictionRate, zoneState } from './zones.ts';

function putNode(bench: Bench, name: string, ready: string | undefined = 'True', labels = {}): void {
  const at = formatTime(bench.clock.now());
  bench.put(resources.nodes, {
    metadata: { name, labels, creationTimestamp: at },
    spec: {},
    status: {
      conditions: ready
        ? [{ type: 'Ready', status: ready, reason: 'KubeletReady', lastHeartbeatTime: at, lastTransitionTime: at }]
        : [],
    },
  });
}
function renew(bench: Bench, name: string): void {
  bench.put(resources.leases, {
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, renewTime: formatMicroTime(bench.clock.now()) },
  });
}
/** Some nodes renew their leases each ten seconds of the time that passes. */
async function pass(bench: Bench, seconds: number, alive: readonly string[]): Promise<void> {
  for (let left = seconds; left > 0; left -= 10) {
    for (const name of alive) renew(bench, name);
    await bench.clock.advance(Math.min(left, 10) * 1000);
  }
}
const read = (bench: Bench, name: string): Node => bench.get(resources.nodes, '', name)!;
const taints = (bench: Bench, name: string): string[] =>
  (read(bench, name).spec?.taints ?? []).map((t) => `${t.key.split('/')[1]}:${t.effect}`).sort();
const ready = (bench: Bench, name: string): string[] => {
  const condition = read(bench, name).status?.conditions?.find((c) => c.type === 'Ready');
  return [condition?.status ?? '', condition?.reason ?? ''];
};

test('node lifecycle: a silent node becomes Unknown after 50 seconds, its pods not ready, and is tainted', async () => {
  const bench = createBench();
  for (const name of ['a', 'b', 'c']) putNode(bench, name);
  bench.put(resources.pods, {
    metadata: { name: 'p', namespace: 'ns' },
    spec: { containers: [], nodeName: 'a' },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
  bench.start(createNodeLifecycleController());
  await pass(bench, 50, ['b', 'c']);
  assert.deepEqual(ready(bench, 'a'), ['True', 'KubeletReady']);
  await pass(bench, 10, ['b', 'c']);
  assert.deepEqual(ready(bench, 'a'), ['Unknown', 'NodeStatusUnknown']);
  const memory = read(bench, 'a').status?.conditions?.find((c) => c.type === 'MemoryPressure');
  assert.deepEqual([memory?.status, memory?.reason], ['Unknown', 'NodeStatusNeverUpdated']);
  assert.equal(bench.get(resources.pods, 'ns', 'p')?.status?.conditions?.[0]?.status, 'False');
  assert.deepEqual(taints(bench, 'a'), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  assert.deepEqual(bench.events, [
    'NodeNotReady a: Node a status is now: NodeNotReady',
    'NodeNotReady p: Node is not ready',
  ]);
  assert.deepEqual(taints(bench, 'b'), []);
  await bench.stop();
});

test('node lifecycle: a node that comes back loses its taints', async () => {
  const bench = createBench();
  for (const name of ['a', 'b']) putNode(bench, name);
  bench.start(createNodeLifecycleController());
  await pass(bench, 70, ['b']);
  assert.equal(taints(bench, 'a').length, 2);
  const node = read(bench, 'a');
  const at = formatTime(bench.clock.now());
  bench.put(resources.nodes, {
    ...node,
    status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: at, lastTransitionTime: at }] },
  });
  await pass(bench, 10, ['a', 'b']);
  assert.deepEqual(taints(bench, 'a'), []);
  await bench.stop();
});

test('node lifecycle: a node that never said anything gets 60 seconds', async () => {
  const bench = createBench();
  putNode(bench, 'a', '');
  putNode(bench, 'b');
  bench.start(createNodeLifecycleController());
  await pass(bench, 60, ['b']);
  assert.deepEqual(ready(bench, 'a'), ['', '']);
  await pass(bench, 10, ['b']);
  assert.deepEqual(ready(bench, 'a'), ['Unknown', 'NodeStatusNeverUpdated']);
  await bench.stop();
});

test('node lifecycle: a node that says it is not ready is tainted so, and the taint changes when it falls silent', async () => {
  const bench = createBench();
  putNode(bench, 'a', 'False');
  putNode(bench, 'b');
  bench.start(createNodeLifecycleController());
  await pass(bench, 10, ['a', 'b']);
  assert.deepEqual(taints(bench, 'a'), ['not-ready:NoExecute', 'not-ready:NoSchedule']);
  await pass(bench, 70, ['b']);
  assert.deepEqual(taints(bench, 'a'), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  await bench.stop();
});

test('node lifecycle: in a healthy zone nodes are given up one in ten seconds', async () => {
  const bench = createBench();
  const alive = ['x', 'y', 'z', 'v', 'w'];
  for (const name of ['a', 'b', 'c', ...alive]) putNode(bench, name);
  bench.start(createNodeLifecycleController());
  const givenUp = (): number =>
    ['a', 'b', 'c'].filter((name) => taints(bench, name).includes('unreachable:NoExecute')).length;
  await pass(bench, 60, alive);
  assert.equal(givenUp(), 1);
  await pass(bench, 10, alive);
  assert.equal(givenUp(), 2);
  await pass(bench, 10, alive);
  assert.equal(givenUp(), 3);
  await bench.stop();
});

test('node lifecycle: when all nodes are silent nobody is given up, until one is back', async () => {
  const bench = createBench();
  for (const name of ['a', 'b', 'c']) putNode(bench, name);
  bench.start(createNodeLifecycleController());
  await pass(bench, 300, []);
  for (const name of ['a', 'b', 'c']) assert.deepEqual(taints(bench, name), ['unreachable:NoSchedule']);
  const at = formatTime(bench.clock.now());
  bench.put(resources.nodes, {
    ...read(bench, 'a'),
    status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: at }] },
  });
  await pass(bench, 120, ['a']);
  assert.deepEqual(taints(bench, 'a'), []);
  assert.deepEqual(taints(bench, 'b'), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  await bench.stop();
});

for (const [name, statuses, want] of [
  ['all ready', ['True', 'True'], 'Normal'],
  ['two of three not ready are too few to tell', ['False', 'Unknown', 'True'], 'Normal'],
  ['three of five', ['False', 'Unknown', 'False', 'True', 'True'], 'PartialDisruption'],
  ['none ready', ['Unknown'], 'FullDisruption'],
  ['none there', [], 'Normal'],
] as const)
  test(`zones: ${name} is ${want}`, () => assert.equal(zoneState(statuses, 0.55), want));

test('zones: a small zone partly disrupted gives up nobody, a large one slowly', () => {
  assert.equal(evictionRate('PartialDisruption', 50, defaultEvictionRates), 0);
  assert.equal(evictionRate('PartialDisruption', 51, defaultEvictionRates), 0.01);
  assert.equal(evictionRate('FullDisruption', 5, defaultEvictionRates), 0.1);
});

test('taints: conditions and being unschedulable become NoSchedule taints; those of others stay', () => {
  const node: Node = {
    metadata: { name: 'n' },
    spec: {
      unschedulable: true,
      taints: [
        { key: 'mine', effect: 'NoSchedule' },
        { key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' },
        { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' },
      ],
    },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'MemoryPressure', status: 'True' },
        { type: 'DiskPressure', status: 'False' },
      ],
    },
  };
  assert.deepEqual(
    withNoScheduleTaints(node, 'now').map(({ key, effect }) => `${key}:${effect}`),
    [
      'mine:NoSchedule',
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/memory-pressure:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
    ],
  );
});

test('labels: the beta labels of system and processor follow the stable ones', () => {
  const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', 'beta.kubernetes.io/arch': 'amd64' };
  assert.deepEqual(labelsToReconcile({ metadata: { labels } }), { 'beta.kubernetes.io/os': 'linux' });
  assert.equal(labelsToReconcile({ metadata: {} }), undefined);
});

test('node death: five minutes after its node fell silent a pod is deleted', async () => {
  const bench = createBench();
  for (const name of ['a', 'b']) putNode(bench, name);
  const tolerations = ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 300,
  }));
  bench.put(resources.pods, {
    metadata: { name: 'p', namespace: 'ns' },
    spec: { containers: [], nodeName: 'a', tolerations },
  });
  bench.start(createNodeLifecycleController());
  bench.start(createTaintEvictionController());
  await pass(bench, 350, ['b']);
  assert.equal(bench.get(resources.pods, 'ns', 'p')?.metadata.deletionTimestamp, undefined);
  await pass(bench, 10, ['b']);
  const pod = bench.get(resources.pods, 'ns', 'p');
  assert.ok(pod?.metadata.deletionTimestamp);
  assert.deepEqual(
    pod.status?.conditions?.map(({ type, reason }) => [type, reason]),
    [['DisruptionTarget', 'DeletionByTaintManager']],
  );
  assert.ok(bench.events.includes('TaintManagerEviction p: Marking for deletion Pod ns/p'));
  await bench.stop();
});
