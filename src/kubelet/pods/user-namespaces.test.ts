import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createUserNamespaces } from './user-namespaces.ts';

function make(t: TestContext, pods: readonly string[]) {
  const podsFolder = mkdtempSync(join(tmpdir(), 'users-'));
  t.after(() => rmSync(podsFolder, { recursive: true }));
  for (const uid of pods) mkdirSync(join(podsFolder, uid));
  const open = (supported: boolean | undefined = true) =>
    createUserNamespaces({ podsFolder, maxPods: 2, idsPerPod: 65_536, supported: () => supported });
  return { podsFolder, open };
}
const range = (hostId: number) => [{ hostId, containerId: 0, length: 65_536 }];

test('user namespaces: every pod has a range of its own, the same at each call', async (t) => {
  const users = make(t, ['a', 'b']).open();
  assert.deepEqual(await users.of('a', ''), { mode: 'POD', uids: range(65_536), gids: range(65_536) });
  assert.deepEqual((await users.of('b', '')).uids, range(131_072));
  assert.deepEqual((await users.of('a', '')).uids, range(65_536));
});

test('user namespaces: a restarted kubelet goes on with what pods were given', async (t) => {
  const { open, podsFolder } = make(t, ['a', 'b']);
  const first = open();
  await first.of('a', '');
  await first.of('b', '');
  assert.deepEqual(JSON.parse(readFileSync(join(podsFolder, 'b', 'userns'), 'utf8')), {
    uidMappings: range(131_072),
    gidMappings: range(131_072),
  });
  const again = open();
  assert.deepEqual((await again.of('b', '')).uids, range(131_072));
});

test('user namespaces: a range is free again when its pod is gone, and runs out before', async (t) => {
  const users = make(t, ['a', 'b', 'c']).open();
  await users.of('a', '');
  await users.of('b', '');
  await assert.rejects(users.of('c', ''), {
    message: 'create user namespace: could not find an empty slot to allocate a user namespace',
  });
  users.release('a');
  assert.deepEqual((await users.of('c', '')).uids, range(65_536));
});

test('user namespaces: a runtime that cannot is named', async () => {
  for (const [supported, handler, message] of [
    [false, '', "can't set `spec.hostUsers: false`, runtime does not support user namespaces"],
    [false, 'kata', 'can\'t set `spec.hostUsers: false`, RuntimeClass handler "kata" does not support user namespaces'],
    [
      undefined,
      '',
      'can\'t set `spec.hostUsers: false`, runtime does not support user namespaces: the handler "" is not known',
    ],
  ] as const)
    await assert.rejects(
      createUserNamespaces({ podsFolder: '/nowhere', maxPods: 1, idsPerPod: 65_536, supported: () => supported }).of(
        'a',
        handler,
      ),
      { message },
    );
});
