import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ClusterError } from './cluster-error.ts';
import { type DataDir, openDataDir } from './data-dir.ts';
import {
  assertNotRunning,
  isRunning,
  type RunRecord,
  readRunRecord,
  removeRunRecord,
  thisProcess,
  writeRunRecord,
} from './run-record.ts';

let dir: DataDir;
beforeEach(() => {
  dir = openDataDir(mkdtempSync(join(tmpdir(), 'bireme-run-')));
});
afterEach(() => rmSync(dir.path, { recursive: true, force: true }));

const record = (more: Partial<RunRecord> = {}): RunRecord => ({
  controlPlane: thisProcess(process.pid),
  server: 'https://127.0.0.1:6443',
  runtime: 'hollow',
  startedAt: '2026-01-01T00:00:00.000Z',
  ...more,
});

test('run record: none before the first start, none after it is removed, which may be done twice', () => {
  assert.equal(readRunRecord(dir), undefined);
  assert.equal(assertNotRunning(dir), undefined);
  writeRunRecord(dir, record());
  removeRunRecord(dir);
  removeRunRecord(dir);
  assert.equal(readRunRecord(dir), undefined);
});

test('run record: a process that lives is in the way, and is named', () => {
  writeRunRecord(dir, record());
  assert.throws(
    () => assertNotRunning(dir),
    (error) =>
      error instanceof ClusterError &&
      error.message.includes(`process ${process.pid}, https://127.0.0.1:6443`) &&
      error.remedy.includes('bireme down'),
  );
});

test('run record: the process id of another process, or of another boot, is not ours', () => {
  const self = thisProcess(process.pid);
  for (const controlPlane of [
    { ...self, startTime: '1' },
    { ...self, bootId: 'another' },
    { ...self, pid: 2 ** 22 + 1 },
  ]) {
    const stale = record({ controlPlane });
    writeRunRecord(dir, stale);
    assert.equal(isRunning(readRunRecord(dir)), false);
    assert.deepEqual(assertNotRunning(dir), stale);
  }
});

test('run record: a damaged one is told, not taken for none', () => {
  writeFileSync(join(dir.run, 'cluster.json'), '{"server":');
  assert.throws(() => readRunRecord(dir), /is damaged/);
});
