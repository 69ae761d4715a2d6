import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Store } from '../../store/store.ts';
import { startTestServer, type TestServer, taken } from '../testdata/test-server.ts';

const maps = '/api/v1/namespaces/a/configmaps';
const map = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
});
const merge = { 'content-type': 'application/merge-patch+json' };

let t: TestServer;
beforeEach(async () => {
  t = await startTestServer();
});
afterEach(() => t.stop());

test('watch: an unset resourceVersion starts with what is there', async () => {
  await t.create(maps, map('one'));
  const stream = await t.watch(`${maps}?watch=1`);
  assert.deepEqual(taken(stream), ['ADDED one']);
  await t.create(maps, map('two'));
  assert.deepEqual(taken(stream), ['ADDED two']);
});

test('watch: a past resourceVersion replays what came after it, exactly once', async () => {
  const first = await t.create(maps, map('one'));
  await t.create(maps, map('two'));
  await t.send('DELETE', `${maps}/one`);
  const stream = await t.watch(
    `${maps}?watch=1&resourceVersion=${(first.metadata as { resourceVersion: string }).resourceVersion}`,
  );
  await t.create(maps, map('three'));
  assert.deepEqual(taken(stream), ['ADDED two', 'DELETED one', 'ADDED three']);
});

test('watch: an object that leaves the selector is DELETED, one that enters is ADDED', async () => {
  const stream = await t.watch(`${maps}?watch=1&labelSelector=x%3D1`);
  await t.create(maps, map('one', { x: '1' }));
  await t.send('PATCH', `${maps}/one`, { metadata: { labels: { x: '2' } } }, merge);
  await t.send('PATCH', `${maps}/one`, { metadata: { labels: { y: '2' } } }, merge);
  await t.send('PATCH', `${maps}/one`, { metadata: { labels: { x: '1' } } }, merge);
  await t.send('PATCH', `${maps}/one`, { metadata: { labels: { y: '3' } } }, merge);
  assert.deepEqual(taken(stream), ['ADDED one', 'DELETED one', 'ADDED one', 'MODIFIED one']);
});

test('watch: a deletion carries the last state with the revision of the deletion', async () => {
  const created = await t.create(maps, map('one', { x: '1' }));
  const stream = await t.watch(
    `${maps}?watch=1&resourceVersion=${(created.metadata as { resourceVersion: string }).resourceVersion}`,
  );
  await t.send('DELETE', `${maps}/one`);
  const [frame] = stream.take() ?? [];
  const metadata = frame?.object().metadata as { resourceVersion: string; labels: object };
  assert.deepEqual(
    { type: frame?.type, revision: metadata.resourceVersion, labels: metadata.labels },
    { type: 'DELETED', revision: String(await t.store.currentRevision()), labels: { x: '1' } },
  );
  const sent = JSON.parse(Buffer.from(frame!.bytes()).toString()) as { object: { metadata: object } };
  assert.deepEqual(sent.object.metadata, frame?.object().metadata);
});

test('watch: by name, by namespace and by node an event reaches only whom it concerns', async () => {
  const pod = (name: string, nodeName?: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { ...(nodeName ? { nodeName } : {}), containers: [{ name: 'c', image: 'i' }] },
  });
  const byNode = await t.watch('/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1');
  const byName = await t.watch('/api/v1/namespaces/a/pods?watch=1&fieldSelector=metadata.name%3Dp2');
  const byNamespace = await t.watch('/api/v1/namespaces/b/pods?watch=1');
  await t.create('/api/v1/namespaces/a/pods', pod('p1', 'n1'));
  await t.create('/api/v1/namespaces/a/pods', pod('p2'));
  await t.create('/api/v1/namespaces/b/pods', pod('p2'));
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p2' }, target: { kind: 'Node', name: 'n1' } };
  await t.send('POST', '/api/v1/namespaces/a/pods/p2/binding', binding);
  assert.deepEqual(taken(byNode), ['ADDED p1', 'ADDED p2']);
  assert.deepEqual(taken(byName), ['ADDED p2', 'MODIFIED p2']);
  assert.deepEqual(taken(byNamespace), ['ADDED p2']);
});

