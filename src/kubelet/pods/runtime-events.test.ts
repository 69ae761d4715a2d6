import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/console-log.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { CriError, type CriRuntime } from '../../runtime/cri.ts';
import { createRuntimeEvents } from './runtime-events.ts';

const event = (uid: string) => ({ podSandboxStatus: { metadata: { uid } } });

function follow(streams: readonly (() => AsyncIterable<unknown>)[]) {
  const clock = createVirtualClock();
  const seen: string[] = [];
  let asked = 0;
  const runtime = {
    getContainerEvents: () => streams[Math.min(asked++, streams.length - 1)]!(),
  } as unknown as CriRuntime;
  const events = createRuntimeEvents({
    runtime,
    clock,
    log: silentLogger,
    timeoutMs: 1000,
    onPod: (uid) => seen.push(`${uid} ${events.listEveryMs()}`),
    onBroken: () => seen.push(`broken ${events.listEveryMs()}`),
  });
  const stop = new AbortController();
  return { clock, seen, stop, running: events.run(stop.signal), asked: () => asked };
}

test('runtime events: a pod is woken, listing is seldom while they come and frequent again when the stream breaks', async () => {
  async function* twoThenEnd() {
    yield event('a');
    yield event('b');
  }
  const silent = (): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
  });
  const { clock, seen, asked } = follow([twoThenEnd, silent]);
  await clock.advance(1);
  assert.deepEqual(seen, ['a 10000', 'b 10000', 'broken 1000']);
  assert.equal(asked(), 1);
  await clock.advance(5000);
  assert.equal(asked(), 2, 'asked again after a while');
});

test('runtime events: a runtime that cannot tell is not asked again', async () => {
  const { clock, seen, running, asked } = follow([
    () => {
      throw new CriError('GetContainerEvents', 'UNIMPLEMENTED', 'unknown method');
    },
  ]);
  await clock.advance(10_000);
  await running;
  assert.deepEqual([seen, asked()], [[], 1]);
});
