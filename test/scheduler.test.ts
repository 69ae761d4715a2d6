/** The scheduler against the real API server in virtual time: what `core/`'s golden scripts cannot show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { createVirtualClock, type VirtualClock } from '../src/base/virtual-clock.ts';
import type { Plugin } from '../src/scheduler/core/framework.ts';
import { rejected } from '../src/scheduler/core/status.ts';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './support/control-plane.ts';

const namespace = 'default';

async function withScheduler(
  options: Partial<ControlPlaneOptions> & { readonly nodes?: number; readonly cpu?: string },
  body: (
    cluster: ControlPlane & {
      readonly clock: VirtualClock;
      create(name: string, spec?: Partial<Pod['spec']>): Promise<Pod>;
      get(name: string): Promise<Pod>;
    },
  ) => Promise<void>,
): Promise<void> {
  const clock = createVirtualClock();
  const plane = await startControlPlane({ clock, scheduler: {}, ...options });
  const pods = plane.client.resource(resources.pods);
  try {
    await plane.client.resource(resources.namespaces).create({ metadata: { name: namespace } });
    for (let i = 0; i < (options.nodes ?? 2); i++)
      await plane.client.resource(resources.nodes).create({
        metadata: { name: `n${i}`, labels: { 'kubernetes.io/hostname': `n${i}` } },
        status: { allocatable: { cpu: options.cpu ?? '4', memory: '8Gi', pods: '110' } },
      });
    await clock.settle();
    await body({
      ...plane,
      clock,
      create: (name, spec = {}) =>
        pods.create({ metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } }),
      get: (name) => pods.get(name, { namespace }),
    });
  } finally {
    await plane.stop();
  }
  assert.equal(clock.pendingTimers, 0, 'timers left after the stop');
}
const scheduled = ({ status }: Pod): string | undefined => {
  const condition = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return condition && [condition.status, condition.reason, condition.message].filter(Boolean).join(' ');
};

test('scheduler: pods of other schedulers are left alone', () =>
  withScheduler({}, async ({ create, get, clock }) => {
    await create('mine');
    await create('theirs', { schedulerName: 'custom' });
    await clock.advance(1_000);
    assert.ok((await get('mine')).spec?.nodeName);
    assert.equal((await get('theirs')).spec?.nodeName, undefined);
  }));

test('scheduler: many pods at once fill the nodes exactly, and none twice', () =>
  withScheduler({ nodes: 20, cpu: '10' }, async ({ client, create, clock }) => {
    const spec = { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1' } } }] };
    await Promise.all(Array.from({ length: 205 }, (_, i) => create(`p${i}`, spec)));
    await clock.advance(3_000);
    const all = (await client.resource(resources.pods).list({ namespace })).items;
    const byNode = Object.groupBy(all, (pod) => pod.spec?.nodeName ?? 'none');
    assert.equal(byNode.none?.length, 5);
    for (let i = 0; i < 20; i++) assert.equal(byNode[`n${i}`]?.length, 10, `n${i}`);
  }));

test('scheduler: a pod with gates waits until the last one is gone', () =>
  withScheduler({}, async ({ client, create, get, clock }) => {
    await create('gated', { schedulingGates: [{ name: 'example.com/a' }, { name: 'example.com/b' }] });
    await clock.advance(1_000);
    assert.match(scheduled(await get('gated')) ?? '', /^False SchedulingGated/);
    const pods = client.resource(resources.pods);
    const pod = await get('gated');
    await pods.update({ ...pod, spec: { ...pod.spec!, schedulingGates: [{ name: 'example.com/b' }] } });
    await clock.advance(1_000);
    assert.equal((await get('gated')).spec?.nodeName, undefined);
    const { schedulingGates: _gates, ...spec } = (await get('gated')).spec!;
    await pods.update({ ...(await get('gated')), spec });
    await clock.advance(1_000);
    assert.equal(scheduled(await get('gated')), 'True');
  }));

test('scheduler: a binding that fails is tried again after its back-off, and its room is free meanwhile', () => {
  let failures = 2;
  const flaky: Plugin = {
    name: 'Flaky',
    events: [],
    preBind: (pod) =>
      pod.name === 'first' && failures-- > 0 ? Promise.reject(new Error('no luck')) : Promise.resolve(),
  };
  const big = { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '3' } } }] };
  return withScheduler({ plugins: [flaky], nodes: 1 }, async ({ create, get, clock }) => {
    await create('first', big);
    await clock.settle();
    assert.equal(scheduled(await get('first')), 'False SchedulerError binding rejected: no luck');
    await create('second', big);
    await clock.settle();
    assert.equal(scheduled(await get('second')), 'True');
  });
});

test('scheduler: a plugin that throws is an error of the attempt, not the end of the scheduler', () => {
  let broken = true;
  const bad: Plugin = {
    name: 'Bad',
    preFilter() {
      if (broken) throw new Error('lost my notes');
      return 'skip';
    },
  };
  return withScheduler({ plugins: [bad] }, async ({ create, get, clock }) => {
    await create('p');
    await clock.settle();
    assert.equal(scheduled(await get('p')), 'False SchedulerError lost my notes');
    broken = false;
    await clock.advance(2_000);
    assert.equal(scheduled(await get('p')), 'True');
  });
});

test('scheduler: Permit holds a pod until the plugin allows it, and refuses it when the plugin takes too long', () => {
  const allow = new Map<string, () => void>();
  const patient: Plugin = {
    name: 'Patient',
    events: [],
    permit: (pod) => ({
      kind: 'wait',
      timeoutMs: 10_000,
      decided: new Promise((resolve) => allow.set(pod.name, () => resolve({ kind: 'allow' }))),
    }),
  };
  return withScheduler({ plugins: [patient] }, async ({ create, get, clock }) => {
    await create('good');
    await create('late');
    await clock.advance(5_000);
    assert.equal((await get('good')).spec?.nodeName, undefined);
    allow.get('good')!();
    await clock.settle();
    assert.equal(scheduled(await get('good')), 'True');
    await clock.advance(5_000);
    assert.equal(
      scheduled(await get('late')),
      'False Unschedulable 0/1 nodes are available: 1 rejected due to timeout after waiting 10s at plugin Patient.',
    );
    await clock.advance(1_000);
    allow.get('late')!();
    await clock.settle();
    assert.equal(scheduled(await get('late')), 'True');
  });
});

test('scheduler: Reserve may refuse, and what was reserved before is given back', () => {
  const log: string[] = [];
  const first: Plugin = {
    name: 'First',
    events: [],
    reserve: () => void log.push('reserve'),
    unreserve: () => void log.push('unreserve'),
  };
  const second: Plugin = {
    name: 'Second',
    events: [],
    reserve: () => rejected('Second', 'node(s) said no', { preemptionMayHelp: false }),
  };
  return withScheduler({ plugins: [first, second] }, async ({ create, get, clock }) => {
    await create('p');
    await clock.settle();
    assert.equal(scheduled(await get('p')), 'False Unschedulable 0/1 nodes are available: 1 node(s) said no.');
    assert.deepEqual(log, ['reserve', 'unreserve']);
  });
});

test('scheduler: a pod that is deleted while it waits is forgotten', () =>
  withScheduler({ nodes: 0 }, async ({ client, create, clock, metrics }) => {
    await create('p');
    await clock.settle();
    assert.match(await metrics.text(), /scheduler_pending_pods\{queue="unschedulable"\} 1/);
    await client.resource(resources.pods).delete('p', { namespace, body: { gracePeriodSeconds: 0 } });
    await clock.settle();
    assert.match(await metrics.text(), /scheduler_pending_pods\{queue="unschedulable"\} 0/);
  }));

test('scheduler: an uncordoned node takes the pods that waited for it', () =>
  withScheduler({ nodes: 1 }, async ({ client, create, get, clock }) => {
    const nodes = client.resource(resources.nodes);
    await nodes.patch('n0', { type: 'merge', patch: { spec: { unschedulable: true } } });
    await create('p');
    await clock.settle();
    assert.equal(
      scheduled(await get('p')),
      'False Unschedulable 0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    );
    await nodes.patch('n0', { type: 'merge', patch: { spec: { unschedulable: false } } });
    await clock.advance(2_000);
    assert.equal(scheduled(await get('p')), 'True');
  }));

test('scheduler: metrics carry upstream names and labels', () =>
  withScheduler({ nodes: 1 }, async ({ create, clock, metrics }) => {
    await create('p');
    await create('big', { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '64' } } }] });
    await clock.settle();
    const text = await metrics.text();
    for (const line of [
      'scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 1',
      'scheduler_schedule_attempts_total{result="unschedulable",profile="default-scheduler"} 1',
      'scheduler_pending_pods{queue="active"} 0',
      'scheduler_pending_pods{queue="unschedulable"} 1',
      'scheduler_queue_incoming_pods_total{queue="active",event="PodAdd"} 2',
      'scheduler_pod_scheduling_attempts_bucket{le="1"} 1',
      'scheduler_cache_size{type="nodes"} 1',
    ])
      assert.ok(text.includes(line), `${line}\n${text}`);
  }));