test('watch: sendInitialEvents ends with a bookmark that says so', async () => {
  await t.create(maps, map('one'));
  const stream = await t.watch(
    `${maps}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  );
  assert.deepEqual(taken(stream), ['ADDED one', 'BOOKMARK end']);
});

test('watch: a bookmark comes after a minute, and not twice for the same revision', async () => {
  const stream = await t.watch(`${maps}?watch=1&resourceVersion=0&allowWatchBookmarks=true`);
  // The first one ends the present state.
  assert.deepEqual(taken(stream).slice(-1), ['BOOKMARK end']);
  await t.create('/api/v1/namespaces/b/configmaps', map('elsewhere'));
  await t.clock.advance(59_000);
  assert.deepEqual(taken(stream), []);
  await t.clock.advance(2_000);
  assert.deepEqual(taken(stream), ['BOOKMARK']);
  await t.clock.advance(120_000);
  assert.deepEqual(taken(stream), []);
});

test('watch: it ends at its timeout, and leaves no timer behind', async () => {
  const stream = await t.watch(`${maps}?watch=1&timeoutSeconds=5`);
  await t.clock.advance(6_000);
  assert.deepEqual(taken(stream), ['END']);
});

test('watch: a watcher that does not take its events is closed', async () => {
  const slow = await startTestServer({ watchLimits: { queueMax: 3 } });
  const stream = await slow.watch(`${maps}?watch=1`);
  for (let i = 0; i < 5; i++) await slow.create(maps, map(`m${i}`));
  assert.deepEqual(taken(stream), ['END']);
  await slow.stop();
});

test('watch: before the history it says 410 in the stream', async () => {
  await t.create(maps, map('one'));
  await t.create(maps, map('two'));
  t.server.registry.cache.compact(await t.store.currentRevision());
  const stream = await t.watch(`${maps}?watch=1&resourceVersion=1`);
  assert.deepEqual(taken(stream), [
    `ERROR 410 too old resource version: 1 (${await t.store.currentRevision()})`,
    'END',
  ]);
});

test('watch: frames are shared by all watchers of one form', async () => {
  const [a, b] = [await t.watch(`${maps}?watch=1`), await t.watch(`${maps}?watch=1`)];
  await t.create(maps, map('one'));
  assert.equal(a!.take()![0], b!.take()![0]);
});

test('watch: the stop of the server ends open watches at once', async () => {
  const stream = await t.watch(`${maps}?watch=1`);
  await t.server.stop();
  assert.equal(stream.take(), undefined);
});

test('watch cache: writes of another server appear, and its deletions', async () => {
  const other = await startTestServer({ store: shared(t.store), clock: t.clock });
  await t.create(maps, map('one'));
  assert.equal((await other.send('GET', `${maps}/one`)).status, 200);
  await other.send('DELETE', `${maps}/one`);
  assert.equal((await t.send('GET', `${maps}/one`)).status, 404);
  await other.server.stop();
});

/** The same store for a second server, which must not close it. */
const shared = (store: Store): Store =>
  new Proxy(store, {
    get(target, key) {
      if (key === 'close') return () => Promise.resolve();
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });

test('watch cache: what upstream wrote reads the same (a line feed at the end, resourceVersion nowhere)', async () => {
  const stored =
    '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"up","namespace":"a","uid":"11111111-1111-4111-8111-111111111111","creationTimestamp":"2026-01-01T00:00:00Z"},"data":{"k":"v"}}\n';
  await t.store.txn({
    compare: [],
    success: [{ type: 'put', key: '/registry/configmaps/a/up', value: Buffer.from(stored) }],
  });
  const { body, text } = await t.send('GET', `${maps}/up`);
  assert.equal((body.metadata as { resourceVersion: string }).resourceVersion, String(await t.store.currentRevision()));
  assert.match(text, /"uid":"[^"]+","resourceVersion":"\d+","creationTimestamp"/);
});

test('watch cache: an object without uid, and one in a foreign order, get their resourceVersion too', async () => {
  const put = (name: string, value: string) =>
    t.store.txn({
      compare: [],
      success: [{ type: 'put', key: `/registry/configmaps/a/${name}`, value: Buffer.from(value) }],
    });
  await put('bare', '{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}');
  await put('odd', '{"data":{"metadata":"x"},"metadata":{"labels":{"uid":"y"}},"apiVersion":"v1","kind":"ConfigMap"}');
  for (const name of ['bare', 'odd']) {
    const { body } = await t.send('GET', `${maps}/${name}`);
    assert.equal(typeof (body.metadata as { resourceVersion: string }).resourceVersion, 'string', name);
    assert.equal(body.kind, 'ConfigMap', name);
  }
});

test('watch: what is there comes in batches of few bytes, so that a peer that does not read holds little', async () => {
  const names = Array.from({ length: 24 }, (_, i) => `big-${String(i).padStart(2, '0')}`);
  for (const name of names) await t.create(maps, { ...map(name), data: { text: 'x'.repeat(4_000) } });
  const stream = await t.watch(`${maps}?watch=1`);
  const batches: string[][] = [];
  for (let frames = stream.take(); frames && frames.length > 0; frames = stream.take())
    batches.push(frames.map((frame) => `${frame.type} ${(frame.object().metadata as { name: string }).name}`));
  assert.deepEqual(
    batches.flat(),
    names.map((name) => `ADDED ${name}`),
  );
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [8, 8, 8],
  );
});

test('watch cache: who selects all of a namespace between two changes shares the selection, and a change leaves it as it was', async () => {
  await t.create(maps, map('one'));
  const cache = t.server.registry.cache.resource('configmaps');
  const keys = (objects: readonly { readonly key: string }[]): string[] => objects.map(({ key }) => key);
  const before = cache.select({ namespace: 'a' });
  assert.equal(cache.select({ namespace: 'a' }), before);
  await t.create(maps, map('two'));
  assert.deepEqual(keys(before), ['a/one']);
  assert.deepEqual(keys(cache.select({ namespace: 'a' })), ['a/one', 'a/two']);
  await t.send('DELETE', `${maps}/one`);
  assert.deepEqual(keys(cache.select({ namespace: 'a' })), ['a/two']);
});
