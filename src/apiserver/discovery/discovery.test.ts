import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeProtobuf } from '../../api/codec/protobuf/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { JsonArray } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { createDocumentRoutes } from './routes.ts';

interface Case {
  readonly name: string;
  readonly path: string;
  readonly accept?: string;
  readonly body: unknown;
}
/** Answers of a v1.36.3 API server. */
const cases = JSON.parse(
  readFileSync(new URL('./testdata/discovery.json', import.meta.url), 'utf8'),
) as readonly Case[];

const routes = createDocumentRoutes({
  now: () => 0,
  schema: builtinSchema,
  version: {
    major: '1',
    minor: '36',
    gitVersion: 'v1.36.3',
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '',
    goVersion: '',
    compiler: 'node',
    platform: 'linux/amd64',
  },
  serverAddress: '192.0.2.1:6443',
  paths: ['/healthz', '/.well-known/openid-configuration', '/openid/v1/jwks'],
});
const request = (path: string, headers: Record<string, string> = {}, method = 'GET'): ApiRequest => ({
  method,
  path,
  query: '',
  headers,
  remoteAddress: 'in-process',
  signal: new AbortController().signal,
});
const bytesOf = (response: ApiResponse): Uint8Array =>
  response.body.kind === 'bytes'
    ? response.body.bytes
    : response.body.kind === 'object'
      ? response.body.object.bytes()
      : new Uint8Array();
const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await routes(request(path, headers));
  assert.ok(response, path);
  return { ...response, text: new TextDecoder().decode(bytesOf(response)) };
};

for (const { name, path, accept, body } of cases) {
  test(`discovery: ${name} is what upstream answers, to the byte`, async () => {
    const { status, text } = await get(path, accept === undefined ? {} : { accept });
    assert.equal(status, 200);
    const got = text
      .trimEnd()
      .replace(/\?hash=[0-9A-F]{128}/g, '?hash=<hash>')
      .replace('192.0.2.1:6443', '<address>')
      .replaceAll('\\u003c', '<')
      .replaceAll('\\u003e', '>');
    assert.deepEqual(JSON.parse(got), body);
    assert.equal(got, JSON.stringify(body));
  });
}

const aggregated = (version: string): string =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

test('discovery: the aggregated form is chosen in the order of Accept, and named in content-type', async () => {
  const v2 = aggregated('v2');
  const both = `${aggregated('v2beta1')},${v2},application/json`;
  assert.equal((await get('/apis', { accept: both })).headers['content-type'], v2, 'v2beta1 is gone');
  const yaml = v2.replace('json', 'yaml');
  const asYaml = await get('/apis', { accept: yaml });
  assert.equal(asYaml.headers['content-type'], yaml);
  assert.match(asYaml.text, /^apiVersion: apidiscovery.k8s.io\/v2\nitems:\n/);
  assert.equal(asYaml.headers.etag, (await get('/apis', { accept: v2 })).headers.etag);
  assert.equal(
    (await get('/apis', { accept: `${aggregated('v9')},application/json` })).headers['content-type'],
    'application/json',
  );
  await assert.rejects(get('/apis', { accept: aggregated('v9') }), { code: 406 });
});

test('discovery: an aggregated document that the client has is answered with 304', async () => {
  const first = await get('/apis', { accept: aggregated('v2') });
  assert.match(first.headers.etag ?? '', /^"[0-9A-F]{128}"$/);
  assert.equal(first.headers.vary, 'Accept');
  const again = await get('/apis', { accept: aggregated('v2'), 'if-none-match': first.headers.etag ?? '' });
  assert.deepEqual([again.status, again.text], [304, '']);
});

test('discovery: the root lists every path, sorted', async () => {
  const { paths } = JSON.parse((await get('/')).text) as { paths: string[] };
  assert.deepEqual(paths, [...paths].sort());
  for (const path of ['/api/v1', '/apis/', '/apis/autoscaling/v1', '/healthz', '/openapi/v3/', '/version'])
    assert.ok(paths.includes(path), path);
});

test('discovery: other paths and unknown groups are for the rest of the server', async () => {
  for (const path of ['/apis/none', '/apis/none/v1', '/healthz', '/nosuch'])
    assert.equal(await routes(request(path)), undefined, path);
});

const refusals: readonly (readonly [method: string, path: string, accept: string, code: number])[] = [
  ['GET', '/apis/apps/v9', '', 404],
  ['GET', '/apis/resource.k8s.io/v1beta1', '', 404],
  ['GET', '/version/x', '', 404],
  ['GET', '/api/v2', '', 404],
  ['POST', '/version', '', 405],
  ['HEAD', '/api', '', 405],
  ['POST', '/apis/apps/v1', '', 405],
  ['PUT', '/apis/apiregistration.k8s.io', '', 405],
  ['GET', '/version', 'application/yaml', 406],
];
for (const [method, path, accept, code] of refusals)
  test(`discovery: behind the router ${method} ${path} is answered ${code}`, async () => {
    await assert.rejects(
      async () => routes(request(path, accept === '' ? {} : { accept }, method)),
      (error) => error instanceof ApiError && error.code === code,
    );
  });

test('discovery: documents without a router do not look at the method, routed ones not at further slashes', async () => {
  for (const [method, path] of [
    ['POST', '/apis'],
    ['DELETE', '/apis/apps'],
    ['PUT', '/index.html'],
    ['GET', '/apis/apps/v1//'],
    ['GET', '/version/'],
  ] as const)
    assert.equal((await routes(request(path, {}, method)))?.status, 200, path);
});

test('discovery: what no router stands before understands application/*', async () => {
  const accept = 'application/*';
  assert.equal((await routes(request('/apis', { accept })))?.status, 200);
  await assert.rejects(async () => routes(request('/apis/apps/v1', { accept })), /406: Not Acceptable/);
});

test('discovery: YAML when asked for', async () => {
  const { headers, text } = await get('/apis/apps', { accept: 'application/yaml' });
  assert.equal(headers['content-type'], 'application/yaml');
  assert.match(text, /^apiVersion: v1\nkind: APIGroup\nname: apps\n/);
});

test("discovery: protobuf when asked for, as upstream's controller manager does", async () => {
  const response = await routes(request('/apis/apps/v1', { accept: 'application/vnd.kubernetes.protobuf, */*' }));
  assert.ok(response);
  assert.equal(response.headers['content-type'], 'application/vnd.kubernetes.protobuf');
  const list = decodeProtobuf(bytesOf(response), { group: '', version: 'v1', kind: 'x' }, builtinSchema);
  assert.deepEqual(
    [list.kind, list.groupVersion, (list.resources as JsonArray).length],
    ['APIResourceList', 'apps/v1', 12],
  );
});

test('discovery: the version is indented JSON', async () => {
  const { text, headers } = await get('/version', { accept: 'text/html, */*' });
  assert.equal(headers['content-type'], 'application/json');
  assert.match(text, /^\{\n {2}"major": "1",\n {2}"minor": "36",\n/);
});
