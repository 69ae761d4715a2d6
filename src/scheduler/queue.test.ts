import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types/core-v1.ts';
import { Action } from './core/cluster-events.ts';
import type { Plugin, QueuedPod } from './core/framework.ts';
import { PodInfo } from './core/pod-info.ts';
import { SchedulingQueue } from './core/queue.ts';
import { prioritySort } from './plugins/priority-sort.ts';
import { schedulingGates } from './plugins/scheduling-gates.ts';

const second = 1000;
const picky: Plugin = {
  name: 'Picky',
  events: [
    {
      resource: 'Node',
      action: Action.add,
      hint: (_, { object }) => (object === 'good' ? 'queue' : 'skip'),
    },
  ],
};
const anyEvent: Plugin = { name: 'AnyEvent' };
const makeQueue = () => new SchedulingQueue([prioritySort(), schedulingGates(), picky, anyEvent]);
const pod = (name: string, spec: Partial<Pod['spec']> = {}): PodInfo =>
  new PodInfo({ metadata: { name, namespace: 'default', uid: name }, spec: { containers: [], ...spec } });
const nodeAdd = (object: unknown) => ({ resource: 'Node', action: Action.add, label: 'NodeAdd', object }) as const;

/** Pops and fails the pod as unschedulable. */
function fail(queue: SchedulingQueue, nowMs: number, by = 'Picky'): QueuedPod {
  const queued = queue.pop(nowMs)!;
  queue.addUnschedulable(queued, new Set([by]), nowMs);
  return queued;
}

test('queue: the back-off doubles from one to ten seconds', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  let now = 0;
  const delays: number[] = [];
  for (let i = 0; i < 6; i++) {
    fail(queue, now);
    queue.onEvent(nodeAdd('good'), now);
    const end = queue.nextBackoffMs()!;
    delays.push(end - now);
    now = end;
    queue.flushBackoff(now);
  }
  assert.deepEqual(
    delays,
    [1, 2, 4, 8, 10, 10].map((s) => s * second),
  );
});

test('queue: errors back off on their own, however idle the scheduler is', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  queue.addAfterError(queue.pop(0)!, 0);
  assert.equal(queue.pop(500), undefined);
  queue.flushBackoff(1 * second);
  const queued = queue.pop(1 * second)!;
  queue.addAfterError(queued, 1 * second);
  assert.equal(queue.nextBackoffMs(), 3 * second);
});

test('queue: a success between failures starts the error back-off over', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  queue.addAfterError(queue.pop(0)!, 0);
  queue.flushBackoff(1 * second);
  queue.addUnschedulable(queue.pop(1 * second)!, new Set(['Picky']), 1 * second);
  queue.onEvent(nodeAdd('good'), 10 * second);
  queue.addAfterError(queue.pop(10 * second)!, 10 * second);
  assert.equal(queue.nextBackoffMs(), 11 * second);
});

test('queue: only events that the rejecting plugin cares about bring a pod back', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  fail(queue, 0);
  assert.equal(queue.onEvent(nodeAdd('bad'), 5 * second), 0);
  assert.equal(
    queue.onEvent({ resource: 'AssignedPod', action: Action.delete, label: 'AssignedPodDelete' }, 5 * second),
    0,
  );
  assert.equal(queue.onEvent(nodeAdd('good'), 5 * second), 1);
  assert.equal(queue.pop(5 * second)?.pod.name, 'p');
});

test('queue: a plugin without registrations is asked about every event', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  fail(queue, 0, 'AnyEvent');
  assert.equal(
    queue.onEvent({ resource: 'StorageClass', action: Action.add, label: 'StorageClassAdd' }, 5 * second),
    1,
  );
});

test('queue: higher priority goes first, then who waited longer, also within one millisecond', () => {
  const queue = makeQueue();
  for (const [name, priority] of [
    ['a', 0],
    ['b', 0],
    ['c', 5],
    ['d', 0],
  ] as const)
    queue.add(pod(name, { priority }), 0);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => queue.pop(0)?.pod.name),
    ['c', 'a', 'b', 'd'],
  );
});

test('queue: gated pods wait outside and enter when the last gate is gone', () => {
  const queue = makeQueue();
  queue.add(pod('p', { schedulingGates: [{ name: 'x' }, { name: 'y' }] }), 0);
  assert.deepEqual(queue.sizes, { active: 0, backoff: 0, unschedulable: 0, gated: 1 });
  queue.update(pod('p', { schedulingGates: [{ name: 'y' }] }), 1, []);
  assert.equal(queue.pop(1), undefined);
  assert.equal(queue.onEvent(nodeAdd('good'), 1), 0);
  queue.update(pod('p'), 2, []);
  assert.equal(queue.pop(2)?.pod.name, 'p');
});

test('queue: unschedulable pods are tried again after five minutes', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  fail(queue, 0);
  queue.flushUnschedulable(300 * second);
  assert.equal(queue.hasNext, false);
  queue.flushUnschedulable(300 * second + 1);
  assert.equal(queue.pop(301 * second)?.pod.name, 'p');
});

test('queue: a pod deleted during its cycle does not come back', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  const queued = queue.pop(0)!;
  queue.delete('p');
  queue.addUnschedulable(queued, new Set(['Picky']), 0);
  assert.deepEqual(queue.sizes, { active: 0, backoff: 0, unschedulable: 0, gated: 0 });
});

test('queue: an update during the binding is kept for the next attempt', () => {
  const queue = makeQueue();
  queue.add(pod('p'), 0);
  const queued = queue.pop(0)!;
  queue.update(pod('p', { priority: 7 }), 0, []);
  queue.addAfterError(queued, 0);
  queue.flushBackoff(second);
  assert.equal(queue.pop(second)?.pod.priority, 7);
});

test('queue: within one second of back-off priority decides', () => {
  const queue = makeQueue();
  queue.add(pod('low'), 0);
  fail(queue, 0);
  queue.add(pod('high', { priority: 9 }), 900);
  fail(queue, 900);
  queue.onEvent(nodeAdd('good'), 950);
  assert.deepEqual([queue.pop(960)?.pod.name, queue.pop(960)?.pod.name], ['high', 'low']);
});
