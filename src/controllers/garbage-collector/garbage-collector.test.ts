import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import type { OwnerReference } from '../../api/types/meta-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { failure } from '../../client/testdata/fake-api-server.ts';
import { type Bench, createBench } from '../testdata/controller-bench.ts';
import { createGarbageCollector } from './garbage-collector.ts';

const { configMaps, secrets, namespaces, nodes } = resources;

function own(owner: KubeObject, more: Partial<OwnerReference> = {}): OwnerReference {
  const { name = '', uid = '' } = owner.metadata;
  return { apiVersion: owner.apiVersion ?? 'v1', kind: owner.kind ?? '', name, uid, ...more };
}
async function started(): Promise<Bench> {
  const bench = createBench();
  bench.start(createGarbageCollector());
  await bench.clock.settle();
  return bench;
}
const put = (
  bench: Bench,
  ref: ResourceRef<KubeObject>,
  name: string,
  owners: OwnerReference[] = [],
  more = {},
): KubeObject =>
  bench.put(ref, {
    metadata: { name, namespace: 'ns', ...(owners.length > 0 ? { ownerReferences: owners } : {}), ...more },
  });
const there = (bench: Bench, ref: ResourceRef<KubeObject>, ...names: string[]): string =>
  names.filter((name) => bench.get(ref, 'ns', name)).join(' ');
const remove = (
  bench: Bench,
  ref: ResourceRef<KubeObject>,
  name: string,
  propagationPolicy = 'Background',
): Promise<void> => bench.context.client.resource(ref).delete(name, { namespace: 'ns', body: { propagationPolicy } });

test('garbage: with the owner go its dependents, and theirs', async () => {
  const bench = await started();
  const a = put(bench, configMaps, 'a');
  const b = put(bench, secrets, 'b', [own(a)]);
  put(bench, configMaps, 'c', [own(b)]);
  put(bench, configMaps, 'other');
  await bench.clock.advance(1000);
  assert.equal(there(bench, configMaps, 'a', 'c', 'other'), 'a c other');
  await remove(bench, configMaps, 'a');
  await bench.clock.advance(1000);
  assert.equal(there(bench, configMaps, 'a', 'c', 'other') + there(bench, secrets, 'b'), 'other');
  await bench.stop();
});

test('garbage: an owner that never was is no owner, one that is only seen later is', async () => {
  const bench = createBench();
  const later = put(bench, secrets, 'later');
  put(bench, configMaps, 'kept', [own(later)]);
  put(bench, configMaps, 'gone', [{ apiVersion: 'v1', kind: 'Secret', name: 'never', uid: 'no-such-uid' }]);
  put(bench, configMaps, 'renamed', [{ ...own(later), uid: 'an-older-uid' }]);
  bench.start(createGarbageCollector());
  await bench.clock.advance(5000);
  assert.equal(there(bench, configMaps, 'kept', 'gone', 'renamed'), 'kept');
  await bench.stop();
});

test('garbage: of several owners only the dead ones are taken off', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  const b = put(bench, secrets, 'b');
  put(bench, configMaps, 'c', [own(a), own(b)]);
  await bench.clock.settle();
  await remove(bench, secrets, 'a');
  await bench.clock.advance(1000);
  assert.deepEqual(bench.get(configMaps, 'ns', 'c')?.metadata.ownerReferences, [own(b)]);
  await remove(bench, secrets, 'b');
  await bench.clock.advance(1000);
  assert.equal(there(bench, configMaps, 'c'), '');
  await bench.stop();
});

test('garbage: in the foreground the owner goes after the dependents that block it', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  put(bench, configMaps, 'slow', [own(a, { blockOwnerDeletion: true })], { finalizers: ['example/hold'] });
  put(bench, configMaps, 'loose', [own(a)], { finalizers: ['example/hold'] });
  await bench.clock.settle();
  await remove(bench, secrets, 'a', 'Foreground');
  await bench.clock.advance(5000);
  assert.deepEqual(bench.get(secrets, 'ns', 'a')?.metadata.finalizers, ['foregroundDeletion']);
  assert.ok(bench.get(configMaps, 'ns', 'slow')?.metadata.deletionTimestamp);
  await bench.context.client
    .resource(configMaps)
    .patch('slow', { type: 'merge', patch: { metadata: { finalizers: null } } }, { namespace: 'ns' });
  await bench.clock.advance(5000);
  assert.equal(there(bench, secrets, 'a') + there(bench, configMaps, 'slow', 'loose'), 'loose');
  await bench.stop();
});

