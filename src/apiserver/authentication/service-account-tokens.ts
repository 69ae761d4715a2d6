/**
 * Whose a service account token is. A signature is verified once per token and remembered (it cannot change); whether the token still
 * counts - time, the account, the object it is bound to - is looked at each time, in memory.
 */
import type { JsonObject } from '../../api/json.ts';
import { parseTime } from '../../api/time.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AuthenticationResult, UserInfo } from './authenticator.ts';
import type { TokenAuthenticator } from './bearer-token.ts';
import { claimsOf, type ObjectClaim, parseToken, type TokenClaims, verifyToken } from './jwt.ts';
import type { VerifyingKey } from './token-keys.ts';
import { credentialIdKey, serviceAccountGroups, serviceAccountUser } from './well-known-users.ts';

export interface ServiceAccountTokensOptions {
  /** Tokens of other issuers are none of ours. The first is the one that new tokens carry. */
  readonly issuers: readonly string[];
  readonly keys: readonly VerifyingKey[];
  readonly reader: ObjectReader;
  readonly clock: Clock;
  /** Signatures remembered; the oldest goes first. */
  readonly rememberMax?: number;
}

/** Clocks of machines differ a little. Source: go-jose's DefaultLeeway. */
const leewayMs = 60_000;

export function createServiceAccountTokens(options: ServiceAccountTokensOptions): TokenAuthenticator {
  const { issuers, keys, reader, clock, rememberMax = 4096 } = options;
  const verified = new Map<string, TokenClaims>();

  return {
    authenticateToken(token, audiences) {
      let claims = verified.get(token);
      if (claims === undefined) {
        const parsed = parseToken(token);
        if (parsed === undefined || !issuers.includes(String(parsed.payload.iss))) return { kind: 'unknown' };
        if (!verifyToken(parsed, keys)) return rejected('invalid bearer token: the signature does not verify');
        claims = claimsOf(parsed.payload);
        if (claims === undefined) return rejected('invalid bearer token: not the claims of a service account');
        if (verified.size >= rememberMax) {
          const [oldest] = verified.keys();
          if (oldest !== undefined) verified.delete(oldest);
        }
        verified.set(token, claims);
      }
      return judge(claims, audiences);
    },
  };

  function judge(
    claims: TokenClaims,
    audiences: readonly string[],
  ): AuthenticationResult | Promise<AuthenticationResult> {
    const { aud } = claims;
    const meant = audiences.filter((each) => aud.includes(each));
    if (audiences.length > 0 && meant.length === 0)
      return rejected(`token audiences ${quoteList(aud)} is invalid for the target audiences ${quoteList(audiences)}`);
    const now = clock.now();
    if (now - leewayMs > claims.exp * 1000) return rejected('service account token has expired');
    if (now + leewayMs < claims.nbf * 1000 || now + leewayMs < claims.iat * 1000)
      return rejected('service account token is not valid yet');

    const { namespace, serviceaccount, pod, secret, node } = claims['kubernetes.io'];
    // A pod's token names its node for information only; a token bound to the node itself ends with it.
    const bound: readonly BoundObject[] = [
      { resource: 'serviceaccounts', namespace, claim: serviceaccount, what: 'service account', refName: '' },
      ...(secret ? [{ resource: 'secrets', namespace, claim: secret, what: 'secret', refName: 'secret' }] : []),
      ...(pod ? [{ resource: 'pods', namespace, claim: pod, what: 'pod', refName: 'pod' }] : []),
      ...(node && !pod ? [{ resource: 'nodes', namespace: '', claim: node, what: 'node', refName: 'node' }] : []),
    ];
    return checkBound(bound, 0, claims, meant, now);
  }

  function checkBound(
    bound: readonly BoundObject[],
    from: number,
    claims: TokenClaims,
    meant: readonly string[],
    now: number,
  ): AuthenticationResult | Promise<AuthenticationResult> {
    for (let i = from; i < bound.length; i++) {
      const each = bound[i]!;
      const cached = reader.get('', each.resource, each.namespace, each.claim.name);
      if (cached === undefined)
        // This server's cache may be a moment behind another's.
        return reader.fresh('', each.resource, each.namespace, each.claim.name).then((fresh) => {
          const error = boundError(each, fresh, now);
          return error === undefined ? checkBound(bound, i + 1, claims, meant, now) : rejected(error);
        });
      const error = boundError(each, cached, now);
      if (error !== undefined) return rejected(error);
    }
    return { kind: 'authenticated', user: userOf(claims), ...(meant.length > 0 ? { audiences: meant } : {}) };
  }
}

interface BoundObject {
  readonly resource: string;
  readonly namespace: string;
  readonly claim: ObjectClaim;
  readonly what: string;
  /** Empty for the account itself. */
  readonly refName: string;
}

function boundError(bound: BoundObject, object: JsonObject | undefined, now: number): string | undefined {
  const { claim, what, refName, namespace } = bound;
  const metadata = object?.metadata as JsonObject | undefined;
  const account = refName === '';
  if (metadata === undefined)
    return account ? `serviceaccounts "${claim.name}" not found` : 'service account token has been invalidated';
  const deleted = typeof metadata.deletionTimestamp === 'string' ? parseTime(metadata.deletionTimestamp) : undefined;
  if (deleted !== undefined && deleted < now - leewayMs)
    return account
      ? `service account ${namespace}/${claim.name} has been deleted`
      : 'service account token has been invalidated';
  if (metadata.uid !== claim.uid)
    return account
      ? `service account UID (${metadata.uid}) does not match claim (${claim.uid})`
      : `${what} UID (${metadata.uid}) does not match service account ${refName} ref claim (${claim.uid})`;
  return undefined;
}

function userOf(claims: TokenClaims): UserInfo {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
  const extra: Record<string, readonly string[]> = {};
  const say = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') extra[key] = [value];
  };
  say(credentialIdKey, claims.jti === undefined ? undefined : `JTI=${claims.jti}`);
  say('authentication.kubernetes.io/node-name', node?.name);
  say('authentication.kubernetes.io/node-uid', node?.uid);
  say('authentication.kubernetes.io/pod-name', pod?.name);
  say('authentication.kubernetes.io/pod-uid', pod?.uid);
  return {
    name: serviceAccountUser(namespace, serviceaccount.name),
    ...(serviceaccount.uid === undefined ? {} : { uid: serviceaccount.uid }),
    groups: serviceAccountGroups(namespace),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

const rejected = (message: string): AuthenticationResult => ({ kind: 'rejected', error: new Error(message) });
const quoteList = (values: readonly string[]): string => `[${values.map((v) => JSON.stringify(v)).join(' ')}]`;
