import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { startTestServer } from '../testdata/test-server.ts';
import { CachedObject } from './cached-object.ts';
import { ValueBudget } from './value-budget.ts';

/** With a value, of 100 encoded bytes. */
function object(key: string): CachedObject {
  const text = '{"kind":"X","apiVersion":"v1","metadata":{"uid":"u"}}';
  const from = { key, revision: 1, createRevision: 1, bytes: Buffer.from(text.padEnd(100)) };
  return new CachedObject(from, { labels: undefined, fields: [], node: '' }, {});
}
const held = (objects: readonly CachedObject[]): string[] => objects.filter((o) => o.value).map((o) => o.key);

test('values: beyond the limit the longest-held go, down to three quarters of it', () => {
  const budget = new ValueBudget(400, createVirtualClock());
  const objects = ['a', 'b', 'c', 'd', 'e'].map(object);
  for (const o of objects) budget.hold(o);
  assert.deepEqual(held(objects), ['c', 'd', 'e']);
  assert.equal(budget.bytes, 300);
});

test('values: what nobody asks for goes after a while, what is asked for stays', async () => {
  const clock = createVirtualClock();
  const budget = new ValueBudget(10_000, clock);
  const objects = ['a', 'b'].map(object);
  for (const o of objects) budget.hold(o);
  for (let i = 0; i < 5; i++) {
    await clock.advance(30_000);
    objects[1]!.valueUsed = true;
  }
  assert.deepEqual({ held: held(objects), bytes: budget.bytes }, { held: ['b'], bytes: 100 });
  await clock.advance(120_000);
  assert.deepEqual({ held: held(objects), bytes: budget.bytes }, { held: [], bytes: 0 });
});

test('values: an object that left is not counted, and keeps its value for who has it', async () => {
  const clock = createVirtualClock();
  const budget = new ValueBudget(10_000, clock);
  const gone = object('a');
  budget.hold(gone);
  budget.release(gone);
  await clock.advance(120_000);
  assert.deepEqual({ held: held([gone]), bytes: budget.bytes }, { held: ['a'], bytes: 0 });
});

test('values: an object whose value was dropped reads, changes and is watched as before', async () => {
  const t = await startTestServer();
  const maps = '/api/v1/namespaces/a/configmaps';
  const created = await t.create(maps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'x' },
    data: { a: '1' },
  });
  const { cache } = t.server.registry;
  const resource = cache.resource('configmaps');
  const before = cache.valueOf(resource.get('a/x')!);
  await t.clock.advance(120_000);
  assert.equal(resource.get('a/x')!.value, undefined);
  const again = cache.valueOf(resource.get('a/x')!);
  assert.deepEqual(again, before);
  assert.ok(Object.isFrozen(again) && Object.isFrozen(again.metadata) && Object.isFrozen(again.data));
  assert.equal(cache.valueOf(resource.get('a/x')!), again, 'asked for twice: the same object');
  await t.clock.advance(120_000);
  const patched = await t.send(
    'PATCH',
    `${maps}/x`,
    { data: { b: '2' } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.deepEqual(patched.body.data, { a: '1', b: '2' });
  assert.equal((patched.body.metadata as { uid: string }).uid, (created.metadata as { uid: string }).uid);
  await t.stop();
});
