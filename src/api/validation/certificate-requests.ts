/** PKCS #10 requests and the certificates made from them, as far as the server looks into them. */
import { createPublicKey, verify, X509Certificate } from 'node:crypto';

interface Block {
  readonly type: string;
  readonly headers: boolean;
  readonly bytes: Buffer;
}

/** The blocks of a PEM text; what stands between them is skipped. */
function pemBlocks(text: string): readonly Block[] {
  const blocks: Block[] = [];
  for (const [, type, body] of text.matchAll(/-----BEGIN ([^-\n]*)-----[ \t]*\r?\n([\s\S]*?)-----END \1-----/g)) {
    const lines = body!.split(/\r?\n/);
    const data = lines.filter((line) => !line.includes(':')).join('');
    if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data))
      blocks.push({ type: type!, headers: lines.some((l) => l.includes(':')), bytes: Buffer.from(data, 'base64') });
  }
  return blocks;
}

const digests: Readonly<Record<string, string | null>> = {
  '2a864886f70d010105': 'sha1',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d0401': 'sha1',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  '2b6570': null,
};

/** @param request base64 of a PEM text. @returns what is wrong with it. */
export function certificateRequestProblem(request: string): string | undefined {
  const [block] = pemBlocks(Buffer.from(request, 'base64').toString('latin1'));
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  const outer = elements(block.bytes)[0];
  const [info, algorithm, signature] = outer?.tag === 0x30 ? elements(outer.content) : [];
  const key = info?.tag === 0x30 ? elements(info.content)[2] : undefined;
  const oid = algorithm?.tag === 0x30 ? elements(algorithm.content)[0] : undefined;
  if (!info || !key || !oid || signature?.tag !== 0x03) return "asn1: structure error: tags don't match";
  const digest = digests[oid.content.toString('hex')];
  // A scheme that is not known here is not judged.
  if (digest === undefined) return undefined;
  try {
    const publicKey = createPublicKey({ key: key.whole, format: 'der', type: 'spki' });
    if (verify(digest, info.whole, publicKey, signature.content.subarray(1))) return undefined;
    return publicKey.asymmetricKeyType === 'rsa'
      ? 'crypto/rsa: verification error'
      : 'x509: ECDSA verification failure';
  } catch {
    return 'x509: malformed public key';
  }
}

/** @param certificate base64 of a PEM text. */
export function certificateProblem(certificate: string | undefined): string | undefined {
  if (!certificate) return undefined;
  const blocks = pemBlocks(Buffer.from(certificate, 'base64').toString('latin1'));
  for (const { type, headers, bytes } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (headers) return 'no PEM block headers are permitted';
    if (bytes.length === 0) return 'found CERTIFICATE PEM block containing 0 certificates';
    try {
      new X509Certificate(bytes);
    } catch {
      return 'x509: malformed certificate';
    }
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** With its header. */
  readonly whole: Buffer;
}

/** The DER elements that stand one after the other; those before the first broken one. */
function elements(bytes: Buffer): readonly Element[] {
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
