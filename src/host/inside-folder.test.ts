import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { requires } from '../../test/requirements.ts';
import { makeFoldersInside, openInside } from './inside-folder.ts';
import { giveToGroup } from './ownership.ts';

async function withFolders(body: (root: string, outside: string) => Promise<void>): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), 'inside-'));
  mkdirSync(join(top, 'volume'));
  mkdirSync(join(top, 'outside'));
  writeFileSync(join(top, 'outside/secret'), 'secret');
  try {
    await body(join(top, 'volume'), join(top, 'outside'));
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

test('inside folder: a file, a folder and a link that stays inside are opened', () =>
  withFolders(async (root) => {
    mkdirSync(join(root, 'a/b'), { recursive: true });
    writeFileSync(join(root, 'a/b/f'), 'x');
    symlinkSync('a/b', join(root, 'link'));
    for (const [path, isFolder] of [
      ['a/b', true],
      ['link/f', false],
      ['.', true],
    ] as const) {
      const opened = await openInside(root, path);
      assert.equal(opened.isFolder, isFolder);
      if (!isFolder) assert.equal(readFileSync(opened.path, 'utf8'), 'x');
      await opened.close();
    }
  }));

for (const [name, target, path] of [
  ['a link to a folder outside', '../outside', 'link'],
  ['a file behind such a link', '../outside', 'link/secret'],
  ['an absolute link', '/etc', 'link/passwd'],
  ['a link up', '..', 'link'],
] as const)
  test(`inside folder: ${name} is refused`, () =>
    withFolders(async (root) => {
      symlinkSync(target, join(root, 'link'));
      await assert.rejects(openInside(root, path), /is not inside/);
    }));

test('inside folder: nothing is made outside, neither by .. nor behind a link', () =>
  withFolders(async (root, outside) => {
    symlinkSync('../outside', join(root, 'link'));
    await assert.rejects(makeFoldersInside(root, 'link/new', 0o750), /is not inside/);
    await assert.rejects(makeFoldersInside(root, '../outside/new', 0o750), /leads out/);
    assert.equal(existsSync(join(outside, 'new')), false);
  }));

test('inside folder: folders are made with the mode asked for, also below a link that stays inside', () =>
  withFolders(async (root) => {
    mkdirSync(join(root, 'real'));
    symlinkSync('real', join(root, 'link'));
    await makeFoldersInside(root, 'link/x/y', 0o777);
    assert.equal(statSync(join(root, 'real/x/y')).mode & 0o777, 0o777);
    // Again is fine, and a file at the end is left.
    await makeFoldersInside(root, 'link/x/y', 0o700);
    assert.equal(statSync(join(root, 'real/x/y')).mode & 0o777, 0o777);
  }));

test('inside folder: a folder that becomes a link while it is walked is not followed', () =>
  withFolders(async (root) => {
    mkdirSync(join(root, 'dir'));
    const opened = await openInside(root, 'dir');
    renameSync(join(root, 'dir'), join(root, 'away'));
    symlinkSync('../outside', join(root, 'dir'));
    assert.equal(existsSync(join(opened.path, 'secret')), false);
    await opened.close();
  }));

test('inside folder: a pipe does not block', () =>
  withFolders(async (root) => {
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const opened = await openInside(root, 'pipe');
    assert.equal(opened.isFolder, false);
    await opened.close();
  }));

test('ownership: the group gets its rights everywhere, new files inherit it, links are not followed', async (t) => {
  if (!requires(t, { root: true, linux: true })) return;
  await withFolders(async (root, outside) => {
    mkdirSync(join(root, 'd'), { mode: 0o700 });
    writeFileSync(join(root, 'd/f'), 'x', { mode: 0o600 });
    symlinkSync('../outside/secret', join(root, 'link'));
    chmodSync(join(outside, 'secret'), 0o600);
    assert.equal(await giveToGroup(root, { gid: 1234, readOnly: false }), 4);
    const shown = (path: string) => `${statSync(path).gid} ${(statSync(path).mode & 0o7777).toString(8)}`;
    assert.equal(shown(join(root, 'd')), '1234 2770');
    assert.equal(shown(join(root, 'd/f')), '1234 660');
    assert.equal(shown(join(outside, 'secret')), '0 600');
    assert.equal(await giveToGroup(root, { gid: 1234, readOnly: false, onlyOnRootMismatch: true }), 0);
    assert.equal(await giveToGroup(root, { gid: 99, readOnly: true, onlyOnRootMismatch: true }), 4);
  });
});
