/**
 * Several watch frames as one write. A thousand watchers of the same thing mostly take the same frames in the same turn, so the last joined bytes are kept until
 * the turn is over and given to all of them: what is written is never changed afterwards.
 */
import type { WatchFrame } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';

const none: readonly WatchFrame[] = Object.freeze([]);

export class FrameJoiner {
  readonly #clock: Pick<Clock, 'yield'>;
  #frames = none;
  #plain: Uint8Array | undefined;
  #chunk: Uint8Array | undefined;
  #forgetting = false;

  constructor(clock: Pick<Clock, 'yield'>) {
    this.#clock = clock;
  }

  /** One after another. Shared: not to be written to. @param frames at least one */
  plain(frames: readonly WatchFrame[]): Uint8Array {
    if (frames.length === 1) return frames[0]!.bytes();
    this.#turnTo(frames);
    if (this.#plain) return this.#plain;
    const joined = Buffer.allocUnsafeSlow(framesLength(frames));
    copyFrames(frames, joined, 0);
    this.#plain = joined;
    return joined;
  }

  /** The same as one chunk of HTTP/1.1's chunked transfer coding. Source: RFC 9112, 7.1. */
  chunk(frames: readonly WatchFrame[]): Uint8Array {
    this.#turnTo(frames);
    if (this.#chunk) return this.#chunk;
    const length = framesLength(frames);
    const size = length.toString(16);
    const chunk = Buffer.allocUnsafeSlow(size.length + 2 + length + 2);
    chunk.write(`${size}\r\n`, 0, 'latin1');
    const end = copyFrames(frames, chunk, size.length + 2);
    chunk.write('\r\n', end, 'latin1');
    this.#chunk = chunk;
    return chunk;
  }

  #turnTo(frames: readonly WatchFrame[]): void {
    if (sameFrames(frames, this.#frames)) return;
    this.#frames = frames;
    this.#plain = undefined;
    this.#chunk = undefined;
    if (this.#forgetting) return;
    this.#forgetting = true;
    void this.#forget(); // never rejects
  }

  async #forget(): Promise<void> {
    await this.#clock.yield();
    this.#forgetting = false;
    this.#frames = none;
    this.#plain = undefined;
    this.#chunk = undefined;
  }
}

function sameFrames(a: readonly WatchFrame[], b: readonly WatchFrame[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function framesLength(frames: readonly WatchFrame[]): number {
  let total = 0;
  for (let i = 0; i < frames.length; i++) total += frames[i]!.bytes().length;
  return total;
}

/** @returns the offset after the last. */
function copyFrames(frames: readonly WatchFrame[], into: Buffer, offset: number): number {
  for (let i = 0; i < frames.length; i++) {
    const bytes = frames[i]!.bytes();
    into.set(bytes, offset);
    offset += bytes.length;
  }
  return offset;
}
