import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import type { TokenRequest } from '../../api/types/authentication-v1.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { AuthorizationAttributes } from '../authorization/authorizer.ts';
import type { UserInfo } from './authenticator.ts';
import {
  createAuthenticate,
  createBearerTokenAuthenticator,
  createClientCertificateAuthenticator,
  createImpersonation,
  createServiceAccountTokens,
  createStaticTokens,
  createTokenIssuer,
  createTokenUnion,
  loopbackUser,
  oidcDiscovery,
  reviewSelf,
  reviewToken,
  signingKey,
  verifyingKey,
} from './index.ts';
import { parseToken } from './jwt.ts';
import { MapReader } from './testdata/map-reader.ts';

const rsaPem = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString();
const ecPem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'sec1', format: 'pem' })
  .toString();
const start = Date.parse('2026-03-01T12:00:00Z');

function world(pem = rsaPem) {
  const clock = createVirtualClock(start);
  const reader = new MapReader()
    .set('', 'serviceaccounts', { metadata: { name: 'sa1', namespace: 'ns', uid: 'sa-uid' } })
    .set('', 'nodes', { metadata: { name: 'n1', uid: 'node-uid' } })
    .set('', 'secrets', { metadata: { name: 's1', namespace: 'ns', uid: 'secret-uid' } })
    .set('', 'pods', {
      metadata: { name: 'p1', namespace: 'ns', uid: 'pod-uid' },
      spec: { serviceAccountName: 'sa1', nodeName: 'n1' },
    });
  const key = signingKey(pem);
  const issuer = createTokenIssuer({
    issuer: 'https://kubernetes.default.svc',
    key,
    audiences: ['https://kubernetes.default.svc'],
    reader,
    clock,
    random: createSeededRandom(1),
  });
  const tokens = createServiceAccountTokens({
    issuers: ['https://kubernetes.default.svc'],
    keys: [key],
    reader,
    clock,
  });
  const audiences = ['https://kubernetes.default.svc'];
  const authenticate = createAuthenticate({
    authenticators: [
      createClientCertificateAuthenticator(),
      createBearerTokenAuthenticator(
        createTokenUnion([createStaticTokens(new Map([['loop', loopbackUser]])), tokens]),
        audiences,
      ),
    ],
    anonymousAllowed: true,
  });
  const issue = async (spec: TokenRequest['spec'] = {}, name = 'sa1'): Promise<string> => {
    const answer = await issuer.issue('ns', name, { metadata: {}, spec }, { warn: () => undefined });
    return (answer.status as { token: string }).token;
  };
  return { clock, reader, key, issuer, tokens, authenticate, issue, audiences };
}

const request = (over: Partial<ApiRequest> = {}): ApiRequest => ({
  method: 'GET',
  path: '/',
  query: '',
  headers: {},
  remoteAddress: 'in-process',
  signal: new AbortController().signal,
  ...over,
});
const bearer = (token: string): ApiRequest => request({ headers: { authorization: `Bearer ${token}` } });
const status = (code: number, message?: RegExp) => (error: unknown) =>
  error instanceof ApiError && error.code === code && (message === undefined || message.test(error.message));

test('authentication: nobody in particular is anonymous', async () => {
  assert.deepEqual(await world().authenticate(request()), {
    name: 'system:anonymous',
    groups: ['system:unauthenticated'],
  });
});

test('authentication: with anonymous access off, nobody is 401', () => {
  const authenticate = createAuthenticate({ authenticators: [], anonymousAllowed: false });
  assert.throws(() => authenticate(request()), status(401, /^Unauthorized$/));
});

