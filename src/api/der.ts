/** PEM blocks and DER elements, as far as certificates and requests are looked into without a library. */

export interface PemBlock {
  readonly type: string;
  readonly headers: boolean;
  readonly bytes: Buffer;
}

/** The blocks of a PEM text; what stands between them is skipped. */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, type, body] of text.matchAll(/-----BEGIN ([^-\n]*)-----[ \t]*\r?\n([\s\S]*?)-----END \1-----/g)) {
    const lines = body!.split(/\r?\n/);
    const data = lines.filter((line) => !line.includes(':')).join('');
    if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data))
      blocks.push({ type: type!, headers: lines.some((l) => l.includes(':')), bytes: Buffer.from(data, 'base64') });
  }
  return blocks;
}

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** With its header. */
  readonly whole: Buffer;
}

/** The DER elements that stand one after the other; those before the first broken one. */
export function elements(bytes: Buffer): readonly Element[] {
  const out: Element[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    let length = bytes[at + 1]!;
    let start = at + 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 4 || start + size > bytes.length) return out;
      length = bytes.readUIntBE(start, size);
      start += size;
    }
    const end = start + length;
    if (end > bytes.length) return out;
    out.push({ tag: bytes[at]!, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return out;
}
