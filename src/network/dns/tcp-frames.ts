/** Messages over TCP: two bytes of length before each (RFC 1035 4.2.2). */
export function frame(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(message.length + 2);
  out.writeUInt16BE(message.length, 0);
  out.set(message, 2);
  return out;
}

export interface FrameReader {
  push(chunk: Buffer): void;
  /** Bytes of a message that has not come whole. */
  readonly pendingBytes: number;
}

/** Holds one message at most, so 64 KiB; the whole ones of a chunk are handed on at once. */
export function createFrameReader(onMessage: (message: Buffer) => void): FrameReader {
  let pieces: Buffer[] = [];
  let held = 0;
  return {
    push(chunk) {
      pieces.push(chunk);
      held += chunk.length;
      if (held < 2 || held < lengthOf(pieces) + 2) return;
      let rest = pieces.length === 1 ? chunk : Buffer.concat(pieces, held);
      while (rest.length >= 2 && rest.length >= rest.readUInt16BE(0) + 2) {
        const end = rest.readUInt16BE(0) + 2;
        onMessage(rest.subarray(2, end));
        rest = rest.subarray(end);
      }
      pieces = rest.length === 0 ? [] : [rest];
      held = rest.length;
    },
    get pendingBytes() {
      return held;
    },
  };
}

function lengthOf(pieces: readonly Buffer[]): number {
  const first = pieces[0]!;
  if (first.length >= 2) return first.readUInt16BE(0);
  // An empty first piece cannot be: chunks have bytes.
  return (first[0]! << 8) | pieces[1]![0]!;
}
