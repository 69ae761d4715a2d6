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
  /** A certificate for a key that stays with whoever asks: subject and names are the request's. @param request PEM. @returns PEM. */
  sign(request: string, options: { readonly usages: readonly string[]; readonly ttlMs: number }): Promise<string>;
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
  return {
    ...pair,
    issue: (leaf) => issue(pair, leaf, io),
    sign: (request, options) => sign(pair, request, options, io),
  };
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

const backdateShortMs = 8 * 3_600_000;

/** Source: pkg/controller/certificates/authority.PermissiveSigningPolicy. */
async function sign(
  ca: KeyPair,
  request: string,
  { usages, ttlMs }: { readonly usages: readonly string[]; readonly ttlMs: number },
  io: { readonly clock: Clock; readonly random: Random },
): Promise<string> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(ca.cert);
  const asked = new x509.Pkcs10CertificateRequest(request);
  const now = io.clock.now();
  const end = issuer.notAfter.getTime();
  if (now >= end)
    throw new Error(
      `refusing to sign a certificate that expired in the past: NotAfter=${issuer.notAfter.toISOString()}`,
    );
  // Usages of the certificate's key are bits of one field; those of its bearer are names.
  let keyUsages = 0;
  const extended: string[] = [];
  for (const usage of usages) {
    const bit = keyUsageBits[usage];
    const name = extendedUsages[usage];
    if (bit !== undefined) keyUsages |= bit;
    else if (name !== undefined) extended.push(name);
    else throw new Error(`unrecognized usage: ${JSON.stringify(usage)}`);
  }
  const names = asked.getExtension('2.5.29.17');
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(io.random),
    subject: asked.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(Math.min(now + ttlMs - (ttlMs < backdateShortMs ? 0 : backdateMs), end)),
    publicKey: asked.publicKey,
    signingKey: await crypto.subtle.importKey('pkcs8', pemBody(ca.key), algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.KeyUsagesExtension(keyUsages, true),
      ...(extended.length > 0 ? [new x509.ExtendedKeyUsageExtension(extended)] : []),
      new x509.BasicConstraintsExtension(false, undefined, true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names ? [new x509.SubjectAlternativeNameExtension(names.rawData)] : []),
    ],
  });
  return cert.toString('pem');
}

/** Bits as in RFC 5280's KeyUsage, the first being the lowest. */
const keyUsageBits: Readonly<Record<string, number>> = {
  signing: 1,
  'digital signature': 1,
  'content commitment': 2,
  'key encipherment': 4,
  'data encipherment': 8,
  'key agreement': 16,
  'cert sign': 32,
  'crl sign': 64,
  'encipher only': 128,
  'decipher only': 256,
};
const extendedUsages: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
};

/** A new key and the request for its certificate, both PEM. */
export async function createCertificateRequest(
  leaf: Omit<LeafRequest, 'usages'>,
): Promise<{ readonly key: string; readonly request: string }> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const names = [
    ...(leaf.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(leaf.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [...(leaf.organizations ?? []).map((name) => ({ O: [name] })), { CN: [leaf.commonName] }],
    keys,
    signingAlgorithm: algorithm,
    ...(names.length > 0 ? { extensions: [new x509.SubjectAlternativeNameExtension(names)] } : {}),
  });
  return { key: await exportKey(keys.privateKey), request: request.toString('pem') };
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
