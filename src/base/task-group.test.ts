import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTaskGroup } from './task-group.ts';

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

test('task group: stop aborts every task, waits for each, and done resolves', async () => {
  const group = createTaskGroup();
  const ended: string[] = [];
  group.run('a', async (signal) => {
    await untilAborted(signal);
    ended.push('a');
  });
  group.run('b', async (signal) => {
    await untilAborted(signal);
    await Promise.resolve();
    ended.push('b');
  });
  await group.stop();
  await group.done;
  assert.deepEqual(ended.sort(), ['a', 'b']);
});

test('task group: a failing task stops the others and done names it', async () => {
  const group = createTaskGroup();
  let stopped = false;
  group.run('steady', async (signal) => {
    await untilAborted(signal);
    stopped = true;
  });
  group.run('broken', async () => {
    throw new Error('no disk');
  });
  await assert.rejects(group.done, /Task "broken" failed: no disk/);
  assert.equal(stopped, true);
});

test('task group: the abort of its own signal is no failure', async () => {
  const group = createTaskGroup();
  group.run('throws on abort', async (signal) => {
    await untilAborted(signal);
    signal.throwIfAborted();
  });
  await group.stop();
  await group.done;
});

test('task group: the parent signal stops it', async () => {
  const parent = new AbortController();
  const group = createTaskGroup(parent.signal);
  group.run('a', untilAborted);
  parent.abort();
  await group.done;
});
