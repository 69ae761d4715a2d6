/** `Impersonate-*` headers: acting as somebody else, each part of it authorized on its own. Source: endpoints/filters/impersonation. */
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import { checkDomainPath } from '../../api/validation/domain-path.ts';
import { ErrorList } from '../../api/validation/error-list.ts';
import type { AuthorizationAttributes, Authorizer } from '../authorization/authorizer.ts';
import { forbidden, RefusedRequest } from '../authorization/forbidden.ts';
import type { UserInfo } from './authenticator.ts';
import {
  anonymousUser,
  authenticatedGroup,
  serviceAccountGroups,
  splitServiceAccountUser,
  unauthenticatedGroup,
} from './well-known-users.ts';

const extraPrefix = 'impersonate-extra-';

/**
 * A caller may act as somebody in one of several ways, tried from the narrowest on; the first that all its questions are answered with yes in is taken.
 * The constrained ones (KEP-5284) also ask whether the caller may do just this request in the other's name: `impersonate-on:MODE:VERB`.
 * @param asked the request as it stands, of the caller
 * @returns the user to act as; the caller itself when no header asks otherwise. @throws ApiError 400, RefusedRequest 403
 */
export type Impersonate = (request: ApiRequest, asked: AuthorizationAttributes) => Promise<UserInfo>;

const rememberedMax = 10_000;

/** A caller's last mode is tried first: whoever impersonates in the old way is asked no more questions than before. */
export function createImpersonation(authorizer: Authorizer): Impersonate {
  const last = new Map<string, ConstrainedMode | undefined>();
  return async (request, asked) => {
    const wanted = wantedUser(request.headers);
    if (wanted === undefined) return asked.user;
    const { signal } = request;
    const caller = asked.user;
    const modes = [...constrainedModes, undefined];
    const tried = last.has(caller.name) ? last.get(caller.name) : null;
    const order = tried === null ? modes : [tried, ...modes.filter((mode) => mode !== tried)];
    let first: unknown;
    for (const mode of order) {
      if (mode && !mode.takes(wanted, caller)) continue;
      try {
        if (mode)
          await requireAllowed({ ...asked, verb: `impersonate-on:${mode.name}:${asked.verb}` }, authorizer, signal);
        const user = await actingAs(wanted, mode, caller, authorizer, signal);
        last.delete(caller.name);
        last.set(caller.name, mode);
        if (last.size > rememberedMax) last.delete(last.keys().next().value!);
        return user;
      } catch (error) {
        if (!(error instanceof RefusedRequest)) throw error;
        first ??= error;
      }
    }
    throw first;
  };
}

/** What the headers say, nothing filled in. */
interface Wanted {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

interface ConstrainedMode {
  readonly name: 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info';
  takes(wanted: Wanted, caller: UserInfo): boolean;
}

const nodeNameKey = 'authentication.kubernetes.io/node-name';

const constrainedModes: readonly ConstrainedMode[] = [
  {
    name: 'associated-node',
    takes: (wanted, caller) => {
      const node = nodeOf(wanted.name);
      const own = caller.extra?.[nodeNameKey];
      return (
        onlyName(wanted) &&
        node !== undefined &&
        splitServiceAccountUser(caller.name) !== undefined &&
        own?.length === 1 &&
        own[0] === node
      );
    },
  },
  { name: 'arbitrary-node', takes: (wanted) => onlyName(wanted) && nodeOf(wanted.name) !== undefined },
  {
    name: 'serviceaccount',
    takes: (wanted) => onlyName(wanted) && splitServiceAccountUser(wanted.name) !== undefined,
  },
  {
    name: 'user-info',
    takes: ({ name }) => nodeOf(name) === undefined && splitServiceAccountUser(name) === undefined,
  },
];

const onlyName = ({ uid, groups, extra }: Wanted): boolean =>
  uid === '' && groups.length === 0 && Object.keys(extra).length === 0;

function nodeOf(user: string): string | undefined {
  const name = user.startsWith('system:node:') ? user.slice('system:node:'.length) : '';
  return name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)
    ? name
    : undefined;
}

/** @throws ApiError 400 */
function wantedUser(headers: ApiRequest['headers']): Wanted | undefined {
  const name = headers['impersonate-user'] ?? '';
  const uid = headers['impersonate-uid'] ?? '';
  const groups = splitList(headers['impersonate-group']);
  // Without a prototype: `__proto__` is a key like any other, and asked for like any other.
  const extra = Object.create(null) as Record<string, readonly string[]>;
  for (const header in headers)
    if (header.startsWith(extraPrefix)) extra[decodeKey(header.slice(extraPrefix.length))] = splitList(headers[header]);
  if (name !== '') return { name, uid, groups, extra };
  if (headers['impersonate-group'] === undefined && Object.keys(extra).length === 0 && uid === '') return undefined;
  throw new RefusedRequest(
    ApiError.badRequest(`requested ${goUser(uid, groups, extra)} without impersonating a user name`),
  );
}

