/** The queue of pulls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../api/types/core-v1.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import { createBackOff } from './back-off.ts';
import { createImageManager } from './image-manager.ts';

/** A runtime whose pulls end when the test says so. */
function pulls() {
  const under = new Map<string, PromiseWithResolvers<void>>();
  const there = new Set<string>();
  const runtime = {
    imageStatus: async ({ image }: { image: { image: string } }) =>
      there.has(image.image) ? { image: { id: image.image, size: 1 } } : {},
    pullImage: async ({ image }: { image: { image: string } }, { signal }: { signal: AbortSignal }) => {
      const pull = Promise.withResolvers<void>();
      under.set(image.image, pull);
      signal.addEventListener('abort', () => pull.reject(signal.reason), { once: true });
      try {
        await pull.promise;
        there.add(image.image);
      } finally {
        under.delete(image.image);
      }
    },
  } as unknown as CriRuntime;
  return { runtime, under };
}

test('image manager: who is not wanted any more leaves the queue, and a pull that is cut off gives its place on', async () => {
  const clock = createVirtualClock();
  const { runtime, under } = pulls();
  const images = createImageManager({
    runtime,
    clock,
    backOff: createBackOff(clock, { initialMs: 10_000, maxMs: 300_000 }),
    timeoutMs: 1000,
  });
  const told: string[] = [];
  const start = (name: string) => {
    const stop = new AbortController();
    const note = (_: Container, reason: string) => told.push(`${name} ${reason}`);
    const done = images.ensure(
      { metadata: { name, namespace: 'default', uid: name } } as Pod,
      { name: 'main', image: `${name}:1` },
      {
        sandbox: { metadata: { name, namespace: 'default', uid: name, attempt: 0 } } as never,
        pullSecrets: [],
        events: { normal: note, warning: note },
        signal: stop.signal,
      },
    );
    const outcome = done.then(
      () => 'pulled',
      () => 'cut off',
    );
    return { stop, outcome };
  };
  const first = start('first');
  const second = start('second');
  const third = start('third');
  await clock.settle();
  assert.deepEqual([...under.keys()], ['first:1']);
  // The second leaves while it waits: nobody's pull ends for it.
  second.stop.abort();
  assert.equal(await second.outcome, 'cut off');
  assert.deepEqual([...under.keys()], ['first:1']);
  first.stop.abort();
  assert.equal(await first.outcome, 'cut off');
  await clock.settle();
  assert.deepEqual([...under.keys()], ['third:1']);
  under.get('third:1')?.resolve();
  assert.equal(await third.outcome, 'pulled');
  // Nobody holds the place now.
  const fourth = start('fourth');
  await clock.settle();
  under.get('fourth:1')?.resolve();
  assert.equal(await fourth.outcome, 'pulled');
  assert.deepEqual(told, [
    ...['first Pulling', 'second Pulling', 'third Pulling', 'third Pulled', 'fourth Pulling', 'fourth Pulled'],
  ]);
});
