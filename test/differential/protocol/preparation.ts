/** What stands on both servers while protocol cases run. */
import type { JsonObject } from '../../../src/api/json.ts';
import type { Step } from '../case.ts';
import { definitions, instances } from './definitions.ts';

export const namespace = 'p1';
/** Where cases make objects of their own, so that lists of the other one stay the same. */
export const own = 'p2';
const json = { 'content-type': 'application/json' };

export const post = (path: string, body: JsonObject, query = ''): Step => ({
  method: 'POST',
  path: `${path}${query}`,
  headers: json,
  text: JSON.stringify(body),
});

const inNamespace = `/api/v1/namespaces/${namespace}`;
const meta = (name: string, more: JsonObject = {}): JsonObject => ({ name, ...more });
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const role = (kind: string, name: string, rules: JsonObject[]): JsonObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name },
  rules,
});
const binding = (
  kind: string,
  name: string,
  roleKind: string,
  roleName: string,
  subjects: JsonObject[],
): JsonObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: roleKind, name: roleName },
  subjects,
});
const user = (name: string): JsonObject => ({ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name });

export const configMap = (name: string, labels: JsonObject = {}, data: JsonObject = { k: 'v' }): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
});

const podSpec: JsonObject = { containers: [{ name: 'c', image: 'busybox' }] };

/**
 * Callers: bob reads ConfigMaps of one namespace and Pods' logs; alice writes roles and bindings without `bind` or `escalate`; carol may
 * become bob, group devs and scopes; dave reads some non-resource URLs and one Secret by name; erin has all verbs on all core resources; frank nothing.
 */
export const callers = ['bob', 'alice', 'carol', 'dave', 'erin', 'frank'];

export const protocolPreparation: readonly Step[] = [
  post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: meta(namespace) }),
  post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: meta(own) }),
  post(`${inNamespace}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('default') }),
  post(`${inNamespace}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('robot') }),
  ...['c1', 'c2', 'c3'].map((name, i) =>
    post(`${inNamespace}/configmaps`, configMap(name, { app: i < 2 ? 'x' : 'y', proto: '1' })),
  ),
  post(`${inNamespace}/configmaps`, configMap('big', { proto: 'big' }, { k: 'abcdefghij'.repeat(20_000) })),
  post(`${inNamespace}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: meta('s1', { labels: { proto: '1' } }),
    stringData: { a: 'b' },
  }),
  post(`${inNamespace}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta('pod1', { labels: { proto: '1' } }),
    spec: podSpec,
  }),
  post(`${inNamespace}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta('svc1', { labels: { proto: '1' } }),
    spec: { clusterIP: 'None', ports: [{ port: 80 }], selector: { a: 'b' } },
  }),
  post(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: meta('dep1', { labels: { proto: '1' } }),
    spec: {
      replicas: 1,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: podSpec },
    },
  }),
  post('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: meta('n1', { labels: { proto: '1' } }) }),
  post(
    `${rbac}/clusterroles`,
    role('ClusterRole', 'p-alice', [
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['*'],
        verbs: ['get', 'list', 'create', 'update', 'patch', 'delete'],
      },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
      { nonResourceURLs: ['/alice', '/alice/*'], verbs: ['get'] },
    ]),
  ),
  post(
    `${rbac}/clusterroles`,
    role('ClusterRole', 'p-carol', [
      { apiGroups: [''], resources: ['users'], verbs: ['impersonate'], resourceNames: ['bob'] },
      { apiGroups: [''], resources: ['groups'], verbs: ['impersonate'], resourceNames: ['devs'] },
      {
        apiGroups: ['authentication.k8s.io'],
        resources: ['userextras/scopes'],
        verbs: ['impersonate'],
        resourceNames: ['view'],
      },
      { apiGroups: ['authentication.k8s.io'], resources: ['uids'], verbs: ['impersonate'], resourceNames: ['u-1'] },
    ]),
  ),
  post(
    `${rbac}/clusterroles`,
    role('ClusterRole', 'p-dave', [
      { nonResourceURLs: ['/metrics', '/logs/*', '/nosuch'], verbs: ['get', 'post'] },
      { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch'], resourceNames: ['s1'] },
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['clusterroles'],
        verbs: ['bind', 'escalate'],
        resourceNames: ['p-alice'],
      },
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['rolebindings', 'clusterrolebindings', 'clusterroles'],
        verbs: ['create', 'update', 'get'],
      },
    ]),
  ),
  post(`${rbac}/clusterroles`, role('ClusterRole', 'p-erin', [{ apiGroups: [''], resources: ['*'], verbs: ['*'] }])),
  ...['alice', 'carol', 'dave', 'erin'].map((name) =>
    post(
      `${rbac}/clusterrolebindings`,
      binding('ClusterRoleBinding', `p-${name}`, 'ClusterRole', `p-${name}`, [user(name)]),
    ),
  ),
  post(
    `${rbac}/namespaces/${namespace}/roles`,
    role('Role', 'p-bob', [
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch', 'create'] },
      { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] },
      { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['*'] },
      { apiGroups: ['proto.example.com'], resources: ['*'], verbs: ['get', 'list'] },
    ]),
  ),
  post(
    `${rbac}/namespaces/${namespace}/rolebindings`,
    binding('RoleBinding', 'p-bob', 'Role', 'p-bob', [
      user('bob'),
      { kind: 'ServiceAccount', name: 'robot', namespace },
    ]),
  ),
  ...definitions.map((definition) => post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)),
  { method: 'GET', path: '/readyz', pauseMs: 6500 },
  ...instances.map(({ path, body }) => post(path, body)),
];
