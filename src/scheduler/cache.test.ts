import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../api/types/core-v1.ts';
import { SchedulerCache } from './core/cache.ts';
import { compileLabelMap } from './core/label-matcher.ts';
import { PodInfo } from './core/pod-info.ts';

const node = (name: string, zone = ''): Node => ({
  metadata: { name, labels: zone ? { 'topology.kubernetes.io/zone': zone } : {} },
  status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' } },
});
const pod = (name: string, cpu: string, extra: { deleting?: boolean; nodeName?: string } = {}): PodInfo =>
  new PodInfo({
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      labels: { app: 'web' },
      ...(extra.deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      containers: [{ name: 'c', resources: { requests: { cpu } } }],
      ...(extra.nodeName ? { nodeName: extra.nodeName } : {}),
    },
  });
const used = (cache: SchedulerCache, name: string) => cache.snapshot.get(name)?.requested.cpuMilli;

test('cache: an assumed pod counts until it is forgotten', () => {
  const cache = new SchedulerCache();
  cache.setNode(node('n'));
  cache.assume(pod('p', '1'), 'n');
  assert.equal(used(cache, 'n'), 1000);
  assert.equal(cache.forget('p'), true);
  assert.equal(used(cache, 'n'), 0);
});

test('cache: what the informer says wins over what was assumed', () => {
  const cache = new SchedulerCache();
  cache.setNode(node('n1'));
  cache.setNode(node('n2'));
  cache.assume(pod('p', '1'), 'n1');
  cache.setPod(pod('p', '2', { nodeName: 'n2' }));
  assert.deepEqual([used(cache, 'n1'), used(cache, 'n2'), cache.isAssumed('p')], [0, 2000, false]);
  assert.equal(cache.forget('p'), false);
});

test('cache: assuming a pod twice is a programming error', () => {
  const cache = new SchedulerCache();
  cache.setNode(node('n'));
  cache.assume(pod('p', '1'), 'n');
  assert.throws(() => cache.assume(pod('p', '1'), 'n'), /is in the cache already/);
});

test('cache: assumed pods expire after their time, counted from the binding', () => {
  const cache = new SchedulerCache({ assumedPodTtlMs: 30_000 });
  cache.setNode(node('n'));
  cache.assume(pod('p', '1'), 'n');
  assert.deepEqual(cache.expire(1e9), []);
  cache.bindingFinished('p', 1000);
  assert.deepEqual(cache.expire(30_999), []);
  assert.deepEqual(
    cache.expire(31_000).map(({ name }) => name),
    ['p'],
  );
  assert.equal(used(cache, 'n'), 0);
});

test('cache: a pod may come before its node, and stay after it', () => {
  const cache = new SchedulerCache();
  cache.setPod(pod('p', '1', { nodeName: 'n' }));
  assert.equal(cache.snapshot.get('n'), undefined);
  cache.setNode(node('n'));
  assert.equal(used(cache, 'n'), 1000);
  cache.removeNode('n');
  assert.equal(cache.nodeCount, 0);
  cache.removePod('p');
  cache.setNode(node('n'));
  assert.equal(used(cache, 'n'), 0);
});

test('cache: nodes come from all zones in turn', () => {
  const cache = new SchedulerCache();
  for (const [name, zone] of [
    ['a1', 'a'],
    ['a2', 'a'],
    ['b1', 'b'],
    ['c1', 'c'],
    ['b2', 'b'],
  ] as const)
    cache.setNode(node(name, zone));
  assert.deepEqual(
    cache.snapshot.nodes.map(({ name }) => name),
    ['a1', 'b1', 'c1', 'a2', 'b2'],
  );
  cache.setNode(node('a2', 'c'));
  assert.deepEqual(
    cache.snapshot.nodes.map(({ name }) => name),
    ['a1', 'a2', 'b1', 'c1', 'b2'],
  );
});

test('cache: matching pods are counted at the first question and kept up to date after it', () => {
  const cache = new SchedulerCache();
  cache.setNode(node('n1'));
  cache.setNode(node('n2'));
  cache.setPod(pod('p1', '1', { nodeName: 'n1' }));
  const selector = compileLabelMap({ app: 'web' });
  const count = (name: string) =>
    cache.snapshot.matchingPods('default', selector, { withTerminating: false })[cache.snapshot.get(name)!.slot];
  assert.deepEqual([count('n1'), count('n2')], [1, 0]);
  cache.assume(pod('p2', '1'), 'n2');
  cache.setPod(pod('p1', '1', { nodeName: 'n1', deleting: true }));
  assert.deepEqual([count('n1'), count('n2')], [0, 1]);
  cache.removePod('p2');
  assert.deepEqual([count('n1'), count('n2')], [0, 0]);
});
