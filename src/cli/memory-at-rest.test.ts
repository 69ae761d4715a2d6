import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { collectAtRest } from './memory-at-rest.ts';

const mebibyte = 2 ** 20;

test('memory at rest: collected after a burst, when nothing has been done for a while, and not for little', async () => {
  const clock = createVirtualClock();
  const state = { cpu: 0, heap: 40 * mebibyte, collections: 0 };
  const stop = collectAtRest(clock, {
    cpuMs: () => state.cpu,
    heapBytes: () => state.heap,
    collect: () => {
      state.collections++;
      state.heap = 50 * mebibyte;
      state.cpu += 60;
    },
  });
  const seconds = async (count: number, cpuEach: number): Promise<number> => {
    for (let i = 0; i < count; i++) {
      state.cpu += cpuEach;
      await clock.advance(1_000);
    }
    return state.collections;
  };
  assert.equal(await seconds(10, 1), 0, 'nothing has grown');
  state.heap = 200 * mebibyte;
  assert.equal(await seconds(10, 500), 0, 'somebody may be waiting');
  assert.equal(await seconds(3, 1), 0, 'not at the first breath');
  assert.equal(await seconds(8, 1), 1);
  assert.equal(await seconds(60, 1), 2, 'twice');
  state.heap = 70 * mebibyte;
  assert.equal(await seconds(60, 1), 2, 'too little to stop for');
  state.heap = 100 * mebibyte;
  assert.equal(await seconds(60, 1), 4);
  stop();
  state.heap = 400 * mebibyte;
  assert.equal(await seconds(60, 1), 4);
});
