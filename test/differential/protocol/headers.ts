/** Headers of requests, and bodies in other forms than JSON. */
import { encodeProtobuf } from '../../../src/api/codec/protobuf/index.ts';
import { builtinSchema } from '../../../src/api/schema/builtin.ts';
import type { Step } from '../case.ts';
import type { Pick } from '../pick.ts';
import type { Maker } from './generate.ts';
import { withOwnObject } from './parameters.ts';
import { collections, objects } from './paths.ts';
import { callers, configMap } from './preparation.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';
const table = 'as=Table;g=meta.k8s.io;v=v1';
const partial = 'as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const partialList = 'as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const ranges = [
  'application/json',
  'application/yaml',
  protobuf,
  'application/cbor',
  'application/cbor-seq',
  'application/*',
  '*/*',
  '*',
  'text/plain',
  'text/html',
  'image/png',
  'application/json;q=0.5',
  'application/yaml;q=0.9',
  `${protobuf};q=0`,
  'application/json;q=x',
  'application/json;charset=utf-8',
  'application/json; charset="utf-8"',
  'APPLICATION/JSON',
  'application/json;pretty=1',
  'application/json;stream=watch',
  `${protobuf};stream=watch`,
  'application/json;stream=x',
  `application/json;${table}`,
  `application/json;${table}beta1`,
  `application/json;${table}2`,
  `application/yaml;${table}`,
  `${protobuf};${table}`,
  `application/json;${partial}`,
  `application/json;${partialList}`,
  `${protobuf};${partial}`,
  `${protobuf};${partialList}`,
  `application/yaml;${partialList}`,
  `application/json;as=x;g=meta.k8s.io;v=v1`,
  `application/json;as=Table`,
  `application/json;as=Table;v=v1`,
  `application/json;as=Table;g=x;v=v1`,
  'application/json;profile=strict',
  'application',
  '/',
  ';',
  ',',
  '',
  'application/vnd.kubernetes.protobuf+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];
const accepts = (pick: Pick): string =>
  Array.from(
    {
      length: pick.weighted([
        [1, 6],
        [2, 3],
        [3, 1],
      ] as const),
    },
    () => pick.one(ranges),
  ).join(pick.chance(0.5) ? ',' : ', ');

const contentTypes = [
  '',
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=x',
  'application/json;',
  'application/JSON',
  ' application/json',
  'application/json, application/yaml',
  'application/yaml',
  'application/x-yaml',
  'text/yaml',
  'text/json',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/octet-stream',
  protobuf,
  'application/cbor',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json; charset=utf-8',
  'application/json-patch+json',
  'application/apply-patch+yaml',
  'application/apply-patch+cbor',
  'x',
  '/',
  ';',
  'application/*',
];

const watchOrList = (pick: Pick): string =>
  pick.chance(0.25)
    ? `${pick.one(collections)}?watch=1&timeoutSeconds=1&labelSelector=proto=1`
    : `${pick.one(collections)}?labelSelector=proto=1`;

const get = (path: string, headers: Record<string, string>): Step => ({
  method: 'GET',
  path,
  headers,
  ...(path.includes('watch=1') ? { readMs: 1600 } : {}),
});

export const headers: Maker = (draw) => {
  const { pick, name } = draw;
  const what = pick.weighted([
    ['accept', 10],
    ['content-type', 7],
    ['patch-type', 5],
    ['encoding', 3],
    ['identity', 4],
    ['impersonation', 6],
    ['transfer', 3],
    ['agent', 2],
  ] as const);
  const done = (...steps: Step[]): { what: string; steps: Step[] } => ({
    what: `${what} ${steps[0]!.method} ${steps[0]!.path} ${JSON.stringify(steps[0]!.headers ?? {}).slice(0, 120)}`,
    steps,
  });
  switch (what) {
    case 'accept': {
      const accept = accepts(pick);
      const kind = pick.weighted([
        ['list', 5],
        ['get', 4],
        ['missing', 2],
        ['create', 2],
        ['delete', 1],
        ['document', 1],
      ] as const);
      if (kind === 'list')
        return done(
          get(
            `${watchOrList(pick)}${pick.chance(0.15) ? `&includeObject=${pick.one(['None', 'Object', 'Metadata', 'x'])}` : ''}`,
            { accept },
          ),
        );
      if (kind === 'get')
        return done(
          get(
            pick.one([
              ...objects,
              '/apis/apps/v1/namespaces/p1/deployments/dep1/scale',
              '/apis/proto.example.com/v1/namespaces/p1/widgets/w1/scale',
              '/api/v1/namespaces/p1/pods/pod1/log',
            ]),
            { accept },
          ),
        );
      if (kind === 'missing')
        return done(
          get(pick.one(['/api/v1/namespaces/p1/pods/nosuch', '/api/v1/nosuch', '/nosuch', '/apis/apps/v9/x']), {
            accept,
          }),
        );
      if (kind === 'document')
        return done(
          get(pick.one(['/version', '/healthz', '/metrics', '/api/v1', '/apis/apps', '/', '/openid/v1/jwks']), {
            accept,
          }),
        );
      if (kind === 'delete')
        return done({ method: 'DELETE', path: `${pick.one(objects.slice(0, 8))}?dryRun=All`, headers: { accept } });
      return done({
        method: 'POST',
        path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
        headers: { accept, 'content-type': 'application/json' },
        text: JSON.stringify(configMap(name)),
      });
    }
    case 'content-type': {
      const type = pick.one(contentTypes);
      const [method, path, body] = pick.one([
        ['POST', '/api/v1/namespaces/p1/configmaps?dryRun=All', configMap(name)],
        ['PUT', '/api/v1/namespaces/p1/configmaps/c3?dryRun=All', configMap('c3')],
        ['DELETE', '/api/v1/namespaces/p1/configmaps/c3?dryRun=All', { kind: 'DeleteOptions', apiVersion: 'v1' }],
        [
          'POST',
          '/apis/proto.example.com/v1/gadgets?dryRun=All',
          { apiVersion: 'proto.example.com/v1', kind: 'Gadget', metadata: { name } },
        ],
        [
          'POST',
          '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
          { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } },
        ],
        ['GET', '/api/v1/namespaces/p1/configmaps/c3', {}],
        ['POST', '/api/v1/namespaces/p1/nosuch', {}],
        ['PUT', '/apis/apps/v1/namespaces/p1/deployments/dep1/scale?dryRun=All', { spec: { replicas: 1 } }],
      ] as const);
      const step: Step = {
        method,
        path,
        headers: type === '' && pick.chance(0.5) ? {} : { 'content-type': type },
        text: JSON.stringify(body),
      };
      if (method !== 'DELETE') return done(step);
      return { what, steps: withOwnObject(name, { ...step, path: `/api/v1/namespaces/p2/configmaps/${name}` }) };
    }
    case 'patch-type': {
      const type = pick.one([...contentTypes.slice(0, 8), ...contentTypes.slice(14)]);
      const path = pick.one([
        ...objects.slice(0, 9),
        '/apis/apps/v1/namespaces/p1/deployments/dep1/scale',
        '/apis/proto.example.com/v1/namespaces/p1/widgets/w1/status',
        '/apis/proto.example.com/v1/namespaces/p1/widgets/w1/scale',
        '/api/v1/namespaces/p1/pods/pod1/status',
      ]);
      return done({
        method: 'PATCH',
        path: `${path}?dryRun=All${pick.chance(0.3) ? '&fieldManager=me' : ''}`,
        headers: { 'content-type': type },
        text: pick.one([
          '{}',
          '{"metadata":{"labels":{"a":"b"}}}',
          '[]',
          '[{"op":"add","path":"/metadata/labels/z","value":"1"}]',
          '',
          'x',
          'null',
          '"s"',
          '{"metadata":{"labels":{"a":1}}}',
          '{"nosuch":1}',
          '[{"op":"nosuch","path":"/a"}]',
          '[{"op":"test","path":"/metadata/name","value":"x"}]',
          '[{"op":"remove","path":"/nosuch"}]',
        ]),
      });
    }
    case 'encoding': {
      const path = pick.one([
        '/api/v1/namespaces/p1/configmaps/big',
        '/api/v1/namespaces/p1/configmaps',
        '/api/v1/namespaces/p1/configmaps/c1',
        '/openapi/v2',
        '/openapi/v3',
        '/openapi/v3/api/v1',
        '/apis/apps/v1',
        '/api/v1',
        '/api/v1/namespaces/p1/configmaps?watch=1&timeoutSeconds=1',
        '/nosuch',
        '/version',
        '/apis',
      ]);
      return done(
        get(path, {
          'accept-encoding': pick.one([
            'gzip',
            'deflate, gzip',
            'gzip;q=1.0',
            'GZIP',
            'br',
            'identity',
            '*',
            'gzip, br;q=0.5',
            '',
          ]),
          ...(pick.chance(0.3) ? { accept: pick.one(['application/yaml', protobuf]) } : {}),
        }),
      );
    }
    case 'identity': {
      const step = {
        method: 'GET',
        path: pick.one([
          '/api/v1/namespaces/p1/configmaps/c1',
          '/version',
          '/healthz',
          '/metrics',
          '/api',
          '/nosuch',
          '/apis/apps/v1',
          '/readyz/ping',
        ]),
        bare: true,
      };
      return done({
        ...step,
        headers: pick.one<Record<string, string>>([
          {},
          { authorization: '' },
          { authorization: 'Bearer' },
          { authorization: 'Bearer ' },
          { authorization: 'Bearer x' },
          { authorization: 'bearer x' },
          { authorization: 'Bearer x y' },
          { authorization: 'Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.x' },
          { authorization: 'Basic YTpi' },
          { authorization: 'Token x' },
          { 'x-remote-user': 'bob' },
          { 'x-remote-user': 'bob', 'x-remote-group': 'system:masters' },
          { 'impersonate-user': 'bob' },
          { accept: 'application/yaml' },
          { accept: protobuf },
          { accept: 'text/html' },
          { accept: 'text/html', authorization: 'Bearer x' },
          { 'user-agent': 'curl/8' },
          { 'user-agent': 'curl/8', authorization: 'Bearer x' },
        ]),
      });
    }
    case 'impersonation': {
      const who = pick.one<Record<string, string>>([
        { 'impersonate-user': 'bob' },
        { 'impersonate-user': 'frank', 'impersonate-group': 'system:masters' },
        { 'impersonate-user': 'frank', 'impersonate-group': 'devs' },
        { 'impersonate-group': 'devs' },
        { 'impersonate-uid': 'u-1' },
        { 'impersonate-user': 'bob', 'impersonate-uid': 'u-1' },
        { 'impersonate-user': 'bob', 'impersonate-extra-scopes': 'view' },
        { 'impersonate-user': 'bob', 'impersonate-extra-a%2fb': 'view' },
        { 'impersonate-user': 'bob', 'impersonate-extra-': 'view' },
        { 'impersonate-extra-scopes': 'view' },
        { 'impersonate-user': '' },
        { 'impersonate-user': 'system:serviceaccount:p1:robot' },
        { 'impersonate-user': 'system:serviceaccount:p1' },
        { 'impersonate-user': 'system:serviceaccount:p1:' },
        { 'impersonate-user': 'system:anonymous' },
        { 'impersonate-user': 'system:node:n1' },
        { 'impersonate-user': 'system:node:n1', 'impersonate-group': 'system:nodes' },
        { 'impersonate-user': 'bob', 'impersonate-nosuch': 'x' },
        { 'impersonate-user': 'bob', 'impersonate-group': 'system:unauthenticated' },
        { 'impersonate-user': 'bob', 'impersonate-group': '' },
      ]);
      // The tokens file of both servers names the callers.
      const caller = pick.chance(0.4)
        ? { bare: true, headers: { authorization: `Bearer ${pick.one(callers)}-token`, ...who } }
        : { headers: who };
      return done(
        pick.chance(0.6)
          ? {
              method: 'POST',
              path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
              ...caller,
              headers: { 'content-type': 'application/json', ...caller.headers },
              text: '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
            }
          : {
              ...get(
                pick.one([
                  '/api/v1/namespaces/p1/configmaps/c1',
                  '/version',
                  '/api/v1/namespaces/p1/pods/pod1',
                  '/api/v1/nodes/n1',
                  '/nosuch',
                ]),
                caller.headers,
              ),
              ...caller,
            },
      );
    }
    case 'transfer':
      return done(
        pick.one<Step>([
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json', 'content-length': '0' },
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
            text: JSON.stringify(configMap(name)),
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json', expect: '100-continue' },
            text: JSON.stringify(configMap(name)),
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json', expect: 'nosuch' },
            text: JSON.stringify(configMap(name)),
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
            text: JSON.stringify(configMap(name)),
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json' },
            text: JSON.stringify(configMap(name, {}, { k: 'x'.repeat(1_048_576) })),
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/configmaps?dryRun=All',
            headers: { 'content-type': 'application/json' },
            text: JSON.stringify(configMap(name, {}, { k: 'x'.repeat(3_145_728) })),
          },
          {
            method: 'PATCH',
            path: '/api/v1/namespaces/p1/configmaps/c1?dryRun=All',
            headers: { 'content-type': 'application/merge-patch+json' },
            text: JSON.stringify({ data: { k: 'x'.repeat(3_145_728) } }),
          },
          { method: 'GET', path: '/api/v1/namespaces/p1/configmaps/c1', headers: { 'x-long': 'x'.repeat(60_000) } },
          { method: 'GET', path: `/api/v1/namespaces/p1/configmaps?labelSelector=${'a%3Db%2C'.repeat(2000)}a` },
          {
            method: 'GET',
            path: '/api/v1/namespaces/p1/configmaps/c1',
            headers: { 'content-type': 'application/json' },
            text: '{"x":1}',
          },
          {
            method: 'GET',
            path: '/api/v1/namespaces/p1/configmaps/c1',
            headers: { 'if-none-match': '*', 'if-modified-since': 'Mon, 01 Jan 2035 00:00:00 GMT' },
          },
          { method: 'GET', path: '/api/v1/namespaces/p1/configmaps/c1', headers: { range: 'bytes=0-3' } },
          {
            method: 'GET',
            path: '/api/v1/namespaces/p1/configmaps/c1',
            headers: { 'x-http-method-override': 'DELETE' },
          },
          { method: 'GET', path: '/api/v1/namespaces/p1/configmaps/c1', headers: { origin: 'https://example.com' } },
          { method: 'GET', path: '/api/v1/namespaces/p1/configmaps/c1', headers: { 'audit-id': 'mine' } },
          {
            method: 'GET',
            path: '/api/v1/namespaces/p1/configmaps/c1',
            headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
          },
          {
            method: 'GET',
            path: '/api/v1/namespaces/p1/configmaps?watch=1&timeoutSeconds=1',
            headers: { connection: 'upgrade', upgrade: 'nosuch' },
            readMs: 1600,
          },
          {
            method: 'POST',
            path: '/api/v1/namespaces/p1/pods/pod1/exec?command=ls',
            headers: { connection: 'upgrade', upgrade: 'nosuch' },
          },
        ]),
      );
    case 'agent':
      return done(
        get(
          pick.one([
            ...objects,
            '/api/v1/nosuch',
            '/apis/apps/v1',
            '/version',
            ...collections.map((each) => `${each}?labelSelector=proto=1`),
          ]),
          {
            'user-agent': pick.one([
              'curl/8.1',
              'Wget/1',
              'Mozilla/5.0 (X11)',
              'Mozilla/4',
              'kubectl/v1.36',
              'xcurl',
              '',
            ]),
            accept: pick.one(['*/*', 'application/json', 'application/yaml', '']),
          },
        ),
      );
  }
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Bodies of writes in protobuf, YAML and broken forms. */
export const bodies: Maker = ({ pick, name }) => {
  const object = configMap(name);
  const good = Buffer.from(encodeProtobuf(object, builtinSchema));
  const [what, bytes] = pick.one<[string, Uint8Array]>([
    ['good', good],
    ['no magic', good.subarray(4)],
    ['broken magic', Buffer.concat([Buffer.from('k8s\u0001'), good.subarray(4)])],
    ['cut', good.subarray(0, good.length - 1 - pick.below(good.length - 5))],
    ['empty', Buffer.alloc(0)],
    ['only magic', Buffer.from('k8s\0')],
    ['more', Buffer.concat([good, Buffer.from([0x7a, 0x01, 0x41])])],
    ['noise', Buffer.concat([good.subarray(0, 20), Buffer.from([0xff, 0xff, 0xff, 0xff]), good.subarray(20)])],
    ['other kind', Buffer.from(encodeProtobuf({ ...object, kind: 'Secret', data: { a: 'Yg==' } }, builtinSchema))],
    ['untyped', Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x0a, 0x00]), good.subarray(4 + 2 + good[5]!)])],
    ['json', Buffer.from(JSON.stringify(object))],
  ]);
  const type = pick.weighted([
    [protobuf, 8],
    ['application/json', 2],
    ['application/yaml', 2],
    ['application/cbor', 1],
  ] as const);
  const yaml = pick.one([
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1}\n',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: yes}\n',
    '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\napiVersion: v1\n',
    'a: b: c\n',
    '- a\n',
    '\t',
    '# nothing\n',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, name: y}\n',
    '&a [*a]',
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}',
  ]);
  const [method, path] = pick.one([
    ['POST', '/api/v1/namespaces/p1/configmaps'],
    ['POST', '/api/v1/namespaces/p1/secrets'],
    ['PUT', `/api/v1/namespaces/p1/configmaps/${name}`],
    ['POST', '/apis/proto.example.com/v1/gadgets'],
    ['DELETE', '/api/v1/namespaces/p1/configmaps/c1'],
  ] as const);
  const isYaml = type === 'application/yaml';
  const step = {
    method,
    path: `${path}?dryRun=All${pick.chance(0.3) ? `&fieldValidation=${pick.one(['Strict', 'Ignore'])}` : ''}`,
    headers: {
      'content-type': type,
      accept: pick.weighted([
        ['application/json', 3],
        [protobuf, 1],
      ] as const),
    },
    base64: isYaml ? base64(Buffer.from(yaml)) : base64(bytes),
  };
  return {
    what: `${method} ${path} ${type} ${isYaml ? yaml.slice(0, 40).replaceAll('\n', ' ') : what}`,
    steps:
      method === 'DELETE' ? withOwnObject(name, { ...step, path: `/api/v1/namespaces/p2/configmaps/${name}` }) : [step],
  };
};
