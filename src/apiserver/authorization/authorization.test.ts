import assert from 'node:assert/strict';
import { test } from 'node:test';
import bootstrap from '../../../schema/bootstrap-objects.json' with { type: 'json' };
import { ApiError } from '../../api/errors.ts';
import type { PolicyRule } from '../../api/types/rbac-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import {
  type AuthorizationAttributes,
  createAuthorizerUnion,
  createEscalationCheck,
  createNodeAuthorizer,
  createNodeGraph,
  createPrivilegedGroups,
  createRbacAuthorizer,
  createRbacIndex,
  forbidden,
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from './index.ts';
import { ruleAllows, uncovered } from './policy-rule.ts';

const rbac = 'rbac.authorization.k8s.io';
const signal = new AbortController().signal;
const alice: UserInfo = { name: 'alice', groups: ['devs', 'system:authenticated'] };

/** `get pods/log ns name`, `get apps/deployments ns`, `get /version`. */
function attributes(user: UserInfo, text: string, fieldSelector?: string): AuthorizationAttributes {
  const [verb = '', what = '', namespace = '', name = ''] = text.split(' ');
  const base = { user, verb, apiVersion: 'v1', ...(fieldSelector ? { fieldSelector } : {}) };
  if (what.startsWith('/'))
    return {
      ...base,
      namespace: '',
      apiGroup: '',
      resource: '',
      subresource: '',
      name: '',
      resourceRequest: false,
      path: what,
    };
  const [resource = '', subresource = ''] = what.slice(what.indexOf(':') + 1).split('/');
  return {
    ...base,
    namespace: namespace === '-' ? '' : namespace,
    apiGroup: what.includes(':') ? what.slice(0, what.indexOf(':')) : '',
    resource,
    subresource,
    name,
    resourceRequest: true,
    path: '',
  };
}

function bootstrapped(): MapReader {
  const reader = new MapReader();
  for (const object of bootstrap.ClusterRole) reader.set(rbac, 'clusterroles', structuredClone(object));
  for (const object of bootstrap.ClusterRoleBinding) reader.set(rbac, 'clusterrolebindings', structuredClone(object));
  for (const object of bootstrap.Role) reader.set(rbac, 'roles', structuredClone(object));
  for (const object of bootstrap.RoleBinding) reader.set(rbac, 'rolebindings', structuredClone(object));
  return reader;
}

const meta = (name: string, namespace?: string) => ({ name, ...(namespace ? { namespace } : {}) });
const user = (name: string) => ({ kind: 'User', apiGroup: rbac, name });

for (const [rule, text, want] of [
  [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'get pods ns', true],
  [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'get pods/log ns', false],
  [{ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, 'get pods/log ns', true],
  [{ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, 'get pods ns', false],
  [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'patch apps:deployments/status ns', true],
  [{ verbs: ['update'], apiGroups: ['*'], resources: ['*/scale'] }, 'update apps:deployments/scale ns', true],
  [{ verbs: ['update'], apiGroups: ['*'], resources: ['*/scale'] }, 'update apps:deployments ns', false],
  [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }, 'get pods ns a', true],
  [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }, 'get pods ns b', false],
  [{ verbs: ['list'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }, 'list pods ns', false],
  [{ verbs: ['get'], apiGroups: ['apps'], resources: ['deployments'] }, 'get deployments ns', false],
  [{ verbs: ['get'], nonResourceURLs: ['/apis/*'] }, 'get /apis/apps', true],
  [{ verbs: ['get'], nonResourceURLs: ['/apis/*'] }, 'get /apis', false],
  [{ verbs: ['get'], nonResourceURLs: ['*'] }, 'get /metrics', true],
  [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }, 'get pods ns', false],
] as const)
  test(`rules: ${JSON.stringify(rule)} ${want ? 'allows' : 'does not allow'} ${text}`, () => {
    assert.equal(ruleAllows(rule as PolicyRule, attributes(alice, text)), want);
  });

test('rbac: a group binding allows, and says by what', async () => {
  const authorizer = createRbacAuthorizer(createRbacIndex(bootstrapped()));
  const zed = { name: 'zed', groups: ['system:authenticated'] };
  assert.deepEqual(await authorizer.authorize(attributes(zed, 'get /version'), signal), {
    kind: 'allow',
    reason:
      'RBAC: allowed by ClusterRoleBinding "system:public-info-viewer" of ClusterRole "system:public-info-viewer" to Group "system:authenticated"',
  });
});

