/** Names and values of SPDY/3 frames: a count, then each with its length; one zlib stream over all blocks of a direction. */
import { constants, createInflate, type Inflate } from 'node:zlib';
import { headerDictionary } from './header-dictionary.ts';
import { SpdyError } from './spdy-error.ts';

/** Names in lower case; several values of a name stand in one string, parted by NUL. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** Of one block, inflated. */
const blockBytesMax = 64 * 1024;

/**
 * Writes blocks without compressing them: a zlib stream may consist of stored blocks only. Kubernetes' headers are a few dozen bytes, and this needs
 * no window, no thread and no turn of the event loop. A reader notices nothing.
 */
export class HeaderBlockWriter {
  #first = true;

  encode(headers: SpdyHeaders): Buffer {
    const plain = plainBlock(headers);
    // LEN of a stored block has 16 bits.
    if (plain.length > 0xffff) throw new SpdyError('protocol', 'Headers are longer than 65535 bytes');
    const prefix = this.#first ? 2 : 0;
    this.#first = false;
    const out = Buffer.allocUnsafe(prefix + 5 + plain.length + flushMark.length);
    if (prefix > 0) out.writeUInt16BE(0x7801, 0);
    out[prefix] = 0;
    out.writeUInt16LE(plain.length, prefix + 1);
    out.writeUInt16LE(plain.length ^ 0xffff, prefix + 3);
    plain.copy(out, prefix + 5);
    flushMark.copy(out, prefix + 5 + plain.length);
    return out;
  }
}

/** An empty stored block: Go's reader gives out what it has only when it meets one (or would have to wait for more, which it takes for the end). */
const flushMark = Buffer.from([0, 0, 0, 0xff, 0xff]);

/** Inflates the blocks of one direction, one call after the other. */
export class HeaderBlockReader {
  readonly #inflate: Inflate = createInflate({ dictionary: headerDictionary(), flush: constants.Z_SYNC_FLUSH });
  #pieces: Buffer[] = [];
  #length = 0;
  #failed: ((error: SpdyError) => void) | undefined;

  constructor() {
    this.#inflate.on('data', (piece: Buffer) => {
      this.#length += piece.length;
      if (this.#length <= blockBytesMax) this.#pieces.push(piece);
      else this.#failed?.(new SpdyError('protocol', `Headers are longer than ${blockBytesMax} bytes`));
    });
    this.#inflate.on('error', (cause) =>
      this.#failed?.(new SpdyError('protocol', 'Headers cannot be inflated', { cause })),
    );
  }

  /** @throws SpdyError; the direction cannot be read any further then. */
  async decode(block: Uint8Array): Promise<SpdyHeaders> {
    this.#pieces = [];
    this.#length = 0;
    await new Promise<void>((resolve, reject) => {
      this.#failed = reject;
      this.#inflate.write(block, () => resolve());
    });
    return parseBlock(Buffer.concat(this.#pieces));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

function plainBlock(headers: SpdyHeaders): Buffer {
  const names = Object.keys(headers);
  const parts: Buffer[] = [length32(names.length)];
  for (const name of names)
    for (const text of [name.toLowerCase(), headers[name]!]) {
      const bytes = Buffer.from(text, 'utf8');
      parts.push(length32(bytes.length), bytes);
    }
  return Buffer.concat(parts);
}

function length32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value);
  return out;
}

/** @throws SpdyError */
function parseBlock(block: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('protocol', 'A header block is cut off');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (length > block.length - at) throw new SpdyError('protocol', 'A header block is cut off');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const count = number();
  if (count > block.length / 8) throw new SpdyError('protocol', 'A header block is cut off');
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 0; i < count; i++) {
    const name = text();
    if (name === '') throw new SpdyError('protocol', 'A header has no name');
    if (name in headers) throw new SpdyError('protocol', `The header ${JSON.stringify(name)} came twice`);
    headers[name] = text();
  }
  return headers;
}
