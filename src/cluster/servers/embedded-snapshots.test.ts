import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import { type Store, StoreError } from '../../store/store.ts';
import { ClusterError } from '../cluster-error.ts';
import { openDataDir } from '../data-dir.ts';
import { restoreStoreSnapshot, snapshotStoreRegularly } from './embedded-snapshots.ts';
import { keepNewest, listSnapshots, snapshotsPath } from './snapshots.ts';

const run = promisify(execFile);
const launcher = fileURLToPath(new URL('../../../bin/bireme.js', import.meta.url));
const options = { clock: createRealClock({ keepAlive: true }), log: silentLogger };
const put = (store: Store, key: string) =>
  store.txn({ compare: [], success: [{ type: 'put', key, value: Buffer.from(key) }] });
const keys = async (store: Store): Promise<readonly string[]> =>
  (await store.range({ key: '/', end: '\0' })).kvs.map(({ key }) => key);

test('embedded snapshots: saved by another process while the store is written, restored here and elsewhere, above all revisions', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-snapshots-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dir = openDataDir(join(folder, 'here'));
  writeFileSync(join(dir.pki, 'ca.crt'), 'the authority');
  const store = await openEmbeddedStore({ path: dir.store, ...options });
  await put(store, '/a');
  const save = (...args: readonly string[]) =>
    run(process.execPath, [launcher, 'snapshot', 'save', '--data-dir', dir.path, ...args]);
  const path = join(folder, 'saved.lmdb');
  assert.match((await save(path)).stdout, /^Saved .*saved\.lmdb \(\d+ bytes\)/);
  await assert.rejects(save(path), /is there already/);
  await save('--keep', '1');
  const { revision } = await put(store, '/b');
  await assert.rejects(restoreStoreSnapshot(dir.path, path, options), (error) => error instanceof ClusterError);
  await store.close();

  const there = openDataDir(join(folder, 'there'));
  for (const { path: to } of [dir, there]) {
    await restoreStoreSnapshot(to, path, { ...options, raiseBy: 500 });
    const restored = await openEmbeddedStore({ path: join(to, 'store'), ...options });
    assert.deepEqual(await keys(restored), ['/a']);
    assert.ok((await restored.currentRevision()) > revision, 'no revision is given out twice');
    await assert.rejects(
      restored.range({ key: '/a', revision }),
      (error) => error instanceof StoreError && error.code === 'compacted',
    );
    await put(restored, '/c');
    await restored.close();
  }
  assert.equal(readFileSync(join(there.pki, 'ca.crt'), 'utf8'), 'the authority');
  assert.ok(existsSync(join(dir.path, 'snapshots', 'store-before-restore')));

  truncateSync(path, 5000);
  await assert.rejects(restoreStoreSnapshot(there.path, path, options), /cannot be restored/);
  const kept = await openEmbeddedStore({ path: there.store, ...options });
  assert.deepEqual(await keys(kept), ['/a', '/c'], 'what was there is there');
  await kept.close();
});

test('embedded snapshots: saved every so often, also by one who starts late, and only so many stay', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-snapshots-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dir = openDataDir(folder);
  mkdirSync(snapshotsPath(dir));
  const startMs = Date.UTC(2026, 0, 1);
  const clock = createVirtualClock(startMs);
  const minutes = (): number => (clock.now() - startMs) / 60_000;
  const make = (name: string): void => {
    const path = join(snapshotsPath(dir), name);
    writeFileSync(path, '');
    utimesSync(path, clock.now() / 1000, clock.now() / 1000);
  };
  const saved: number[] = [];
  /** What `bireme snapshot save` does. */
  const run = async (program: string, args: readonly string[]) => {
    assert.deepEqual([program, ...args], ['bireme', 'snapshot', 'save', '--data-dir', folder, '--keep', '2']);
    saved.push(minutes());
    // The second one fails: the next is tried in time.
    const code = saved.length === 2 ? 1 : 0;
    if (code === 0) make(`store-${minutes()}.lmdb`);
    keepNewest(dir, 'store-', 2);
    return { code, signal: null, stdout: Buffer.from(''), stderr: Buffer.from('no room') };
  };
  const start = async (forMinutes: number): Promise<void> => {
    const ending = new AbortController();
    const schedule = { everyMs: 60 * 60_000, keep: 2, command: ['bireme'], spawner: { run }, clock, log: silentLogger };
    const ended = snapshotStoreRegularly(dir, schedule, ending.signal);
    await clock.advance(forMinutes * 60_000);
    ending.abort();
    await ended;
  };
  make('by-hand.lmdb');
  await start(200);
  assert.deepEqual(saved, [60, 120, 180]);
  // 20 minutes after the last one.
  await start(50);
  assert.deepEqual(saved.slice(3), [240]);
  // Nothing ran for a day: soon after the start.
  await clock.advance(24 * 3_600_000);
  await start(10);
  assert.deepEqual(saved.slice(4), [250 + 24 * 60 + 1]);
  assert.deepEqual(
    listSnapshots(dir).map(({ name }) => name),
    ['by-hand.lmdb', 'store-240.lmdb', 'store-1691.lmdb'],
  );
});
