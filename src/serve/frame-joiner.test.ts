import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WatchFrame } from '../api/exchange.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { FrameJoiner } from './frame-joiner.ts';

const frame = (text: string): WatchFrame => {
  const bytes = Buffer.from(text);
  return { type: 'ADDED', bytes: () => bytes, object: () => ({}) };
};
const [one, two, three] = [frame('{"one":1}\n'), frame('{"two":2}\n'), frame('{"three":3}\n')];
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

test('frame joiner: the same frames are joined once, whoever takes them', () => {
  const joiner = new FrameJoiner(createVirtualClock());
  const first = joiner.plain([one, two]);
  assert.equal(text(first), '{"one":1}\n{"two":2}\n');
  assert.equal(joiner.plain([one, two]), first);
  const chunk = joiner.chunk([one, two]);
  assert.equal(text(chunk), '14\r\n{"one":1}\n{"two":2}\n\r\n');
  assert.equal(joiner.chunk([one, two]), chunk);
});

test('frame joiner: other frames, fewer, more or in another order are joined anew', () => {
  const joiner = new FrameJoiner(createVirtualClock());
  const rows: WatchFrame[][] = [
    [one, two],
    [two, one],
    [one, two, three],
    [one, two],
    [one, three],
  ];
  for (const frames of rows) assert.equal(text(joiner.plain(frames)), frames.map((f) => text(f.bytes())).join(''));
  assert.equal(text(joiner.chunk([three])), 'c\r\n{"three":3}\n\r\n');
  assert.equal(text(joiner.chunk([one])), 'a\r\n{"one":1}\n\r\n');
});

test('frame joiner: nothing is kept after the turn', async () => {
  const clock = createVirtualClock();
  const joiner = new FrameJoiner(clock);
  const first = joiner.plain([one, two]);
  await clock.settle();
  const second = joiner.plain([one, two]);
  assert.notEqual(second, first);
  assert.deepEqual(second, first);
});