test('rbac: a role binding counts in its namespace only, also for a ClusterRole', async () => {
  const reader = bootstrapped()
    .set(rbac, 'roles', {
      metadata: meta('ro1', 'golden'),
      rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
    })
    .set(rbac, 'rolebindings', {
      metadata: meta('rb1', 'golden'),
      subjects: [user('alice')],
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'ro1' },
    });
  const authorizer = createRbacAuthorizer(createRbacIndex(reader));
  assert.deepEqual(await authorizer.authorize(attributes(alice, 'get pods golden'), signal), {
    kind: 'allow',
    reason: 'RBAC: allowed by RoleBinding "rb1/golden" of Role "ro1" to User "alice"',
  });
  assert.equal((await authorizer.authorize(attributes(alice, 'get pods other'), signal)).kind, 'noOpinion');
  assert.equal((await authorizer.authorize(attributes(alice, 'get pods -'), signal)).kind, 'noOpinion');
});

test("rbac: a service account subject without a namespace is of the binding's", async () => {
  const reader = bootstrapped().set(rbac, 'rolebindings', {
    metadata: meta('b', 'ns'),
    subjects: [{ kind: 'ServiceAccount', name: 'default' }],
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
  });
  const authorizer = createRbacAuthorizer(createRbacIndex(reader));
  const account = { name: 'system:serviceaccount:ns:default', groups: [] };
  assert.deepEqual(await authorizer.authorize(attributes(account, 'delete secrets ns s'), signal), {
    kind: 'allow',
    reason: 'RBAC: allowed by RoleBinding "b/ns" of ClusterRole "cluster-admin" to ServiceAccount "default/ns"',
  });
});

test('rbac: changes count at once: role edited, binding removed, subject replaced', async () => {
  const reader = bootstrapped();
  const authorizer = createRbacAuthorizer(createRbacIndex(reader));
  const kind = async (): Promise<string> => (await authorizer.authorize(attributes(alice, 'get pods ns'), signal)).kind;
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: 'r' };
  reader.set(rbac, 'clusterrolebindings', { metadata: meta('b'), subjects: [user('alice')], roleRef });
  assert.equal(await kind(), 'noOpinion');
  reader.set(rbac, 'clusterroles', {
    metadata: meta('r'),
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
  });
  assert.equal(await kind(), 'allow');
  reader.set(rbac, 'clusterrolebindings', { metadata: meta('b'), subjects: [user('bob')], roleRef });
  assert.equal(await kind(), 'noOpinion');
  reader.set(rbac, 'clusterrolebindings', { metadata: meta('b'), subjects: [user('bob'), user('alice')], roleRef });
  assert.equal(await kind(), 'allow');
  reader.delete(rbac, 'clusterrolebindings', '', 'b');
  assert.equal(await kind(), 'noOpinion');
});

test('rbac: a binding of a role that is not there says so in the 403', async () => {
  const reader = bootstrapped().set(rbac, 'rolebindings', {
    metadata: meta('b', 'ns'),
    subjects: [user('alice')],
    roleRef: { apiGroup: rbac, kind: 'Role', name: 'gone' },
  });
  const about = attributes(alice, 'list pods ns');
  const decision = await createRbacAuthorizer(createRbacIndex(reader)).authorize(about, signal);
  assert.equal(
    forbidden(about, decision.reason).message,
    'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "ns": RBAC: role.rbac.authorization.k8s.io "gone" not found',
  );
});

for (const [text, message, details] of [
  [
    'list pods golden',
    'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "golden"',
    { kind: 'pods' },
  ],
  [
    'create namespaces -',
    'namespaces is forbidden: User "alice" cannot create resource "namespaces" in API group "" at the cluster scope',
    { kind: 'namespaces' },
  ],
  [
    'get pods/log golden p1',
    'pods "p1" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "golden"',
    { name: 'p1', kind: 'pods' },
  ],
  ['get /metrics', 'forbidden: User "alice" cannot get path "/metrics"', {}],
  [
    'delete apps:deployments golden d1',
    'deployments.apps "d1" is forbidden: User "alice" cannot delete resource "deployments" in API group "apps" in the namespace "golden"',
    { name: 'd1', group: 'apps', kind: 'deployments' },
  ],
] as const)
  test(`forbidden: ${text}`, () => {
    const error = forbidden(attributes(alice, text));
    assert.deepEqual([error.message, error.status.details], [message, details]);
  });

