/** Who the caller is, told to the next server. Source: client-go/transport (SetAuthProxyHeaders). */
import type { UserInfo } from '../authentication/authenticator.ts';

/** The aggregator itself, for discovery. */
export const aggregatorUser: UserInfo = Object.freeze({
  name: 'system:kube-aggregator',
  groups: Object.freeze(['system:masters']),
});

export function identityHeaders(user: UserInfo): Record<string, string | readonly string[]> {
  const headers: Record<string, string | readonly string[]> = { 'x-remote-user': user.name };
  if (user.uid !== undefined && user.uid !== '') headers['x-remote-uid'] = user.uid;
  if (user.groups.length > 0) headers['x-remote-group'] = user.groups;
  for (const [key, values] of Object.entries(user.extra ?? {})) headers[`x-remote-extra-${escapeKey(key)}`] = values;
  return headers;
}

/** A header's name may hold only token characters, and `%` is what the escapes begin with. */
const escapeKey = (key: string): string =>
  key
    .toLowerCase()
    .replace(/[^a-z0-9!#$&'*+\-.^_`|~]/gu, (char) =>
      [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    );