test('authentication: a certificate gives user, groups and credential id', async () => {
  const peer = { commonName: 'admin', organizations: ['system:masters'], fingerprint: 'ab' };
  assert.deepEqual(await world().authenticate(request({ peer })), {
    name: 'admin',
    groups: ['system:masters', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': ['X509SHA256=ab'] },
  });
});

test('authentication: a bad certificate is 401, unless a good token is beside it', async () => {
  const { authenticate } = world();
  const peer = { commonName: 'admin', organizations: ['system:masters'], verificationError: 'expired' };
  assert.throws(() => authenticate(request({ peer })), status(401));
  assert.equal((await authenticate({ ...bearer('loop'), peer })).name, 'system:apiserver');
});

test('authentication: a certificate without a common name is nobody', async () => {
  const peer = { commonName: '', organizations: ['system:masters'] };
  assert.equal((await world().authenticate(request({ peer }))).name, 'system:anonymous');
});

for (const header of ['Bearer bad', 'Bearer a.b.c', 'bearer e30.e30.e30', 'BEARER x y'])
  test(`authentication: ${header} is 401, never anonymous`, async () => {
    await assert.rejects(
      async () => world().authenticate(request({ headers: { authorization: header } })),
      status(401),
    );
  });
for (const header of ['Basic abc', 'Bearer', 'Bearer '])
  test(`authentication: "${header}" carries no token`, async () => {
    assert.equal(
      (await world().authenticate(request({ headers: { authorization: header } }))).name,
      'system:anonymous',
    );
  });

for (const [what, pem] of [
  ['RSA', rsaPem],
  ['P-256', ecPem],
] as const)
  test(`authentication: a ${what} token of a pod names pod and node`, async () => {
    const { authenticate, issue } = world(pem);
    const user = await authenticate(
      bearer(await issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p1' } })),
    );
    const { 'authentication.kubernetes.io/credential-id': id, ...extra } = user.extra!;
    assert.match(id![0]!, /^JTI=[0-9a-f-]{36}$/);
    assert.deepEqual(
      { ...user, extra },
      {
        name: 'system:serviceaccount:ns:sa1',
        uid: 'sa-uid',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/node-name': ['n1'],
          'authentication.kubernetes.io/node-uid': ['node-uid'],
          'authentication.kubernetes.io/pod-name': ['p1'],
          'authentication.kubernetes.io/pod-uid': ['pod-uid'],
        },
      },
    );
  });

test('authentication: a token ends with its pod, also one re-created under its name', async () => {
  const { authenticate, issue, reader } = world();
  const token = await issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p1' } });
  assert.equal((await authenticate(bearer(token))).uid, 'sa-uid');
  reader.set('', 'pods', { metadata: { name: 'p1', namespace: 'ns', uid: 'other' }, spec: {} });
  await assert.rejects(async () => authenticate(bearer(token)), status(401));
  reader.delete('', 'pods', 'ns', 'p1');
  await assert.rejects(async () => authenticate(bearer(token)), status(401));
});

test('authentication: a token ends a minute after the deletion of its account, not while it lingers', async () => {
  const { authenticate, issue, reader, clock } = world();
  const token = await issue();
  const deletionTimestamp = '2026-03-01T12:00:00Z';
  reader.set('', 'serviceaccounts', { metadata: { name: 'sa1', namespace: 'ns', uid: 'sa-uid', deletionTimestamp } });
  assert.equal((await authenticate(bearer(token))).uid, 'sa-uid');
  await clock.advance(61_000);
  await assert.rejects(async () => authenticate(bearer(token)), status(401));
});

test('authentication: a cache that lags does not refuse the token of a new pod', async () => {
  const { authenticate, issue, reader } = world();
  const token = await issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p1' } });
  reader.ahead.set('/pods/ns/p1', reader.get('', 'pods', 'ns', 'p1')!);
  reader.delete('', 'pods', 'ns', 'p1');
  assert.equal((await authenticate(bearer(token))).uid, 'sa-uid');
});

test('authentication: a token expires, with a minute of leeway', async () => {
  const { authenticate, issue, clock } = world();
  const token = await issue({ expirationSeconds: 600 });
  await clock.advance(659_000);
  assert.equal((await authenticate(bearer(token))).uid, 'sa-uid');
  await clock.advance(2_000);
  await assert.rejects(async () => authenticate(bearer(token)), status(401));
});

test('authentication: a token for another audience is refused', async () => {
  const { authenticate, issue } = world();
  await assert.rejects(async () => authenticate(bearer(await issue({ audiences: ['vault'] }))), status(401));
});

test('authentication: neither a forged signature nor another algorithm passes', async () => {
  const { authenticate, issue, key } = world();
  const [header, payload, signature] = (await issue()).split('.') as [string, string, string];
  const flipped = `${signature.slice(0, 10)}${signature[10] === 'A' ? 'B' : 'A'}${signature.slice(11)}`;
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const hmac = Buffer.from(JSON.stringify({ alg: 'HS256', kid: key.id })).toString('base64url');
  const publicPem = key.key.export({ type: 'spki', format: 'pem' });
  const confused = createHmac('sha256', publicPem).update(`${hmac}.${payload}`).digest('base64url');
  for (const token of [`${header}.${payload}.${flipped}`, `${none}.${payload}.x`, `${hmac}.${payload}.${confused}`])
    await assert.rejects(async () => authenticate(bearer(token)), status(401));
});

test('token request: defaults, limits and what it answers', async () => {
  const { issuer } = world();
  const answer = await issuer.issue(
    'ns',
    'sa1',
    { metadata: {}, spec: { audiences: ['a'], expirationSeconds: 600 } },
    { warn: () => undefined },
  );
  assert.deepEqual(answer.spec, { audiences: ['a'], expirationSeconds: 600, boundObjectRef: null });
  assert.equal((answer.status as { expirationTimestamp: string }).expirationTimestamp, '2026-03-01T12:10:00Z');
  const ask = (spec: TokenRequest['spec'], name = 'sa1') =>
    issuer.issue('ns', name, { metadata: {}, spec: spec! }, { warn: () => undefined });
  await assert.rejects(
    ask({ expirationSeconds: 1 }),
    status(
      422,
      /^TokenRequest\.authentication\.k8s\.io "" is invalid: spec\.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes$/,
    ),
  );
  await assert.rejects(ask({ expirationSeconds: 2 ** 32 + 1 }), status(422, /larger than 2\^32 seconds$/));
  await assert.rejects(ask({}, 'none'), status(404, /^serviceaccounts "none" not found$/));
  const pod = { kind: 'Pod', apiVersion: 'v1', name: 'p1' };
  await assert.rejects(ask({ boundObjectRef: { ...pod, name: 'none' } }), status(404, /^pods "none" not found$/));
  await assert.rejects(
    ask({ boundObjectRef: { ...pod, uid: 'old' } }),
    status(409, /does not match the UID in record/),
  );
  await assert.rejects(
    ask({ boundObjectRef: { kind: 'Deployment', apiVersion: 'apps/v1', name: 'd' } }),
    status(400, /^cannot bind token to object of type apps\/v1, Kind=Deployment$/),
  );
});

test('token request: a pod of another account is refused', async () => {
  const { issuer, reader } = world();
  reader.set('', 'serviceaccounts', { metadata: { name: 'sa2', namespace: 'ns', uid: 'u2' } });
  await assert.rejects(
    issuer.issue(
      'ns',
      'sa2',
      { metadata: {}, spec: { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p1' } } },
      { warn: () => undefined },
    ),
    status(400, /^cannot bind token for serviceaccount "sa2" to pod running with different serviceaccount name\.$/),
  );
});

test("token request: a pod's hourly token works for a year and says when to warn", async () => {
  const { issue } = world();
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p1' };
  const { payload } = parseToken(await issue({ expirationSeconds: 3607, boundObjectRef }))!;
  assert.equal(payload.exp, start / 1000 + 365 * 24 * 3600);
  assert.equal((payload['kubernetes.io'] as { warnafter: number }).warnafter, start / 1000 + 3607);
  const other = parseToken(await issue({ expirationSeconds: 3608, boundObjectRef }))!;
  assert.equal(other.payload.exp, start / 1000 + 3608);
});

test('token review: good and bad tokens', async () => {
  const { tokens, issue, audiences } = world();
  const review = (token: string, asked?: string[]) =>
    reviewToken({ metadata: {}, spec: { token, ...(asked ? { audiences: asked } : {}) } }, tokens, audiences);
  assert.deepEqual((await review('bad')).status, { user: {}, error: 'invalid bearer token' });
  await assert.rejects(review(''), status(400, /^token is required for TokenReview in authentication$/));
  const good = (await review(await issue({ audiences: ['vault', 'x'] }), ['vault', 'y'])).status as {
    authenticated: boolean;
    audiences: string[];
    user: { groups: string[] };
  };
  assert.equal(good.authenticated, true);
  assert.deepEqual(good.audiences, ['vault']);
  assert.ok(good.user.groups.includes('system:authenticated'));
});

test('self review: says who the caller is', () => {
  const clock = createVirtualClock(start);
  assert.deepEqual(reviewSelf({ name: 'a', groups: ['g'] }, clock), {
    kind: 'SelfSubjectReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { creationTimestamp: '2026-03-01T12:00:00Z' },
    status: { userInfo: { username: 'a', groups: ['g'] } },
  });
});

const listing = (user: UserInfo): AuthorizationAttributes => ({
  user,
  verb: 'list',
  namespace: 'x',
  apiGroup: '',
  apiVersion: 'v1',
  resource: 'pods',
  subresource: '',
  name: '',
  resourceRequest: true,
  path: '/api/v1/namespaces/x/pods',
});

/** Allows what `allowed` says; remembers every question. */
function questions(allowed: (question: string) => boolean) {
  const asked: string[] = [];
  return {
    asked,
    authorizer: {
      authorize: ({ verb, resource, subresource, name }: AuthorizationAttributes) => {
        const question = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`} ${name}`.trim();
        asked.push(question);
        return { kind: allowed(question) ? 'allow' : 'noOpinion', reason: '' } as const;
      },
    },
  };
}

test('impersonation: each part is authorized, and the result is in system:authenticated', async () => {
  const { asked, authorizer } = questions((question) => question.startsWith('impersonate '));
  const caller: UserInfo = { name: 'admin', groups: [] };
  const headers = { 'impersonate-user': 'bob', 'impersonate-group': 'g1', 'impersonate-extra-scopes': 'a' };
  assert.deepEqual(await createImpersonation(authorizer)(request({ headers }), listing(caller)), {
    name: 'bob',
    groups: ['g1', 'system:authenticated'],
    extra: { scopes: ['a'] },
  });
  assert.deepEqual(asked, [
    'impersonate-on:user-info:list pods',
    'impersonate users bob',
    'impersonate groups g1',
    'impersonate userextras/scopes a',
  ]);
  assert.equal(await createImpersonation(authorizer)(request(), listing(caller)), caller);
  await assert.rejects(
    createImpersonation(authorizer)(request({ headers: { 'impersonate-group': 'g1' } }), listing(caller)),
    status(
      400,
      /^requested &user\.DefaultInfo\{Name:"", UID:"", Groups:\[\]string\{"g1"\}, Extra:map\[string\]\[\]string\(nil\)\} without impersonating a user name$/,
    ),
  );
  await assert.rejects(
    createImpersonation(questions(() => false).authorizer)(request({ headers }), listing(caller)),
    status(
      403,
      /^pods is forbidden: User "admin" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "x"$/,
    ),
  );
});

test('impersonation: the constrained modes ask for the request and for the user, and fill in what they know', async () => {
  const agent: UserInfo = {
    name: 'system:serviceaccount:kube-system:agent',
    groups: [],
    extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
  };
  const as = (name: string, more = {}) => request({ headers: { 'impersonate-user': name, ...more } });
  const constrained = questions((question) => !question.startsWith('impersonate '));
  assert.deepEqual(await createImpersonation(constrained.authorizer)(as('system:node:n1'), listing(agent)), {
    name: 'system:node:n1',
    groups: ['system:nodes', 'system:authenticated'],
  });
  assert.deepEqual(constrained.asked, [
    'impersonate-on:associated-node:list pods',
    'impersonate:associated-node nodes *',
  ]);
  const other = questions((question) => !question.startsWith('impersonate '));
  await createImpersonation(other.authorizer)(as('system:node:n2'), listing(agent));
  assert.deepEqual(other.asked, ['impersonate-on:arbitrary-node:list pods', 'impersonate:arbitrary-node nodes n2']);
  const account = await createImpersonation(constrained.authorizer)(as('system:serviceaccount:x:y'), listing(agent));
  assert.deepEqual(account.groups, ['system:serviceaccounts', 'system:serviceaccounts:x', 'system:authenticated']);
  // What only the old way allows is never given by a constrained one.
  await assert.rejects(
    createImpersonation(constrained.authorizer)(as('bob', { 'impersonate-group': 'system:masters' }), listing(agent)),
    status(403, /impersonating the system:masters group is not allowed$/),
  );
  await assert.rejects(
    createImpersonation(constrained.authorizer)(as('system:node:n1', { 'impersonate-uid': 'u' }), listing(agent)),
    status(403, /cannot impersonate resource "users"/),
  );
});

test('discovery: the published key verifies tokens', () => {
  const key = verifyingKey(rsaPem);
  const pages = oidcDiscovery({
    issuer: 'https://kubernetes.default.svc',
    keys: [key],
    jwksUri: 'https://h:1/openid/v1/jwks',
  });
  const page = (path: string): Record<string, unknown> => {
    const body = pages.get(path)?.body;
    assert.ok(body?.kind === 'bytes');
    return JSON.parse(Buffer.from(body.bytes).toString()) as Record<string, unknown>;
  };
  assert.deepEqual(page('/.well-known/openid-configuration'), {
    issuer: 'https://kubernetes.default.svc',
    jwks_uri: 'https://h:1/openid/v1/jwks',
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  });
  const [jwk] = page('/openid/v1/jwks').keys as [Record<string, string>];
  assert.deepEqual([jwk.kid, jwk.alg, jwk.use, jwk.kty], [key.id, 'RS256', 'sig', 'RSA']);
  assert.equal(oidcDiscovery({ issuer: 'local', keys: [key], jwksUri: '' }).size, 0);
});
