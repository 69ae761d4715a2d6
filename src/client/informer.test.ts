import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createClient } from './create-client.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { createInformerFactory } from './informer-factory.ts';
import { createFakeApiServer, failure } from './testdata/fake-api-server.ts';

const pod = (name: string, more: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'ns' },
  ...more,
});
const path = (name: string): string => `/api/v1/namespaces/ns/pods/${name}`;

function setUp() {
  const clock = createVirtualClock();
  const server = createFakeApiServer();
  const client = createClient(createInProcessTransport(server.handler, { clock }));
  const factory = createInformerFactory(client, { clock, random: createSeededRandom(1), log: silentLogger });
  return { clock, server, client, factory };
}
function record(informer: ReturnType<ReturnType<typeof setUp>['factory']['informer']>): string[] {
  const seen: string[] = [];
  informer.addHandler({
    onAdd: (o, initial) => seen.push(`add ${o.metadata.name}${initial ? ' initial' : ''}`),
    onUpdate: (a, b) => seen.push(`update ${b.metadata.name} ${a === b ? 'same' : 'changed'}`),
    onDelete: (o) => seen.push(`delete ${o.metadata.name}`),
  });
  return seen;
}

for (const streamsLists of [true, false])
  test(`informer: what is there, then each change in order (lists ${streamsLists ? 'streamed' : 'in pages'})`, async () => {
    const { clock, server, factory } = setUp();
    server.streamsLists = streamsLists;
    server.put(path('a'), pod('a'));
    const informer = factory.informer(resources.pods);
    const seen = record(informer);
    await informer.waitForSync();
    assert.equal(informer.get('ns/a')?.kind, 'Pod', 'items of lists get their kind');
    server.put(path('b'), pod('b'));
    server.put(path('a'), pod('a', { spec: { nodeName: 'n' } }));
    server.remove(path('b'));
    await clock.settle();
    assert.deepEqual(seen, ['add a initial', 'add b', 'update a changed', 'delete b']);
    assert.ok(Object.isFrozen(informer.get('ns/a')?.spec));
    assert.equal(informer.resourceVersion, String(server.revision));
    await factory.stop();
    assert.equal(server.openWatches, 0);
    assert.equal(clock.pendingTimers, 0);
  });

test('informer: pages of 500 make one list', async () => {
  const { clock, server, factory } = setUp();
  server.streamsLists = false;
  for (let i = 0; i < 1201; i++) server.put(path(`p${i}`), pod(`p${i}`));
  const informer = factory.informer(resources.pods);
  await informer.waitForSync();
  assert.equal(informer.list().length, 1201);
  assert.equal(server.requests.filter((r) => r.includes('limit=500')).length, 3);
  await clock.settle();
  await factory.stop();
});

test('informer: the same resource and options share one watch, other options have their own', async () => {
  const { clock, server, factory } = setUp();
  assert.equal(factory.informer(resources.pods), factory.informer(resources.pods));
  assert.notEqual(
    factory.informer(resources.pods),
    factory.informer(resources.pods, { fieldSelector: 'spec.nodeName=n' }),
  );
  await factory.waitForSync();
  await clock.settle();
  assert.equal(server.openWatches, 2);
  await factory.stop();
});

test('informer: a closed watch goes on from the cursor without listing again', async () => {
  const { clock, server, factory } = setUp();
  server.put(path('a'), pod('a'));
  const informer = factory.informer(resources.pods);
  const seen = record(informer);
  await informer.waitForSync();
  await clock.advance(5000);
  server.endWatches();
  server.put(path('b'), pod('b'));
  await clock.advance(5000);
  assert.deepEqual(seen, ['add a initial', 'add b']);
  assert.equal(server.requests.filter((r) => r.includes('sendInitialEvents')).length, 1);
  await factory.stop();
});

