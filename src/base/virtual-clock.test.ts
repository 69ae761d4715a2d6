import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from './virtual-clock.ts';

test('virtual clock: timers fire in order of time, then of creation', async () => {
  const clock = createVirtualClock(0);
  const fired: string[] = [];
  clock.timer(20, () => fired.push(`c@${clock.now()}`));
  clock.timer(10, () => fired.push(`a@${clock.now()}`));
  clock.timer(10, () => fired.push(`b@${clock.now()}`));
  await clock.advance(15);
  assert.deepEqual(fired, ['a@10', 'b@10']);
  assert.equal(clock.now(), 15);
  await clock.advance(5);
  assert.deepEqual(fired, ['a@10', 'b@10', 'c@20']);
});

test('virtual clock: a cancelled timer never fires and leaves the heap', async () => {
  const clock = createVirtualClock(0);
  const timers = Array.from({ length: 50 }, (_, i) => clock.timer((i * 7) % 13, () => assert.fail('fired')));
  for (const timer of timers) {
    timer.cancel();
    timer.cancel();
  }
  assert.equal(clock.pendingTimers, 0);
  await clock.advance(100);
});

test('virtual clock: an abort ends a sleep at once and removes its timer', async () => {
  const clock = createVirtualClock(0);
  const controller = new AbortController();
  const slept = clock.sleep(1_000_000, controller.signal);
  controller.abort();
  await slept;
  assert.equal(clock.pendingTimers, 0);
  assert.equal(clock.now(), 0);
});

test('virtual clock: time does not move while work that yields is runnable', async () => {
  const clock = createVirtualClock(0);
  const stamps: number[] = [];
  const busy = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await clock.yield();
    stamps.push(clock.now());
  };
  clock.timer(10, () => void busy());
  clock.timer(11, () => stamps.push(clock.now()));
  await clock.advance(50);
  assert.deepEqual(stamps, [10, 11]);
});

test('virtual clock: an hour of back-off takes no time', async () => {
  const clock = createVirtualClock(0);
  let done = false;
  const run = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) await clock.sleep(60_000);
    done = true;
  };
  const running = run();
  await clock.advanceUntil(() => done, 3_600_000);
  await running;
  assert.equal(clock.now(), 3_600_000);
});

test('virtual clock: advanceUntil says when the condition cannot come true', async () => {
  const clock = createVirtualClock(0);
  await assert.rejects(
    clock.advanceUntil(() => false, 1000),
    /no timer is left/,
  );
  clock.timer(5000, () => undefined);
  await assert.rejects(
    clock.advanceUntil(() => false, 1000),
    /after 1000 ms/,
  );
});
