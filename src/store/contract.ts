/**
 * What every Store must do: etcd's model, as tests. Three test files run it: memory, embedded, etcd. Revisions are compared with the store's
 * at the test's start, because the etcd suite shares one server.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type Compare,
  type KeyValue,
  type Op,
  prefixEnd,
  type Store,
  StoreError,
  type StoreErrorCode,
  type StoreEvent,
  type WatchBatch,
} from './store.ts';

export interface StoreHarness {
  /** Empty; its revision may be above 1. */
  readonly store: Store;
  /** Lets `ms` of the store's time pass (virtual where it can be). */
  advance(ms: number): Promise<void>;
  /** Ends what the harness started; the store may be closed already. */
  end(): Promise<void>;
}
export interface ContractOptions {
  /** Why all of it is skipped. */
  readonly skip?: (t: TestContext) => boolean;
  /** etcd 3.4 forgets a deletion at the compacted revision itself. */
  readonly keepsDeletionAtCompaction?: boolean;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array): string => Buffer.from(value).toString();
const put = (key: string, value = key, lease?: bigint): Op =>
  lease === undefined ? { type: 'put', key, value: bytes(value) } : { type: 'put', key, value: bytes(value), lease };
const del = (key: string, end?: string): Op =>
  end === undefined ? { type: 'delete', key } : { type: 'delete', key, end };
const write = async (store: Store, ...success: Op[]): Promise<number> =>
  (await store.txn({ compare: [], success })).revision;
const keysOf = (kvs: readonly KeyValue[]): string[] => kvs.map((kv) => kv.key);
const all = { key: '\0', end: '\0' };
const show = (event: StoreEvent): string => {
  const before = event.prevKv ? ` was ${text(event.prevKv.value)}` : '';
  return event.type === 'put'
    ? `put ${event.kv.key}=${text(event.kv.value)}${before}`
    : `delete ${event.kv.key}${before}`;
};
const refuses = (promise: Promise<unknown>, code: StoreErrorCode, message?: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof StoreError, `a StoreError, not ${String(error)}`);
    assert.equal(error.code, code);
    if (message) assert.match(error.message, message);
    return true;
  });

/** Takes batches until `count` events came; each batch is checked for order and whole revisions. */
async function take(iterator: AsyncIterator<WatchBatch>, count: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  let seen = 0;
  while (events.length < count) {
    const { done, value } = await iterator.next();
    assert.ok(!done, `the watch ended after ${events.length} of ${count} events`);
    for (const event of value.events) {
      assert.ok(event.kv.modRevision >= seen, 'events are in revision order');
      seen = event.kv.modRevision;
      events.push(event);
    }
    assert.ok(value.revision >= seen);
  }
  assert.equal(events.length, count);
  return events;
}

