import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { requires } from '../../../test/requirements.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { type StoreHarness, storeContract } from '../contract.ts';
import { storeProperty } from '../property.contract.ts';
import { type Store, StoreError } from '../store.ts';
import { openEtcdStore } from './etcd-store.ts';
import { type EtcdProcess, startEtcd } from './testdata/etcd-process.ts';

const clock = createRealClock();
let server: Promise<EtcdProcess> | undefined;
const shared = (): Promise<EtcdProcess> => (server ??= startEtcd());
after(async () => (await server)?.end());
const skip = (t: TestContext): boolean => !requires(t, { commands: ['etcd'] });

const connect = async (etcd: EtcdProcess): Promise<Store> => openEtcdStore({ endpoints: [etcd.endpoint], clock });
const open = async (): Promise<StoreHarness> => {
  const store = await connect(await shared());
  await store.txn({ compare: [], success: [{ type: 'delete', key: '\0', end: '\0' }] });
  return { store, advance: (ms) => clock.sleep(ms), end: () => store.close() };
};
storeContract('etcd', open, { skip, keepsDeletionAtCompaction: false });
storeProperty('etcd', open, { runs: 15, skip });

test('etcd store: a watch is taken up again after etcd was away, without a gap or a duplicate', {
  timeout: 30_000,
}, async (t) => {
  if (skip(t)) return;
  const etcd = await startEtcd();
  try {
    const store = await connect(etcd);
    const write = (key: string) => store.txn({ compare: [], success: [{ type: 'put', key, value: Buffer.from(key) }] });
    const stop = new AbortController();
    const seen: string[] = [];
    const first = await store.currentRevision();
    const watching = (async () => {
      for await (const { events } of store.watch({
        key: '\0',
        end: '\0',
        startRevision: first + 1,
        signal: stop.signal,
      })) {
        for (const { kv } of events) seen.push(kv.key);
        if (seen.includes('c')) return;
      }
    })();
    await write('a');
    while (seen.length < 1) await clock.sleep(10);
    await etcd.stop();
    await assert.rejects(
      write('lost'),
      (error: unknown) => error instanceof StoreError && error.code === 'unavailable',
    );
    await etcd.start();
    for (const key of ['b', 'c'])
      for (let done = false; !done; )
        done = await write(key).then(
          () => true,
          () => clock.sleep(100).then(() => false),
        );
    await watching;
    assert.deepEqual(seen, ['a', 'b', 'c']);
    stop.abort();
    await store.close();
  } finally {
    await etcd.end();
  }
});

test('etcd store: an endpoint that does not answer is refused in the time given', async () => {
  await assert.rejects(
    openEtcdStore({ endpoints: ['http://127.0.0.1:1'], clock, timeoutMs: 500 }),
    (error: unknown) => error instanceof StoreError && error.code === 'unavailable',
  );
});
