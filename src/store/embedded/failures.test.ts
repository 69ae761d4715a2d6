/** A data directory in use, read-only, full, corrupt or newer: one clear sentence each, and nothing half-started. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { findCommand, requires } from '../../../test/requirements.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { type Store, StoreError, type StoreErrorCode } from '../store.ts';
import { openEmbeddedStore } from './embedded-store.ts';

const clock = createRealClock();
const all = { key: '\0', end: '\0' };
const open = (path: string, options: { quotaBytes?: number; recentBytes?: number } = {}): Promise<Store> =>
  openEmbeddedStore({ path, clock, log: silentLogger, ...options });
const put = (store: Store, key: string, bytes = 100) =>
  store.txn({ compare: [], success: [{ type: 'put', key, value: Buffer.alloc(bytes, key) }] });

function temporary(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'bireme-failures-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const refuses = (promise: Promise<unknown>, code: StoreErrorCode, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
async function filled(path: string, keys = 50): Promise<void> {
  const store = await open(path);
  await Promise.all(Array.from({ length: keys }, (_, i) => put(store, `k${i}`, 3000)));
  await store.close();
}

test('embedded store: what was written is there after closing and opening, history and leases included', async (t) => {
  const path = temporary(t);
  let store = await open(path);
  const lease = await store.leaseGrant(600);
  await store.txn({ compare: [], success: [{ type: 'put', key: 'leased', value: Buffer.from('x'), lease }] });
  const one = (await put(store, 'a')).revision;
  await put(store, 'ä\u{1F600}');
  await store.txn({ compare: [], success: [{ type: 'delete', key: 'a' }] });
  await put(store, 'a', 5000);
  await put(store, 'big', 1_400_000);
  await put(store, 'b', 0);
  const before = [await store.range(all), await store.range({ ...all, revision: one })];
  await store.close();
  store = await open(path);
  assert.deepEqual(
    JSON.stringify([await store.range(all), await store.range({ ...all, revision: one })], show),
    JSON.stringify(before, show),
  );
  assert.equal(await store.leaseKeepAlive(lease), 600);
  const events: string[] = [];
  const stop = new AbortController();
  for await (const batch of store.watch({ ...all, startRevision: 2, signal: stop.signal })) {
    for (const event of batch.events)
      events.push(`${event.type} ${event.kv.key} ${event.kv.version} ${event.prevKv?.version ?? '-'}`);
    stop.abort();
  }
  assert.deepEqual(events, [
    'put leased 1 -',
    'put a 1 -',
    'put ä\u{1F600} 1 -',
    'delete a 0 1',
    'put a 1 -',
    'put big 1 -',
    'put b 1 -',
  ]);
  await store.leaseRevoke(lease);
  assert.equal((await store.range({ key: 'leased' })).count, 0);
  assert.notEqual(await store.leaseGrant(600), lease);
  await store.close();
});
const show = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

test('embedded store: nothing is seen before it is on disk, and who saw it in a transaction waits for that', async (t) => {
  const store = await open(temporary(t));
  const order: string[] = [];
  const stop = new AbortController();
  const watch = store.watch({ ...all, signal: stop.signal })[Symbol.asyncIterator]();
  const event = watch.next().then(() => order.push('watch'));
  const writing = put(store, 'a').then(() => order.push('write'));
  const reading = store
    .txn({ compare: [{ key: 'a', target: 'version', op: '=', value: 1 }], success: [{ type: 'range', key: 'a' }] })
    .then(({ succeeded }) => order.push(`read ${succeeded}`));
  assert.equal((await store.range({ key: 'a' })).count, 0);
  assert.equal(await store.currentRevision(), 1);
  assert.equal(order.length, 0);
  await Promise.all([writing, reading, event]);
  assert.deepEqual(order.toSorted(), ['read true', 'watch', 'write']);
  assert.ok(order.indexOf('write') < order.indexOf('read true'));
  assert.equal((await store.range({ key: 'a' })).count, 1);
  stop.abort();
  await store.close();
});

test('embedded store: a compaction outlives a restart, and frees the disk for later writes', async (t) => {
  const path = temporary(t);
  let store = await open(path, { recentBytes: 0 });
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 200 }, (_, i) => put(store, `k${i}`, 2000)));
    await store.compact(await store.currentRevision());
  }
  const size = await store.size();
  assert.ok(size < 200 * 4096 * 4, `ten rounds over the same keys need ${size} bytes`);
  const now = await store.currentRevision();
  await store.close();
  store = await open(path);
  assert.equal(await store.currentRevision(), now);
  await refuses(store.range({ ...all, revision: now - 1 }), 'compacted', /compacted/);
  assert.equal((await store.range(all)).count, 200);
  await store.txn({ compare: [], success: [{ type: 'delete', key: 'k', end: 'l' }] });
  const gone = await store.currentRevision();
  await store.compact(gone);
  await put(store, 'other');
  await store.compact(gone + 1);
  await store.close();
  store = await open(path);
  assert.deepEqual([await store.currentRevision(), (await store.range(all)).count], [gone + 1, 1]);
  await store.close();
});

test('embedded store: a directory in use is refused in this process and in another', { timeout: 20_000 }, async (t) => {
  const path = temporary(t);
  const store = await open(path);
  await refuses(open(path), 'inUse', /Cannot open the store in ".*": this process has it open already/);
  await store.close();
  await (await open(path)).close();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testdata/writer.ts'), path, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await refuses(open(path), 'inUse', new RegExp(`process ${child.pid} has it open; stop that one first`));
  child.kill('SIGKILL');
  await once(child, 'close');
  await (await open(path)).close();
});

test('embedded store: a file that is no store is refused as corrupt', async (t) => {
  const path = temporary(t);
  writeFileSync(join(path, 'store.mdb'), 'this is no database'.repeat(1000));
  await refuses(open(path), 'corrupt', /the data file is not a store; restore a snapshot/);
});

test('embedded store: a truncated or missing data file is refused as corrupt', async (t) => {
  const path = temporary(t);
  await filled(path, 600);
  const data = join(path, 'store.mdb');
  const { size } = statSync(data);
  truncateSync(data, size - 8192);
  await refuses(open(path), 'corrupt', /data file is damaged|Cannot read the store/);
  truncateSync(data, size / 2);
  await refuses(open(path), 'corrupt', /data file has \d+ bytes where \d+ are expected/);
  truncateSync(data, 4000);
  await refuses(open(path), 'corrupt', /is not a store/);
  truncateSync(data, 0);
  await refuses(open(path), 'corrupt', /missing or empty/);
  rmSync(data);
  await refuses(open(path), 'corrupt', /missing or empty/);
});

test('embedded store: a damaged value is refused at the start, and nothing stays locked', async (t) => {
  const path = temporary(t);
  await filled(path);
  const data = join(path, 'store.mdb');
  const bytes = readFileSync(data);
  const at = bytes.indexOf('k7k7k7k7k7');
  bytes[at + 50] = 0;
  writeFileSync(data, bytes);
  await refuses(open(path), 'corrupt', /checksum/);
  await refuses(open(path), 'corrupt', /checksum/);
});

test('embedded store: random bytes anywhere in the data file are refused or harmless, and never end the process', {
  timeout: 60_000,
}, async (t) => {
  const path = temporary(t);
  const sound = join(path, 'sound');
  await filled(sound, 300);
  // Deletions and compaction leave free pages, single ones and runs.
  const store = await open(sound);
  for (let i = 0; i < 120; i++) await put(store, `k${i}`, i % 3 === 0 ? 20_000 : 500);
  await store.compact(await store.currentRevision());
  for (let i = 0; i < 60; i++) await put(store, `small${i}`, 300);
  await store.close();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testdata/damage.ts'), sound, path, '7', '60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, `after ${output.trim().split('\n').at(-1)}`);
  const outcomes = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[3]);
  assert.equal(outcomes.length, 60);
  assert.ok(outcomes.filter((outcome) => outcome === 'corrupt').length > 30, output);
});

test('embedded store: a newer format is refused', async (t) => {
  const path = temporary(t);
  await filled(path);
  writeFileSync(join(path, 'format.json'), '{"formatVersion":7}\n');
  await refuses(open(path), 'invalid', /written by a newer Bireme \(format 7, this one knows 1\)/);
  writeFileSync(join(path, 'format.json'), 'nonsense');
  await refuses(open(path), 'corrupt', /"format.json" is not readable/);
});

test('embedded store: a path through a file is refused', async (t) => {
  const path = temporary(t);
  writeFileSync(join(path, 'file'), '');
  await refuses(open(join(path, 'file', 'store')), 'invalid', /not a directory/);
});

test('embedded store: above its quota puts are refused, deletions and compaction go on', async (t) => {
  const store = await open(temporary(t), { quotaBytes: 4 * 1024 * 1024 });
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 1000; i++) await put(store, `k${i % 20}`, 100_000);
  };
  await refuses(fill(), 'noSpace', /database space exceeded/);
  await store.txn({ compare: [], success: [{ type: 'delete', key: 'k0' }] });
  await store.compact(await store.currentRevision());
  await put(store, 'k1');
  await store.close();
});

test('embedded store: a full disk fails the batch, then the store is read-only and consistent', {
  timeout: 20_000,
}, async (t) => {
  if (!requires(t, { root: true, linux: true, commands: ['mount'] })) return;
  const path = temporary(t);
  execFileSync(findCommand('mount')!, ['-t', 'tmpfs', '-o', 'size=1m', 'bireme-test', path]);
  try {
    const store = await open(join(path, 'store'));
    let acknowledged = 0;
    const fill = async (): Promise<void> => {
      for (; ; acknowledged++) await put(store, `k${String(acknowledged).padStart(4, '0')}`, 20_000);
    };
    await assert.rejects(fill(), (error: StoreError) => {
      assert.equal(error.code, 'noSpace');
      assert.match(error.message, /A commit failed: no space is left on the device/);
      // Met by the reserve and not by LMDB, whose words for it damage the heap.
      assert.equal((error.cause as NodeJS.ErrnoException).syscall, 'write');
      return true;
    });
    assert.ok(acknowledged > 10, `${acknowledged} writes fit`);
    await refuses(put(store, 'later'), 'readonly', /The store is read-only: A commit failed/);
    await refuses(store.compact(2), 'readonly', /read-only/);
    assert.equal((await store.range(all)).count, acknowledged);
    assert.equal(await store.currentRevision(), acknowledged + 1);
    await store.close();
    const again = await open(join(path, 'store'));
    assert.equal((await again.range(all)).count, acknowledged);
    await again.close();
  } finally {
    execFileSync(findCommand('umount')!, [path]);
  }
});

test('embedded store: a full disk fails every write of a batch, and each is told', { timeout: 20_000 }, async (t) => {
  if (!requires(t, { root: true, linux: true, commands: ['mount'] })) return;
  const path = temporary(t);
  execFileSync(findCommand('mount')!, ['-t', 'tmpfs', '-o', 'size=1m', 'bireme-test', path]);
  try {
    const store = await open(join(path, 'store'));
    // A rejection that nobody waits for would end the process.
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => put(store, `k${i}`, 20_000)));
    assert.ok(results.some(({ status }) => status === 'rejected'));
    const kept = results.filter(({ status }) => status === 'fulfilled').length;
    assert.equal((await store.range(all)).count, kept);
    await store.close();
  } finally {
    execFileSync(findCommand('umount')!, [path]);
  }
});

test('embedded store: a read-only file system is refused', async (t) => {
  if (!requires(t, { root: true, linux: true, commands: ['mount'] })) return;
  const path = temporary(t);
  execFileSync(findCommand('mount')!, ['-t', 'tmpfs', '-o', 'size=1m', 'bireme-test', path]);
  try {
    await filled(join(path, 'store'), 2);
    mkdirSync(join(path, 'empty'));
    execFileSync(findCommand('mount')!, ['-o', 'remount,ro', path]);
    await refuses(open(join(path, 'store')), 'readonly', /the file system is read-only/);
    await refuses(open(join(path, 'empty')), 'readonly', /the file system is read-only/);
  } finally {
    execFileSync(findCommand('umount')!, [path]);
  }
});
