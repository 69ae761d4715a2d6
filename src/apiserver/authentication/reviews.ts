/** Asking who somebody is: TokenReview and SelfSubjectReview. Both answer a create and store nothing. */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import type { TokenReview } from '../../api/types/authentication-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { UserInfo } from './authenticator.ts';
import type { TokenAuthenticator } from './bearer-token.ts';
import { withAuthenticatedGroup } from './well-known-users.ts';

/** @param audiences the API server's own, for a review that names none. @throws ApiError 400 */
export async function reviewToken(
  review: TokenReview,
  tokens: TokenAuthenticator,
  audiences: readonly string[],
): Promise<JsonObject> {
  const { token = '', audiences: asked = [] } = review.spec ?? {};
  if (token === '') throw ApiError.badRequest('token is required for TokenReview in authentication');
  const named = asked.length > 0;
  const result = await tokens.authenticateToken(token, named ? asked : audiences);
  const status: JsonObject =
    result.kind === 'authenticated'
      ? {
          authenticated: true,
          user: userInfo(withAuthenticatedGroup(result.user)),
          // A token that is not audience-aware is good for this server's audiences, and says so when asked.
          ...(result.audiences !== undefined && (named || result.audiences.length > 0)
            ? { audiences: result.audiences }
            : {}),
        }
      : { error: result.kind === 'unknown' ? 'invalid bearer token' : errorText(result.error.message) };
  // What the caller itself wrote into the status stays where nothing better is known.
  const given = (review as unknown as JsonObject).status as JsonObject | undefined;
  return { ...(review as unknown as JsonObject), status: inOrder({ ...given, authenticated: undefined, ...status }) };
}

function inOrder({ authenticated, user, audiences, error }: JsonObject): JsonObject {
  return {
    ...(authenticated === undefined ? {} : { authenticated }),
    user: user ?? {},
    ...(audiences === undefined ? {} : { audiences }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Upstream does not say more than it must about a token it does not take. */
const errorText = (message: string): string =>
  message.startsWith('invalid bearer token') ? 'invalid bearer token' : `[invalid bearer token, ${message}]`;

export function reviewSelf(user: UserInfo, clock: Clock): JsonObject {
  return {
    kind: 'SelfSubjectReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { creationTimestamp: formatTime(clock.now()) },
    status: { userInfo: userInfo(user) },
  };
}

/** authentication/v1 UserInfo. */
export function userInfo(user: UserInfo): JsonObject {
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length > 0 ? { groups: user.groups } : {}),
    ...(user.extra && Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
  };
}
