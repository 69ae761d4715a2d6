/**
 * Domain names in the form that travels (RFC 1035 3.1): length-prefixed labels, ended by the root's zero. Names are kept lower case; what a
 * client wrote is echoed from its own message.
 */

/** Uncompressed wire form, ended by a zero byte. Never written to. */
export type Name = Uint8Array;

export const labelLengthMax = 63;
/** With the length bytes and the root's. */
export const nameLengthMax = 255;

/** @returns undefined when a label is empty or longer than 63, or the whole longer than 255. */
export function nameOf(labels: readonly string[]): Name | undefined {
  let length = 1;
  for (let i = 0; i < labels.length; i++) {
    const size = Buffer.byteLength(labels[i]!, 'latin1');
    if (size === 0 || size > labelLengthMax) return undefined;
    length += size + 1;
  }
  if (length > nameLengthMax) return undefined;
  const out = Buffer.alloc(length);
  let at = 0;
  for (let i = 0; i < labels.length; i++) {
    const size = out.write(labels[i]!.toLowerCase(), at + 1, 'latin1');
    out[at] = size;
    at += size + 1;
  }
  return new Uint8Array(out.buffer, out.byteOffset, length);
}

/** Labels of a dotted name; a dot at the end is fine. */
export function labelsOf(text: string): string[] {
  const trimmed = text.endsWith('.') ? text.slice(0, -1) : text;
  return trimmed === '' ? [] : trimmed.toLowerCase().split('.');
}

/** For tests, logs and errors: bytes that are not printable, and dots inside labels, are written `\ddd`. */
export function nameText(name: Name): string {
  let text = '';
  for (let at = 0; at < name.length && name[at] !== 0; ) {
    const end = at + 1 + name[at]!;
    for (at++; at < end; at++) {
      const byte = name[at]!;
      text +=
        byte > 32 && byte < 127 && byte !== 46 && byte !== 92
          ? String.fromCharCode(byte)
          : `\\${String(byte).padStart(3, '0')}`;
    }
    text += '.';
  }
  return text === '' ? '.' : text;
}
