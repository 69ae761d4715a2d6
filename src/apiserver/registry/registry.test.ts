import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Answer, TestServer } from '../testdata/test-server.ts';
import { startTestServer } from '../testdata/test-server.ts';

const maps = '/api/v1/namespaces/a/configmaps';
const pods = '/api/v1/namespaces/a/pods';
const map = (name: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...more } });
const pod = (name: string, nodeName?: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { ...(nodeName ? { nodeName } : {}), containers: [{ name: 'c', image: 'i' }] },
});
const merge = { 'content-type': 'application/merge-patch+json' };
const meta = (body: Answer['body']) => body.metadata as unknown as Record<string, string & number & string[]>;
const names = (body: Answer['body']) =>
  (body.items as unknown as { metadata: { name: string } }[]).map((item) => item.metadata.name);

let t: TestServer;
beforeEach(async () => {
  t = await startTestServer();
});
afterEach(() => t.stop());

test('create: a generated name that is taken is made again', async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++)
    seen.add(meta(await t.create(maps, { ...map(''), metadata: { generateName: 'g-' } })).name!);
  assert.equal(seen.size, 50);
});

test('create: what only the server sets is not taken from the client', async () => {
  const created = await t.create(
    maps,
    map('x', {
      uid: 'mine',
      creationTimestamp: '2020-01-01T00:00:00Z',
      deletionTimestamp: '2020-01-01T00:00:00Z',
      selfLink: '/x',
    }),
  );
  assert.notEqual(meta(created).uid, 'mine');
  assert.equal(meta(created).creationTimestamp, '2026-01-01T00:00:00Z');
  assert.equal(meta(created).deletionTimestamp, undefined);
  assert.equal(meta(created).selfLink, undefined);
});

test('create: dry run answers with the object and stores nothing', async () => {
  const { status, body } = await t.send('POST', `${maps}?dryRun=All`, map('dry'));
  assert.deepEqual([status, meta(body).name, meta(body).resourceVersion], [201, 'dry', undefined]);
  assert.equal((await t.send('GET', `${maps}/dry`)).status, 404);
});

test('create: one of many at the same time under one name wins', async () => {
  const statuses = await Promise.all(
    Array.from({ length: 8 }, async () => (await t.send('POST', maps, map('race'))).status),
  );
  assert.deepEqual(statuses.sort(), [201, 409, 409, 409, 409, 409, 409, 409]);
});

test('update: a stale resourceVersion conflicts, none at all does not', async () => {
  const created = await t.create(maps, map('x'));
  await t.send('PATCH', `${maps}/x`, { data: { a: '1' } }, merge);
  const stale = await t.send('PUT', `${maps}/x`, map('x', { resourceVersion: meta(created).resourceVersion }));
  assert.equal(stale.status, 409);
  assert.equal(
    stale.body.message,
    'Operation cannot be fulfilled on configmaps "x": the object has been modified; please apply your changes to the latest version and try again',
  );
  assert.equal((await t.send('PUT', `${maps}/x`, { ...map('x'), data: { a: '2' } })).status, 200);
});

test('update: one that changes nothing keeps the resourceVersion and writes nothing', async () => {
  await t.create(maps, map('x', { labels: { a: '1' } }));
  const before = await t.store.currentRevision();
  const { body } = await t.send('PATCH', `${maps}/x`, { metadata: { labels: { a: '1' } } }, merge);
  assert.equal(meta(body).resourceVersion, String(before));
  assert.equal(await t.store.currentRevision(), before);
});

test('update: patches that race are all applied', async () => {
  await t.create(maps, map('x'));
  const patches = Array.from({ length: 20 }, (_, i) =>
    t.send('PATCH', `${maps}/x`, { data: { [`k${i}`]: 'v' } }, merge),
  );
  const statuses = (await Promise.all(patches)).map((answer) => answer.status);
  assert.deepEqual(new Set(statuses), new Set([200]));
  assert.equal(Object.keys((await t.send('GET', `${maps}/x`)).body.data as object).length, 20);
});

test('update: PUT of a name that does not exist creates a Lease, not a ConfigMap', async () => {
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec: {} };
  assert.equal((await t.send('PUT', '/apis/coordination.k8s.io/v1/namespaces/a/leases/l', lease)).status, 201);
  assert.equal((await t.send('PUT', `${maps}/none`, map('none'))).status, 404);
});

test('delete: finalizers hold the object until the last one goes', async () => {
  await t.create(maps, map('x', { finalizers: ['example.com/f'] }));
  const marked = await t.send('DELETE', `${maps}/x`);
  assert.equal(typeof meta(marked.body).deletionTimestamp, 'string');
  assert.equal((await t.send('GET', `${maps}/x`)).status, 200);
  assert.equal((await t.send('PATCH', `${maps}/x`, { metadata: { finalizers: null } }, merge)).status, 200);
  assert.equal((await t.send('GET', `${maps}/x`)).status, 404);
});

