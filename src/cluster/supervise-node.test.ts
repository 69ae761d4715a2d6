import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Clock } from '../base/clock.ts';
import { silentLogger } from '../base/console-log.ts';
import { createRealClock } from '../base/real-clock.ts';
import { isAlive } from '../host/process-table.ts';
import type { ProcessIdentity } from '../host/spawner.ts';
import { type SupervisedNode, superviseNode } from './supervise-node.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bireme-node-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Watched {
  readonly node: SupervisedNode;
  /** How long it waited before each new start, in milliseconds; the waits themselves are skipped. */
  readonly waits: readonly number[];
  readonly started: readonly ProcessIdentity[];
  readonly failureFile: string;
}

function supervise(script: string): Watched {
  const real = createRealClock({ keepAlive: true });
  const waits: number[] = [];
  const started: ProcessIdentity[] = [];
  const clock: Clock = {
    ...real,
    sleep(ms, signal) {
      // The grace before a kill is real time.
      if (ms === 10_000) return real.sleep(ms, signal);
      waits.push(ms);
      return real.yield();
    },
  };
  const failureFile = join(folder, 'failure');
  const node = superviseNode({
    command: ['sh', '-c', script],
    logFile: join(folder, 'log'),
    failureFile,
    clock,
    log: silentLogger,
    onStart: (identity) => started.push(identity),
  });
  return { node, waits, started, failureFile };
}

test('supervised node: one that never stays up is given up after four tries with growing waits, with its own reason', async () => {
  const { node, waits, failureFile } = supervise('echo said; exit 3');
  writeFileSync(failureFile, 'The moon is in the way\n');
  await assert.rejects(node.failed, /does not stay up: The moon is in the way$/);
  assert.deepEqual(waits, [1000, 2000, 4000]);
  assert.equal(readFileSync(join(folder, 'log'), 'utf8'), 'said\n'.repeat(4));
  await node.stop();
});

test('supervised node: one that has served is started again however often it dies', async () => {
  const { node, waits } = supervise(`echo >> ${join(folder, 'starts')}; exit 3`);
  node.settle();
  let failed = false;
  node.failed.catch(() => {
    failed = true;
  });
  while (waits.length < 8) await createRealClock({ keepAlive: true }).sleep(5);
  assert.equal(failed, false);
  assert.deepEqual(waits.slice(0, 8), [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
  await node.stop();
});

test('supervised node: without a reason of its own, how it ended is told', async () => {
  await assert.rejects(supervise('kill -9 $$').node.failed, /does not stay up: ended by SIGKILL$/);
  await assert.rejects(supervise('exit 3').node.failed, /does not stay up: exit code 3$/);
});

test('supervised node: stop ends it in order, and it is not started again', async () => {
  const { node, started, waits } = supervise(
    `trap 'echo bye > ${join(folder, 'bye')}; exit 0' TERM; echo > ${join(folder, 'up')}; read forever`,
  );
  while (!existsSync(join(folder, 'up'))) await createRealClock({ keepAlive: true }).sleep(5);
  await node.stop();
  assert.equal(readFileSync(join(folder, 'bye'), 'utf8'), 'bye\n');
  assert.deepEqual(started.map(isAlive), [false]);
  assert.deepEqual(waits, []);
});
