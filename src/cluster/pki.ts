/**
 * The cluster's certificates, as kubeadm lays them out: a cluster CA that signs servers and clients, a front-proxy CA, and a key pair for
 * service account tokens. ECDSA P-256 throughout: a first start makes all of it in well under 200 ms.
 */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface LeafRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

export interface CertificateAuthority extends KeyPair {
  issue(leaf: LeafRequest): Promise<KeyPair>;
}

const caYears = 10;
const leafDays = 365;
const dayMs = 86_400_000;
/** Clocks of joining hosts may be behind. Source: kubeadm. */
const backdateMs = 300_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** x509 (with the reflection polyfill it needs) takes about 120 ms to load, so only a start that issues something pays for it. */
async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** A new self-signed authority. */
export async function createCertificateAuthority(
  commonName: string,
  io: { readonly clock: Clock; readonly random: Random },
): Promise<CertificateAuthority> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = io.clock.now();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(io.random),
    name: [{ CN: [commonName] }],
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + caYears * 365 * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: commonName }]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return loadCertificateAuthority({ cert: cert.toString('pem'), key: await exportKey(keys.privateKey) }, io);
}

/** An authority whose certificate and key exist already. @throws Error when the two do not belong together. */
export function loadCertificateAuthority(
  pair: KeyPair,
  io: { readonly clock: Clock; readonly random: Random },
): CertificateAuthority {
  const parsed = new X509Certificate(pair.cert);
  if (!parsed.checkPrivateKey(createPrivateKey(pair.key)))
    throw new Error(`The key does not belong to the certificate authority "${parsed.subject}"`);
  return { ...pair, issue: (leaf) => issue(pair, leaf, io) };
}

async function issue(
  ca: KeyPair,
  leaf: LeafRequest,
  io: { readonly clock: Clock; readonly random: Random },
): Promise<KeyPair> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(ca.cert);
  const signingKey = await crypto.subtle.importKey('pkcs8', pemBody(ca.key), algorithm, false, ['sign']);
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const usages = leaf.usages.map((usage) =>
    usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
  );
  const names = [
    ...(leaf.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(leaf.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const now = io.clock.now();
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(io.random),
    // One organization per set, as Go reads group names.
    subject: [...(leaf.organizations ?? []).map((name) => ({ O: [name] })), { CN: [leaf.commonName] }],
    issuer: issuer.subjectName,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(Math.min(now + leafDays * dayMs, issuer.notAfter.getTime())),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { cert: cert.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** The key pair that signs service account tokens (RS256 and ES256 are what verifiers accept; P-256 signs in a tenth of RSA's time). */
export function createServiceAccountKeys(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
}

export const publicKeyOf = (privateKeyPem: string): KeyObject => createPublicKey(createPrivateKey(privateKeyPem));

async function exportKey(key: CryptoKey): Promise<string> {
  const body = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${(body.match(/.{1,64}/g) ?? []).join('\n')}\n-----END PRIVATE KEY-----\n`;
}

const pemBody = (pem: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'));

/** 16 random bytes with the top bit clear: a positive integer, as RFC 5280 wants. */
function serial(random: Random): string {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x01;
  return Buffer.from(bytes).toString('hex');
}
