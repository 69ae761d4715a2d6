import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createWorkQueue } from './create-work-queue.ts';
import { createTokenBucket, exponentialPerKey } from './rate-limiter.ts';
import { runWorkers } from './run-workers.ts';

test('work queue: a key added twice is handed out once', async () => {
  const queue = createWorkQueue<string>({ clock: createVirtualClock() });
  queue.add('a');
  queue.add('a');
  assert.equal(queue.length, 1);
  assert.equal(await queue.get(), 'a');
  assert.equal(queue.length, 0);
});

test('work queue: a key added while it is handled is handled again only after done', async () => {
  const queue = createWorkQueue<string>({ clock: createVirtualClock() });
  queue.add('a');
  await queue.get();
  queue.add('a');
  queue.add('a');
  assert.equal(queue.length, 0, 'not handed to a second worker');
  queue.done('a');
  assert.equal(queue.length, 1);
});

test('work queue: keys come out in the order they went in', async () => {
  const queue = createWorkQueue<number>({ clock: createVirtualClock() });
  for (let i = 0; i < 5000; i++) queue.add(i);
  for (let i = 0; i < 5000; i++) {
    assert.equal(await queue.get(), i);
    queue.done(i);
  }
});

test('work queue: a waiting getter gets the next key at once', async () => {
  const queue = createWorkQueue<string>({ clock: createVirtualClock() });
  const first = queue.get();
  const second = queue.get();
  queue.add('a');
  queue.add('b');
  assert.deepEqual([await first, await second], ['a', 'b']);
});

test('work queue: shutdown drains what is queued, then gives undefined, and takes nothing more', async () => {
  const clock = createVirtualClock();
  const queue = createWorkQueue<string>({ clock });
  queue.add('a');
  queue.addAfter('later', 1000);
  queue.shutDown();
  queue.add('b');
  assert.equal(await queue.get(), 'a');
  assert.equal(await queue.get(), undefined);
  assert.equal(clock.pendingTimers, 0);
});

test('work queue: shutdown wakes waiting getters', async () => {
  const queue = createWorkQueue<string>({ clock: createVirtualClock() });
  const waiting = queue.get();
  queue.shutDown();
  assert.equal(await waiting, undefined);
});

test('work queue: a delayed key arrives at its time, the shorter of two delays wins', async () => {
  const clock = createVirtualClock();
  const queue = createWorkQueue<string>({ clock });
  queue.addAfter('a', 1000);
  queue.addAfter('a', 300);
  queue.addAfter('a', 5000);
  await clock.advance(299);
  assert.equal(queue.length, 0);
  await clock.advance(1);
  assert.equal(queue.length, 1);
  await queue.get();
  queue.done('a');
  await clock.advance(10_000);
  assert.equal(queue.length, 0, 'the longer delays are gone');
});

test('work queue: failures of one key double its delay from 5 ms and forget starts over', async () => {
  const limiter = exponentialPerKey<string>(5, 1_000_000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => limiter.when('a')),
    [5, 10, 20, 40],
  );
  assert.equal(limiter.when('b'), 5);
  assert.equal(limiter.failures('a'), 4);
  limiter.forget('a');
  assert.equal(limiter.when('a'), 5);
  for (let i = 0; i < 100; i++) limiter.when('a');
  assert.equal(limiter.when('a'), 1_000_000);
});

test('work queue: after a burst of 100 keys the overall bucket spaces them by 100 ms', async () => {
  const clock = createVirtualClock();
  const bucket = createTokenBucket(clock, 10, 100);
  for (let i = 0; i < 100; i++) assert.equal(bucket.reserve(), 0);
  assert.equal(Math.round(bucket.reserve()), 100);
  assert.equal(Math.round(bucket.reserve()), 200);
  await clock.advance(1200);
  assert.equal(Math.round(bucket.reserve()), 0);
});

test('token bucket: a slow rate gives a whole token after its whole time', async () => {
  const clock = createVirtualClock();
  const bucket = createTokenBucket(clock, 1 / 300, 1);
  assert.equal(bucket.tryTake(), true);
  for (let i = 0; i < 299; i++) {
    await clock.advance(1000);
    assert.equal(bucket.tryTake(), false);
  }
  await clock.advance(1000);
  assert.equal(bucket.tryTake(), true);
});

