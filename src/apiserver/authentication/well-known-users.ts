/** Names of users and groups that the API gives a meaning. Source: k8s.io/apiserver/pkg/authentication/user. */
import type { UserInfo } from './authenticator.ts';

export const anonymousUser = 'system:anonymous';
export const mastersGroup = 'system:masters';
export const nodesGroup = 'system:nodes';
export const authenticatedGroup = 'system:authenticated';
export const unauthenticatedGroup = 'system:unauthenticated';
export const serviceAccountsGroup = 'system:serviceaccounts';
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';

export const anonymous: UserInfo = Object.freeze({
  name: anonymousUser,
  groups: Object.freeze([unauthenticatedGroup]),
});
/** The API server itself, over its loopback. */
export const loopbackUser: UserInfo = Object.freeze({
  name: 'system:apiserver',
  groups: Object.freeze([authenticatedGroup, mastersGroup]),
});

const serviceAccountPrefix = 'system:serviceaccount:';
export const serviceAccountUser = (namespace: string, name: string): string =>
  `${serviceAccountPrefix}${namespace}:${name}`;
export const serviceAccountGroups = (namespace: string): readonly string[] => [
  serviceAccountsGroup,
  `${serviceAccountsGroup}:${namespace}`,
];

/** @returns undefined when the user name is not a service account's. */
export function splitServiceAccountUser(user: string): { namespace: string; name: string } | undefined {
  if (!user.startsWith(serviceAccountPrefix)) return undefined;
  const parts = user.slice(serviceAccountPrefix.length).split(':');
  const [namespace, name] = parts;
  return parts.length === 2 && namespace && name ? { namespace, name } : undefined;
}

/** Everybody who showed who they are is in `system:authenticated`, unless a group already says one or the other. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (
    user.name === anonymousUser ||
    user.groups.includes(authenticatedGroup) ||
    user.groups.includes(unauthenticatedGroup)
  )
    return user;
  return Object.freeze({ ...user, groups: Object.freeze([...user.groups, authenticatedGroup]) });
}
