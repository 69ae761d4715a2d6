import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ClusterError } from './cluster-error.ts';
import {
  dataDirAt,
  openDataDir,
  readFileIfPresent,
  rememberBefore,
  unusable,
  writeFileAtomically,
} from './data-dir.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bireme-data-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const refusal = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ClusterError);
  assert.match(error.message, message);
  assert.notEqual(error.remedy, '');
  return true;
};

test('data directory: it is made with its parents, for its owner only, and opened again', () => {
  const path = join(folder, 'a', 'b');
  const dir = openDataDir(path);
  assert.deepEqual(readdirSync(path).sort(), ['logs', 'node', 'pki', 'run', 'store']);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(statSync(dir.pki).mode & 0o777, 0o700);
  assert.deepEqual(openDataDir(path), dir);
});

test('data directory: a relative path and a link to it are the same folder', () => {
  const path = join(folder, 'real');
  const dir = openDataDir(path);
  symlinkSync(path, join(folder, 'link'));
  assert.deepEqual(dataDirAt(join(folder, 'link')), dir);
  assert.deepEqual(dataDirAt(relative(process.cwd(), path)), dir);
});

test("data directory: somebody else's files are named, and nothing is written beside them", () => {
  for (const name of ['diary', 'photos']) writeFileSync(join(folder, name), '');
  assert.throws(() => openDataDir(folder), refusal(/holds files that are not Bireme's \(diary, photos\)/));
  assert.deepEqual(readdirSync(folder).sort(), ['diary', 'photos']);
});

test('data directory: a file in the way, at its place or above it', () => {
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => openDataDir(join(folder, 'file')), refusal(/a file is in the way/));
  assert.throws(() => openDataDir(join(folder, 'file', 'below')), refusal(/a file is in the way/));
  assert.equal(readFileIfPresent(join(folder, 'file', 'below')), undefined);
});

for (const [code, message, remedy] of [
  ['EACCES', /permission denied/, /run as a user who may write there/],
  ['EROFS', /read-only/, /mount it writable/],
  ['ENOSPC', /disk is full/, /free some space/],
  ['EDQUOT', /quota/, /free some space/],
  ['EIO', /EIO/, /choose another place/],
] as const)
  test(`data directory: ${code} is told in words with a remedy`, () => {
    const error = unusable('/data', Object.assign(new Error(code), { code }));
    assert.match(error.message, message);
    assert.match(error.remedy, remedy);
  });

test('data directory: a failed start takes away what it made, and only that', () => {
  const fresh = join(folder, 'fresh');
  const undoFresh = rememberBefore(fresh);
  openDataDir(fresh);
  undoFresh([]);
  assert.equal(existsSync(fresh), false);

  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const undoEmpty = rememberBefore(empty);
  openDataDir(empty);
  undoEmpty(['logs']);
  assert.deepEqual(readdirSync(empty), ['logs']);

  const used = join(folder, 'used');
  const dir = openDataDir(used);
  writeFileSync(join(dir.store, 'precious'), 'x');
  const undoUsed = rememberBefore(used);
  writeFileSync(dir.adminKubeconfig, '');
  undoUsed([]);
  assert.deepEqual(readdirSync(used).sort(), ['logs', 'node', 'pki', 'run', 'store']);
  assert.deepEqual(readdirSync(dir.store), ['precious']);
});

test('data directory: a file is written whole, with its mode, and leaves no temporary one', () => {
  const path = join(folder, 'file');
  writeFileAtomically(path, 'one', 0o600);
  writeFileAtomically(path, 'two', 0o600);
  assert.equal(readFileIfPresent(path), 'two');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ['file']);
});