test('workers: a failing key is tried again with growing delays and forgotten on success', async () => {
  const clock = createVirtualClock();
  const queue = createWorkQueue<string>({ clock });
  const stop = new AbortController();
  const tries: number[] = [];
  const done = runWorkers(
    queue,
    2,
    async () => {
      tries.push(clock.monotonic());
      if (tries.length < 4) throw new Error('not yet');
    },
    { clock, log: silentLogger, kind: 'thing' },
    stop.signal,
  );
  queue.add('a');
  await clock.advance(1000);
  assert.deepEqual(tries, [0, 5, 15, 35]);
  assert.equal(queue.failures('a'), 0);
  stop.abort();
  await done;
  assert.equal(clock.pendingTimers, 0);
});

test('workers: a key is dropped after the given number of failures', async () => {
  const clock = createVirtualClock();
  const queue = createWorkQueue<string>({ clock });
  const stop = new AbortController();
  let tries = 0;
  const done = runWorkers(
    queue,
    1,
    () => {
      tries++;
      throw ApiError.internal(new Error('always'));
    },
    { clock, log: silentLogger, kind: 'thing', maxRetries: 3 },
    stop.signal,
  );
  queue.add('a');
  await clock.advance(60_000);
  assert.equal(tries, 4);
  stop.abort();
  await done;
});

test('workers: a result may ask for another look later, and the stop waits for the reconcile under way', async () => {
  const clock = createVirtualClock();
  const queue = createWorkQueue<string>({ clock });
  const stop = new AbortController();
  const log: string[] = [];
  const done = runWorkers(
    queue,
    1,
    async () => {
      log.push(`start ${clock.monotonic()}`);
      await clock.sleep(10);
      log.push(`end ${clock.monotonic()}`);
      return { requeueAfterMs: 100 };
    },
    { clock, log: silentLogger, kind: 'thing' },
    stop.signal,
  ).then(() => log.push('stopped'));
  queue.add('a');
  await clock.advance(115);
  stop.abort();
  await clock.advance(1000);
  await done;
  assert.deepEqual(log, ['start 0', 'end 10', 'start 110', 'end 120', 'stopped']);
});

test("work queue: its metrics are upstream's", async () => {
  const clock = createVirtualClock();
  const registry = createMetricsRegistry();
  const queue = createWorkQueue<string>({ clock, metrics: { registry, name: 'things' } });
  queue.add('a');
  queue.add('a');
  queue.add('b');
  await clock.advance(2000);
  await queue.get();
  await clock.advance(500);
  queue.addRateLimited('a');
  queue.done('a');
  const lines = (await registry.text())
    .split('\n')
    .filter((line) => !line.startsWith('#') && !line.includes('_bucket'));
  assert.deepEqual(
    lines.filter((line) => line !== ''),
    [
      'workqueue_depth{name="things"} 1',
      'workqueue_unfinished_work_seconds{name="things"} 0',
      'workqueue_longest_running_processor_seconds{name="things"} 0',
      'workqueue_queue_duration_seconds_sum{name="things"} 2',
      'workqueue_queue_duration_seconds_count{name="things"} 1',
      'workqueue_work_duration_seconds_sum{name="things"} 0.5',
      'workqueue_work_duration_seconds_count{name="things"} 1',
      'workqueue_adds_total{name="things"} 2',
      'workqueue_retries_total{name="things"} 1',
    ],
  );
  queue.shutDown();
});

test('work queue: what is under way shows before it is done', async () => {
  const clock = createVirtualClock();
  const registry = createMetricsRegistry();
  const queue = createWorkQueue<string>({ clock, metrics: { registry, name: 'things' } });
  queue.add('a');
  queue.add('b');
  await queue.get();
  await clock.advance(3000);
  await queue.get();
  await clock.advance(1000);
  const text = await registry.text();
  assert.match(text, /workqueue_unfinished_work_seconds\{name="things"\} 5\n/);
  assert.match(text, /workqueue_longest_running_processor_seconds\{name="things"\} 4\n/);
  queue.shutDown();
});
