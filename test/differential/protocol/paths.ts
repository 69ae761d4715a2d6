/** Paths that exist, nearly exist or never did, with all methods. Writes are dry. */
import type { Step } from '../case.ts';
import type { Pick } from '../pick.ts';
import type { Maker } from './generate.ts';
import { configMap } from './preparation.ts';

const p1 = '/api/v1/namespaces/p1';
const apps = '/apis/apps/v1/namespaces/p1/deployments';
const custom = '/apis/proto.example.com/v1';

/** Collections and objects that stand, and their subresources. */
export const collections = [
  `${p1}/configmaps`,
  `${p1}/secrets`,
  `${p1}/pods`,
  `${p1}/services`,
  apps,
  `${custom}/namespaces/p1/widgets`,
  `${custom}/namespaces/p1/sprockets`,
  `${custom}/gadgets`,
];
export const objects = [
  `${p1}/configmaps/c1`,
  `${p1}/secrets/s1`,
  `${p1}/pods/pod1`,
  `${p1}/services/svc1`,
  `${apps}/dep1`,
  `${custom}/namespaces/p1/widgets/w1`,
  `${custom}/namespaces/p1/sprockets/w1`,
  `${custom}/gadgets/w1`,
  '/api/v1/nodes/n1',
  '/api/v1/namespaces/p1',
];
const subresources = [
  `${p1}/pods/pod1/status`,
  `${p1}/pods/pod1/log`,
  `${p1}/pods/pod1/exec`,
  `${p1}/pods/pod1/attach`,
  `${p1}/pods/pod1/portforward`,
  `${p1}/pods/pod1/proxy`,
  `${p1}/pods/pod1/proxy/a/b`,
  `${p1}/pods/pod1/eviction`,
  `${p1}/pods/pod1/binding`,
  `${p1}/pods/pod1/ephemeralcontainers`,
  `${p1}/pods/pod1/resize`,
  `${p1}/services/svc1/proxy`,
  `${p1}/services/svc1/status`,
  `${p1}/serviceaccounts/robot/token`,
  `${apps}/dep1/scale`,
  `${apps}/dep1/status`,
  `${custom}/namespaces/p1/widgets/w1/status`,
  `${custom}/namespaces/p1/widgets/w1/scale`,
  `${custom}/namespaces/p1/sprockets/w1/status`,
  `${custom}/namespaces/p1/sprockets/w1/scale`,
  `${custom}/gadgets/w1/status`,
  '/api/v1/nodes/n1/proxy',
  '/api/v1/nodes/n1/status',
  '/api/v1/namespaces/p1/status',
  '/api/v1/namespaces/p1/finalize',
  `${p1}/bindings`,
  '/apis/authentication.k8s.io/v1/tokenreviews',
  '/apis/authentication.k8s.io/v1/selfsubjectreviews',
  '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
  '/apis/authorization.k8s.io/v1/namespaces/p1/localsubjectaccessreviews',
  '/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval',
];
const documents = [
  '/',
  '/api',
  '/apis',
  '/api/v1',
  '/apis/apps',
  '/apis/apps/v1',
  '/apis/proto.example.com',
  '/apis/proto.example.com/v1',
  '/version',
  '/healthz',
  '/livez',
  '/readyz',
  '/healthz/ping',
  '/livez/etcd',
  '/readyz/shutdown',
  '/readyz/informer-sync',
  '/healthz/nosuch',
  '/livez/ping/x',
  '/metrics',
  '/metrics/slis',
  '/openapi/v2',
  '/openapi/v3',
  '/openid/v1/jwks',
  '/.well-known/openid-configuration',
  '/logs',
  '/logs/x',
  '/debug/pprof',
  '/debug/pprof/nosuch',
  '/debug/flags/v',
  '/debug/api_priority_and_fairness/',
  '/flagz',
  '/statusz',
  '/configz',
  '/index.html',
  '/swagger.json',
  '/swaggerapi',
  '/ui',
  '/robots.txt',
  '/favicon.ico',
];
const missing = [
  '/nosuch',
  '/nosuch/x/y',
  '/api/v2',
  '/api/v1/nosuch',
  '/api/v1/nosuch/x',
  '/api/v2/pods',
  '/apis/nosuch',
  '/apis/nosuch.example.com/v1',
  '/apis/nosuch.example.com/v1/things',
  '/apis/nosuch.example.com/v1/namespaces/p1/things/x/status',
  '/apis/x/v1',
  '/apis/apps/v9',
  '/apis/apps/v9/deployments',
  '/apis/apps/v1/nosuch',
  '/apis/extensions/v1beta1',
  '/apis/proto.example.com/v9/widgets',
  '/apis/proto.example.com/v9',
  '/apis/proto.example.com/v1/nosuch',
  `${p1}/nosuch`,
  `${p1}/pods/pod1/nosuch`,
  `${p1}/pods/pod1/status/x`,
  `${p1}/pods/nosuch`,
  `${p1}/pods/nosuch/log`,
  `${p1}/pods/nosuch/status`,
  `${p1}/configmaps/c1/status`,
  `${p1}/nodes`,
  `${p1}/nodes/n1`,
  `${p1}/configmaps/nosuch`,
  `${custom}/namespaces/p1/widgets/nosuch`,
  `${custom}/namespaces/p1/widgets/w1/nosuch`,
  `${custom}/namespaces/p1/gadgets`,
  `${custom}/widgets/w1`,
  '/api/v1/namespaces/nosuch',
  '/api/v1/namespaces/nosuch/pods',
  '/api/v1/namespaces/nosuch/configmaps/x',
  '/api/v1/pods/pod1',
  '/api/v1/configmaps/c1',
  '/api/v1/namespaces/p1/namespaces',
  '/api/v1/namespaces/p1/namespaces/p1',
  '/api/v1/namespaces//pods',
  '/api/v1/namespaces/p1/pods//log',
  '/api/v1/componentstatuses/nosuch',
  '/api/v1/bindings',
  '/api/v1/watch',
  '/api/v1/proxy/nodes/n1',
  '/api/v1/redirect/nodes/n1',
  '/apis/apps/v1/watch',
];
const watched = [
  '/api/v1/watch/namespaces/p1/configmaps',
  '/api/v1/watch/namespaces/p1/configmaps/c1',
  '/api/v1/watch/nodes/n1',
  '/api/v1/watch/namespaces/p1',
  '/api/v1/watch/namespaces/p1/pods/pod1/status',
  '/apis/apps/v1/watch/namespaces/p1/deployments',
  '/apis/proto.example.com/v1/watch/namespaces/p1/widgets',
  '/apis/proto.example.com/v1/watch/namespaces/p1/widgets/w1',
  '/api/v1/watch/nosuch',
];

