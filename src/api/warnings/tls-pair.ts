/** Whether a certificate and a key belong together, in the words of Go's crypto/tls. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';

interface Block {
  readonly type: string;
  readonly text: string;
}

/** @returns what is wrong, or undefined. */
export function tlsPairProblem(certificate: Buffer, key: Buffer): string | undefined {
  const blocks = pemBlocks(certificate);
  const chain = blocks.filter(({ type }) => type === 'CERTIFICATE');
  if (chain.length === 0) return noCertificate(blocks.map(({ type }) => type));
  const keyBlocks = pemBlocks(key);
  const keyBlock = keyBlocks.find(({ type }) => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY'));
  if (!keyBlock) return noKey(keyBlocks.map(({ type }) => type));
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chain[0]!.text);
  } catch {
    return 'x509: malformed certificate';
  }
  let secret: KeyObject;
  try {
    secret = createPrivateKey(keyBlock.text);
  } catch {
    return 'tls: failed to parse private key';
  }
  if (leaf.publicKey.asymmetricKeyType !== secret.asymmetricKeyType)
    return 'tls: private key type does not match public key type';
  return createPublicKey(secret).equals(leaf.publicKey) ? undefined : 'tls: private key does not match public key';
}

function noCertificate(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in certificate input';
  if (skipped.length === 1 && skipped[0]!.endsWith('PRIVATE KEY'))
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`;
}

function noKey(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in key input';
  if (skipped.length === 1 && skipped[0] === 'CERTIFICATE')
    return 'tls: found a certificate rather than a key in the PEM for the private key';
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`;
}

const pemBlocks = (bytes: Buffer): readonly Block[] =>
  [...bytes.toString('latin1').matchAll(/-----BEGIN ([^-\n]+)-----[\s\S]*?-----END \1-----/g)].map((match) => ({
    type: match[1]!,
    text: match[0],
  }));
