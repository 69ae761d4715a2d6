import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createPodGarbageCollector, terminatedBeyond } from './pod-garbage-collector.ts';
import { createBench } from './testdata/controller-bench.ts';

const pod = (
  name: string,
  phase: string,
  more: { spec?: Partial<Pod['spec'] & object>; metadata?: object; status?: object } = {},
) => ({
  metadata: { name, namespace: 'ns', ...more.metadata },
  spec: { containers: [], ...more.spec },
  status: { phase, ...more.status },
});

test('pod gc: of terminated pods the oldest beyond the threshold go, evicted ones before all', () => {
  const made = (name: string, day: number, status = {}): Pod =>
    pod(name, 'Failed', { metadata: { creationTimestamp: `2026-01-0${day}T00:00:00Z` }, status });
  const pods = [made('young', 3), made('old', 1), made('evicted', 4, { reason: 'Evicted' }), pod('running', 'Running')];
  assert.deepEqual(
    terminatedBeyond(pods, 1).map((p) => p.metadata.name),
    ['evicted', 'old'],
  );
  assert.deepEqual(terminatedBeyond(pods, 3), []);
});

test('pod gc: pods of a node that is gone for 40 seconds fail with a reason and are removed', async () => {
  const bench = createBench();
  bench.put(resources.nodes, { metadata: { name: 'here' } });
  bench.put(
    resources.pods,
    pod('orphan', 'Running', { spec: { nodeName: 'gone' }, metadata: { finalizers: ['keep/me'] } }),
  );
  bench.put(resources.pods, pod('fine', 'Running', { spec: { nodeName: 'here' } }));
  bench.start(createPodGarbageCollector());
  await bench.clock.advance(39_000);
  assert.equal(bench.get(resources.pods, 'ns', 'orphan')?.status?.phase, 'Running');
  await bench.clock.advance(2000);
  const orphan = bench.get(resources.pods, 'ns', 'orphan');
  assert.ok(orphan?.metadata.deletionTimestamp);
  assert.equal(orphan.status?.phase, 'Failed');
  assert.deepEqual(
    orphan.status.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message]),
    [['DisruptionTarget', 'True', 'DeletionByPodGC', 'PodGC: node no longer exists']],
  );
  assert.equal(bench.get(resources.pods, 'ns', 'fine')?.metadata.deletionTimestamp, undefined);
  await bench.stop();
});

test('pod gc: a node that comes back in time saves its pods', async () => {
  const bench = createBench();
  bench.put(resources.pods, pod('p', 'Running', { spec: { nodeName: 'late' } }));
  bench.start(createPodGarbageCollector());
  await bench.clock.advance(30_000);
  bench.put(resources.nodes, { metadata: { name: 'late' } });
  await bench.clock.advance(120_000);
  assert.ok(bench.get(resources.pods, 'ns', 'p'));
  await bench.stop();
});

test('pod gc: a pod told to go before it had a node, and one on a node out of service, are removed at once', async () => {
  const bench = createBench();
  const deletionTimestamp = '2026-01-01T00:00:30Z';
  bench.put(resources.nodes, {
    metadata: { name: 'dead' },
    spec: { taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] },
    status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
  });
  bench.put(
    resources.pods,
    pod('unscheduled', 'Pending', { metadata: { deletionTimestamp, deletionGracePeriodSeconds: 30 } }),
  );
  bench.put(
    resources.pods,
    pod('stuck', 'Running', {
      spec: { nodeName: 'dead' },
      metadata: { deletionTimestamp, deletionGracePeriodSeconds: 30 },
    }),
  );
  bench.put(resources.pods, pod('alive', 'Running', { spec: { nodeName: 'dead' } }));
  bench.start(createPodGarbageCollector());
  await bench.clock.advance(1000);
  assert.deepEqual(
    ['unscheduled', 'stuck', 'alive'].map((name) => bench.get(resources.pods, 'ns', name) !== undefined),
    [false, false, true],
  );
  await bench.stop();
});