test('delete: foreground and orphan put their finalizers, a second plain delete leaves them', async () => {
  await t.create(maps, map('x'));
  const first = await t.send('DELETE', `${maps}/x?propagationPolicy=Foreground`);
  assert.deepEqual(meta(first.body).finalizers, ['foregroundDeletion']);
  const second = await t.send('DELETE', `${maps}/x`);
  assert.deepEqual(meta(second.body).finalizers, ['foregroundDeletion']);
});

test('delete: a scheduled pod gets its grace period, which may only be shortened', async () => {
  await t.create(pods, pod('p', 'n1'));
  const grace = async (query: string) =>
    meta((await t.send('DELETE', `${pods}/p${query}`)).body).deletionGracePeriodSeconds;
  assert.equal(await grace(''), 30);
  assert.equal(await grace('?gracePeriodSeconds=10'), 10);
  assert.equal(await grace('?gracePeriodSeconds=20'), 10);
  assert.equal(await grace('?gracePeriodSeconds=0'), 0);
  assert.equal((await t.send('GET', `${pods}/p`)).status, 404);
});

test('delete: a pod without a node goes at once', async () => {
  await t.create(pods, pod('p'));
  assert.equal((await t.send('DELETE', `${pods}/p`)).status, 200);
  assert.equal((await t.send('GET', `${pods}/p`)).status, 404);
});

test('delete: preconditions on uid and resourceVersion', async () => {
  const created = await t.create(maps, map('x'));
  const refuse = await t.send('DELETE', `${maps}/x`, { preconditions: { uid: 'other' } });
  assert.equal(refuse.status, 409);
  const { uid, resourceVersion } = meta(created);
  assert.equal((await t.send('DELETE', `${maps}/x`, { preconditions: { uid, resourceVersion } })).status, 200);
});

test('delete: a collection by label', async () => {
  for (let i = 0; i < 40; i++) await t.create(maps, map(`m${i}`, { labels: { even: String(i % 2 === 0) } }));
  assert.equal((await t.send('DELETE', `${maps}?labelSelector=even%3Dtrue`)).status, 200);
  assert.equal(names((await t.send('GET', maps)).body).length, 20);
});

test('list: pages show one revision, whatever happens between them', async () => {
  for (let i = 0; i < 5; i++) await t.create(maps, map(`m${i}`));
  const first = await t.send('GET', `${maps}?limit=2`);
  await t.send('DELETE', `${maps}/m3`);
  await t.create(maps, map('m2a'));
  const rest = await t.send('GET', `${maps}?limit=10&continue=${meta(first.body).continue}`);
  assert.deepEqual([...names(first.body), ...names(rest.body)], ['m0', 'm1', 'm2', 'm3', 'm4']);
  assert.equal(meta(rest.body).resourceVersion, meta(first.body).resourceVersion);
});

test('list: pages come from the store when the cache has no snapshot any more', async () => {
  for (let i = 0; i < 5; i++) await t.create(maps, map(`m${i}`));
  const first = await t.send('GET', `${maps}?limit=2`);
  for (let i = 0; i < 12; i++) {
    await t.create(maps, map(`later${i}`));
    await t.send('GET', `${maps}?limit=1`);
  }
  const rest = await t.send('GET', `${maps}?limit=2&continue=${meta(first.body).continue}`);
  assert.deepEqual([names(rest.body), meta(rest.body).remainingItemCount], [['m2', 'm3'], 1]);
});

test('list: an exact revision, and one that was compacted away', async () => {
  await t.create(maps, map('m0'));
  const revision = await t.store.currentRevision();
  await t.create(maps, map('m1'));
  const exact = `${maps}?resourceVersion=${revision}&resourceVersionMatch=Exact`;
  assert.deepEqual(names((await t.send('GET', exact)).body), ['m0']);
  await t.store.compact(revision + 1);
  assert.equal((await t.send('GET', exact)).status, 410);
});

test('list: a namespace whose name begins another does not show it', async () => {
  await t.create('/api/v1/namespaces/a-b/configmaps', map('other'));
  await t.create(maps, map('mine'));
  assert.deepEqual(names((await t.send('GET', maps)).body), ['mine']);
  assert.deepEqual(names((await t.send('GET', '/api/v1/configmaps')).body), ['other', 'mine']);
});

test('read: a resourceVersion of the future times out with 504 and a hint', async () => {
  const asked = t.send('GET', `${maps}/x?resourceVersion=99999`);
  await t.clock.advance(3_100);
  const { status, headers, body } = await asked;
  assert.deepEqual([status, headers['retry-after']], [504, '1']);
  assert.match(String(body.message), /Too large resource version: 99999, current: \d+/);
});

