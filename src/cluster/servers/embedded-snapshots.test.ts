import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import { type Store, StoreError } from '../../store/store.ts';
import { ClusterError } from '../cluster-error.ts';
import { openDataDir } from '../data-dir.ts';
import { restoreStoreSnapshot } from './embedded-snapshots.ts';

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
