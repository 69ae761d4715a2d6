/** `Authorization: Bearer ...`: which token it carries, and who can say whose it is. */
import type { ApiRequest } from '../../api/exchange.ts';
import type { AuthenticationResult, Authenticator } from './authenticator.ts';

export interface TokenAuthenticator {
  /** @param audiences what the token must be meant for (any of them); empty: not asked. */
  authenticateToken(token: string, audiences: readonly string[]): AuthenticationResult | Promise<AuthenticationResult>;
}

/** The token of a request's Authorization header; undefined when it is of another scheme or empty. */
export function bearerToken(request: ApiRequest): string | undefined {
  const header = request.headers.authorization?.trim();
  if (header === undefined || header === '') return undefined;
  const [scheme, token] = header.split(' ', 3);
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined;
}

/** A token that nobody knows is a bad credential, not the lack of one. */
export function createBearerTokenAuthenticator(
  tokens: TokenAuthenticator,
  audiences: readonly string[],
): Authenticator {
  const settle = (result: AuthenticationResult): AuthenticationResult =>
    result.kind === 'unknown' ? { kind: 'rejected', error: new Error('invalid bearer token') } : result;
  return {
    authenticate(request) {
      const token = bearerToken(request);
      if (token === undefined) return { kind: 'unknown' };
      const result = tokens.authenticateToken(token, audiences);
      return result instanceof Promise ? result.then(settle) : settle(result);
    },
  };
}

/** Asks each in turn until one knows the token; a rejection is kept in case nobody does. */
export function createTokenUnion(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    authenticateToken: (token, audiences) =>
      firstKnown(authenticators, (each) => each.authenticateToken(token, audiences)),
  };
}

/** Stays synchronous while every answer is. */
export function firstKnown<T>(
  ways: readonly T[],
  ask: (way: T) => AuthenticationResult | Promise<AuthenticationResult>,
  from = 0,
  rejection: AuthenticationResult | undefined = undefined,
): AuthenticationResult | Promise<AuthenticationResult> {
  for (let i = from; i < ways.length; i++) {
    const result = ask(ways[i]!);
    if (result instanceof Promise)
      return result.then((settled) => {
        if (settled.kind === 'authenticated') return settled;
        return firstKnown(ways, ask, i + 1, settled.kind === 'rejected' ? (rejection ?? settled) : rejection);
      });
    if (result.kind === 'authenticated') return result;
    if (result.kind === 'rejected') rejection ??= result;
  }
  return rejection ?? { kind: 'unknown' };
}
