/**
 * Memory for the pieces of long lists, used again once a piece has left. With fresh memory for each, V8 collects the whole heap after every 64 MB of it: four lists of
 * 5,000 pods, and the collections cost more than the lists.
 */
import { listPieceBytes } from '../api/exchange.ts';

/** Kept while nobody writes a list: 6 MiB. The streams of a connection give theirs back all at once before they take the next, so this is also how many lists can be
 * under way without fresh memory. */
const freeMax = 96;

export class PieceMemory {
  readonly #free: Buffer<ArrayBuffer>[] = [];
  /** What may come back: a piece can also be somebody else's memory. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** At least so many bytes, with anything in them. */
  readonly take = (bytes: number): Buffer<ArrayBuffer> => {
    if (bytes > listPieceBytes) return Buffer.allocUnsafeSlow(bytes);
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(listPieceBytes);
    this.#lent.add(memory.buffer);
    return memory;
  };

  /** Nobody reads the piece any more. @param piece may lie in memory that was not taken here: then it is left alone */
  give(piece: Uint8Array): void {
    const { buffer } = piece;
    if (this.#lent.delete(buffer) && this.#free.length < freeMax) this.#free.push(Buffer.from(buffer as ArrayBuffer));
  }
}
