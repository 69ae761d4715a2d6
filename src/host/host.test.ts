import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requires } from '../../test/requirements.ts';
import { createRealClock } from '../base/real-clock.ts';
import { writeAtomicTree } from './atomic-tree.ts';
import { weightOfShares } from './cgroups.ts';
import { createForkedSpawner } from './forked-spawner.ts';
import { HostError } from './host-error.ts';
import { createLocalSpawner } from './local-spawner.ts';
import { parseMountInfo } from './mounts.ts';
import { listLinks } from './network-links.ts';
import { adoptProcess, endProcess, identify, isAlive } from './process-table.ts';
import type { Spawner } from './spawner.ts';

const clock = createRealClock();
const temporary = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'bireme-host-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const spawners: readonly (readonly [string, () => Promise<Spawner>])[] = [
  ['local', async () => createLocalSpawner({ clock })],
  [
    'forked',
    () =>
      createForkedSpawner({
        command: [process.execPath, fileURLToPath(new URL('./spawner-main.ts', import.meta.url))],
      }),
  ],
];
for (const [name, open] of spawners) {
  const spawning = (what: string, body: (spawner: Spawner) => Promise<void>): void => {
    test(`spawner (${name}): ${what}`, async (t) => {
      if (!requires(t, { linux: true, commands: ['setpriv', 'sh'] })) return;
      const spawner = await open();
      try {
        await body(spawner);
      } finally {
        await spawner.close();
      }
    });
  };
  spawning('runs to the end, with input, output and exit code', async (spawner) => {
    const result = await spawner.run('sh', ['-c', 'cat; echo oops >&2; exit 3'], { stdin: 'hello', timeoutMs: 5000 });
    assert.deepEqual([result.code, result.stdout.toString(), result.stderr.toString()], [3, 'hello', 'oops\n']);
  });
  spawning('a missing program is a HostError with a remedy', async (spawner) => {
    await assert.rejects(spawner.run('no-such-program', [], { timeoutMs: 5000 }), (error) => {
      assert.ok(error instanceof HostError);
      assert.match(error.message, /no such program/);
      assert.match(error.remedy, /Install it/);
      return true;
    });
  });
  spawning('a run that takes too long is ended', async (spawner) => {
    await assert.rejects(spawner.run('sleep', ['60'], { timeoutMs: 50 }), /did not end within 50 ms/);
  });
  spawning('an aborted run is ended', async (spawner) => {
    const controller = new AbortController();
    const run = spawner.run('sleep', ['60'], { timeoutMs: 60_000, signal: controller.signal });
    controller.abort();
    await assert.rejects(run, { name: 'AbortError' });
  });
  spawning('too much output fails the run', async (spawner) => {
    await assert.rejects(
      spawner.run('sh', ['-c', 'yes | head -c 100000'], { timeoutMs: 5000, maxOutputBytes: 1000 }),
      /more than 1000 bytes/,
    );
  });
  spawning('a child has an identity, writes to its log and its exit is told', async (spawner) => {
    await temporary(async (folder) => {
      const logFile = join(folder, 'log');
      const child = await spawner.start('sh', ['-c', 'echo started; sleep 60'], { logFile, onParentDeath: 'die' });
      assert.ok(isAlive(child.identity));
      child.kill('SIGTERM');
      assert.equal((await child.exited).signal, 'SIGTERM');
      assert.ok(!isAlive(child.identity));
    });
  });
  spawning(
    'a child that must die with us is ended by close; a survivor is not, and can be adopted and ended',
    async (spawner) => {
      await temporary(async (folder) => {
        const start = (onParentDeath: 'die' | 'survive') =>
          spawner.start('sleep', ['300'], { logFile: join(folder, onParentDeath), onParentDeath });
        const dying = await start('die');
        const survivor = await start('survive');
        await spawner.close();
        assert.ok(!isAlive(dying.identity));
        assert.ok(isAlive(survivor.identity));
        const adopted = adoptProcess(survivor.identity, clock);
        assert.ok(adopted);
        await endProcess(adopted.identity, { clock, graceMs: 1000 });
        assert.equal(adoptProcess({ ...survivor.identity, startTime: '1' }, clock), undefined);
      });
    },
  );
}

test('process table: another process that has the pid now is not the one', () => {
  const own = identify(process.pid)!;
  assert.ok(isAlive(own));
  assert.ok(!isAlive({ ...own, startTime: '1' }));
  assert.ok(!isAlive({ ...own, bootId: 'another' }));
});

test('atomic tree: visible names are links through ..data; an update switches at once and takes old names away', async () => {
  await temporary(async (folder) => {
    const file = (text: string, mode = 0o644) => ({ bytes: Buffer.from(text), mode });
    const first = new Map([
      ['a', file('1', 0o400)],
      ['sub/b', file('2')],
    ]);
    assert.equal(await writeAtomicTree(folder, first, { stamp: 's1' }), true);
    assert.deepEqual((await readdir(folder)).sort(), ['..data', '..s1', 'a', 'sub']);
    assert.equal(await readlink(join(folder, 'a')), '..data/a');
    assert.equal(await readlink(join(folder, '..data')), '..s1');
    assert.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o400);
    assert.equal(await readFile(join(folder, 'sub/b'), 'utf8'), '2');
    assert.equal(await writeAtomicTree(folder, first, { stamp: 's2' }), false, 'nothing changed');
    assert.equal(await writeAtomicTree(folder, new Map([['c', file('3')]]), { stamp: 's3' }), true);
    assert.deepEqual((await readdir(folder)).sort(), ['..data', '..s3', 'c']);
    assert.equal(await writeAtomicTree(folder, new Map(), { stamp: 's4' }), true);
    assert.deepEqual((await readdir(folder)).sort(), ['..data', '..s4']);
    await assert.rejects(writeAtomicTree(folder, new Map([['../x', file('')]]), { stamp: 's5' }), /may not be written/);
  });
});

test('mounts: mountinfo with blanks in paths and optional fields', () => {
  assert.deepEqual(
    parseMountInfo('36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n'),
    [{ mountPoint: '/mnt 2', type: 'ext3', source: '/dev/root', options: ['rw', 'noatime'] }],
  );
});

test('cgroups: shares become weights as runc converts them', () => {
  assert.deepEqual([2, 1024, 262_144].map(weightOfShares), [1, 39, 10_000]);
});

test('links: the loopback is there', async (t) => {
  if (!requires(t, { linux: true, commands: ['ip'] })) return;
  const spawner = createLocalSpawner({ clock });
  const links = await listLinks(spawner);
  assert.equal(links.find((link) => link.name === 'lo')?.index, 1);
  await spawner.close();
});
