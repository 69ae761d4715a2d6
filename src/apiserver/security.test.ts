/** The API server with its security parts, over a real store and over HTTPS: what a caller is let do, and in which words it is refused. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import https from 'node:https';
import { after, before, test } from 'node:test';
import type { ApiHandler, ApiRequest } from '../api/exchange.ts';
import type { JsonObject } from '../api/json.ts';
import type { Logger } from '../base/log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createRealClock } from '../base/real-clock.ts';
import { createRealRandom } from '../base/real-random.ts';
import { startHttpsServer } from '../serve/index.ts';
import { authority } from '../serve/testdata/pki.ts';
import { createMemoryStore } from '../store/memory/memory-store.ts';
import { signingKey } from './authentication/index.ts';
import { bootstrap } from './bootstrap/index.ts';
import { type ApiServer, createApiServer } from './index.ts';
import { createClusterSecurity } from './security.ts';

const clock = createRealClock();
const random = createRealRandom();
const nothing = (): void => undefined;
const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => quiet };
const key = signingKey(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
);
const issuer = 'https://kubernetes.default.svc';
let server: ApiServer;

before(async () => {
  const store = createMemoryStore({ clock });
  await bootstrap({ store, clock, random, config: { serviceCidrs: ['10.96.0.0/12'], securePort: 6443 } });
  server = createApiServer({
    store,
    clock,
    random,
    log: quiet,
    metrics: createMetricsRegistry(),
    security: createClusterSecurity({ serviceAccountKey: key, issuer, jwksUri: 'https://h:1/openid/v1/jwks' }),
  });
  await server.start();
});
after(() => server.stop());

const admin = { commonName: 'admin', organizations: ['system:masters'] };
const alice = { commonName: 'alice', organizations: ['devs'] };

async function call(
  method: string,
  path: string,
  over: Partial<ApiRequest> & { json?: JsonObject } = {},
  handler: ApiHandler = server.handler,
): Promise<{ readonly code: number; readonly body: JsonObject }> {
  const { json, ...rest } = over;
  const [plain = '', query = ''] = path.split('?');
  const response = await handler({
    method,
    path: plain,
    query,
    headers: {},
    remoteAddress: 'in-process',
    signal: new AbortController().signal,
    ...(json ? { body: { value: json } } : {}),
    ...rest,
  });
  assert.ok(response.body.kind === 'object' || response.body.kind === 'bytes' || response.body.kind === 'list');
  const body =
    response.body.kind === 'object'
      ? response.body.object.value()
      : response.body.kind === 'list'
        ? response.body.value()
        : (JSON.parse(Buffer.from(response.body.bytes).toString()) as JsonObject);
  return { code: response.status, body };
}

for (const [name, over, code, message] of [
  [
    'anonymous',
    {},
    403,
    'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"',
  ],
  [
    'a user without rights',
    { peer: alice },
    403,
    'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"',
  ],
  ['a bad token', { headers: { authorization: 'Bearer bad' } }, 401, 'Unauthorized'],
  ['a bad certificate', { peer: { ...admin, verificationError: 'expired' } }, 401, 'Unauthorized'],
] as const)
  test(`security: ${name} is refused`, async () => {
    const got = await call('GET', '/api/v1/namespaces/default/pods', over);
    assert.deepEqual([got.code, got.body.message], [code, message]);
  });

test('security: the default roles count from the first request on', async () => {
  assert.equal((await call('GET', '/version')).code, 200);
  const got = await call('GET', '/metrics', { peer: alice });
  assert.deepEqual([got.code, got.body.message], [403, 'forbidden: User "alice" cannot get path "/metrics"']);
  const node = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
  assert.equal((await call('GET', '/api/v1/services', { peer: node })).code, 200);
  assert.equal((await call('GET', '/api/v1/pods', { peer: node })).code, 403);
  assert.equal((await call('GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1', { peer: node })).code, 200);
});

test('security: a service account gets a token, and rights by a role made a moment ago', async () => {
  const namespace = '/api/v1/namespaces/default';
  await call('POST', `${namespace}/serviceaccounts`, {
    peer: admin,
    json: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } },
  });
  const issued = await call('POST', `${namespace}/serviceaccounts/robot/token`, {
    peer: admin,
    json: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: null, expirationSeconds: 600 },
    },
  });
  assert.equal(issued.code, 201, JSON.stringify(issued.body));
  const { token } = issued.body.status as { token: string };
  const robot = { headers: { authorization: `Bearer ${token}` } };
  const list = () => call('GET', `${namespace}/configmaps`, robot);
  assert.equal((await list()).code, 403);
  const roles = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  const rbac = 'rbac.authorization.k8s.io';
  await call('POST', `${roles}/rolebindings`, {
    peer: admin,
    json: {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'robot' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'default' }],
    },
  });
  assert.match(String((await list()).body.message), /RBAC: role\.rbac\.authorization\.k8s\.io "reader" not found$/);
  await call('POST', `${roles}/roles`, {
    peer: admin,
    json: {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata: { name: 'reader' },
      rules: [{ verbs: ['list'], apiGroups: [''], resources: ['configmaps'] }],
    },
  });
  assert.equal((await list()).code, 200);
  const self = await call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    ...robot,
    json: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  });
  assert.equal(self.code, 201, JSON.stringify(self.body));
  const { userInfo } = self.body.status as { userInfo: { username: string } };
  assert.equal(userInfo.username, 'system:serviceaccount:default:robot');
});

test('security: nobody grants what he does not have', async () => {
  const rbac = 'rbac.authorization.k8s.io';
  const binding = (name: string, kind: string, role: string): JsonObject => ({
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: rbac, kind, name: role },
    subjects: [{ kind: 'User', apiGroup: rbac, name: 'alice' }],
  });
  const path = `/apis/${rbac}/v1`;
  await call('POST', `${path}/clusterroles`, {
    peer: admin,
    json: {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'role-writer' },
      rules: [{ verbs: ['*'], apiGroups: [rbac], resources: ['clusterrolebindings'] }],
    },
  });
  await call('POST', `${path}/clusterrolebindings`, { peer: admin, json: binding('w', 'ClusterRole', 'role-writer') });
  const got = await call('POST', `${path}/clusterrolebindings`, {
    peer: alice,
    json: binding('steal', 'ClusterRole', 'cluster-admin'),
  });
  assert.equal(got.code, 403);
  assert.match(
    String(got.body.message),
    /^clusterrolebindings\.rbac\.authorization\.k8s\.io "steal" is forbidden: user "alice" \(groups=\["devs" "system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:\n/,
  );
});

test('security: nobody makes a role he does not cover part of another by a label', async () => {
  const rbac = 'rbac.authorization.k8s.io';
  const path = `/apis/${rbac}/v1/clusterroles`;
  const bob = { commonName: 'bob', organizations: [] };
  const role = (name: string, rules: JsonObject[], metadata: JsonObject = {}): JsonObject => ({
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name, ...metadata },
    rules,
  });
  await call('POST', path, {
    peer: admin,
    json: role('role-editor', [{ verbs: ['get', 'update', 'patch'], apiGroups: [rbac], resources: ['clusterroles'] }]),
  });
  await call('POST', `/apis/${rbac}/v1/clusterrolebindings`, {
    peer: admin,
    json: {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'role-editor' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'role-editor' },
      subjects: [{ kind: 'User', apiGroup: rbac, name: 'bob' }],
    },
  });
  const rules = [{ verbs: ['*'], apiGroups: [''], resources: ['secrets'] }];
  await call('POST', path, { peer: admin, json: role('powerful', rules, { finalizers: ['example.com/held'] }) });
  const patch = (metadata: JsonObject) =>
    call('PATCH', `${path}/powerful`, {
      peer: bob,
      json: { metadata },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  const labelled = await patch({ labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } });
  assert.equal(labelled.code, 403, JSON.stringify(labelled.body));
  assert.match(String(labelled.body.message), /attempting to grant RBAC permissions not currently held/);
  const released = await patch({ finalizers: null });
  assert.equal(released.code, 200, 'what a garbage collector changes grants nothing');
});

test('security: who may only watch writes nothing through the old watch paths', async () => {
  const rbac = 'rbac.authorization.k8s.io';
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' } };
  await call('POST', '/api/v1/namespaces/default/configmaps', { peer: admin, json: configMap });
  const viewer = { peer: { commonName: 'viewer', organizations: [] } };
  await call('POST', `/apis/${rbac}/v1/clusterroles`, {
    peer: admin,
    json: {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'watcher' },
      rules: [{ verbs: ['get', 'list', 'watch'], apiGroups: ['*'], resources: ['*'] }],
    },
  });
  await call('POST', `/apis/${rbac}/v1/clusterrolebindings`, {
    peer: admin,
    json: {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'watcher' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'watcher' },
      subjects: [{ kind: 'User', apiGroup: rbac, name: 'viewer' }],
    },
  });
  const watched = '/api/v1/watch/namespaces/default';
  const tries: readonly (readonly [string, string, JsonObject?])[] = [
    ['DELETE', `${watched}/configmaps/kept`],
    ['DELETE', `${watched}/configmaps`],
    ['PUT', `${watched}/configmaps/kept`, { ...configMap, data: { a: 'b' } }],
    ['POST', `${watched}/configmaps`, { ...configMap, metadata: { name: 'new' } }],
    ['POST', `${watched}/serviceaccounts/default/token`, { spec: {} }],
  ];
  for (const [method, path, json] of tries) {
    const got = await call(method, path, { ...viewer, ...(json ? { json } : {}) });
    assert.equal(got.code, 405, `${method} ${path}: ${JSON.stringify(got.body)}`);
  }
  const kept = await call('GET', '/api/v1/namespaces/default/configmaps/kept', viewer);
  assert.deepEqual([kept.code, kept.body.data], [200, undefined]);
  const proxied = await call('DELETE', '/api/v1/proxy/namespaces/default/configmaps/kept', { peer: admin });
  assert.equal(proxied.code, 404);
});

test('security: over HTTPS, by certificate', async () => {
  const ca = await authority('ca');
  const pem = await ca.issue('CN=server', { server: true });
  const running = await startHttpsServer({
    handler: server.handler,
    ...pem,
    clientCa: ca.cert,
    host: '127.0.0.1',
    port: 0,
    clock,
    log: quiet,
    metrics: createMetricsRegistry(),
  });
  const status = (client: object): Promise<number> =>
    new Promise((resolve, reject) =>
      https
        .get(
          { host: '127.0.0.1', port: running.port, path: '/api/v1/namespaces', ca: ca.cert, agent: false, ...client },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        )
        .on('error', reject),
    );
  try {
    assert.equal(await status({}), 403);
    assert.equal(await status(await ca.issue('CN=admin, O=system:masters')), 200);
    assert.equal(await status(await (await authority('other')).issue('CN=admin, O=system:masters')), 401);
  } finally {
    await running.stop({ graceMs: 100 });
  }
});
