/** One stream of a SPDY session, as a Node stream. */
import { Duplex } from 'node:stream';
import type { SpdyHeaders } from './header-block.ts';

/** What a stream needs of its session. */
export interface StreamCarrier {
  /** How many bytes may go out for this stream now. */
  room(stream: SpdyStream): number;
  data(stream: SpdyStream, bytes: Uint8Array, fin: boolean, written: (error?: Error | null) => void): void;
  /** The stream was given up on this side. */
  cancel(stream: SpdyStream): void;
  /** The reader took what had come in. */
  consumed(stream: SpdyStream, bytes: number): void;
  finished(stream: SpdyStream): void;
}

/** Longest data frame written: long enough to be cheap, short enough to let other streams in between. */
const frameBytesMax = 64 * 1024;

/**
 * Reading ends when the peer finishes its half, resets the stream, or the connection goes: upstream's servers end streams by resetting them, so a reset
 * is no error; `reset` tells. What is written after a reset is dropped. Ending the writable side closes one half; `destroy` resets.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** Peer's reset, or the connection's end. */
  reset = false;
  localFinished = false;
  remoteFinished = false;
  /** Bytes handed to the session so far, less what the peer has given leave for. */
  sent = 0;
  /** Received and not yet made known as consumed. */
  unacknowledged = 0;
  readonly #carrier: StreamCarrier;
  #pending: { bytes: Uint8Array; readonly done: (error?: Error | null) => void } | undefined;
  #wake: (() => void) | undefined;

  constructor(id: number, headers: SpdyHeaders, carrier: StreamCarrier, windowBytes: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: windowBytes, writableHighWaterMark: frameBytesMax });
    this.id = id;
    this.headers = headers;
    this.#carrier = carrier;
  }

  /** @returns a promise when the reader is behind: the bytes behind these should wait for it. */
  receive(bytes: Buffer): Promise<void> | undefined {
    if (this.destroyed || this.remoteFinished) {
      this.#carrier.consumed(this, bytes.length);
      return undefined;
    }
    this.unacknowledged += bytes.length;
    if (this.push(bytes)) return undefined;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  receiveEnd(): void {
    if (this.remoteFinished) return;
    this.remoteFinished = true;
    this.push(null);
    if (this.localFinished) this.#carrier.finished(this);
  }

  receiveReset(): void {
    this.reset = true;
    this.localFinished = true;
    this.#drop();
    this.receiveEnd();
  }

  /** There may be room again. */
  flush(): void {
    const pending = this.#pending;
    if (!pending) return;
    const room = Math.min(this.#carrier.room(this), frameBytesMax);
    if (room <= 0) return;
    if (pending.bytes.length <= room) {
      this.#pending = undefined;
      this.#carrier.data(this, pending.bytes, false, pending.done);
      return;
    }
    const piece = pending.bytes.subarray(0, room);
    pending.bytes = pending.bytes.subarray(room);
    this.#carrier.data(this, piece, false, () => this.flush());
  }

  override _read(): void {
    if (this.unacknowledged > 0) {
      const bytes = this.unacknowledged;
      this.unacknowledged = 0;
      this.#carrier.consumed(this, bytes);
    }
    this.#wake?.();
    this.#wake = undefined;
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.localFinished || bytes.length === 0) {
      done();
      return;
    }
    this.#pending = { bytes, done };
    this.flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.localFinished) {
      done();
      return;
    }
    this.localFinished = true;
    this.#carrier.data(this, nothing, true, done);
    if (this.remoteFinished) this.#carrier.finished(this);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wake?.();
    this.#wake = undefined;
    if (!this.localFinished || !this.remoteFinished) {
      this.localFinished = true;
      this.remoteFinished = true;
      this.#carrier.cancel(this);
    }
    this.#drop();
    done(error);
  }

  #drop(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.done();
  }
}

const nothing = new Uint8Array(0);
