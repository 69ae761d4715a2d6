/** Gathers a request body within the limit: pieces in a list, joined once at the end. */
export class BodyCollector {
  readonly #limit: number;
  #pieces: Buffer[] = [];
  #length = 0;
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns false once the body is too long; what came so far is dropped. */
  add(piece: Buffer): boolean {
    this.#length += piece.length;
    if (this.#length > this.#limit) {
      this.#pieces = [];
      return false;
    }
    this.#pieces.push(piece);
    return true;
  }

  /** The body, in memory of its own or a piece's; nobody else writes to it. */
  finish(): Uint8Array {
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#length);
  }
}