test('union: system:masters may do everything, reasons of the others are joined', async () => {
  const says = (reason: string) => ({ authorize: async () => ({ kind: 'noOpinion', reason }) as const });
  const union = createAuthorizerUnion([createPrivilegedGroups(), says('first'), says(''), says('second')]);
  assert.deepEqual(await union.authorize(attributes({ name: 'a', groups: ['system:masters'] }, 'get pods'), signal), {
    kind: 'allow',
    reason: '',
  });
  assert.deepEqual(await union.authorize(attributes(alice, 'get pods'), signal), {
    kind: 'noOpinion',
    reason: 'first\nsecond',
  });
});

const refused = (code: number, message: string | RegExp) => (error: unknown) => {
  assert.ok(error instanceof ApiError);
  assert.equal(error.code, code);
  if (typeof message === 'string') assert.equal(error.message, message);
  else assert.match(error.message, message);
  return true;
};

test('escalation: a role may grant what its writer has, and no more', async () => {
  const reader = bootstrapped().set(rbac, 'clusterrolebindings', {
    metadata: meta('b'),
    subjects: [user('alice')],
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'r' },
  });
  reader.set(rbac, 'clusterroles', {
    metadata: meta('r'),
    rules: [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }],
  });
  const index = createRbacIndex(reader);
  const check = createEscalationCheck(index, createRbacAuthorizer(index));
  const write = (verbs: string[]) =>
    ({
      resource: 'roles',
      namespace: 'ns',
      name: 'x',
      object: { rules: [{ verbs, apiGroups: [''], resources: ['pods'] }] },
    }) as const;
  await check(write(['get']), alice, signal);
  await assert.rejects(
    check(write(['get', 'delete', 'create']), alice, signal),
    refused(
      403,
      'roles.rbac.authorization.k8s.io "x" is forbidden: user "alice" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete" "create"]}',
    ),
  );
  await check(write(['delete']), { name: 'root', groups: ['system:masters'] }, signal);
  const same = write(['delete']);
  await check({ ...same, previous: same.object }, alice, signal);
});

test('escalation: a binding needs the right to bind or the rights themselves', async () => {
  const reader = bootstrapped();
  const index = createRbacIndex(reader);
  const check = createEscalationCheck(index, createRbacAuthorizer(index));
  const write = (name: string) =>
    ({
      resource: 'clusterrolebindings',
      namespace: '',
      name: 'b',
      object: { subjects: [], roleRef: { apiGroup: rbac, kind: 'ClusterRole', name } },
    }) as const;
  await assert.rejects(
    check(write('cluster-admin'), alice, signal),
    refused(
      403,
      /^clusterrolebindings\.rbac\.authorization\.k8s\.io "b" is forbidden: user "alice" .*not currently held:\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}\n\{NonResourceURLs:\["\*"\], Verbs:\["\*"\]\}$/s,
    ),
  );
  await assert.rejects(
    check(write('none'), alice, signal),
    refused(404, 'clusterrole.rbac.authorization.k8s.io "none" not found'),
  );
  reader.set(rbac, 'clusterroles', {
    metadata: meta('binder'),
    rules: [{ verbs: ['bind'], apiGroups: [rbac], resources: ['clusterroles'] }],
  });
  reader.set(rbac, 'clusterrolebindings', {
    metadata: meta('bb'),
    subjects: [user('alice')],
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'binder' },
  });
  await check(write('cluster-admin'), alice, signal);
});

test('rules: what several rules cover together, one right at a time', () => {
  const owner: PolicyRule[] = [
    { verbs: ['get'], apiGroups: [''], resources: ['pods'] },
    { verbs: ['get'], apiGroups: ['*'], resources: ['*/status'] },
  ];
  assert.deepEqual(uncovered(owner, [{ verbs: ['get'], apiGroups: [''], resources: ['pods', 'pods/status'] }]), []);
  assert.deepEqual(
    uncovered(owner, [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }]),
    [{ verbs: ['list'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }],
  );
});

