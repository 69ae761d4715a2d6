/** PKCS #10 requests and the certificates made from them, as far as the server looks into them. */
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { elements, pemBlocks } from '../der.ts';

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