test('garbage: a chain in the foreground goes from its end', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  const b = put(bench, secrets, 'b', [own(a, { blockOwnerDeletion: true })]);
  put(bench, configMaps, 'c', [own(b, { blockOwnerDeletion: true })]);
  await bench.clock.settle();
  await remove(bench, secrets, 'a', 'Foreground');
  await bench.clock.advance(5000);
  assert.equal(there(bench, secrets, 'a', 'b') + there(bench, configMaps, 'c'), '');
  await bench.stop();
});

test('garbage: two that own each other and are deleted in the foreground do not wait for ever', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  const b = put(bench, secrets, 'b', [own(a, { blockOwnerDeletion: true })]);
  put(bench, secrets, 'a', [own(b, { blockOwnerDeletion: true })], { uid: a.metadata.uid });
  await bench.clock.settle();
  await remove(bench, secrets, 'a', 'Foreground');
  await bench.clock.advance(60_000);
  assert.equal(there(bench, secrets, 'a', 'b'), '');
  await bench.stop();
});

test('garbage: orphans stay, without the reference', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  put(bench, configMaps, 'c', [own(a)]);
  await bench.clock.settle();
  await remove(bench, secrets, 'a', 'Orphan');
  await bench.clock.advance(1000);
  assert.equal(there(bench, secrets, 'a'), '');
  assert.deepEqual(bench.get(configMaps, 'ns', 'c')?.metadata.ownerReferences, []);
  await bench.stop();
});

test('garbage: an owner in another namespace counts as absent, and is told', async () => {
  const bench = await started();
  const foreign = bench.put(secrets, { metadata: { name: 'a', namespace: 'elsewhere' } });
  await bench.clock.settle();
  put(bench, configMaps, 'c', [own(foreign)]);
  await bench.clock.advance(1000);
  assert.equal(there(bench, configMaps, 'c'), '');
  assert.match(
    bench.events[0] ?? '',
    /^OwnerRefInvalidNamespace c: ownerRef \[v1\/Secret, namespace: ns, name: a, uid: .*\] does not exist in namespace "ns"$/,
  );
  await bench.stop();
});

test('garbage: a cluster-scoped owner of a namespaced object is fine; a namespaced owner of a cluster-scoped one decides nothing', async () => {
  const bench = await started();
  const node = bench.put(nodes, { metadata: { name: 'n' } });
  put(bench, configMaps, 'c', [own(node)]);
  const secret = put(bench, secrets, 's');
  bench.put(namespaces, { metadata: { name: 'odd', ownerReferences: [own(secret)] } });
  await bench.clock.settle();
  await remove(bench, secrets, 's');
  await bench.clock.advance(5000);
  assert.ok(bench.get(namespaces, '', 'odd'));
  assert.equal(there(bench, configMaps, 'c'), 'c');
  bench.remove(nodes, '', 'n');
  await bench.clock.advance(5000);
  assert.equal(there(bench, configMaps, 'c'), '');
  await bench.stop();
});

test('garbage: what gets a new owner while it is looked at is not deleted', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  const b = put(bench, secrets, 'b');
  put(bench, configMaps, 'c', [own(a)]);
  await bench.clock.settle();
  let adopted = false;
  bench.server.intercept = (request) => {
    if (request.method === 'DELETE' && request.path.endsWith('/configmaps/c') && !adopted) {
      adopted = true;
      put(bench, configMaps, 'c', [own(b)]);
    }
    return undefined;
  };
  await remove(bench, secrets, 'a');
  await bench.clock.advance(60_000);
  assert.ok(adopted);
  assert.equal(there(bench, configMaps, 'c'), 'c');
  await bench.stop();
});

test('garbage: a failing request is tried again', async () => {
  const bench = await started();
  const a = put(bench, secrets, 'a');
  put(bench, configMaps, 'c', [own(a)]);
  await bench.clock.settle();
  let failures = 3;
  bench.server.intercept = (request) =>
    request.path.endsWith('/configmaps/c') && failures-- > 0 ? failure(ApiError.internal(new Error('no'))) : undefined;
  await remove(bench, secrets, 'a');
  await bench.clock.advance(10_000);
  assert.equal(there(bench, configMaps, 'c'), '');
  await bench.stop();
});

test('garbage: events are not watched', async () => {
  const bench = await started();
  assert.equal(bench.server.requests.filter((r) => /\/events\?/.test(r)).length, 0);
  assert.ok(bench.server.requests.some((r) => /\/configmaps\?.*sendInitialEvents/.test(r)));
  await bench.stop();
});
