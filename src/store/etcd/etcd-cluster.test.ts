import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { requires } from '../../../test/requirements.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { StoreError } from '../store.ts';
import { type EtcdCluster, failuresTolerated, openEtcdCluster } from './etcd-cluster.ts';
import { openEtcdStore } from './etcd-store.ts';
import { mindOnce, relieveEtcd } from './mind-cluster.ts';
import { startEtcd } from './testdata/etcd-process.ts';

const clock = createRealClock();

test('etcd cluster: members, one member and its status, and a snapshot that proves itself', {
  timeout: 30_000,
}, async (t) => {
  if (!requires(t, { commands: ['etcd'] })) return;
  const etcd = await startEtcd();
  t.after(() => etcd.end());
  const cluster = await openEtcdCluster({ endpoints: [etcd.endpoint], clock });
  t.after(() => cluster.close());
  const [member] = await cluster.members();
  assert.deepEqual(
    { name: member?.name, peers: member?.peerUrls, clients: member?.clientUrls, learner: member?.learner },
    { name: 'test', peers: [etcd.peerUrl], clients: [etcd.endpoint], learner: false },
  );
  const status = await cluster.status(etcd.endpoint);
  assert.equal(status.leader, member?.id);
  assert.match(status.version, /^3\./);
  assert.ok(status.dbSizeBytes >= status.dbSizeInUseBytes && status.dbSizeBytes > 0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of cluster.snapshot(etcd.endpoint)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  assert.deepEqual(createHash('sha256').update(bytes.subarray(0, -32)).digest(), bytes.subarray(-32));
});

test('etcd cluster: a learner is added, has no vote, and is taken out again', { timeout: 30_000 }, async (t) => {
  if (!requires(t, { commands: ['etcd'] })) return;
  const etcd = await startEtcd();
  t.after(() => etcd.end());
  const cluster = await openEtcdCluster({ endpoints: [etcd.endpoint], clock });
  t.after(() => cluster.close());
  const { id, members } = await cluster.addMember('http://127.0.0.1:1', { learner: true });
  assert.equal(members.length, 2);
  assert.equal(members.find((member) => member.id === id)?.learner, true);
  assert.equal(failuresTolerated(members), 0);
  await assert.rejects(cluster.promoteMember(id), (error: unknown) => error instanceof StoreError);
  await cluster.removeMember(id);
  assert.equal((await cluster.members()).length, 1);
});

test('etcd cluster: tolerance is votes less a majority', () => {
  const votes = (count: number) => Array.from({ length: count }, () => ({ learner: false }));
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((count) => failuresTolerated(votes(count))),
    [0, 0, 1, 1, 2],
  );
  assert.equal(failuresTolerated([...votes(2), { learner: true }]), 0);
});

/** Until etcd has refused one and told of it. */
async function fill(cluster: EtcdCluster, write: (i: number) => Promise<unknown>): Promise<void> {
  const full = await (async () => {
    for (let i = 0; i < 100; i++)
      try {
        await write(i);
      } catch (error) {
        return error;
      }
    return undefined;
  })();
  assert.ok(full instanceof StoreError && full.code === 'noSpace', String(full));
  // The alarm is raised a moment after the first refusal.
  for (let i = 0; i < 50 && (await cluster.alarms()).length === 0; i++) await clock.sleep(50);
}

test('etcd cluster: one that is full of what is wanted takes writes again soon after some of it was deleted', {
  timeout: 60_000,
}, async (t) => {
  if (!requires(t, { commands: ['etcd'] })) return;
  const etcd = await startEtcd(undefined, { args: ['--quota-backend-bytes', String(4 * 1024 * 1024)] });
  t.after(() => etcd.end());
  const endpoints = { endpoints: [etcd.endpoint], clock };
  const [cluster, store] = [await openEtcdCluster(endpoints), await openEtcdStore(endpoints)];
  const value = Buffer.alloc(256 * 1024, 'x');
  const put = (i: number) => store.txn({ compare: [], success: [{ type: 'put', key: `/${i}`, value }] });
  await fill(cluster, put);
  let looks = 0;
  const looked = { ...cluster, alarms: (signal?: AbortSignal) => (looks++, cluster.alarms(signal)) };
  const ending = new AbortController();
  const options = { cluster: looked, store, clock, log: silentLogger, endpoint: etcd.endpoint, intervalMs: 50 };
  const relieving = relieveEtcd(options, ending.signal);
  t.after(async () => {
    ending.abort();
    await relieving;
    cluster.close();
    await store.close();
  });
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await holds())) await clock.sleep(50);
  };
  // Several looks on, there is nothing to gain: the objects are wanted. The first look may have disarmed it for a moment.
  await until(() => looks > 4);
  await fill(cluster, (i) => put(100 + i));
  await store.txn({ compare: [], success: [{ type: 'delete', key: '/', end: '/9' }] });
  await until(async () => (await cluster.alarms()).length === 0);
  await put(0);
});

test('etcd cluster: one that is full is writable again after a look', { timeout: 60_000 }, async (t) => {
  if (!requires(t, { commands: ['etcd'] })) return;
  const etcd = await startEtcd(undefined, { args: ['--quota-backend-bytes', String(4 * 1024 * 1024)] });
  t.after(() => etcd.end());
  const options = { endpoints: [etcd.endpoint], clock };
  const [cluster, store] = [await openEtcdCluster(options), await openEtcdStore(options)];
  t.after(async () => {
    cluster.close();
    await store.close();
  });
  const value = Buffer.alloc(256 * 1024, 'x');
  const write = () => store.txn({ compare: [], success: [{ type: 'put', key: 'a', value }] });
  await fill(cluster, write);
  const done = await mindOnce({ cluster, store, clock, log: silentLogger });
  assert.deepEqual(
    done.map((line) => line.split(' ')[0]),
    ['compacted', 'defragmented', 'disarmed'],
  );
  await write();
  assert.deepEqual(await mindOnce({ cluster, store, clock, log: silentLogger }), []);
});