test('reviews: access of another, of oneself, in one namespace', async () => {
  const reader = bootstrapped();
  const index = createRbacIndex(reader);
  const authorizer = createAuthorizerUnion([createPrivilegedGroups(), createRbacAuthorizer(index)]);
  const resourceAttributes = { verb: 'get', resource: 'pods', namespace: 'golden' };
  const statusOf = (object: { status?: unknown }) => object.status;
  assert.deepEqual(
    statusOf(
      await reviewSubjectAccess(
        { metadata: {}, spec: { user: 'zed', groups: ['g'], resourceAttributes } },
        authorizer,
        signal,
      ),
    ),
    { allowed: false },
  );
  assert.deepEqual(
    statusOf(
      await reviewSelfSubjectAccess(
        { metadata: {}, spec: { resourceAttributes } },
        { name: 'a', groups: ['system:masters'] },
        authorizer,
        signal,
      ),
    ),
    { allowed: true },
  );
  await assert.rejects(
    reviewSubjectAccess(
      {
        metadata: {},
        spec: { user: 'a', resourceAttributes: { verb: 'get' }, nonResourceAttributes: { verb: 'get', path: '/' } },
      },
      authorizer,
      signal,
    ),
    refused(
      422,
      '.authorization.k8s.io "" is invalid: spec.nonResourceAttributes: Invalid value: {"Path":"/","Verb":"get"}: cannot be specified in combination with resourceAttributes',
    ),
  );
  await assert.rejects(
    reviewLocalSubjectAccess({ metadata: {}, spec: { user: 'a', resourceAttributes } }, 'other', authorizer, signal),
    refused(422, /must match metadata\.namespace/),
  );
});

test("reviews: the rules of an administrator, as upstream's golden case has them", () => {
  const index = createRbacIndex(bootstrapped());
  const admin = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
  assert.deepEqual(reviewSelfSubjectRules('golden', admin, index).status, {
    resourceRules: [
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
      {
        verbs: ['create'],
        apiGroups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      },
      { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
    ],
    nonResourceRules: [
      { verbs: ['*'], nonResourceURLs: ['*'] },
      {
        verbs: ['get'],
        nonResourceURLs: [
          '/api',
          '/api/*',
          '/apis',
          '/apis/*',
          '/healthz',
          '/livez',
          '/openapi',
          '/openapi/*',
          '/readyz',
          '/version',
          '/version/',
        ],
      },
      { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
    ],
    incomplete: false,
  });
});

const node: UserInfo = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
function nodeWorld() {
  const reader = new MapReader();
  const rules = bootstrap.ClusterRole.find((role) => role.metadata.name === 'system:node')?.rules as PolicyRule[];
  const authorizer = createNodeAuthorizer({ graph: createNodeGraph(reader), reader, rules });
  const kind = (text: string, who = node, selector?: string): string => {
    const decision = authorizer.authorize(attributes(who, text, selector), signal);
    assert.ok(!(decision instanceof Promise));
    return decision.kind === 'allow' ? 'allow' : decision.reason;
  };
  return { reader, kind };
}
const pod = (name: string, nodeName: string, spec: object) => ({
  metadata: { name, namespace: 'ns', uid: `u-${name}`, generation: 1 },
  spec: { nodeName, containers: [], serviceAccountName: 'sa', ...spec },
});
const no = "no relationship found between node 'n1' and this object";

test("node authorizer: a node reads what its pods use, from the pod's binding to its end", () => {
  const { reader, kind } = nodeWorld();
  const spec = {
    imagePullSecrets: [{ name: 'pull' }],
    containers: [
      {
        name: 'c',
        env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }],
        envFrom: [{ configMapRef: { name: 'cm' } }],
      },
    ],
    volumes: [
      { name: 'v', projected: { sources: [{ secret: { name: 'proj' } }] } },
      { name: 'w', persistentVolumeClaim: { claimName: 'pvc' } },
      { name: 'eph', ephemeral: {} },
    ],
  };
  assert.equal(kind('get secrets ns pull'), no);
  reader.set('', 'pods', pod('p', '', spec));
  assert.equal(kind('get secrets ns pull'), no);
  reader.set('', 'pods', pod('p', 'n1', spec));
  for (const text of [
    'get secrets ns pull',
    'watch secrets ns env',
    'list secrets ns proj',
    'get configmaps ns cm',
    'get persistentvolumeclaims ns pvc',
    'get persistentvolumeclaims ns p-eph',
    'create serviceaccounts/token ns sa',
    'get pods ns p',
  ])
    assert.equal(kind(text), 'allow', text);
  assert.equal(kind('get secrets ns other'), no);
  assert.equal(kind('get secrets other pull'), no);
  assert.equal(kind('update secrets ns pull'), 'can only read resources of this type');
  assert.equal(kind('list secrets ns'), 'No Object name found');
  reader.set('', 'pods', pod('q', 'n1', { imagePullSecrets: [{ name: 'pull' }] }));
  reader.delete('', 'pods', 'ns', 'p');
  assert.equal(kind('get secrets ns pull'), 'allow');
  assert.equal(kind('get secrets ns env'), no);
});

