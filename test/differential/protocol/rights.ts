/** What callers with few rights are told, what may be granted, and the reviews that answer such questions. */
import type { JsonObject } from '../../../src/api/json.ts';
import type { Step } from '../case.ts';
import type { Pick } from '../pick.ts';
import type { Draw, Drawn, Maker } from './generate.ts';
import { callers } from './preparation.ts';

const json = { 'content-type': 'application/json' };
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const as = (name: string): Record<string, string> => ({ 'impersonate-user': name });

const places = [
  '/api/v1/namespaces/p1/configmaps',
  '/api/v1/namespaces/p1/configmaps/c1',
  '/api/v1/namespaces/p1/secrets/s1',
  '/api/v1/namespaces/p1/secrets',
  '/api/v1/namespaces/p1/secrets?fieldSelector=metadata.name=s1',
  '/api/v1/secrets?fieldSelector=metadata.name%3Ds1',
  '/api/v1/configmaps',
  '/api/v1/namespaces/p1/pods/pod1/log',
  '/api/v1/namespaces/p1/pods/pod1/exec',
  '/api/v1/namespaces/p1/pods/pod1/status',
  '/api/v1/namespaces/p1/pods/pod1/nosuch',
  '/api/v1/namespaces/p1/pods/pod1/proxy/a/b',
  '/api/v1/namespaces/p1',
  '/api/v1/namespaces',
  '/api/v1/namespaces/p1/finalize',
  '/api/v1/namespaces/nosuch/pods',
  '/api/v1/nodes',
  '/api/v1/nodes/n1/proxy/x',
  '/api/v1/watch/namespaces/p1/pods',
  '/api/v1/proxy/nodes/n1',
  '/api/v1/nosuch',
  '/apis/nosuch/v1/things/x/y',
  '/apis/nosuch/v1',
  '/apis/apps/v1/namespaces/p1/deployments/dep1/scale',
  '/apis/apps/v9/namespaces/p1/deployments/dep1',
  '/apis/proto.example.com/v1/namespaces/p1/widgets/w1',
  '/apis/proto.example.com/v1/gadgets/w1',
  '/version',
  '/',
  '/api',
  '/apis/',
  '/openapi/v2',
  '/metrics',
  '/logs/x',
  '/logs',
  '/nosuch',
  '/alice/x',
  '/alicex',
  '/healthz/ping',
  '/debug/pprof/',
];
const methods = ['GET', 'GET', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

export const rights: Maker = (draw) => {
  const { pick } = draw;
  return pick.chance(0.55) ? refused(draw) : granting(draw);
};

function refused({ pick }: Draw): Drawn {
  const path = pick.one(places);
  const method = pick.one(methods);
  const caller = pick.one([...callers, 'system:serviceaccount:p1:robot', 'system:node:n1', 'system:anonymous']);
  const writes = /^(POST|PUT|PATCH|DELETE)$/.test(method);
  const mark = path.includes('?') ? '&' : '?';
  const watch = method === 'GET' && pick.chance(0.1) ? `${mark}watch=1&timeoutSeconds=1` : '';
  const streams = watch !== '' || path.includes('/watch/');
  const step: Step = {
    method,
    path: `${path}${watch}${writes ? `${mark}dryRun=All` : ''}`,
    headers: {
      ...as(caller),
      ...(writes ? { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' } : {}),
      ...(pick.chance(0.1)
        ? { accept: pick.one(['application/yaml', 'application/vnd.kubernetes.protobuf', 'text/html']) }
        : {}),
      ...(caller === 'carol' && pick.chance(0.5) ? { 'impersonate-group': 'devs' } : {}),
    },
    ...(writes ? { text: '{}' } : {}),
    ...(streams ? { readMs: 1500 } : {}),
  };
  return { what: `${caller} ${method} ${path}`, steps: [step] };
}

const rules = (pick: Pick): JsonObject[] =>
  Array.from({ length: 1 + pick.below(3) }, () =>
    pick.one<JsonObject>([
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'delete'] },
      { apiGroups: ['', 'apps'], resources: ['configmaps', 'deployments'], verbs: ['get', 'update'] },
      { apiGroups: [''], resources: ['secrets'], verbs: ['get'], resourceNames: ['s1', 's2'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get'], resourceNames: ['c1'] },
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { apiGroups: [''], resources: ['pods/*'], verbs: ['get'] },
      { apiGroups: [''], resources: ['*/scale'], verbs: ['update'] },
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['get'] },
      { nonResourceURLs: ['/alice/x', '/bob'], verbs: ['get'] },
      { nonResourceURLs: ['*'], verbs: ['get', 'post'] },
      { apiGroups: [''], resources: [], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods'], verbs: [] },
      { resources: ['pods'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get'], nonResourceURLs: ['/x'] },
    ]),
  );

/** Roles and bindings by those who may not grant everything. */
function granting({ pick, name }: Draw): Drawn {
  const caller = pick.one(['alice', 'alice', 'dave', 'dave', 'erin', 'bob']);
  const clusterWide = pick.chance(0.5);
  const base = clusterWide ? rbac : `${rbac}/namespaces/p1`;
  const headers = { ...json, ...as(caller) };
  if (pick.chance(0.5)) {
    const kind = clusterWide ? 'ClusterRole' : 'Role';
    const aggregated =
      clusterWide && pick.chance(0.15)
        ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } }
        : {};
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind,
      metadata: { name },
      rules: rules(pick),
      ...aggregated,
    };
    const existing = clusterWide && pick.chance(0.3);
    const step: Step = existing
      ? {
          method: 'PUT',
          path: `${base}/clusterroles/p-alice?dryRun=All`,
          headers,
          text: JSON.stringify({ ...role, metadata: { name: 'p-alice' } }),
        }
      : { method: 'POST', path: `${base}/${kind.toLowerCase()}s?dryRun=All`, headers, text: JSON.stringify(role) };
    return { what: `${caller} ${step.method} ${kind} ${JSON.stringify(role.rules).slice(0, 100)}`, steps: [step] };
  }
  const kind = clusterWide ? 'ClusterRoleBinding' : 'RoleBinding';
  const body = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: { name },
    roleRef: {
      apiGroup: pick.chance(0.9) ? 'rbac.authorization.k8s.io' : 'x',
      kind: pick.weighted([
        ['ClusterRole', 6],
        ['Role', 3],
        ['X', 1],
      ] as const),
      name: pick.one(['p-alice', 'p-bob', 'p-erin', 'cluster-admin', 'view', 'nosuch', 'system:basic-user', '']),
    },
    subjects: [
      pick.one<JsonObject>([
        { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'x' },
        { kind: 'User', name: 'x' },
        { kind: 'Group', name: 'g' },
        { kind: 'ServiceAccount', name: 'robot', namespace: 'p1' },
        { kind: 'ServiceAccount', name: 'robot' },
        { kind: 'X', name: 'robot' },
      ]),
    ],
  };
  const step: Step =
    clusterWide && pick.chance(0.25)
      ? {
          method: 'PUT',
          path: `${base}/clusterrolebindings/p-alice?dryRun=All`,
          headers,
          text: JSON.stringify({ ...body, metadata: { name: 'p-alice' } }),
        }
      : { method: 'POST', path: `${base}/${kind.toLowerCase()}s?dryRun=All`, headers, text: JSON.stringify(body) };
  return { what: `${caller} ${step.method} ${kind} ${body.roleRef.name}`, steps: [step] };
}

const verbs = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'delete',
  'deletecollection',
  '*',
  '',
  'impersonate',
  'nosuch',
  'GET',
];
const attributes = (pick: Pick): JsonObject =>
  pick.chance(0.7)
    ? {
        resourceAttributes: {
          ...(pick.chance(0.6) ? { namespace: pick.one(['p1', 'default', '', 'nosuch']) } : {}),
          verb: pick.one(verbs),
          ...(pick.chance(0.4)
            ? { group: pick.one(['', 'apps', '*', 'nosuch', 'proto.example.com', 'rbac.authorization.k8s.io']) }
            : {}),
          ...(pick.chance(0.3) ? { version: pick.one(['v1', '*', 'nosuch']) } : {}),
          resource: pick.one([
            'configmaps',
            'pods',
            'secrets',
            'deployments',
            '*',
            'nosuch',
            '',
            'widgets',
            'pods/log',
            'users',
          ]),
          ...(pick.chance(0.3) ? { subresource: pick.one(['log', 'scale', '*', 'nosuch']) } : {}),
          ...(pick.chance(0.4) ? { name: pick.one(['s1', 'c1', 'bob', '']) } : {}),
          ...(pick.chance(0.15)
            ? {
                fieldSelector: pick.one<JsonObject>([
                  { rawSelector: 'metadata.name=s1' },
                  { requirements: [{ key: 'metadata.name', operator: 'In', values: ['s1'] }] },
                  { rawSelector: 'x', requirements: [{ key: 'a', operator: 'In' }] },
                  { requirements: [{ key: '', operator: 'X' }] },
                  { rawSelector: '=' },
                  {},
                ]),
              }
            : {}),
          ...(pick.chance(0.1)
            ? {
                labelSelector: pick.one<JsonObject>([
                  { rawSelector: 'a=b' },
                  { requirements: [{ key: 'a', operator: 'Exists' }] },
                  { requirements: [{ key: 'a', operator: 'In' }] },
                  { requirements: [{ key: 'a b', operator: 'Exists' }] },
                ]),
              }
            : {}),
        },
      }
    : pick.one<JsonObject>([
        {
          nonResourceAttributes: {
            path: pick.one(['/', '/metrics', '/logs/x', '/api', '', '/nosuch']),
            verb: pick.one(['get', 'post', '', '*']),
          },
        },
        {},
        { resourceAttributes: { verb: 'get', resource: 'pods' }, nonResourceAttributes: { path: '/', verb: 'get' } },
        { resourceAttributes: {} },
      ]);

