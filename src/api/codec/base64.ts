/** Go's encoding/base64 StdEncoding, as []byte fields are read: line ends are skipped, padding is required, errors name the input byte. */

export class Base64Error extends Error {
  override readonly name = 'Base64Error';
}

const value = (c: number): number =>
  c >= 0x41 && c <= 0x5a
    ? c - 0x41
    : c >= 0x61 && c <= 0x7a
      ? c - 0x47
      : c >= 0x30 && c <= 0x39
        ? c + 4
        : c === 0x2b
          ? 62
          : c === 0x2f
            ? 63
            : -1;
const isLineEnd = (c: number): boolean => c === 0x0a || c === 0x0d;

/** @returns the same bytes as Go would write them. @throws Base64Error with Go's message. */
export function canonicalBase64(text: string): string {
  let clean = true;
  let at = 0;
  let quantum = 0;
  let last = 0;
  const length = text.length;
  for (; at < length; at++) {
    const c = text.charCodeAt(at);
    const bits = value(c);
    if (bits >= 0) {
      last = bits;
      quantum = (quantum + 1) & 3;
    } else if (isLineEnd(c)) clean = false;
    else break;
  }
  if (at === length) {
    if (quantum !== 0) throw illegal(at - quantum);
    return clean ? text : text.replace(/[\r\n]/g, '');
  }
  if (text.charCodeAt(at) !== 0x3d || quantum < 2) throw illegal(at);
  let after = at + 1;
  if (quantum === 2) {
    while (after < length && isLineEnd(text.charCodeAt(after))) after++;
    if (after === length) throw illegal(length);
    if (text.charCodeAt(after) !== 0x3d) throw illegal(after - 1);
    after++;
  }
  while (after < length && isLineEnd(text.charCodeAt(after))) after++;
  if (after < length) throw illegal(after);
  const spare = quantum === 2 ? last & 15 : last & 3;
  if (spare === 0 && clean && after === at + (quantum === 2 ? 2 : 1)) return text;
  return Buffer.from(text, 'base64').toString('base64');
}

const illegal = (at: number): Base64Error => new Base64Error(`illegal base64 data at input byte ${at}`);