test('informer: after 410 it lists again and tells only the differences, deletions too', async () => {
  const { clock, server, factory } = setUp();
  for (const name of ['a', 'b', 'c']) server.put(path(name), pod(name));
  const informer = factory.informer(resources.pods);
  const seen = record(informer);
  await informer.waitForSync();
  seen.length = 0;
  server.intercept = (request) =>
    request.query.includes('watch=true') ? failure(ApiError.internal('down')) : undefined;
  server.endWatches();
  server.remove(path('a'));
  server.put(path('b'), pod('b', { spec: { nodeName: 'n' } }));
  server.put(path('d'), pod('d'));
  server.compact();
  server.intercept = undefined;
  await clock.advance(10_000);
  assert.deepEqual(seen, ['delete a', 'update b changed', 'add d']);
  assert.deepEqual(
    informer
      .list()
      .map((p) => p.metadata.name)
      .sort(),
    ['b', 'c', 'd'],
  );
  await factory.stop();
});

test('informer: an ERROR event of another kind is retried from the cursor with back-off', async () => {
  const { clock, server, factory } = setUp();
  const informer = factory.informer(resources.pods);
  await informer.waitForSync();
  server.endWatches(ApiError.internal(new Error('etcd is gone')));
  await clock.settle();
  assert.equal(server.openWatches, 0);
  await clock.advance(1600);
  assert.equal(server.openWatches, 1);
  await factory.stop();
});

test('informer: while the server cannot be reached it waits longer and longer, at most a minute', async () => {
  const { clock, server, factory } = setUp();
  const at: number[] = [];
  server.intercept = () => {
    at.push(clock.monotonic());
    return failure(ApiError.serviceUnavailable('starting'));
  };
  const informer = factory.informer(resources.pods);
  await clock.advance(300_000);
  assert.equal(informer.synced, false);
  const gaps = at.slice(1).map((t, i) => t - at[i]!);
  assert.ok(gaps[0]! >= 800 && gaps[0]! <= 1600, `${gaps[0]}`);
  assert.ok(gaps.every((gap) => gap <= 60_000));
  assert.ok(gaps.at(-1)! >= 30_000);
  server.intercept = undefined;
  await clock.advance(60_000);
  assert.equal(informer.synced, true);
  await factory.stop();
});

test('informer: bookmarks move the cursor and are no events', async () => {
  const { clock, server, factory } = setUp();
  const informer = factory.informer(resources.pods);
  const seen = record(informer);
  await informer.waitForSync();
  server.bookmark();
  await clock.settle();
  assert.equal(informer.resourceVersion, String(server.revision));
  assert.deepEqual(seen, []);
  await factory.stop();
});

test('informer: indexes follow changes, also when added late', async () => {
  const { clock, server, factory } = setUp();
  server.put(path('a'), pod('a', { spec: { nodeName: 'n1' } }));
  const informer = factory.informer(resources.pods);
  await informer.waitForSync();
  const byNode = (p: { spec?: { nodeName?: string } }): readonly string[] =>
    p.spec?.nodeName ? [p.spec.nodeName] : [];
  informer.addIndex('node', byNode);
  informer.addIndex('node', byNode);
  assert.throws(() => informer.addIndex('node', () => []), /another function/);
  const names = (node: string): unknown => informer.byIndex('node', node).map((p) => p.metadata.name);
  assert.deepEqual(names('n1'), ['a']);
  server.put(path('a'), pod('a', { spec: { nodeName: 'n2' } }));
  server.put(path('b'), pod('b', { spec: { nodeName: 'n2' } }));
  await clock.settle();
  assert.deepEqual([names('n1'), names('n2')], [[], ['a', 'b']]);
  server.remove(path('a'));
  await clock.settle();
  assert.deepEqual(names('n2'), ['b']);
  await factory.stop();
});

test('informer: a handler added late gets what is there, a removed one nothing more, a failing one harms nobody', async () => {
  const { clock, server, factory } = setUp();
  server.put(path('a'), pod('a'));
  const informer = factory.informer(resources.pods);
  await informer.waitForSync();
  const removeFailing = informer.addHandler({
    onUpdate: () => {
      throw new Error('a mistake');
    },
  });
  const seen = record(informer);
  assert.deepEqual(seen, ['add a initial']);
  server.put(path('a'), pod('a'));
  await clock.settle();
  removeFailing();
  assert.deepEqual(seen, ['add a initial', 'update a changed']);
  await factory.stop();
});

test('informer: waiting for sync ends with the signal, and with the factory', async () => {
  const { server, factory } = setUp();
  server.intercept = () => new Promise<undefined>(() => undefined);
  const informer = factory.informer(resources.pods);
  const stop = new AbortController();
  const waiting = informer.waitForSync(stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});
