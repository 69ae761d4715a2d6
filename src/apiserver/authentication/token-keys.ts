/** Keys that sign and verify service account tokens. Synchronous `node:crypto`, so that nothing waits for a thread in virtual time. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export type TokenAlgorithm = 'RS256' | 'ES256' | 'ES384' | 'ES512';

export interface VerifyingKey {
  readonly id: string;
  readonly algorithm: TokenAlgorithm;
  readonly key: KeyObject;
}
export interface SigningKey extends VerifyingKey {
  readonly privateKey: KeyObject;
}

/** @param pem a private or public key (PKCS#1, PKCS#8, SEC 1, SPKI) or a certificate. @throws Error when it is neither RSA nor a NIST curve. */
export function verifyingKey(pem: string): VerifyingKey {
  const key = createPublicKey(pem);
  return Object.freeze({ id: keyId(key), algorithm: algorithmOf(key), key });
}

/** @throws Error when the PEM holds no private key. */
export function signingKey(pem: string): SigningKey {
  return Object.freeze({ ...verifyingKey(pem), privateKey: createPrivateKey(pem) });
}

/** base64url of the SHA-256 of the DER public key, so that upstream and we find each other's keys. Source: serviceaccount.keyIDFromPublicKey. */
function keyId(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

const curves: Readonly<Record<string, TokenAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

function algorithmOf(key: KeyObject): TokenAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  const algorithm = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (key.asymmetricKeyType === 'ec' && algorithm !== undefined) return algorithm;
  throw new Error(
    `Cannot use a key of type ${key.asymmetricKeyType} for service account tokens; use RSA, P-256, P-384 or P-521`,
  );
}

const hashes: Readonly<Record<TokenAlgorithm, string>> = {
  RS256: 'sha256',
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
};

export function signBytes(key: SigningKey, data: Buffer): Buffer {
  return sign(hashes[key.algorithm], data, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
}

export function verifyBytes(key: VerifyingKey, data: Buffer, signature: Buffer): boolean {
  return verify(hashes[key.algorithm], data, { key: key.key, dsaEncoding: 'ieee-p1363' }, signature);
}
