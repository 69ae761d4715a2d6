import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClusterError } from './cluster-error.ts';
import { chooseRung, findProgram, type MachineFacts } from './rung.ts';

const linuxRoot: MachineFacts = { platform: 'linux', uid: 0, path: '' };

test('rung: hollow nodes on request, whatever the machine has', () => {
  assert.deepEqual(chooseRung('hollow', linuxRoot), { kind: 'hollow', reason: '--runtime hollow was given' });
});

const obstacles: readonly (readonly [string, Partial<MachineFacts>, RegExp])[] = [
  ['another system than Linux', { platform: 'darwin', uid: 501 }, /^this is darwin, not Linux$/],
  ['a user who is not root', { uid: 1000 }, /^this user is not root$/],
  ['no user ids at all', { platform: 'win32', uid: undefined }, /^this is win32, not Linux$/],
];
for (const [name, facts, reason] of obstacles)
  test(`rung: ${name} means hollow nodes with the reason, and an error when containerd was asked for`, () => {
    const machine = { ...linuxRoot, ...facts };
    const rung = chooseRung('auto', machine);
    assert.ok(rung.kind === 'hollow');
    assert.match(rung.reason, reason);
    assert.throws(
      () => chooseRung('containerd', machine),
      (error) =>
        error instanceof ClusterError &&
        error.message === `Cannot run containers with containerd: ${rung.reason}` &&
        /--runtime hollow/.test(error.remedy),
    );
  });

test('rung: a program is found on the path first, and only when it may be run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-rung-'));
  try {
    const program = join(folder, 'bireme-no-such-program');
    assert.equal(findProgram('bireme-no-such-program', folder), undefined);
    writeFileSync(program, '');
    chmodSync(program, 0o644);
    assert.equal(findProgram('bireme-no-such-program', folder), undefined);
    chmodSync(program, 0o755);
    assert.equal(findProgram('bireme-no-such-program', `/nowhere:${folder}`), program);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
