import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/console-log.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';
import { StoreError } from '../../store/store.ts';
import { copyStore } from './copy-store.ts';

test('copy: every key is kept in the order of its last write, above all old revisions, which are gone', async () => {
  const clock = createVirtualClock();
  const [from, to] = [createMemoryStore({ clock }), createMemoryStore({ clock })];
  const put = (key: string, value: string) =>
    from.txn({ compare: [], success: [{ type: 'put', key, value: Buffer.from(value) }] });
  for (let i = 0; i < 700; i++) await put(`/registry/pods/default/p${i}`, `${i}`);
  await put('/registry/pods/default/p3', 'later');
  await put('/registry/masterleases/10.0.0.1', 'x');
  const old = await from.currentRevision();
  const { keys, revision } = await copyStore({ from, to, clock, log: silentLogger });
  assert.equal(keys, 700);
  const { kvs } = await to.range({ key: '\0', end: '\0' });
  assert.ok(kvs.every((kv) => kv.modRevision > old));
  const newest = kvs.reduce((a, b) => (a.modRevision > b.modRevision ? a : b));
  assert.equal(`${newest.key} ${Buffer.from(newest.value)}`, '/registry/pods/default/p3 later');
  assert.ok(!kvs.some(({ key }) => key.includes('masterleases') || key.startsWith('bireme/')));
  await assert.rejects(
    to.range({ key: '/registry/', end: '/registry0', revision: old }),
    (error: unknown) => error instanceof StoreError && error.code === 'compacted',
  );
  assert.equal(await to.currentRevision(), revision);
  await assert.rejects(copyStore({ from, to, clock, log: silentLogger }), /holds a cluster already/);
});
