/** `Impersonate-*` headers: acting as somebody else, each part of it authorized on its own. Source: endpoints/filters/impersonation. */
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import type { AuthorizationAttributes, Authorizer } from '../authorization/authorizer.ts';
import { forbidden } from '../authorization/forbidden.ts';
import type { UserInfo } from './authenticator.ts';
import {
  anonymousUser,
  authenticatedGroup,
  serviceAccountGroups,
  splitServiceAccountUser,
  unauthenticatedGroup,
} from './well-known-users.ts';

const extraPrefix = 'impersonate-extra-';

/** @returns the user to act as; the caller itself when no header asks otherwise. @throws ApiError 400, 403 */
export async function impersonated(request: ApiRequest, caller: UserInfo, authorizer: Authorizer): Promise<UserInfo> {
  const { headers } = request;
  let asked = false;
  for (const name in headers) if (name.startsWith('impersonate-')) asked = true;
  if (!asked) return caller;

  const name = headers['impersonate-user'] ?? '';
  const uid = headers['impersonate-uid'] ?? '';
  const groups = splitList(headers['impersonate-group']);
  // Without a prototype: `__proto__` is a key like any other, and asked for like any other.
  const extra = Object.create(null) as Record<string, readonly string[]>;
  for (const header in headers)
    if (header.startsWith(extraPrefix)) extra[decodeKey(header.slice(extraPrefix.length))] = splitList(headers[header]);
  if (name === '') {
    if (groups.length === 0 && Object.keys(extra).length === 0 && uid === '') return caller;
    throw ApiError.badRequest(`requested ${goUser(uid, groups, extra)} without impersonating a user name`);
  }

  const may = async (what: Partial<AuthorizationAttributes>): Promise<void> => {
    const attributes: AuthorizationAttributes = {
      user: caller,
      verb: 'impersonate',
      namespace: '',
      apiGroup: '',
      apiVersion: 'v1',
      resource: '',
      subresource: '',
      name: '',
      resourceRequest: true,
      path: '',
      ...what,
    };
    const decision = await authorizer.authorize(attributes, request.signal);
    if (decision.kind !== 'allow') throw forbidden(attributes, decision.reason);
  };
  const account = splitServiceAccountUser(name);
  if (account) await may({ resource: 'serviceaccounts', namespace: account.namespace, name: account.name });
  else await may({ resource: 'users', name });
  const authentication = { apiGroup: 'authentication.k8s.io', apiVersion: 'v1' };
  for (const group of groups) await may({ resource: 'groups', name: group });
  for (const [key, values] of Object.entries(extra))
    for (const value of values) await may({ ...authentication, resource: 'userextras', subresource: key, name: value });
  if (uid !== '') await may({ ...authentication, resource: 'uids', name: uid });

  const own = account && groups.length === 0 ? serviceAccountGroups(account.namespace) : groups;
  const settled = own.includes(authenticatedGroup) || own.includes(unauthenticatedGroup);
  const implied = name === anonymousUser ? unauthenticatedGroup : authenticatedGroup;
  return {
    name,
    ...(uid === '' ? {} : { uid }),
    groups: settled ? own : [...own, implied],
    ...(Object.keys(extra).length === 0 ? {} : { extra: { ...extra } }),
  };
}

const splitList = (value: string | undefined): readonly string[] =>
  value === undefined || value === '' ? [] : value.split(', ');

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (error) {
    if (error instanceof URIError) return key;
    throw error;
  }
}

/** How Go prints the request that upstream refuses. */
function goUser(uid: string, groups: readonly string[], extra: Readonly<Record<string, readonly string[]>>): string {
  const list = (values: readonly string[]): string =>
    values.length === 0 ? '[]string(nil)' : `[]string{${values.map((v) => JSON.stringify(v)).join(', ')}}`;
  const entries = Object.entries(extra)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, values]) => `${JSON.stringify(key)}:${list(values)}`);
  const map = entries.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${entries.join(', ')}}`;
  return `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${list(groups)}, Extra:${map}}`;
}