async function requireAllowed(
  attributes: AuthorizationAttributes,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<void> {
  const decision = await authorizer.authorize(attributes, signal);
  if (decision.kind !== 'allow') throw new RefusedRequest(forbidden(attributes, decision.reason));
}

const authentication = { apiGroup: 'authentication.k8s.io', apiVersion: 'v1' };
/** From so many on, the constrained modes first ask for all at once. */
const manyQuestions = 4;

/** Every part of the wanted user asked for on its own. @param mode absent: the old way, `impersonate` on everything. */
async function actingAs(
  { name, uid, groups, extra }: Wanted,
  mode: ConstrainedMode | undefined,
  caller: UserInfo,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<UserInfo> {
  const about = (what: Partial<AuthorizationAttributes>): AuthorizationAttributes => ({
    user: caller,
    verb: mode ? `impersonate:${mode.name}` : 'impersonate',
    namespace: '',
    ...(mode ? authentication : { apiGroup: '', apiVersion: 'v1' }),
    resource: '',
    subresource: '',
    name: '',
    resourceRequest: true,
    path: '',
    ...what,
  });
  const may = (what: Partial<AuthorizationAttributes>): Promise<void> =>
    requireAllowed(about(what), authorizer, signal);
  const mayAll = async (what: Partial<AuthorizationAttributes>): Promise<boolean> =>
    (await authorizer.authorize(about(what), signal)).kind === 'allow';
  const never = (what: Partial<AuthorizationAttributes>, why: string): RefusedRequest =>
    new RefusedRequest(forbidden(about(what), why));

  const account = splitServiceAccountUser(name);
  const node = mode && nodeOf(name);
  if (account) await may({ resource: 'serviceaccounts', namespace: account.namespace, name: account.name });
  else if (node !== undefined) await may({ resource: 'nodes', name: mode?.name === 'associated-node' ? '*' : node });
  else await may({ resource: 'users', name });
  const uids = { ...authentication, resource: 'uids', name: uid };
  if (uid !== '') await may(uids);

  if (mode && groups.includes(''))
    throw never({ resource: 'groups' }, 'impersonating the empty string group is not allowed');
  if (mode && groups.includes('system:masters'))
    throw never(
      { resource: 'groups', name: 'system:masters' },
      'impersonating the system:masters group is not allowed',
    );
  if (!(mode && groups.length >= manyQuestions && (await mayAll({ resource: 'groups', name: '*' }))))
    for (const group of groups) await may({ resource: 'groups', name: group });

  const extras = { ...authentication, resource: 'userextras' };
  const wrong = mode && extraProblem(extra);
  if (wrong !== undefined) throw never(extras, wrong);
  const values = Object.values(extra).reduce((sum, list) => sum + list.length, 0);
  if (!(mode && values >= manyQuestions && (await mayAll({ ...extras, subresource: '*', name: '*' }))))
    for (const [key, list] of Object.entries(extra))
      for (const value of list) await may({ ...extras, subresource: key, name: value });

  const own =
    node !== undefined
      ? ['system:nodes']
      : account && groups.length === 0
        ? serviceAccountGroups(account.namespace)
        : groups;
  const implied = name === anonymousUser ? unauthenticatedGroup : authenticatedGroup;
  const settled = own.includes(implied) || (name !== anonymousUser && own.includes(unauthenticatedGroup));
  return {
    name,
    ...(uid === '' ? {} : { uid }),
    groups: settled ? own : [...own, implied],
    ...(Object.keys(extra).length === 0 ? {} : { extra: { ...extra } }),
  };
}

/** What the constrained modes do not take. */
function extraProblem(extra: Wanted['extra']): string | undefined {
  for (const [key, values] of Object.entries(extra)) {
    if (key === '') return 'impersonating the empty string key in extra is not allowed';
    const problem = domainPrefixedPathProblem(key);
    if (problem !== undefined) return `impersonating an invalid key in extra is not allowed: ${problem}`;
    if (key !== key.toLowerCase())
      return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
    if (values.length === 0) return 'impersonating empty values in extra is not allowed';
    if (values.includes('')) return 'impersonating the empty string value in extra is not allowed';
  }
  return undefined;
}

function domainPrefixedPathProblem(key: string): string | undefined {
  const errors = new ErrorList();
  checkDomainPath(errors, key, 'extra.key');
  return errors.errors.length === 0
    ? undefined
    : errors.errors.map(({ field, message }) => `${field}: ${message}`).join(', ');
}

const splitList = (value: string | undefined): readonly string[] => (value === undefined ? [] : value.split(', '));

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
