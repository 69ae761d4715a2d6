/** JSON Web Tokens as the API server makes and reads them: compact form, one signature. Source: RFC 7519, RFC 7515. */
import { type SigningKey, signBytes, type VerifyingKey, verifyBytes } from './token-keys.ts';

export interface ObjectClaim {
  readonly name: string;
  readonly uid?: string;
}
/** Seconds since the epoch. Field order is upstream's (sorted), so that equal claims give equal tokens. */
export interface TokenClaims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti?: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly node?: ObjectClaim;
    readonly pod?: ObjectClaim;
    readonly secret?: ObjectClaim;
    readonly serviceaccount: ObjectClaim;
    readonly warnafter?: number;
  };
  readonly nbf: number;
  readonly sub: string;
}

export function signToken(key: SigningKey, claims: TokenClaims): string {
  const header = Buffer.from(JSON.stringify({ alg: key.algorithm, kid: key.id })).toString('base64url');
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${signed}.${signBytes(key, Buffer.from(signed)).toString('base64url')}`;
}

/** What a token says, before anything is believed. `undefined` when it is no JWT. */
export interface ParsedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

export function parseToken(token: string): ParsedToken | undefined {
  const parts = token.split('.');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || !header || !payload || !signature) return undefined;
  const headerObject = jsonObject(header);
  const payloadObject = jsonObject(payload);
  if (headerObject === undefined || payloadObject === undefined) return undefined;
  return {
    header: headerObject,
    payload: payloadObject,
    signed: Buffer.from(`${header}.${payload}`),
    signature: Buffer.from(signature, 'base64url'),
  };
}

function jsonObject(base64url: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64url, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The named key when the token names one of ours, any otherwise; the algorithm is the key's, never the token's word alone. */
export function verifyToken(token: ParsedToken, keys: readonly VerifyingKey[]): boolean {
  const { kid, alg } = token.header;
  const named = keys.filter((key) => key.id === kid);
  return (named.length > 0 ? named : keys).some(
    (key) => key.algorithm === alg && verifyBytes(key, token.signed, token.signature),
  );
}

/** The payload as service account claims; `undefined` when a part has another shape. */
export function claimsOf(payload: Readonly<Record<string, unknown>>): TokenClaims | undefined {
  const { iss, sub, exp, iat, nbf, jti } = payload;
  const aud = typeof payload.aud === 'string' ? [payload.aud] : payload.aud;
  const kubernetes = payload['kubernetes.io'];
  if (!isRecord(kubernetes) || typeof kubernetes.namespace !== 'string') return undefined;
  const account = objectClaim(kubernetes.serviceaccount);
  if (typeof iss !== 'string' || typeof sub !== 'string' || account === undefined) return undefined;
  if (!Array.isArray(aud) || !aud.every((each): each is string => typeof each === 'string')) return undefined;
  if (typeof exp !== 'number') return undefined;
  const [node, pod, secret] = [
    objectClaim(kubernetes.node),
    objectClaim(kubernetes.pod),
    objectClaim(kubernetes.secret),
  ];
  return {
    aud,
    exp,
    iat: typeof iat === 'number' ? iat : 0,
    iss,
    ...(typeof jti === 'string' && jti !== '' ? { jti } : {}),
    'kubernetes.io': {
      namespace: kubernetes.namespace,
      ...(node ? { node } : {}),
      ...(pod ? { pod } : {}),
      ...(secret ? { secret } : {}),
      serviceaccount: account,
      ...(typeof kubernetes.warnafter === 'number' ? { warnafter: kubernetes.warnafter } : {}),
    },
    nbf: typeof nbf === 'number' ? nbf : 0,
    sub,
  };
}

function objectClaim(value: unknown): ObjectClaim | undefined {
  if (!isRecord(value) || typeof value.name !== 'string') return undefined;
  return { name: value.name, ...(typeof value.uid === 'string' ? { uid: value.uid } : {}) };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
