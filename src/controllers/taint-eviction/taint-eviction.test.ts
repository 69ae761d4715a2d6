import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Toleration } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { type Bench, createBench } from '../testdata/controller-bench.ts';
import { createTaintEvictionController } from './taint-eviction.ts';
import { tolerates, tolerationMs } from './tolerations.ts';

const taint = { key: 'k', value: 'v', effect: 'NoExecute' };
for (const [name, toleration, want] of [
  ['the same key and value', { key: 'k', value: 'v' }, true],
  ['another value', { key: 'k', value: 'w' }, false],
  ['another effect', { key: 'k', operator: 'Exists', effect: 'NoSchedule' }, false],
  ['the key exists', { key: 'k', operator: 'Exists' }, true],
  ['everything', { operator: 'Exists' }, true],
  ['an unknown operator', { key: 'k', operator: 'Near' }, false],
] satisfies readonly (readonly [string, Toleration, boolean])[])
  test(`toleration: ${name} ${want ? 'is' : 'is not'} tolerated`, () =>
    assert.equal(tolerates(toleration, taint), want));

test('toleration: the shortest time of those that are used counts', () => {
  const taints = [taint, { key: 'l', effect: 'NoExecute' }];
  const all: Toleration = { operator: 'Exists', tolerationSeconds: 60 };
  assert.equal(tolerationMs(taints, [all]), 60_000);
  assert.equal(tolerationMs(taints, [{ ...all, key: 'k' }]), 0);
  assert.equal(tolerationMs(taints, [{ operator: 'Exists' }, all]), Number.POSITIVE_INFINITY);
  assert.equal(
    tolerationMs(taints, [{ key: 'k', operator: 'Exists', tolerationSeconds: 5 }, { operator: 'Exists' }]),
    5000,
  );
  assert.equal(tolerationMs(taints, [{ operator: 'Exists', tolerationSeconds: -3 }]), 0);
});

const put = (bench: Bench, name: string, tolerations: Toleration[] = []): void =>
  void bench.put(resources.pods, {
    metadata: { name, namespace: 'ns' },
    spec: { containers: [], nodeName: 'n', tolerations },
  });
const setTaints = (bench: Bench, taints: (typeof taint)[]): void =>
  void bench.put(resources.nodes, { metadata: { name: 'n' }, spec: { taints } });
const deleted = (bench: Bench, name: string): boolean =>
  bench.get(resources.pods, 'ns', name)?.metadata.deletionTimestamp !== undefined;

test('taint eviction: at once without a toleration, after its time with one, never with one for ever', async () => {
  const bench = createBench();
  setTaints(bench, []);
  put(bench, 'now');
  put(bench, 'later', [{ operator: 'Exists', tolerationSeconds: 60 }]);
  put(bench, 'never', [{ operator: 'Exists' }]);
  bench.start(createTaintEvictionController());
  await bench.clock.advance(1000);
  setTaints(bench, [taint]);
  await bench.clock.advance(1000);
  assert.deepEqual(
    ['now', 'later', 'never'].map((name) => deleted(bench, name)),
    [true, false, false],
  );
  await bench.clock.advance(60_000);
  assert.deepEqual(
    ['later', 'never'].map((name) => deleted(bench, name)),
    [true, false],
  );
  await bench.stop();
});

test('taint eviction: a taint taken away in time cancels the deletion', async () => {
  const bench = createBench();
  setTaints(bench, [taint]);
  put(bench, 'p', [{ operator: 'Exists', tolerationSeconds: 60 }]);
  bench.start(createTaintEvictionController());
  await bench.clock.advance(30_000);
  setTaints(bench, []);
  await bench.clock.advance(120_000);
  assert.equal(deleted(bench, 'p'), false);
  assert.deepEqual(bench.events, ['TaintManagerEviction p: Cancelling deletion of Pod ns/p']);
  await bench.stop();
});

test('taint eviction: a pod that comes onto a tainted node is looked at too', async () => {
  const bench = createBench();
  setTaints(bench, [taint]);
  bench.start(createTaintEvictionController());
  await bench.clock.advance(1000);
  put(bench, 'p');
  await bench.clock.settle();
  assert.ok(deleted(bench, 'p'));
  await bench.stop();
});
