import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CacheEvent } from './cache-event.ts';
import { CachedObject, ownBytes } from './cached-object.ts';
import { History } from './history.ts';

const object = (revision: number, padding = 0): CachedObject =>
  new CachedObject(
    {
      key: 'a/x',
      revision,
      createRevision: 1,
      bytes: ownBytes(`{"kind":"K","apiVersion":"v1","metadata":{"name":"x"},"p":"${'p'.repeat(padding)}"}`),
    },
    { labels: undefined, fields: [], node: '' },
    Object.freeze({}),
  );

function filled(
  events: number,
  options: { readonly at?: (i: number) => number; readonly padding?: number } = {},
): History {
  const history = new History(1);
  let previous: CachedObject | undefined;
  for (let i = 0; i < events; i++) {
    const next = object(i + 2, options.padding);
    const at = options.at?.(i) ?? 0;
    history.push(new CacheEvent(next.revision, next, previous, false, at), at);
    previous = next;
  }
  return history;
}

test('history: it gives everything after a revision, and nothing when that is not all', () => {
  const history = filled(10);
  assert.deepEqual(
    history.since(8)?.map((event) => event.revision),
    [9, 10, 11],
  );
  assert.deepEqual(history.since(11), []);
  assert.equal(history.since(0), undefined);
});

test('history: it grows while its events are young, and no further than its bound', () => {
  assert.equal(filled(1_000).length, 1_000);
  const full = filled(20_000);
  assert.equal(full.length, 16_384);
  assert.equal(full.oldest, 20_001 - 16_384);
});

test('history: old events make room instead', () => {
  const history = filled(1_000, { at: (i) => i * 1_000 });
  assert.equal(history.length, 128);
  assert.equal(history.since(history.oldest)?.length, 128);
  assert.equal(history.since(history.oldest - 1), undefined);
});

test('history: big objects bound it by bytes', () => {
  const history = filled(600, { padding: 100_000 });
  assert.ok(history.length < 400 && history.length > 300, String(history.length));
});

test('history: superseded values are dropped when events settle, the newest stay', () => {
  const history = filled(200);
  const events = history.since(1)!;
  assert.equal(events[10]!.previous?.value, undefined);
  assert.notEqual(events.at(-1)!.current.value, undefined);
});

test('history: compaction forgets, and says from where it is complete', () => {
  const history = filled(10);
  history.compact(6);
  assert.equal(history.oldest, 6);
  assert.equal(history.since(5), undefined);
  assert.deepEqual(
    history.since(6)?.map((event) => event.revision),
    [7, 8, 9, 10, 11],
  );
});