export function storeContract(name: string, open: () => Promise<StoreHarness>, options: ContractOptions = {}): void {
  const it = (title: string, body: (store: Store, harness: StoreHarness, t: TestContext) => Promise<void>): void => {
    test(`${name} store: ${title}`, async (t) => {
      if (options.skip?.(t)) return;
      const harness = await open();
      try {
        await body(harness.store, harness, t);
      } finally {
        await harness.end();
      }
    });
  };
  /** A watch that is ended with the test. */
  const watching = async (
    store: Store,
    request: { key: string; end?: string; startRevision?: number; prevKv?: boolean },
    body: (iterator: AsyncIterator<WatchBatch>, stop: AbortController) => Promise<void>,
  ): Promise<void> => {
    const stop = new AbortController();
    const iterator = store.watch({ ...request, signal: stop.signal })[Symbol.asyncIterator]();
    try {
      await body(iterator, stop);
    } finally {
      stop.abort();
      await iterator.return?.();
    }
  };

  // Revisions and versions

  it('each writing transaction raises the revision by one and stamps every key it wrote', async (store) => {
    const base = await store.currentRevision();
    assert.equal(await write(store, put('a'), put('b')), base + 1);
    assert.equal(await write(store, put('a')), base + 2);
    const { kvs, revision } = await store.range(all);
    assert.equal(revision, base + 2);
    assert.deepEqual(
      kvs.map((kv) => [kv.key, kv.createRevision - base, kv.modRevision - base, kv.version, kv.lease]),
      [
        ['a', 1, 2, 2, 0n],
        ['b', 1, 1, 1, 0n],
      ],
    );
  });

  it('deleting a missing key and a transaction that only reads leave the revision alone', async (store) => {
    const base = await write(store, put('a'));
    const result = await store.txn({ compare: [], success: [del('missing'), { type: 'range', key: 'a' }] });
    assert.equal(result.revision, base);
    assert.deepEqual(result.results[0], { type: 'delete', deleted: 0, prevKvs: [] });
    assert.equal(await store.currentRevision(), base);
  });

  it('a key made again after its deletion starts at version 1 with a new create revision', async (store) => {
    const base = await store.currentRevision();
    await write(store, put('a'));
    await write(store, put('a'));
    await write(store, del('a'));
    await write(store, put('a'));
    const kv = (await store.range({ key: 'a' })).kvs[0]!;
    assert.deepEqual([kv.createRevision - base, kv.modRevision - base, kv.version], [4, 4, 1]);
  });

  it('the current revision is that of the last acknowledged write', async (store) => {
    for (let i = 0; i < 5; i++) assert.equal(await write(store, put(`k${i}`)), await store.currentRevision());
  });

  it('concurrent writes get revisions of their own, without gaps', async (store) => {
    const base = await store.currentRevision();
    const revisions = await Promise.all(Array.from({ length: 40 }, (_, i) => write(store, put(`k${i}`))));
    assert.deepEqual(
      revisions.toSorted((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => base + 1 + i),
    );
    for (const [i, revision] of revisions.entries())
      assert.equal((await store.range({ key: `k${i}` })).kvs[0]!.modRevision, revision);
  });

  // Ranges

  it('a range has an exclusive end, and is empty when the end is not after the key', async (store) => {
    await write(store, put('a'), put('b'), put('c'));
    const cases: readonly (readonly [string, string | undefined, string[]])[] = [
      ['a', undefined, ['a']],
      ['a', 'c', ['a', 'b']],
      ['a', 'a', []],
      ['b', 'a', []],
      ['b', '\0', ['b', 'c']],
      ['\0', '\0', ['a', 'b', 'c']],
      ['aa', 'b', []],
      ['x', undefined, []],
    ];
    for (const [key, end, want] of cases) {
      const { kvs, count, more } = await store.range(end === undefined ? { key } : { key, end });
      assert.deepEqual([keysOf(kvs), count, more], [want, want.length, false], `[${key}, ${end})`);
    }
  });

  it('a prefix range holds exactly the keys with that prefix', async (store) => {
    await write(store, put('/p'), put('/p/'), put('/p/a'), put('/p/é'), put('/p/\u{1F600}'), put('/p0'), put('/q'));
    assert.deepEqual(keysOf((await store.range({ key: '/p/', end: prefixEnd('/p/') })).kvs), [
      '/p/',
      '/p/a',
      '/p/é',
      '/p/\u{1F600}',
    ]);
  });

  it('keys are in the order of their UTF-8 bytes, not of UTF-16 units', async (store) => {
    const keys = [
      'z',
      'é',
      '\ud7ff',
      '\ue000',
      '\uffee',
      '\u{10000}',
      '\u{1F600}',
      '\u{10ffff}',
      'a\u{10000}b',
      'a\uffeeb',
    ];
    await write(store, ...keys.map((key) => put(key)));
    const want = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(keysOf((await store.range(all)).kvs), want);
    assert.deepEqual(keysOf((await store.range({ key: '\ue000', end: '\u{1F600}' })).kvs), [
      '\ue000',
      '\uffee',
      '\u{10000}',
    ]);
  });

  it('limit bounds the answer while count and more tell of all', async (store) => {
    await write(store, ...['a', 'b', 'c', 'd'].map((key) => put(key)));
    const limited = await store.range({ ...all, limit: 3 });
    assert.deepEqual([keysOf(limited.kvs), limited.count, limited.more], [['a', 'b', 'c'], 4, true]);
    const exact = await store.range({ ...all, limit: 4 });
    assert.deepEqual([exact.kvs.length, exact.count, exact.more], [4, 4, false]);
    const rest = await store.range({ key: 'c\0', end: '\0', limit: 3 });
    assert.deepEqual([keysOf(rest.kvs), rest.more], [['d'], false]);
  });

  it('withoutCount still tells whether there is more', async (store) => {
    await write(store, ...['a', 'b', 'c', 'd'].map((key) => put(key)));
    for (const limit of [1, 3, 4, 5]) {
      const page = await store.range({ ...all, limit, withoutCount: true });
      assert.deepEqual([page.kvs.length, page.more], [Math.min(limit, 4), limit < 4]);
      assert.ok(page.count >= page.kvs.length && page.count <= 4);
    }
  });

  it('countOnly has no key-values, keysOnly has no values', async (store) => {
    await write(store, put('a', 'x'), put('b', 'y'));
    const counted = await store.range({ ...all, countOnly: true });
    assert.deepEqual([counted.kvs, counted.count, counted.more], [[], 2, false]);
    const keys = await store.range({ ...all, keysOnly: true });
    assert.deepEqual(
      keys.kvs.map((kv) => [kv.key, kv.value.length, kv.version]),
      [
        ['a', 0, 1],
        ['b', 0, 1],
      ],
    );
  });

  it('a range at a past revision sees that state', async (store) => {
    const one = await write(store, put('a', '1'), put('b', '1'));
    const two = await write(store, put('a', '2'), del('b'), put('c', '2'));
    await write(store, put('b', '3'));
    const state = async (revision: number) => {
      const result = await store.range({ ...all, revision });
      assert.equal(result.revision, two + 1, 'the answer carries the newest revision');
      return result.kvs.map((kv) => `${kv.key}=${text(kv.value)}`);
    };
    assert.deepEqual(await state(one), ['a=1', 'b=1']);
    assert.deepEqual(await state(two), ['a=2', 'c=2']);
    assert.deepEqual(await state(two + 1), ['a=2', 'b=3', 'c=2']);
    assert.equal((await store.range({ ...all, revision: one, limit: 1 })).count, 2);
  });

  it('a range at a future revision is refused', async (store) => {
    const now = await write(store, put('a'));
    await refuses(store.range({ key: 'a', revision: now + 1 }), 'futureRevision', /future revision/);
  });

  it('an empty key and one that is not well-formed are refused', async (store) => {
    await refuses(store.range({ key: '' }), 'invalid', /key is not provided/);
    await refuses(write(store, put('')), 'invalid', /key is not provided/);
    await refuses(write(store, put('\ud800')), 'invalid');
  });

  it('values may be empty, binary, or a megabyte', async (store) => {
    const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
    const big = new Uint8Array(1024 * 1024).fill(7);
    const half = new Uint8Array(2048).fill(9);
    await store.txn({
      compare: [],
      success: [
        { type: 'put', key: 'binary', value: binary },
        { type: 'put', key: 'big', value: big },
        { type: 'put', key: 'empty', value: new Uint8Array(0) },
        { type: 'put', key: 'half', value: half },
      ],
    });
    const { kvs } = await store.range(all);
    assert.deepEqual(
      kvs.map((kv) => [kv.key, kv.version]),
      [
        ['big', 1],
        ['binary', 1],
        ['empty', 1],
        ['half', 1],
      ],
    );
    for (const [i, want] of [big, binary, new Uint8Array(0), half].entries())
      assert.equal(Buffer.compare(kvs[i]!.value, want), 0);
  });

  it('a request above 1.5 MiB is refused', async (store) => {
    const base = await store.currentRevision();
    const value = new Uint8Array(1.5 * 1024 * 1024 + 1);
    await refuses(
      store.txn({ compare: [], success: [{ type: 'put', key: 'a', value }] }),
      'tooLarge',
      /request is too large/,
    );
    assert.equal(await store.currentRevision(), base);
  });

  // Transactions

  it('a transaction that puts a key twice, or puts and deletes it, is refused as a whole', async (store) => {
    const base = await store.currentRevision();
    const message = /duplicate key given in txn request/;
    await refuses(write(store, put('a'), put('a')), 'invalid', message);
    await refuses(write(store, put('a'), del('a')), 'invalid', message);
    await refuses(write(store, del('a', 'c'), put('b')), 'invalid', message);
    await refuses(write(store, del('a', '\0'), put('b')), 'invalid', message);
    await refuses(store.txn({ compare: [], success: [], failure: [put('a'), put('a')] }), 'invalid', message);
    assert.equal(await store.currentRevision(), base);
    await write(store, put('c'), del('a', 'c'), del('b'));
  });

  it('a transaction of more than 128 operations is refused', async (store) => {
    const many = (n: number): Op[] => Array.from({ length: n }, (_, i) => put(`k${i}`));
    await refuses(write(store, ...many(129)), 'invalid', /too many operations/);
    await write(store, ...many(128));
  });

  it('all comparisons must hold, or else the other branch runs', async (store) => {
    const base = await write(store, put('a', 'x'));
    await write(store, put('a', 'x'));
    const cases: readonly (readonly [string, Compare[], boolean])[] = [
      ['none', [], true],
      ['mod =', [{ key: 'a', target: 'modRevision', op: '=', value: base + 1 }], true],
      ['mod = old', [{ key: 'a', target: 'modRevision', op: '=', value: base }], false],
      ['mod >', [{ key: 'a', target: 'modRevision', op: '>', value: base }], true],
      ['create =', [{ key: 'a', target: 'createRevision', op: '=', value: base }], true],
      ['create <', [{ key: 'a', target: 'createRevision', op: '<', value: base }], false],
      ['version', [{ key: 'a', target: 'version', op: '=', value: 2 }], true],
      ['version !=', [{ key: 'a', target: 'version', op: '!=', value: 2 }], false],
      ['value =', [{ key: 'a', target: 'value', op: '=', value: bytes('x') }], true],
      ['value = other', [{ key: 'a', target: 'value', op: '=', value: bytes('xy') }], false],
      ['value !=', [{ key: 'a', target: 'value', op: '!=', value: bytes('y') }], true],
      ['missing mod 0', [{ key: 'm', target: 'modRevision', op: '=', value: 0 }], true],
      ['missing create 0', [{ key: 'm', target: 'createRevision', op: '=', value: 0 }], true],
      ['missing version 0', [{ key: 'm', target: 'version', op: '=', value: 0 }], true],
      ['missing version > 0', [{ key: 'm', target: 'version', op: '>', value: 0 }], false],
      ['missing value =', [{ key: 'm', target: 'value', op: '=', value: bytes('') }], false],
      ['missing value !=', [{ key: 'm', target: 'value', op: '!=', value: bytes('y') }], false],
      [
        'one of two',
        [
          { key: 'a', target: 'version', op: '=', value: 2 },
          { key: 'm', target: 'version', op: '=', value: 1 },
        ],
        false,
      ],
    ];
    for (const [label, compare, want] of cases) {
      const result = await store.txn({
        compare,
        success: [{ type: 'range', key: 'a', keysOnly: true }],
        failure: [{ type: 'range', key: 'other' }],
      });
      assert.equal(result.succeeded, want, label);
      assert.deepEqual(
        result.results.map((r) => r.type === 'range' && r.count),
        [want ? 1 : 0],
        label,
      );
    }
  });

  it('a failed comparison without else does nothing', async (store) => {
    const base = await write(store, put('a'));
    const result = await store.txn({
      compare: [{ key: 'a', target: 'version', op: '=', value: 9 }],
      success: [del('a')],
    });
    assert.deepEqual(result, { succeeded: false, revision: base, results: [] });
  });

  it('of many compare-and-swaps on one key exactly one wins', async (store) => {
    const base = await write(store, put('a', 'start'));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.txn({
          compare: [{ key: 'a', target: 'modRevision', op: '=', value: base }],
          success: [put('a', `${i}`)],
          failure: [{ type: 'range', key: 'a' }],
        }),
      ),
    );
    const winners = results.flatMap((result, i) => (result.succeeded ? [i] : []));
    assert.equal(winners.length, 1);
    assert.equal(text((await store.range({ key: 'a' })).kvs[0]!.value), `${winners[0]}`);
    for (const [i, result] of results.entries()) {
      const answer = result.results[0]!;
      if (i !== winners[0]) assert.ok(answer.type === 'range' && text(answer.kvs[0]!.value) === `${winners[0]}`);
    }
  });

  it('a range inside a transaction sees the writes before it and not those after it', async (store) => {
    const base = await write(store, put('a', 'old'));
    const { results, revision } = await store.txn({
      compare: [],
      success: [
        { type: 'range', key: 'a' },
        put('a', 'new'),
        { type: 'range', key: 'a' },
        { type: 'range', ...all, revision: base },
      ],
    });
    const seen = results.map((r) => (r.type === 'range' ? r.kvs.map((kv) => text(kv.value)).join() : r.type));
    assert.deepEqual(seen, ['old', 'put', 'new', 'old']);
    assert.equal(revision, base + 1);
  });

  it('a range inside a transaction at a future or compacted revision refuses the whole transaction', async (store) => {
    await write(store, put('a'));
    const now = await write(store, put('a'));
    await store.compact(now);
    await refuses(write(store, put('b'), { type: 'range', key: 'a', revision: now + 5 }), 'futureRevision');
    await refuses(write(store, put('b'), { type: 'range', key: 'a', revision: now - 1 }), 'compacted');
    assert.equal(await store.currentRevision(), now);
  });

  it('a range deletion tells how many and, when asked, which', async (store) => {
    await write(store, put('a', '1'), put('b', '2'), put('c', '3'));
    const { results, revision } = await store.txn({
      compare: [],
      success: [
        { type: 'delete', key: 'a', end: 'c', prevKv: true },
        { type: 'delete', key: 'b' },
      ],
    });
    const [first, second] = results;
    assert.ok(first?.type === 'delete');
    assert.deepEqual([first.deleted, first.prevKvs.map((kv) => `${kv.key}=${text(kv.value)}`)], [2, ['a=1', 'b=2']]);
    assert.deepEqual(second, { type: 'delete', deleted: 0, prevKvs: [] });
    assert.deepEqual(keysOf((await store.range(all)).kvs), ['c']);
    assert.deepEqual(keysOf((await store.range({ ...all, revision: revision - 1 })).kvs), ['a', 'b', 'c']);
  });

  it('an aborted signal refuses before anything is done', async (store) => {
    const base = await store.currentRevision();
    const gone = AbortSignal.abort();
    await assert.rejects(store.txn({ compare: [], success: [put('a')] }, gone), { name: 'AbortError' });
    await assert.rejects(store.range({ key: 'a' }, gone), { name: 'AbortError' });
    assert.equal(await store.currentRevision(), base);
  });

  // Watches

  it('a watch from a past revision goes on live without a gap or a duplicate', async (store) => {
    const base = await store.currentRevision();
    for (let i = 0; i < 10; i++) await write(store, put(`k${i}`));
    const writes = Array.from({ length: 10 }, (_, i) => write(store, put(`k${10 + i}`)));
    await watching(store, { ...all, startRevision: base + 1 }, async (iterator) => {
      const taken = take(iterator, 21);
      await Promise.all(writes);
      await write(store, put('last'));
      const revisions = (await taken).map((event) => event.kv.modRevision - base);
      assert.deepEqual(
        revisions,
        Array.from({ length: 21 }, (_, i) => i + 1),
      );
    });
  });

  it('events carry the state before and after', async (store) => {
    const base = await store.currentRevision();
    await write(store, put('a', '1'));
    await write(store, put('a', '2'));
    await write(store, del('a'));
    await write(store, put('a', '3'));
    await watching(store, { key: 'a', startRevision: base + 1 }, async (iterator) => {
      const events = await take(iterator, 4);
      assert.deepEqual(events.map(show), ['put a=1', 'put a=2 was 1', 'delete a was 2', 'put a=3']);
      const gone = events[2]!.kv;
      assert.deepEqual(
        { ...gone, modRevision: gone.modRevision - base, value: gone.value.length },
        { key: 'a', value: 0, createRevision: 0, modRevision: 3, version: 0, lease: 0n },
      );
      assert.equal(events[1]!.prevKv!.modRevision, base + 1);
    });
  });

  it('a watch that does not want the state before does not get it', async (store) => {
    const base = await write(store, put('a', '1'));
    await write(store, put('a', '2'));
    await watching(store, { key: 'a', startRevision: base, prevKv: false }, async (iterator) => {
      assert.deepEqual((await take(iterator, 2)).map(show), ['put a=1', 'put a=2']);
    });
  });

  it('all events of one revision come in one batch, in the order of the transaction', async (store) => {
    const base = await write(store, put('d'));
    await write(store, put('c'), put('a'), del('d'), put('b'));
    await watching(store, { ...all, startRevision: base + 1 }, async (iterator) => {
      const { value } = await iterator.next();
      assert.deepEqual(
        value.events.map((event: StoreEvent) => event.kv.key),
        ['c', 'a', 'd', 'b'],
      );
      assert.equal(value.revision, base + 1);
    });
  });

  it('a watch gets only its range', async (store) => {
    const base = await store.currentRevision();
    await write(store, put('/a/1'), put('/b/1'), put('/a0'));
    await write(store, put('/c/1'));
    await write(store, put('/a/2'));
    await watching(store, { key: '/a/', end: prefixEnd('/a/'), startRevision: base + 1 }, async (iterator) => {
      assert.deepEqual(
        (await take(iterator, 2)).map((event) => event.kv.key),
        ['/a/1', '/a/2'],
      );
    });
    await watching(store, { key: '/b/', end: '\0', startRevision: base + 1 }, async (iterator) => {
      assert.deepEqual(
        (await take(iterator, 2)).map((event) => event.kv.key),
        ['/b/1', '/c/1'],
      );
    });
  });

  it('a watch from a future revision waits for it', async (store) => {
    const base = await store.currentRevision();
    await watching(store, { ...all, startRevision: base + 3 }, async (iterator) => {
      const next = take(iterator, 1);
      for (const key of ['a', 'b', 'c']) await write(store, put(key));
      assert.deepEqual(
        (await next).map((event) => event.kv.key),
        ['c'],
      );
    });
  });

  it('a watch that starts at a compacted revision throws, with the compacted revision', async (store) => {
    const base = await write(store, put('a'));
    for (let i = 0; i < 3; i++) await write(store, put('a'));
    await store.compact(base + 2);
    await watching(store, { ...all, startRevision: base + 1 }, async (iterator) => {
      await assert.rejects(iterator.next(), (error: unknown) => {
        assert.ok(error instanceof StoreError);
        assert.deepEqual([error.code, error.compactRevision], ['compacted', base + 2]);
        return true;
      });
    });
    await watching(store, { ...all, startRevision: base + 3 }, async (iterator) => {
      assert.deepEqual(
        (await take(iterator, 1)).map((event) => event.kv.modRevision),
        [base + 3],
      );
    });
  });

  it('a cancelled watch ends, also while it waits', async (store) => {
    await watching(store, { key: 'a' }, async (iterator, stop) => {
      const waiting = iterator.next();
      stop.abort();
      for (let result = await waiting; ; result = await iterator.next()) if (result.done) break;
      assert.equal((await iterator.next()).done, true);
    });
  });

  it('several watches each get everything', async (store) => {
    const base = await store.currentRevision();
    const request = { ...all, startRevision: base + 1 };
    await watching(store, request, async (one) =>
      watching(store, request, async (two) => {
        const taken = Promise.all([take(one, 50), take(two, 50)]);
        await Promise.all(Array.from({ length: 50 }, (_, i) => write(store, put(`k${i}`))));
        const [first, second] = await taken;
        assert.deepEqual(first.map(show), second.map(show));
      }),
    );
  });

  it('a write is visible to a range once it is seen in a watch or acknowledged', async (store) => {
    const base = await store.currentRevision();
    await watching(store, { ...all, startRevision: base + 1 }, async (iterator) => {
      const acknowledged = Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const revision = await write(store, put(`k${i}`));
          assert.ok((await store.range({ key: `k${i}` })).kvs.length === 1);
          assert.ok((await store.currentRevision()) >= revision);
        }),
      );
      for (const event of await take(iterator, 10))
        assert.ok((await store.range({ key: event.kv.key })).kvs[0]!.modRevision === event.kv.modRevision);
      await acknowledged;
    });
  });

  // Compaction

  it('after a compaction older revisions are refused and the newest state stays', async (store) => {
    await write(store, put('a', '1'), put('gone'));
    await write(store, put('a', '2'), del('gone'));
    const now = await write(store, put('b'));
    await store.compact(now - 1);
    await refuses(store.range({ ...all, revision: now - 2 }), 'compacted', /required revision has been compacted/);
    assert.deepEqual(
      (await store.range({ ...all, revision: now - 1 })).kvs.map((kv) => text(kv.value)),
      ['2'],
    );
    assert.deepEqual(keysOf((await store.range(all)).kvs), ['a', 'b']);
    assert.equal((await store.range({ key: 'a' })).kvs[0]!.version, 2);
  });

  it('compacting twice to the same revision, below it, or beyond the newest is refused', async (store) => {
    await write(store, put('a'));
    const now = await write(store, put('a'));
    await store.compact(now);
    await refuses(store.compact(now), 'compacted');
    await refuses(store.compact(now - 1), 'compacted');
    await refuses(store.compact(now + 1), 'futureRevision');
    assert.deepEqual(keysOf((await store.range({ ...all, revision: now })).kvs), ['a']);
  });

  it('a key deleted and made again around a compaction keeps its new life', async (store) => {
    await write(store, put('a', '1'));
    const deleted = await write(store, del('a'));
    const again = await write(store, put('a', '2'));
    const later = await write(store, put('a', '3'));
    await store.compact(deleted);
    assert.deepEqual(
      (await store.range({ ...all, revision: again })).kvs.map((kv) => [text(kv.value), kv.version]),
      [['2', 1]],
    );
    await store.compact(again);
    await store.compact(later);
    assert.deepEqual(
      (await store.range(all)).kvs.map((kv) => [text(kv.value), kv.version, kv.createRevision]),
      [['3', 2, again]],
    );
    await write(store, del('a'));
    const empty = await write(store, put('b'));
    await store.compact(empty);
    assert.deepEqual(keysOf((await store.range(all)).kvs), ['b']);
  });

  if (options.keepsDeletionAtCompaction !== false)
    it('a deletion at the compacted revision itself can still be watched', async (store) => {
      await write(store, put('a', '1'));
      const deleted = await write(store, del('a'));
      await store.compact(deleted);
      await watching(store, { ...all, startRevision: deleted }, async (iterator) => {
        assert.deepEqual(
          (await take(iterator, 1)).map((event) => event.type),
          ['delete'],
        );
      });
    });

  // Leases

  it('the end of a lease deletes its keys in one revision', async (store, harness) => {
    const lease = await store.leaseGrant(2);
    const base = await write(store, put('b', 'x', lease), put('a', 'x', lease), put('c', 'x'));
    assert.equal((await store.range({ key: 'a' })).kvs[0]!.lease, lease);
    await watching(store, { ...all, startRevision: base + 1 }, async (iterator) => {
      const next = iterator.next();
      await harness.advance(4000);
      const { value } = await next;
      assert.deepEqual(value.events.map(show), ['delete a was x', 'delete b was x']);
      assert.equal(value.events[0].kv.modRevision, value.events[1].kv.modRevision);
    });
    assert.deepEqual(keysOf((await store.range(all)).kvs), ['c']);
    await refuses(store.leaseKeepAlive(lease), 'leaseNotFound');
  });

  it('a renewed lease lives on', async (store, harness) => {
    const lease = await store.leaseGrant(3);
    await write(store, put('a', 'x', lease));
    for (let i = 0; i < 2; i++) {
      await harness.advance(1700);
      assert.equal(await store.leaseKeepAlive(lease), 3);
    }
    assert.equal((await store.range({ key: 'a' })).count, 1);
    await store.leaseRevoke(lease);
  });

  it('a revoked lease takes its keys along; revoking it again is refused', async (store) => {
    const lease = await store.leaseGrant(60);
    const base = await write(store, put('a', 'x', lease), put('b', 'x', lease));
    await store.leaseRevoke(lease);
    assert.equal(await store.currentRevision(), base + 1);
    assert.deepEqual((await store.range(all)).kvs, []);
    await refuses(store.leaseRevoke(lease), 'leaseNotFound', /requested lease not found/);
  });

  it('a put without the lease detaches the key', async (store) => {
    const lease = await store.leaseGrant(60);
    await write(store, put('a', 'x', lease), put('b', 'x', lease));
    await write(store, put('a', 'y'));
    await store.leaseRevoke(lease);
    assert.deepEqual(keysOf((await store.range(all)).kvs), ['a']);
  });

  it('a put with an unknown lease refuses the whole transaction', async (store) => {
    const base = await store.currentRevision();
    await refuses(write(store, put('a'), put('b', 'x', 123_456_789n)), 'leaseNotFound', /requested lease not found/);
    assert.equal(await store.currentRevision(), base);
    assert.deepEqual((await store.range(all)).kvs, []);
  });

  it('a lease without keys ends without a revision', async (store) => {
    const base = await store.currentRevision();
    await store.leaseRevoke(await store.leaseGrant(60));
    assert.equal(await store.currentRevision(), base);
  });

  // The end

  it('a closed store refuses everything, ends its watches, and may be closed again', async (store) => {
    const iterator = store.watch({ ...all, signal: new AbortController().signal })[Symbol.asyncIterator]();
    const waiting = (async () => {
      for (;;) if ((await iterator.next()).done) return;
    })();
    await write(store, put('a'));
    await store.close();
    await waiting;
    await store.close();
    await refuses(store.range({ key: 'a' }), 'closed');
    await refuses(write(store, put('a')), 'closed');
    await refuses(store.currentRevision(), 'closed');
  });

  it('size tells of bytes', async (store) => {
    await write(store, put('a', 'x'.repeat(100_000)));
    assert.ok((await store.size()) >= 100_000);
  });
}
