/** Moves long answers from where they come to a Sink, no faster than the peer takes them. */
import type { ListBody, WatchFrame, WatchStream } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';
import type { PieceMemory } from './piece-memory.ts';
import type { Sink } from './sink.ts';

/** After so many bytes other work gets its turn: a fast peer on loopback never fills its window (decision 11). */
const yieldBytes = 2 * 1024 * 1024;

/** Bytes of one write of a watch: what one watcher that does not read holds, twice (the joined frames, and TLS's copy of them). */
const watchPieceBytes = 64 * 1024;

/** Ends when the watch ends or the peer goes away; closes the stream in either case. */
export async function pumpWatch(stream: WatchStream, sink: Sink): Promise<void> {
  const pump = new WatchPump(stream, sink);
  try {
    while (!sink.closed) {
      switch (pump.writePiece()) {
        case 'room':
          break;
        case 'full':
          await sink.drained();
          break;
        case 'nothing':
          await stream.ready();
          break;
        case 'ended':
          sink.end();
          return;
      }
    }
  } finally {
    stream.close();
  }
}

/** Remembers no frame that was written: while the pump waits, a slow peer must not keep what it was sent. */
class WatchPump {
  readonly #stream: WatchStream;
  readonly #sink: Sink;
  /** Taken and not written yet, from `from` on. A thousand may have gathered while the peer did not read: joined all at once they would be a copy for each such peer. */
  #frames: readonly WatchFrame[] | undefined;
  #from = 0;

  constructor(stream: WatchStream, sink: Sink) {
    this.#stream = stream;
    this.#sink = sink;
  }

  writePiece(): 'room' | 'full' | 'nothing' | 'ended' {
    const frames = this.#frames ?? this.#stream.take();
    if (frames === undefined) return 'ended';
    if (frames.length === 0) return 'nothing';
    const from = this.#from;
    let end = from;
    for (let bytes = 0; end < frames.length && bytes < watchPieceBytes; end++) bytes += frames[end]!.bytes().length;
    const last = end === frames.length;
    this.#frames = last ? undefined : frames;
    this.#from = last ? 0 : end;
    const piece = last && from === 0 ? frames : frames.slice(from, end);
    return this.#sink.writeFrames(piece) ? 'room' : 'full';
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
