/** Documents about the server in all their forms. */
import type { Maker } from './generate.ts';

const aggregated = 'g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const old = 'g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';
const protobuf = 'application/vnd.kubernetes.protobuf';
const v2 = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const v3 = 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf';

const discoveryPaths = [
  '/api',
  '/apis',
  '/api/',
  '/apis/',
  '/api/v1',
  '/apis/apps',
  '/apis/apps/v1',
  '/apis/proto.example.com',
  '/apis/proto.example.com/v1',
  '/apis/proto.example.com/v1beta1',
  '/apis/proto.example.com/v9',
  '/apis/authorization.k8s.io/v1',
  '/apis/apiextensions.k8s.io',
  '/apis/apiregistration.k8s.io/v1',
  '/apis/nosuch',
];
const discoveryAccepts = [
  '',
  'application/json',
  'application/yaml',
  protobuf,
  `application/json;${aggregated}`,
  `application/json;${old}`,
  `application/json;${old},application/json;${aggregated},application/json`,
  `application/json;${aggregated},application/json;${old},application/json`,
  `${protobuf};${aggregated}`,
  `${protobuf};${old}`,
  `application/yaml;${aggregated}`,
  `application/json;${aggregated};profile=nopeer`,
  `application/json;q=0.2,application/json;${aggregated};q=0.1`,
  'application/json;as=APIGroupDiscoveryList',
  'application/json;g=apidiscovery.k8s.io;v=v2;as=Nosuch',
  'application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList',
  '*/*',
  'text/html',
  'application/*',
];
const openApiPaths = [
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/',
  '/openapi/v2/',
  '/openapi',
  '/openapi/v3/api',
  '/openapi/v3/apis',
  '/openapi/v3/version',
  '/openapi/v3/apis/apps',
  '/openapi/v3/apis/proto.example.com/v1',
  '/openapi/v3/apis/proto.example.com/v1beta1',
  '/openapi/v3/nosuch',
  '/openapi/v3/apis/nosuch/v1',
  '/openapi/v3/.well-known/openid-configuration',
  '/openapi/v3/openid/v1/jwks',
  '/openapi/v3/logs',
  '/openapi/v2/x',
  '/openapi/v4',
];
const openApiAccepts = [
  '',
  'application/json',
  '*/*',
  'application/*',
  v2,
  v3,
  `${v2},application/json`,
  'text/html',
  'application/yaml',
  'application/json;q=0.5',
  `application/json;q=0.1,${v3}`,
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
  'application/com.github.proto-openapi.spec.v3.v1.0+protobuf',
];
const plainPaths = [
  '/version',
  '/version/',
  '/.well-known/openid-configuration',
  '/openid/v1/jwks',
  '/openid/v1/jwks/',
  '/openid/v1',
  '/healthz',
  '/healthz?verbose',
  '/livez?verbose',
  '/readyz?verbose=false',
  '/readyz?exclude=etcd',
  '/livez?exclude=nosuch',
  '/livez?exclude=etcd&verbose',
  '/livez/etcd?verbose',
  '/healthz/poststarthook',
  '/healthz/poststarthook/crd-informer-synced',
  '/metrics',
  '/metrics/slis',
  '/metrics/x',
  '/',
  '/index.html',
  '/logs',
  '/logs/',
  '/debug',
  '/debug/pprof/cmdline',
  '/debug/pprof/profile?seconds=x',
  '/debug/api_priority_and_fairness/dump_nosuch',
  '/flagz',
  '/statusz',
];

export const discovery: Maker = ({ pick }) => {
  const [paths, accepts] = pick.weighted([
    [[discoveryPaths, discoveryAccepts], 4],
    [[openApiPaths, openApiAccepts], 2],
    [[plainPaths, ['application/json', 'application/yaml', protobuf, '*/*', 'text/html', 'text/plain', '']], 3],
  ] as const);
  const path = pick.one<string>(paths);
  const accept = pick.one<string>(accepts);
  const method = pick.weighted([
    ['GET', 8],
    ['HEAD', 1],
    ['POST', 0.5],
    ['OPTIONS', 0.5],
  ] as const);
  const conditional: Record<string, string> = pick.chance(0.12)
    ? pick.one<Record<string, string>>([
        { 'if-none-match': '*' },
        { 'if-none-match': '"x"' },
        { 'if-none-match': 'W/"x"' },
        { 'if-modified-since': 'Mon, 01 Jan 2035 00:00:00 GMT' },
        { range: 'bytes=0-9' },
      ])
    : {};
  return {
    what: `${method} ${path} ${accept}`,
    steps: [
      {
        method,
        path,
        headers: { accept, ...conditional, ...(pick.chance(0.1) ? { 'user-agent': 'curl/8' } : {}) },
        ...(pick.chance(0.1) && method === 'GET'
          ? { path: `${path}${path.includes('?') ? '&' : '?'}pretty=${pick.one(['true', '0', 'x'])}` }
          : {}),
      },
    ],
  };
};
