/** Long answers go no faster than the peer takes them, and hold little while it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listPieceBytes, type WatchFrame, type WatchStream } from '../api/exchange.ts';
import { PieceMemory } from './piece-memory.ts';
import { pumpList, pumpWatch } from './pump.ts';
import type { Sink } from './sink.ts';

const frame = (name: string, bytes: number): WatchFrame => ({
  type: 'MODIFIED',
  bytes: () => Buffer.alloc(bytes, name),
  object: () => ({}),
});

/** Gives `batches` one by one and then ends. */
const streamOf = (...batches: (readonly WatchFrame[])[]): WatchStream => ({
  take: () => batches.shift(),
  ready: () => Promise.resolve(),
  close: () => undefined,
});

/** A peer that takes a write only when the test lets it. */
class SlowSink implements Sink {
  readonly writes: number[] = [];
  text = '';
  ended = false;
  closed = false;
  #room: (() => void) | undefined;
  write(): boolean {
    throw new Error('Watches are written in frames');
  }
  writeFrames(frames: readonly WatchFrame[]): boolean {
    this.writes.push(frames.reduce((bytes, each) => bytes + each.bytes().length, 0));
    for (const each of frames) this.text += String.fromCharCode(each.bytes()[0]!);
    return false;
  }
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }
  async let(): Promise<void> {
    this.#room?.();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
  end(): void {
    this.ended = true;
  }
  fail(): void {
    this.closed = true;
  }
}

test('pump: what gathered for a watcher that did not read is written in pieces, in order, each when the last has left', async () => {
  const sink = new SlowSink();
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const pumping = pumpWatch(streamOf([...letters].map((letter) => frame(letter, 10_000))), sink);
  assert.deepEqual(sink.writes, [70_000]);
  for (let i = 0; i < 4; i++) await sink.let();
  await pumping;
  assert.deepEqual(sink.writes, [70_000, 70_000, 70_000, 50_000]);
  assert.equal(sink.text, letters);
  assert.ok(sink.ended);
});

test('pump: frames that fit into one piece are one write, and so is a frame that is longer than a piece', async () => {
  const sink = new SlowSink();
  const pumping = pumpWatch(streamOf([frame('a', 100), frame('b', 100)], [frame('c', 500_000)]), sink);
  for (let i = 0; i < 2; i++) await sink.let();
  await pumping;
  assert.deepEqual(sink.writes, [200, 500_000]);
});

test('pump: a peer that goes away while it is behind ends the pump', async () => {
  const sink = new SlowSink();
  const pumping = pumpWatch(streamOf([...'abcdefghij'].map((letter) => frame(letter, 40_000))), sink);
  sink.closed = true;
  await sink.let();
  await pumping;
  assert.deepEqual(sink.writes, [80_000]);
  assert.ok(!sink.ended);
});

test('pump: the memory of a piece is used again when the piece has left, and not before', async () => {
  const memory = new PieceMemory();
  const taken: ArrayBufferLike[] = [];
  const chunks = function* (take: (bytes: number) => Buffer = Buffer.allocUnsafe): Generator<Uint8Array> {
    for (const letter of 'abcd') {
      const piece = take(10);
      taken.push(piece.buffer);
      piece.fill(letter);
      yield piece.subarray(0, 10);
    }
  };
  const written: Uint8Array[] = [];
  const leaving: ((() => void) | undefined)[] = [];
  const sink: Sink = {
    write: (bytes, left) => {
      written.push(bytes);
      leaving.push(left);
      // The first has left before the third is asked for.
      if (written.length === 2) leaving[0]?.();
      return true;
    },
    writeFrames: () => true,
    drained: () => Promise.resolve(),
    end: () => undefined,
    fail: () => undefined,
    closed: false,
  };
  await pumpList({ chunks }, sink, memory, { yield: () => Promise.resolve() });
  assert.equal(taken[2], taken[0]);
  assert.equal(new Set(taken).size, 3);
  assert.deepEqual(
    written.slice(1).map((piece) => String.fromCharCode(piece[0]!)),
    ['b', 'c', 'd'],
  );
});

test('piece memory: takes back what it gave and nothing else, and no piece twice', () => {
  const memory = new PieceMemory();
  memory.give(Buffer.allocUnsafeSlow(listPieceBytes));
  const large = memory.take(listPieceBytes + 1);
  assert.equal(large.length, listPieceBytes + 1);
  memory.give(large);
  const piece = memory.take(1);
  assert.equal(piece.length, listPieceBytes);
  memory.give(piece.subarray(0, 7));
  memory.give(piece);
  assert.equal(memory.take(1).buffer, piece.buffer);
  assert.notEqual(memory.take(1).buffer, piece.buffer);
});
