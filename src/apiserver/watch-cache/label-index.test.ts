import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CachedObject } from './cached-object.ts';
import { ResourceCache } from './resource-cache.ts';

let revision = 0;
function object(key: string, labels: Record<string, string> | undefined): CachedObject {
  const bytes = Buffer.from('{"kind":"X","apiVersion":"v1","metadata":{"uid":"u"}}');
  return new CachedObject(
    { key, revision: ++revision, createRevision: 1, bytes },
    { labels, fields: [], node: '' },
    undefined,
  );
}
const cacheOf = (objects: readonly CachedObject[]): ResourceCache => {
  const cache = new ResourceCache({ revision: 0, valueOf: () => ({}), indexNodes: false });
  cache.replace(objects, 1);
  return cache;
};
const many = (): CachedObject[] =>
  Array.from({ length: 1000 }, (_, i) =>
    object(`ns-${i % 3}/o-${i}`, { shard: String(i % 100), all: 'x', id: String(i) }),
  );

/** As the registry selects: the terms are part of the match. */
const select = (
  cache: ResourceCache,
  terms: Record<string, string>,
  rest: { namespace?: string; startKey?: string } = {},
): string[] => {
  const labels = Object.entries(terms).map(([key, value]) => ({ key, value }));
  return cache
    .select({
      namespace: '',
      ...rest,
      labels,
      match: (o) =>
        labels.every(
          ({ key, value }) => o.labels !== undefined && Object.hasOwn(o.labels, key) && o.labels[key] === value,
        ),
    })
    .map((o) => o.key);
};
const walk = (cache: ResourceCache, terms: Record<string, string>, { namespace = '', startKey = '' } = {}): string[] =>
  [...cache.objects()]
    .filter((o) => Object.entries(terms).every(([key, value]) => o.labels?.[key] === value))
    .filter((o) => (namespace === '' || o.namespace === namespace) && o.key >= startKey)
    .map((o) => o.key);

const rows: { name: string; terms: Record<string, string>; rest?: { namespace?: string; startKey?: string } }[] = [
  { name: 'one in a hundred', terms: { shard: '7' } },
  { name: 'in one namespace', terms: { shard: '7' }, rest: { namespace: 'ns-1' } },
  { name: 'behind a continue key', terms: { shard: '7' }, rest: { startKey: 'ns-1/o-4' } },
  { name: 'all objects, which are walked', terms: { all: 'x' } },
  { name: 'a wide label, then a narrow one', terms: { all: 'x', id: '500' } },
  { name: 'a value nobody has', terms: { shard: 'none' } },
  { name: 'a label nobody has', terms: { constructor: 'x' } },
];
for (const { name, terms, rest } of rows)
  test(`label index: finds what a walk finds, in key order: ${name}`, () => {
    const cache = cacheOf(many());
    assert.deepEqual(select(cache, terms, rest), walk(cache, terms, rest));
    assert.deepEqual(select(cache, terms, rest), walk(cache, terms, rest));
  });

test('label index: follows changed labels, deletions, new objects and a new state', () => {
  const cache = cacheOf(many());
  const check = (): void => {
    const asked: Record<string, string>[] = [{ shard: '7' }, { shard: '8' }, { id: '7' }];
    for (const terms of asked) assert.deepEqual(select(cache, terms), walk(cache, terms));
  };
  check();
  cache.upsert(object('ns-1/o-7', { shard: '8', id: '7' }), 0);
  check();
  assert.deepEqual(select(cache, { shard: '8' }).includes('ns-1/o-7'), true);
  cache.upsert(object('ns-1/o-7', undefined), 0);
  cache.remove('ns-2/o-8', ++revision, 0);
  cache.upsert(object('ns-0/new', { shard: '7' }), 0);
  check();
  cache.replace(many().slice(0, 500), ++revision);
  check();
});

test('label index: the key that was not asked for longest goes', () => {
  const cache = cacheOf(
    Array.from({ length: 300 }, (_, i) =>
      object(`n/o-${i}`, Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((k) => [k, String(i)]))),
    ),
  );
  for (const key of ['a', 'b', 'c', 'a', 'd', 'e', 'f', 'b', 'a'])
    assert.deepEqual(select(cache, { [key]: '17' }), ['n/o-17']);
});
