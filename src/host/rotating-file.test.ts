import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { openRotatingFile, type RotatingFileOptions } from './rotating-file.ts';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
const day = 86_400_000;
const start = Date.parse('2026-01-02T03:04:05.678Z');

function folderWith(over: Partial<RotatingFileOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-rotating-'));
  folders.push(folder);
  const state = { now: start };
  const errors: unknown[] = [];
  const options: RotatingFileOptions = {
    path: join(folder, 'logs', 'audit.log'),
    now: () => state.now,
    sizeMax: 10,
    backupsMax: 0,
    ageDaysMax: 0,
    compress: false,
    onTidyError: (error) => errors.push(error),
    ...over,
  };
  const names = (): readonly string[] => readdirSync(join(folder, 'logs')).sort();
  const text = (name: string): string => readFileSync(join(folder, 'logs', name), 'utf8');
  return { folder, state, errors, options, names, text };
}

test('rotating file: lines stand whole and in order, readable by its owner only', async () => {
  const { options, text } = folderWith({ sizeMax: 1000 });
  const file = openRotatingFile(options);
  await Promise.all(Array.from({ length: 50 }, (_, i) => file.write(`${i}\n`)));
  await file.close();
  assert.equal(text('audit.log'), Array.from({ length: 50 }, (_, i) => `${i}\n`).join(''));
  assert.equal(statSync(options.path).mode & 0o777, 0o600);
});

test('rotating file: it is put aside before it grows too large, also by a later process', async () => {
  const { options, names, text } = folderWith();
  const file = openRotatingFile(options);
  await file.write('first\n');
  await file.write('second\n');
  await file.close();
  const again = openRotatingFile(options);
  await again.write('third\n');
  await again.close();
  assert.deepEqual(names(), ['audit-2026-01-02T03-04-05.678.log', 'audit-2026-01-02T03-04-05.679.log', 'audit.log']);
  assert.deepEqual(names().map(text), ['first\n', 'second\n', 'third\n']);
});

test('rotating file: old ones go by number and by age, nobody else is touched', async () => {
  const { options, state, names } = folderWith({ backupsMax: 2, ageDaysMax: 3 });
  const file = openRotatingFile(options);
  for (let i = 0; i < 4; i++) {
    await file.write('123456789\n');
    state.now += 1000;
  }
  await file.close();
  assert.equal(names().length, 3);
  state.now += 4 * day;
  const later = openRotatingFile({ ...options, backupsMax: 0 });
  await later.write('new\n');
  await later.close();
  assert.equal(names().filter((name) => name !== 'audit.log').length, 1, 'the one that was put aside just now');
});

test('rotating file: old ones are compressed', async () => {
  const { folder, options, names, errors } = folderWith({ compress: true });
  const file = openRotatingFile(options);
  await file.write('first one\n');
  await file.write('second\n');
  await file.close();
  assert.deepEqual(names(), ['audit-2026-01-02T03-04-05.678.log.gz', 'audit.log']);
  assert.equal(gunzipSync(readFileSync(join(folder, 'logs', names()[0]!))).toString(), 'first one\n');
  assert.deepEqual(errors, []);
});

test('rotating file: a write that fails is told to its writer, and the next one tries anew', async () => {
  const { folder, options, text } = folderWith();
  const blocked = join(folder, 'logs');
  const file = openRotatingFile({ ...options, path: join(options.path, 'under-a-file') });
  const plain = openRotatingFile(options);
  await plain.write('x\n');
  await assert.rejects(file.write('y\n'), /ENOTDIR|EEXIST/);
  rmSync(blocked, { recursive: true });
  await file.write('z\n');
  await file.close();
  await plain.close();
  assert.equal(text('audit.log/under-a-file'), 'z\n');
});
