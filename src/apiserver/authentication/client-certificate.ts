/** Client certificates: the common name is the user, the organizations are the groups. Source: x509.CommonNameUserConversion. */
import type { ApiRequest, PeerCertificate } from '../../api/exchange.ts';
import type { AuthenticationResult, Authenticator } from './authenticator.ts';
import { credentialIdKey } from './well-known-users.ts';

/** Verification is the server's work (`serve/`); what it found wrong is here a rejection. */
export function createClientCertificateAuthenticator(): Authenticator {
  // A connection's peer is one object for all its requests.
  const known = new WeakMap<PeerCertificate, AuthenticationResult>();
  return {
    authenticate({ peer }: ApiRequest): AuthenticationResult {
      if (peer === undefined) return { kind: 'unknown' };
      let result = known.get(peer);
      if (result === undefined) {
        result = judge(peer);
        known.set(peer, result);
      }
      return result;
    },
  };
}

function judge(peer: PeerCertificate): AuthenticationResult {
  if (peer.verificationError !== undefined)
    return { kind: 'rejected', error: new Error(`verifying certificate failed: ${peer.verificationError}`) };
  if (peer.commonName === '') return { kind: 'unknown' };
  return {
    kind: 'authenticated',
    user: Object.freeze({
      name: peer.commonName,
      groups: peer.organizations,
      ...(peer.fingerprint === undefined
        ? {}
        : { extra: Object.freeze({ [credentialIdKey]: Object.freeze([`X509SHA256=${peer.fingerprint}`]) }) }),
    }),
  };
}
