import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../base/console-log.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createMemoryStore } from '../store/memory/memory-store.ts';
import { createElection } from './compaction.ts';
import type { WatchCache } from './watch-cache/watch-cache.ts';

test('compaction: of several API servers one compacts in a round, and all forget the same history', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const compactions: number[] = [];
  const watched = {
    ...store,
    txn: store.txn.bind(store),
    compact: async (revision: number) => {
      compactions.push(revision);
      await store.compact(revision);
    },
  };
  const forgotten: number[][] = [];
  const servers = [0, 1, 2].map((i) => {
    forgotten[i] = [];
    const cache = { compact: (revision: number) => void forgotten[i]!.push(revision) } as unknown as WatchCache;
    return createElection({ store: watched, cache, clock, log: silentLogger, intervalMs: 1, shared: true });
  });
  const signal = new AbortController().signal;
  const write = () => store.txn({ compare: [], success: [{ type: 'put', key: 'a', value: Buffer.from('x') }] });
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 10; i++) await write();
    for (const server of servers) await server(signal);
  }
  assert.equal(compactions.length, 3, 'one for each round after the first');
  assert.ok(compactions.every((revision, i) => i === 0 || revision > compactions[i - 1]!));
  assert.ok(forgotten.every((revisions) => revisions.length > 0));
});
