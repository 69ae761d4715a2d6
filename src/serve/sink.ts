/**
 * Where a long answer goes, whatever the protocol: watches, lists and logs are written to a Sink, which says when to wait.
 */
import type { WatchFrame } from '../api/exchange.ts';

export interface Sink {
  /**
   * @param left called when nobody reads the bytes any more; not when the peer went away before
   * @returns false when the caller should await `drained` before it writes more
   */
  write(bytes: Uint8Array, left?: () => void): boolean;
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

/** As the callback of a stream's write. */
export const unlessFailed =
  (left: () => void) =>
  (error: Error | null | undefined): void => {
    if (!error) left();
  };
