import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types/core-v1.ts';
import { defaultKubeletConfig } from '../config.ts';
import { startHollowNode } from '../testdata/hollow-node.ts';
import { shutdownGroups } from './node-shutdown.ts';
import { podsToPreempt } from './preemption.ts';

const pod = (name: string, cpu: string, qosClass: string, priority = 0): Pod => ({
  metadata: { name, namespace: 'default', uid: name },
  spec: { priority, containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] },
  status: { qosClass },
});
const critical = pod('critical', '1', 'Burstable', 2_000_000_000);
const names = (pods: readonly Pod[] | undefined) => pods?.map(({ metadata }) => metadata.name);

for (const [name, pods, lacking, want] of [
  ['the one pod that is enough', [pod('a', '1', 'Burstable'), pod('b', '3', 'Burstable')], { cpu: 1000 }, ['a']],
  [
    'a burstable pod before a guaranteed one',
    [pod('g', '1', 'Guaranteed'), pod('b', '1', 'Burstable')],
    { cpu: 1000 },
    ['b'],
  ],
  ['as many as it takes', [pod('a', '1', 'Burstable'), pod('b', '1', 'Burstable')], { cpu: 2000 }, ['a', 'b']],
  ['nobody when all together are not enough', [pod('a', '1', 'Burstable')], { cpu: 2000 }, undefined],
  ['no critical pod', [pod('a', '1', 'Burstable', 2_000_000_000)], { cpu: 1000 }, undefined],
  ['a place among pods', [pod('a', '1', 'BestEffort')], { pods: 1 }, ['a']],
] as const)
  test(`preemption: ${name}`, () => assert.deepEqual(names(podsToPreempt(critical, pods, lacking)), want));

test('preemption: a critical pod that does not fit starts when a lesser one has ended', async () => {
  const node = await startHollowNode();
  try {
    node.createPod('small', { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '3' } } }] });
    await node.clock.advance(1000);
    node.createPod('big', {
      priority: 2_000_000_000,
      containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' } } }],
    });
    await node.clock.advance(5000);
    const small = node.pod('small')?.status;
    assert.deepEqual(
      [small?.phase, small?.reason, small?.conditions?.find((c) => c.type === 'DisruptionTarget')?.reason],
      ['Failed', 'Preempting', 'TerminationByKubelet'],
    );
    assert.equal(node.pod('big')?.status?.phase, 'Running');
  } finally {
    await node.stop();
  }
});

test('shutdown: who is not critical has the time that critical pods leave; groups by priority instead when configured', () => {
  const of = (fields: object) => shutdownGroups({ ...defaultKubeletConfig, ...fields });
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ shutdownGracePeriodMs: 30_000, shutdownGracePeriodCriticalPodsMs: 10_000 }), [
    { priority: 0, seconds: 20 },
    { priority: 2_000_000_000, seconds: 10 },
  ]);
  const byPriority = [
    { priority: 100, shutdownGracePeriodSeconds: 5 },
    { priority: 0, shutdownGracePeriodSeconds: 9 },
  ];
  assert.deepEqual(of({ shutdownGracePeriodByPodPriority: byPriority }), [
    { priority: 0, seconds: 9 },
    { priority: 100, seconds: 5 },
  ]);
});

test('shutdown: pods end as Terminated, the node says why it is not ready, and new pods are refused', async () => {
  const node = await startHollowNode({
    config: { shutdownGracePeriodMs: 30_000, shutdownGracePeriodCriticalPodsMs: 10_000 },
  });
  try {
    node.createPod('web');
    await node.clock.advance(1000);
    void node.kubelet.parts?.shutdown();
    await node.clock.advance(5000);
    const web = node.pod('web')?.status;
    assert.deepEqual([web?.phase, web?.reason], ['Failed', 'Terminated']);
    node.createPod('late');
    await node.clock.advance(1000);
    assert.equal(node.pod('late')?.status?.reason, 'NodeShutdown');
    const ready = (
      node.server.get('/api/v1/nodes/n1')!.status as { conditions: { type: string; message: string }[] }
    ).conditions.find(({ type }) => type === 'Ready');
    assert.equal(ready?.message, 'node is shutting down');
  } finally {
    await node.stop();
  }
});
