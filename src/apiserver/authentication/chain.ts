/**
 * The whole of authentication: certificates, then tokens, then anonymous. The first that knows the caller wins; a bad credential with no
 * good one beside it is 401, never anonymous.
 */
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import type { AuthenticationResult, Authenticator, UserInfo } from './authenticator.ts';
import { firstKnown } from './bearer-token.ts';
import { anonymous, withAuthenticatedGroup } from './well-known-users.ts';

export interface AuthenticationChainOptions {
  readonly authenticators: readonly Authenticator[];
  /** `--anonymous-auth`, on by default. */
  readonly anonymousAllowed: boolean;
}

/**
 * Who sends a request. Synchronous where it can be.
 * @throws ApiError 401 (or rejects with it)
 */
export type Authenticate = (request: ApiRequest) => UserInfo | Promise<UserInfo>;

export function createAuthenticate({ authenticators, anonymousAllowed }: AuthenticationChainOptions): Authenticate {
  // Users of certificates and tokens are few objects that come again and again.
  const withGroup = new WeakMap<UserInfo, UserInfo>();
  const settle = (result: AuthenticationResult): UserInfo => {
    if (result.kind === 'authenticated') {
      let user = withGroup.get(result.user);
      if (user === undefined) {
        user = withAuthenticatedGroup(result.user);
        withGroup.set(result.user, user);
      }
      return user;
    }
    if (result.kind === 'unknown' && anonymousAllowed) return anonymous;
    throw ApiError.unauthorized();
  };
  return (request) => {
    const result = firstKnown(authenticators, (each) => each.authenticate(request));
    return result instanceof Promise ? result.then(settle) : settle(result);
  };
}
