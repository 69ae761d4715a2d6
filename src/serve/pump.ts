/** Moves long answers from where they come to a Sink, no faster than the peer takes them. */
import type { ListBody, WatchFrame, WatchStream } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';
import type { PieceMemory } from './piece-memory.ts';
import type { Sink } from './sink.ts';

/** After so many bytes other work gets its turn: a fast peer on loopback never fills its window (decision 11). */
const yieldBytes = 2 * 1024 * 1024;

/** Bytes of one write of a watch: what one watcher that does not read holds, times three (the joined frames, TLS's copy, the next piece's). */
const watchPieceBytes = 64 * 1024;

/** Ends when the watch ends or the peer goes away; closes the stream in either case. */
export async function pumpWatch(stream: WatchStream, sink: Sink): Promise<void> {
  try {
    while (!sink.closed) {
      const frames = stream.take();
      if (frames === undefined) {
        sink.end();
        return;
      }
      if (frames.length === 0) await stream.ready();
      else if (frames.length === 1) {
        if (!sink.writeFrames(frames)) await sink.drained();
      } else await pumpFrames(frames, sink);
    }
  } finally {
    stream.close();
  }
}

/** A thousand frames may have gathered while the peer did not read: joined all at once they would be a copy for each such peer. */
async function pumpFrames(frames: readonly WatchFrame[], sink: Sink): Promise<void> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < frames.length; i++) {
    bytes += frames[i]!.bytes().length;
    const last = i === frames.length - 1;
    if (bytes < watchPieceBytes && !last) continue;
    const room = sink.writeFrames(last && from === 0 ? frames : frames.slice(from, i + 1));
    if (!room) await sink.drained();
    if (sink.closed) return;
    from = i + 1;
    bytes = 0;
  }
}

/** Writes a list piece by piece; what has left is the memory of later pieces. */
export async function pumpList(
  list: Pick<ListBody, 'chunks'>,
  sink: Sink,
  memory: PieceMemory,
  clock: Pick<Clock, 'yield'>,
): Promise<void> {
  let sinceYield = 0;
  for (const piece of list.chunks(memory.take)) {
    if (sink.closed) return;
    if (!sink.write(piece, () => memory.give(piece))) await sink.drained();
    sinceYield += piece.length;
    if (sinceYield >= yieldBytes) {
      sinceYield = 0;
      await clock.yield();
    }
  }
  sink.end();
}

/** Container logs and the like: each piece goes out as it comes. */
export async function pumpStream(stream: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  for await (const piece of stream) {
    if (sink.closed) return;
    if (piece.length > 0 && !sink.write(piece)) await sink.drained();
  }
  sink.end();
}
