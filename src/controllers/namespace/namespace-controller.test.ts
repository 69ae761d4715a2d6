import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import { formatTime } from '../../api/time.ts';
import { resources } from '../../api/types/resources.ts';
import { failure } from '../../client/testdata/fake-api-server.ts';
import { type Bench, createBench } from '../testdata/controller-bench.ts';
import { createNamespaceController } from './namespace-controller.ts';

function ending(bench: Bench, name = 'ns'): void {
  bench.put(resources.namespaces, {
    metadata: { name, deletionTimestamp: formatTime(bench.clock.now()) },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Terminating' },
  });
}
const condition = (bench: Bench, type: string) =>
  bench.get(resources.namespaces, '', 'ns')?.status?.conditions?.find((c) => c.type === type);

test('namespace: its content goes, then itself; others are left alone', async () => {
  const bench = createBench();
  bench.put(resources.configMaps, { metadata: { name: 'a', namespace: 'ns' } });
  bench.put(resources.deployments, { metadata: { name: 'd', namespace: 'ns' } });
  bench.put(resources.configMaps, { metadata: { name: 'a', namespace: 'other' } });
  bench.start(createNamespaceController());
  ending(bench);
  await bench.clock.advance(4900);
  assert.ok(bench.get(resources.configMaps, 'ns', 'a'), 'nothing before the grace');
  await bench.clock.advance(1000);
  assert.equal(bench.get(resources.configMaps, 'ns', 'a'), undefined);
  assert.equal(bench.get(resources.deployments, 'ns', 'd'), undefined);
  assert.equal(bench.get(resources.namespaces, '', 'ns'), undefined);
  assert.ok(bench.get(resources.configMaps, 'other', 'a'));
  await bench.stop();
});

test('namespace: pods go first; what they need stays while they run', async () => {
  const bench = createBench();
  bench.put(resources.pods, {
    metadata: { name: 'p', namespace: 'ns' },
    spec: { containers: [], nodeName: 'n', terminationGracePeriodSeconds: 30 },
  });
  bench.put(resources.networkPolicies, { metadata: { name: 'np', namespace: 'ns' } });
  bench.start(createNamespaceController());
  ending(bench);
  await bench.clock.advance(6000);
  assert.ok(bench.get(resources.pods, 'ns', 'p')?.metadata.deletionTimestamp);
  assert.ok(bench.get(resources.networkPolicies, 'ns', 'np'));
  assert.deepEqual(
    [condition(bench, 'NamespaceContentRemaining')?.status, condition(bench, 'NamespaceContentRemaining')?.message],
    ['True', 'Some resources are remaining: pods. has 1 resource instances'],
  );
  bench.remove(resources.pods, 'ns', 'p');
  await bench.clock.advance(20_000);
  assert.equal(bench.get(resources.networkPolicies, 'ns', 'np'), undefined);
  assert.equal(bench.get(resources.namespaces, '', 'ns'), undefined);
  await bench.stop();
});

test('namespace: finalizers of its content are told, and waited for', async () => {
  const bench = createBench();
  bench.put(resources.configMaps, { metadata: { name: 'a', namespace: 'ns', finalizers: ['example/test'] } });
  bench.start(createNamespaceController());
  ending(bench);
  await bench.clock.advance(6000);
  assert.equal(
    condition(bench, 'NamespaceFinalizersRemaining')?.message,
    'Some content in the namespace has finalizers remaining: example/test in 1 resource instances',
  );
  assert.equal(condition(bench, 'NamespaceDeletionContentFailure')?.status, 'False');
  await bench.context.client
    .resource(resources.configMaps)
    .patch('a', { type: 'merge', patch: { metadata: { finalizers: null } } }, { namespace: 'ns' });
  await bench.clock.advance(20_000);
  assert.equal(bench.get(resources.namespaces, '', 'ns'), undefined);
  await bench.stop();
});

test('namespace: a resource that cannot be deleted is told, retried with back-off, and does not hold up the others', async () => {
  const bench = createBench();
  bench.put(resources.secrets, { metadata: { name: 's', namespace: 'ns' } });
  bench.put(resources.configMaps, { metadata: { name: 'a', namespace: 'ns' } });
  bench.server.intercept = (request) =>
    request.method === 'DELETE' && request.path.endsWith('/secrets')
      ? failure(ApiError.internal(new Error('webhook is down')))
      : undefined;
  bench.start(createNamespaceController());
  ending(bench);
  await bench.clock.advance(6000);
  assert.match(
    condition(bench, 'NamespaceDeletionContentFailure')?.message ?? '',
    /^Failed to delete all resource types, 1 remaining: Internal error occurred: webhook is down$/,
  );
  assert.equal(bench.get(resources.configMaps, 'ns', 'a'), undefined);
  bench.server.intercept = undefined;
  await bench.clock.advance(120_000);
  assert.equal(bench.get(resources.namespaces, '', 'ns'), undefined);
  await bench.stop();
});

test('namespace: a finalizer of somebody else keeps the namespace', async () => {
  const bench = createBench();
  bench.put(resources.namespaces, {
    metadata: { name: 'ns', deletionTimestamp: formatTime(bench.clock.now()) },
    spec: { finalizers: ['kubernetes', 'example.com/mine'] },
  });
  bench.start(createNamespaceController());
  await bench.clock.advance(60_000);
  assert.deepEqual(bench.get(resources.namespaces, '', 'ns')?.spec?.finalizers, ['example.com/mine']);
  assert.equal(bench.get(resources.namespaces, '', 'ns')?.status?.phase, 'Terminating');
  await bench.stop();
});
