/** Moves long answers from where they come to a Sink, no faster than the peer takes them. */
import type { WatchFrame, WatchStream } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';
import type { Sink } from './sink.ts';

/** Bytes of one write of a list: large enough that a write's fixed cost vanishes, small enough to stay cheap to hold. */
const pieceBytes = 256 * 1024;
/** From this on a chunk goes out as it is: another copy would cost more than another write. */
const wholeBytes = 32 * 1024;
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

/** Writes a list's pieces joined into larger ones. */
export async function pumpList(
  chunks: Iterable<Uint8Array>,
  byteLength: number,
  sink: Sink,
  clock: Clock,
): Promise<void> {
  let sinceYield = 0;
  for (const piece of joined(chunks, byteLength)) {
    if (sink.closed) return;
    if (!sink.write(piece)) await sink.drained();
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

/** Small pieces copied together, large ones passed on. Each yielded piece has memory of its own. */
export function* joined(chunks: Iterable<Uint8Array>, byteLength: number): Generator<Uint8Array> {
  let buffer: Buffer | undefined;
  let remaining = byteLength;
  let used = 0;
  for (const chunk of chunks) {
    if (chunk.length === 0) continue;
    const whole = chunk.length >= wholeBytes;
    if (buffer !== undefined && (whole || used + chunk.length > buffer.length)) {
      if (used > 0) yield buffer.subarray(0, used);
      buffer = undefined;
    }
    if (whole) {
      yield chunk;
      remaining -= chunk.length;
      continue;
    }
    if (buffer === undefined) {
      buffer = Buffer.allocUnsafeSlow(Math.max(chunk.length, Math.min(pieceBytes, remaining)));
      used = 0;
    }
    buffer.set(chunk, used);
    used += chunk.length;
    remaining -= chunk.length;
  }
  if (buffer !== undefined && used > 0) yield buffer.subarray(0, used);
}
