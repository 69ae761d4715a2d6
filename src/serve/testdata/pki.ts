/** Certificates for the tests of this room: two authorities, a server, and clients good and bad. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as Crypto);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const hour = 3_600_000;

export interface Pem {
  readonly key: string;
  readonly cert: string;
}
export interface Authority extends Pem {
  issue(name: string, options?: { server?: boolean; notAfter?: Date; dnsNames?: readonly string[] }): Promise<Pem>;
}

async function keys(): Promise<{ pair: webcrypto.CryptoKeyPair; pem: string }> {
  const pair = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  return {
    pair,
    pem: x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY'),
  };
}

export async function authority(name: string): Promise<Authority> {
  const own = await keys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    serialNumber: '01',
    notBefore: new Date(Date.now() - hour),
    notAfter: new Date(Date.now() + 24 * hour),
    signingAlgorithm: algorithm,
    keys: own.pair,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  let serial = 1;
  return {
    key: own.pem,
    cert: certificate.toString('pem'),
    async issue(subject, { server = false, notAfter = new Date(Date.now() + hour), dnsNames = [] } = {}) {
      const leaf = await keys();
      const issued = await x509.X509CertificateGenerator.create({
        subject,
        issuer: certificate.subject,
        serialNumber: (++serial).toString(16).padStart(2, '0'),
        notBefore: new Date(Math.min(Date.now(), notAfter.getTime()) - hour),
        notAfter,
        signingAlgorithm: algorithm,
        publicKey: leaf.pair.publicKey,
        signingKey: own.pair.privateKey,
        extensions: [
          new x509.ExtendedKeyUsageExtension([
            server ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
          ]),
          ...(server
            ? [
                new x509.SubjectAlternativeNameExtension([
                  { type: 'dns', value: 'localhost' },
                  ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
                  { type: 'ip', value: '127.0.0.1' },
                ]),
              ]
            : []),
        ],
      });
      return { key: leaf.pem, cert: issued.toString('pem') };
    },
  };
}
