/**
 * The client certificate of a connection as an ApiRequest carries it. Read once per connection; its validity in time is looked at per
 * request, because a connection outlives a short certificate.
 */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '../api/exchange.ts';

export interface ConnectionPeer {
  readonly peer: PeerCertificate;
  readonly notAfterMs: number;
  /** What is said once `notAfterMs` has passed. */
  readonly expired: PeerCertificate;
}

/** Who may vouch for clients: each for its own kind. */
export interface PeerAuthorities {
  readonly client: readonly X509Certificate[];
  readonly frontProxy: readonly X509Certificate[];
}

export function peerAuthorities({
  clientCa,
  frontProxyCa,
}: {
  readonly clientCa?: string;
  readonly frontProxyCa?: string;
}): PeerAuthorities {
  return { client: certificatesOf(clientCa), frontProxy: certificatesOf(frontProxyCa) };
}

const certificatesOf = (pem = ''): readonly X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map(
    (block) => new X509Certificate(block),
  );

const issuedBy = (certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean =>
  authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));

/** @returns undefined when the client showed no certificate. */
export function readPeer(socket: TLSSocket, authorities: PeerAuthorities): ConnectionPeer | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const subject = parseSubject(certificate.subject);
  const frontProxy = socket.authorized && issuedBy(certificate, authorities.frontProxy);
  const error = !socket.authorized
    ? String(socket.authorizationError ?? 'the certificate was not verified')
    : // The front proxy's authority says nothing about users.
      frontProxy && !issuedBy(certificate, authorities.client)
      ? 'x509: certificate signed by unknown authority'
      : undefined;
  const base = {
    commonName: subject.get('CN')?.at(-1) ?? '',
    organizations: Object.freeze(subject.get('O') ?? []),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notAfterMs: Date.parse(certificate.validTo),
    ...(frontProxy ? { frontProxy } : {}),
  };
  const peer: PeerCertificate = Object.freeze(error === undefined ? base : { ...base, verificationError: error });
  return {
    peer,
    notAfterMs: base.notAfterMs,
    expired: Object.freeze({ ...base, frontProxy: false, verificationError: error ?? 'certificate has expired' }),
  };
}

/**
 * Node prints one attribute a line (`O=system:masters\nCN=admin`); a multi-valued RDN joins its attributes with ` + ` on one line. Commas,
 * pluses, quotes, backslashes and control characters inside a value are escaped as in RFC 2253.
 */
export function parseSubject(subject: string): ReadonlyMap<string, readonly string[]> {
  const attributes = new Map<string, string[]>();
  for (const line of subject.split('\n')) {
    for (const part of line.split(/(?<!\\) \+ (?=[A-Za-z0-9.]+=)/)) {
      const equals = part.indexOf('=');
      if (equals <= 0) continue;
      const name = part.slice(0, equals);
      const value = unescapeValue(part.slice(equals + 1));
      const values = attributes.get(name);
      if (values) values.push(value);
      else attributes.set(name, [value]);
    }
  }
  return attributes;
}

function unescapeValue(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const source = Buffer.from(text, 'utf8');
  for (let i = 0; i < source.length; i++) {
    const byte = source[i]!;
    if (byte !== 0x5c || i + 1 >= source.length) {
      bytes.push(byte);
      continue;
    }
    const hex = source.toString('latin1', i + 1, i + 3);
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    } else bytes.push(source[++i]!);
  }
  return Buffer.from(bytes).toString('utf8');
}