test('keys: upstream puts them where we do', async () => {
  await t.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns' } });
  await t.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
  await t.create('/api/v1/namespaces/ns/endpoints', { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'e' } });
  const { kvs } = await t.store.range({ key: '/registry/', end: '/registry0' });
  assert.deepEqual(
    kvs.map((kv) => kv.key),
    ['/registry/minions/n', '/registry/namespaces/ns', '/registry/services/endpoints/ns/e'],
  );
  const stored = JSON.parse(Buffer.from(kvs[0]!.value).toString()) as { metadata: object };
  assert.equal(Object.hasOwn(stored.metadata, 'resourceVersion'), false);
});

test('bad input: nothing malformed is stored, nothing crashes', async () => {
  const cases: readonly (readonly [string, unknown, number])[] = [
    ['truncated JSON', '{"apiVersion":"v1"', 400],
    ['a list', '[]', 400],
    [
      'hostile keys',
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ok"},"data":{"__proto__":"x","constructor":"y"}}',
      201,
    ],
    ['an upper-case name', map('Bad'), 422],
    ['no name', map(''), 422],
    ['a wrong type', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":1}}', 400],
    ['another namespace', map('x', { namespace: 'b' }), 400],
  ];
  for (const [name, body, status] of cases) assert.equal((await t.send('POST', maps, body)).status, status, name);
  const { body } = await t.send('GET', `${maps}/ok`);
  assert.deepEqual(Object.keys(body.data as object), ['__proto__', 'constructor']);
  assert.deepEqual(names((await t.send('GET', maps)).body), ['ok']);
});

test('managed fields: an empty list forgets all managers', async () => {
  await t.create(`${maps}?fieldManager=one`, { ...map('x'), data: { a: '1' } });
  const { body } = await t.send('PATCH', `${maps}/x?fieldManager=two`, { metadata: { managedFields: [] } }, merge);
  assert.equal(meta(body).managedFields, undefined);
});

test('events: they go after an hour', async () => {
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', namespace: 'a', name: 'p' },
    reason: 'Test',
    type: 'Normal',
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
  };
  await t.create('/api/v1/namespaces/a/events', event);
  await t.clock.advance(3_599_000);
  assert.equal((await t.send('GET', '/api/v1/namespaces/a/events/e')).status, 200);
  await t.clock.advance(70_000);
  assert.equal((await t.send('GET', '/api/v1/namespaces/a/events/e')).status, 404);
});

test('field selectors: an event of events.k8s.io is found by its reporting controller, under the old name too', async () => {
  const events = '/apis/events.k8s.io/v1/namespaces/default/events';
  await t.create(events, {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'default' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    action: 'Do',
    reason: 'Test',
    type: 'Normal',
    regarding: { namespace: 'default' },
    reportingController: 'test-controller',
    reportingInstance: 'test-node',
  });
  const found = async (path: string) => names((await t.send('GET', path)).body);
  assert.deepEqual(await found('/api/v1/namespaces/default/events?fieldSelector=source%3Dtest-controller'), ['e']);
  assert.deepEqual(await found(`${events}?fieldSelector=reportingController%3Dtest-controller`), ['e']);
  assert.deepEqual(await found(`${events}?fieldSelector=reportingController%3Dother`), []);
});

test('accept: kinds that are only asked have no table', async () => {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { nonResourceAttributes: { path: '/', verb: 'get' } },
  };
  const asked = await t.send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  assert.equal(asked.status, 406);
});

test('eviction: clients from before v1.22 ask in policy/v1beta1', async () => {
  await t.create(pods, pod('evicted-by-old', 'n'));
  const evict = (apiVersion: string) =>
    t.send('POST', `${pods}/evicted-by-old/eviction`, {
      apiVersion,
      kind: 'Eviction',
      metadata: { name: 'evicted-by-old' },
    });
  const refused = await evict('policy/v2');
  assert.equal(refused.status, 400);
  assert.match(String(refused.body.message), /no kind "Eviction" is registered for version "policy\/v2"/);
  assert.equal((await evict('policy/v1beta1')).status, 201);
});

test('eviction: the pod says that it was disrupted before it goes; the caller may name the version it saw', async () => {
  await t.create(pods, pod('evicted', 'n'));
  const evict = (resourceVersion: string) =>
    t.send('POST', `${pods}/evicted/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'evicted' },
      deleteOptions: { preconditions: { resourceVersion } },
    });
  assert.equal((await evict('1')).status, 409);
  const { resourceVersion } = meta((await t.send('GET', `${pods}/evicted`)).body);
  assert.equal((await evict(resourceVersion!)).status, 201);
  const { body } = await t.send('GET', `${pods}/evicted`);
  const status = body.status as unknown as { conditions: { type: string; status: string; reason: string }[] };
  const { type, status: value, reason } = status.conditions.at(-1)!;
  assert.deepEqual([type, value, reason], ['DisruptionTarget', 'True', 'EvictionByEvictionAPI']);
  assert.notEqual(meta(body).deletionTimestamp, undefined);
});
