/** SPDY/3.1 frames on the wire. Source: SPDY Protocol draft 3.1, section 2.6. */
import { SpdyError } from './spdy-error.ts';

export const frameTypes = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const flagFin = 0x01;
export const flagUnidirectional = 0x02;

export const resetCodes = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  flowControlError: 7,
} as const;

/** Settings entry: what a stream may receive before the first WINDOW_UPDATE. */
export const settingInitialWindow = 7;

export type SpdyFrame =
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly payload: Buffer }
  /** A part of a data frame: `fin` only on the last part. */
  | { readonly kind: 'data'; readonly streamId: number; readonly fin: boolean; readonly bytes: Buffer };

/** A header block of 64 KiB and what stands before it. */
const controlBytesMax = 64 * 1024 + 64;

/** Cuts bytes into frames as they come; data is handed on in the pieces it arrives in, never gathered. */
export class FrameParser {
  readonly #head = Buffer.alloc(8);
  #have = 0;
  #control: { readonly type: number; readonly flags: number; readonly payload: Buffer; filled: number } | undefined;
  #data: { readonly streamId: number; readonly fin: boolean; left: number } | undefined;

  /** @throws SpdyError */
  *feed(chunk: Buffer): Generator<SpdyFrame> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#data) {
        const piece = chunk.subarray(at, at + this.#data.left);
        at += piece.length;
        this.#data.left -= piece.length;
        const { streamId, fin, left } = this.#data;
        if (left === 0) this.#data = undefined;
        yield { kind: 'data', streamId, fin: fin && left === 0, bytes: piece };
      } else if (this.#control) {
        const control = this.#control;
        const copied = chunk.copy(control.payload, control.filled, at);
        at += copied;
        control.filled += copied;
        if (control.filled === control.payload.length) {
          this.#control = undefined;
          yield { kind: 'control', type: control.type, flags: control.flags, payload: control.payload };
        }
      } else {
        const copied = chunk.copy(this.#head, this.#have, at, at + 8 - this.#have);
        at += copied;
        this.#have += copied;
        if (this.#have < 8) return;
        this.#have = 0;
        const empty = this.#begin();
        if (empty) yield empty;
      }
    }
  }

  /** @returns the frame when it has no payload */
  #begin(): SpdyFrame | undefined {
    const head = this.#head;
    const first = head.readUInt32BE(0);
    const flags = head[4]!;
    const length = head.readUIntBE(5, 3);
    if ((first & 0x80000000) === 0) {
      const fin = (flags & flagFin) !== 0;
      if (length === 0) return { kind: 'data', streamId: first, fin, bytes: nothing };
      this.#data = { streamId: first, fin, left: length };
      return undefined;
    }
    const version = (first >>> 16) & 0x7fff;
    if (version !== 3) throw new SpdyError('protocol', `SPDY version ${version} is not spoken here`);
    if (length > controlBytesMax) throw new SpdyError('protocol', `A control frame of ${length} bytes is too long`);
    const type = first & 0xffff;
    if (length === 0) return { kind: 'control', type, flags, payload: nothing };
    this.#control = { type, flags, payload: Buffer.alloc(length), filled: 0 };
    return undefined;
  }
}

const nothing = Buffer.alloc(0);

export function controlFrame(type: number, flags: number, ...payload: readonly (number | Buffer)[]): Buffer {
  let length = 0;
  for (const part of payload) length += typeof part === 'number' ? 4 : part.length;
  const out = Buffer.allocUnsafe(8 + length);
  out.writeUInt32BE((0x80030000 | type) >>> 0, 0);
  out[4] = flags;
  out.writeUIntBE(length, 5, 3);
  let at = 8;
  for (const part of payload)
    if (typeof part === 'number') at = out.writeUInt32BE(part >>> 0, at);
    else at += part.copy(out, at);
  return out;
}

/** The eight bytes before data. */
export function dataHead(streamId: number, fin: boolean, length: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeUInt32BE(streamId, 0);
  out[4] = fin ? flagFin : 0;
  out.writeUIntBE(length, 5, 3);
  return out;
}
