/**
 * Where a long answer goes, whatever the protocol: watches, lists and logs are written to a Sink, which says when to wait.
 */
import type { WatchFrame } from '../api/exchange.ts';

export interface Sink {
  /** @returns false when the caller should await `drained` before it writes more. */
  write(bytes: Uint8Array): boolean;
  /** Several frames as one write. */
  writeFrames(frames: readonly WatchFrame[]): boolean;
  /** Resolves when there is room again, or the peer went away. */
  drained(): Promise<void>;
  /** A complete answer. */
  end(): void;
  /** An answer that cannot be completed: the peer must be able to tell. */
  fail(): void;
  /** The peer went away. */
  readonly closed: boolean;
}

/** Total length of the frames. */
export function framesLength(frames: readonly WatchFrame[]): number {
  let total = 0;
  for (let i = 0; i < frames.length; i++) total += frames[i]!.bytes().length;
  return total;
}

/** Copies the frames one after another. @returns the offset after the last. */
export function copyFrames(frames: readonly WatchFrame[], into: Buffer, offset: number): number {
  for (let i = 0; i < frames.length; i++) {
    const bytes = frames[i]!.bytes();
    into.set(bytes, offset);
    offset += bytes.length;
  }
  return offset;
}