const methods = [
  ['GET', 14],
  ['POST', 5],
  ['PUT', 5],
  ['PATCH', 4],
  ['DELETE', 5],
  ['HEAD', 4],
  ['OPTIONS', 3],
  ['TRACE', 1],
  ['get', 0.5],
  ['MKCOL', 0.5],
] as const;

const contentTypes = [
  'application/json',
  'application/yaml',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/json-patch+json',
  'application/apply-patch+yaml',
  'text/plain',
  'application/cbor',
];

const texts = [
  '',
  '{}',
  '[]',
  'x',
  'null',
  '{"kind":"x"}',
  '{"kind":"DeleteOptions","apiVersion":"v1"}',
  '{"kind":"Status","apiVersion":"v1"}',
  JSON.stringify(configMap('c1')),
  JSON.stringify(configMap('other')),
];

export const paths: Maker = ({ pick, name }) => {
  const whole = pick.one(
    pick.weighted([
      [collections, 3],
      [objects, 3],
      [subresources, 4],
      [documents, 4],
      [missing, 6],
      [watched, 1],
    ] as const),
  );
  const path = pick.chance(0.45) ? changed(pick, whole) : whole;
  const method = pick.weighted(methods);
  const writes = /^(POST|PUT|PATCH|DELETE)$/.test(method);
  const dry = writes ? `${path.includes('?') ? '&' : '?'}dryRun=All` : '';
  const streams = /\/watch\/|watch=/.test(path);
  const step: Step = {
    method,
    path: `${path}${dry}${streams ? `${path.includes('?') ? '&' : '?'}timeoutSeconds=1` : ''}`,
    ...(writes
      ? {
          headers: {
            'content-type':
              method === 'PATCH'
                ? pick.one(contentTypes)
                : pick.chance(0.8)
                  ? 'application/json'
                  : pick.one(contentTypes),
          },
          ...(method === 'DELETE'
            ? {}
            : { text: pick.chance(0.3) ? JSON.stringify(configMap(name)) : pick.one(texts) }),
        }
      : {}),
    ...(streams ? { readMs: 1500 } : {}),
  };
  return { what: `${method} ${path}`, steps: [step] };
};

/** One thing about the path is odd. */
function changed(pick: Pick, path: string): string {
  const parts = path.split('/');
  const at = 1 + pick.below(parts.length - 1);
  const put = (part: string): string => [...parts.slice(0, at), part, ...parts.slice(at)].join('/');
  const swap = (part: string): string => [...parts.slice(0, at), part, ...parts.slice(at + 1)].join('/');
  const encoded = (parts[at] ?? '').replace(/[a-z]/, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return pick.one([
    () => `${path}/`,
    () => `${path}/`,
    () => `${path}//`,
    () => put(''),
    () => `/${path}`,
    () => put('.'),
    () => put('..'),
    () => put('x/..'),
    () => put('%2e%2e'),
    () => swap((parts[at] ?? '').toUpperCase()),
    () => swap(encoded),
    () => [...parts.slice(0, at), parts.slice(at).join('%2F')].join('/'),
    () => swap(`${parts[at]}%zz`),
    () => swap(`${parts[at]}%00`),
    () => swap(`${parts[at]}%20`),
    () => swap(`${parts[at]};x=1`),
    () => swap(`${parts[at]}:x`),
    () => `${path}/nosuch`,
    () => `${path}/nosuch/more`,
    () => `${path}?`,
    () => `${path}?x=y&&=`,
    () => `${path}?%zz`,
    () => `${path}?a;b=c`,
    () => parts.slice(0, at).join('/') || '/',
    () => `${parts.slice(0, at).join('/')}/`,
    () => [...parts.slice(0, at), ...parts.slice(at + 1)].join('/') || '/',
    () => `${path}?watch=1`,
    () => `${path}#x`,
  ])();
}
