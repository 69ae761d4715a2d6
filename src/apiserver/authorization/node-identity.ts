/** Which node a user is: `system:node:NAME` in the group `system:nodes`. Source: pkg/auth/nodeidentifier. */
import type { UserInfo } from '../authentication/authenticator.ts';
import { nodesGroup } from '../authentication/well-known-users.ts';

const prefix = 'system:node:';

/** @returns undefined for a user that is no node. */
export function splitNodeUser(user: UserInfo): string | undefined {
  if (!user.name.startsWith(prefix)) return undefined;
  return user.groups.includes(nodesGroup) ? user.name.slice(prefix.length) : undefined;
}