test('node authorizer: a mirror pod gives nothing, another node gets nothing', () => {
  const { reader, kind } = nodeWorld();
  const mirror = pod('m', 'n1', { imagePullSecrets: [{ name: 's' }] });
  reader.set('', 'pods', {
    ...mirror,
    metadata: { ...mirror.metadata, annotations: { 'kubernetes.io/config.mirror': 'x' } },
  });
  reader.set('', 'pods', pod('o', 'n2', { imagePullSecrets: [{ name: 't' }] }));
  assert.equal(kind('get secrets ns s'), no);
  assert.equal(kind('get secrets ns t'), no);
  assert.equal(kind('get pods ns o'), no);
});

test('node authorizer: volumes by claim, and the secrets their drivers need', () => {
  const { reader, kind } = nodeWorld();
  reader.set('', 'pods', pod('p', 'n1', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }));
  reader.set('', 'persistentvolumes', {
    metadata: { name: 'pv' },
    spec: {
      claimRef: { namespace: 'ns', name: 'c' },
      csi: { nodeStageSecretRef: { name: 'stage', namespace: 'kube-system' } },
    },
  });
  assert.equal(kind('get persistentvolumes - pv'), 'allow');
  assert.equal(kind('get persistentvolumes - other'), no);
  assert.equal(kind('get secrets kube-system stage'), 'allow');
  assert.equal(kind('get secrets ns stage'), no);
});

for (const [text, want, selector] of [
  ['get nodes - n1', 'allow'],
  ['get nodes - n2', "node 'n1' cannot read 'n2', only its own Node object"],
  ['list nodes -', "node 'n1' cannot read all nodes, only its own Node object"],
  ['list nodes -', 'allow', 'metadata.name=n1'],
  ['create nodes -', 'allow'],
  ['patch nodes/status - n1', 'allow'],
  ['delete nodes - n1', ''],
  ['list pods -', 'can only list/watch pods with spec.nodeName field selector'],
  ['watch pods -', 'allow', 'spec.nodeName=n1'],
  ['watch pods -', 'can only list/watch pods with spec.nodeName field selector', 'spec.nodeName=n2'],
  ['patch pods/status ns p', 'allow'],
  ['create pods/eviction ns p', 'allow'],
  ['get coordination.k8s.io:leases kube-node-lease n1', 'allow'],
  [
    'update coordination.k8s.io:leases kube-node-lease n2',
    'can only access node lease with the same name as the requesting node',
  ],
  ['get coordination.k8s.io:leases kube-system n1', 'can only access leases in the "kube-node-lease" system namespace'],
  ['get storage.k8s.io:csinodes - n1', 'allow'],
  ['watch services -', 'allow'],
  ['create events ns', 'allow'],
  ['delete services ns s', ''],
] as const)
  test(`node authorizer: ${text}${selector ? ` (${selector})` : ''}: ${want || 'silence'}`, () => {
    assert.equal(nodeWorld().kind(text, node, selector), want);
  });

test('node authorizer: says nothing of others, nothing good of a nameless node', () => {
  const { kind } = nodeWorld();
  assert.equal(kind('get nodes - n1', alice), '');
  assert.equal(kind('get nodes - n1', { name: 'system:node:n1', groups: [] }), '');
  assert.equal(
    kind('get nodes - n1', { name: 'system:node:', groups: ['system:nodes'] }),
    'unknown node for user "system:node:"',
  );
});