export const reviews: Maker = ({ pick, name }) => {
  const kind = pick.weighted([
    ['SelfSubjectAccessReview', 5],
    ['SelfSubjectRulesReview', 2],
    ['SubjectAccessReview', 6],
    ['LocalSubjectAccessReview', 3],
    ['TokenReview', 2],
    ['SelfSubjectReview', 1],
    ['TokenRequest', 5],
  ] as const);
  const caller = pick.chance(0.6) ? as(pick.one(callers)) : {};
  const subject: JsonObject = {
    ...(pick.chance(0.9)
      ? { user: pick.one([...callers, 'system:serviceaccount:p1:robot', '', 'system:node:n1']) }
      : {}),
    ...(pick.chance(0.3) ? { groups: pick.one([['system:masters'], ['devs'], ['system:nodes'], [''], []]) } : {}),
    ...(pick.chance(0.2) ? { uid: 'u' } : {}),
    ...(pick.chance(0.2) ? { extra: { scopes: ['view'] } } : {}),
  };
  const auth = '/apis/authorization.k8s.io/v1';
  const say = (path: string, body: JsonObject, headers: Record<string, string> = caller): Drawn => ({
    what: `${kind} ${JSON.stringify(body).slice(60, 200)}`,
    steps: [{ method: 'POST', path, headers: { ...json, ...headers }, text: JSON.stringify(body) }],
  });
  const typed = (group: string, spec: JsonObject): JsonObject => ({
    apiVersion: pick.chance(0.97) ? `${group}/v1` : 'v1',
    kind,
    ...(pick.chance(0.05) ? { metadata: { name } } : {}),
    spec,
  });
  switch (kind) {
    case 'SelfSubjectAccessReview':
      return say(`${auth}/selfsubjectaccessreviews`, typed('authorization.k8s.io', attributes(pick)));
    case 'SelfSubjectRulesReview':
      return say(
        `${auth}/selfsubjectrulesreviews`,
        typed(
          'authorization.k8s.io',
          pick.one<JsonObject>([{ namespace: 'p1' }, { namespace: '' }, {}, { namespace: 'nosuch' }]),
        ),
        as(pick.one(callers)),
      );
    case 'SubjectAccessReview':
      return say(
        `${auth}/subjectaccessreviews`,
        typed('authorization.k8s.io', { ...attributes(pick), ...subject }),
        pick.chance(0.9) ? {} : caller,
      );
    case 'LocalSubjectAccessReview':
      return say(
        `${auth}/namespaces/${pick.one(['p1', 'p1', 'default'])}/localsubjectaccessreviews`,
        typed('authorization.k8s.io', { ...attributes(pick), ...subject }),
        pick.chance(0.9) ? {} : caller,
      );
    case 'TokenReview':
      return say(
        '/apis/authentication.k8s.io/v1/tokenreviews',
        typed(
          'authentication.k8s.io',
          pick.one<JsonObject>([
            {},
            { token: '' },
            { token: 'x' },
            { token: 'x', audiences: ['a'] },
            { token: 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.x' },
            { token: 'x y' },
            { audiences: [''] },
          ]),
        ),
        pick.chance(0.8) ? {} : caller,
      );
    case 'SelfSubjectReview':
      return say('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
        apiVersion: 'authentication.k8s.io/v1',
        kind,
        ...(pick.chance(0.3) ? { metadata: { name: 'x' } } : {}),
        ...(pick.chance(0.3) ? { status: { userInfo: { username: 'x' } } } : {}),
      });
    case 'TokenRequest': {
      const spec: JsonObject = {
        ...(pick.chance(0.5) ? { audiences: pick.one([['a'], [], ['a', 'b'], ['']]) } : {}),
        ...(pick.chance(0.5)
          ? { expirationSeconds: pick.one([600, 599, 3600, 3607, 86400, 4294967296, 4294967297, -1, 0]) }
          : {}),
        ...(pick.chance(0.5)
          ? {
              boundObjectRef: pick.one<JsonObject>([
                { kind: 'Pod', apiVersion: 'v1', name: 'pod1' },
                { kind: 'Pod', apiVersion: 'v1', name: 'nosuch' },
                { kind: 'Pod', apiVersion: 'v1', name: 'pod1', uid: 'wrong' },
                { kind: 'Secret', apiVersion: 'v1', name: 's1' },
                { kind: 'Secret', apiVersion: 'v1', name: 'nosuch' },
                { kind: 'Node', apiVersion: 'v1', name: 'n1' },
                { kind: 'Node', apiVersion: 'v1', name: 'n1', uid: 'wrong' },
                { kind: 'Pod', apiVersion: 'v2', name: 'pod1' },
                { kind: 'ConfigMap', apiVersion: 'v1', name: 'c1' },
                { kind: 'Pod', apiVersion: 'v1' },
                {},
              ]),
            }
          : {}),
      };
      const account = pick.one(['robot', 'robot', 'default', 'nosuch']);
      return say(
        `/api/v1/namespaces/p1/serviceaccounts/${account}/token${pick.chance(0.2) ? '?dryRun=All' : ''}`,
        typed('authentication.k8s.io', spec),
        pick.chance(0.85) ? {} : caller,
      );
    }
  }
};
