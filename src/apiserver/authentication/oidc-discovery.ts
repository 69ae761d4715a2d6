/** What lets others verify our service account tokens: `/.well-known/openid-configuration` and `/openid/v1/jwks`. */
import type { ApiResponse } from '../../api/exchange.ts';
import type { VerifyingKey } from './token-keys.ts';

export interface OidcDiscoveryOptions {
  readonly issuer: string;
  readonly keys: readonly VerifyingKey[];
  /** `--service-account-jwks-uri`, or the advertised address with `/openid/v1/jwks`. */
  readonly jwksUri: string;
}

/** Answers by path. Empty when the issuer is no https URL: then nobody could discover it. */
export function oidcDiscovery({ issuer, keys, jwksUri }: OidcDiscoveryOptions): ReadonlyMap<string, ApiResponse> {
  if (!issuer.startsWith('https://')) return new Map();
  const configuration = {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map((key) => key.algorithm))].sort(),
  };
  return new Map([
    ['/.well-known/openid-configuration', answer('application/json', configuration)],
    ['/openid/v1/jwks', answer('application/jwk-set+json', { keys: keys.map(jwk) })],
  ]);
}

function jwk({ id, algorithm, key }: VerifyingKey): Record<string, unknown> {
  const { kty, ...parameters } = key.export({ format: 'jwk' });
  return { use: 'sig', kty, kid: id, alg: algorithm, ...parameters };
}

const answer = (contentType: string, value: unknown): ApiResponse => ({
  status: 200,
  headers: { 'content-type': contentType, 'cache-control': 'public, max-age=3600' },
  body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(value)) },
});
