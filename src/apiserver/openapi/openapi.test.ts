import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiResponse } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { discoveryGroups } from '../discovery/discovery.ts';
import { OpenApiDocuments } from './documents.ts';

let yields = 0;
const documents = new OpenApiDocuments({
  schema: builtinSchema,
  groups: discoveryGroups(builtinSchema),
  version: '1.36',
  now: () => Date.UTC(2026, 0, 1),
  yield: async () => {
    yields++;
  },
});
const ask = (path: string, headers: Record<string, string> = {}, query = ''): Promise<ApiResponse | undefined> =>
  documents.answer({
    method: 'GET',
    path,
    query,
    headers,
    remoteAddress: 'in-process',
    signal: new AbortController().signal,
  });
const bytesOf = (response: ApiResponse | undefined): Buffer =>
  response?.body.kind === 'bytes' ? Buffer.from(response.body.bytes) : Buffer.alloc(0);

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly definitions: Readonly<Record<string, JsonObject>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonObject>> };
}
interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly 'x-kubernetes-action': string;
  readonly 'x-kubernetes-group-version-kind': JsonObject;
}
const document = async (path: string): Promise<Document> => JSON.parse(bytesOf(await ask(path)).toString()) as Document;

test('openapi: the index names a document for each group and version, with its hash', async () => {
  const { paths } = JSON.parse(bytesOf(await ask('/openapi/v3')).toString()) as {
    paths: Record<string, { serverRelativeURL: string }>;
  };
  assert.equal(Object.keys(paths).length, 47);
  assert.ok(yields >= 47, 'building the index lets other work run');
  const [path = '', query = ''] = paths['apis/apps/v1']!.serverRelativeURL.split('?');
  assert.equal(path, '/openapi/v3/apis/apps/v1');
  const response = await ask(path, {}, query);
  assert.equal(response?.headers['cache-control'], 'public, immutable');
  assert.equal(response?.headers.expires, 'Fri, 01 Jan 2027 00:00:00 GMT');
  assert.equal(response?.headers.etag, `"${query.slice('hash='.length)}"`);
});

test('openapi: a client with an old hash is sent to the new one', async () => {
  const response = await ask('/openapi/v3/api/v1', {}, 'hash=00');
  assert.equal(response?.status, 301);
  assert.match(response?.headers.location ?? '', /^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{128}$/);
});

test('openapi: every document of the index exists, others do not', async () => {
  const { paths } = JSON.parse(bytesOf(await ask('/openapi/v3')).toString()) as { paths: Record<string, unknown> };
  for (const name of Object.keys(paths)) {
    const { openapi, paths: own } = JSON.parse(bytesOf(await ask(`/openapi/v3/${name}`)).toString()) as {
      openapi: string;
      paths: object;
    };
    assert.equal(openapi, '3.0.0');
    assert.ok(Object.keys(own).length > 0, name);
  }
  for (const path of ['/openapi/v3/', '/openapi/v3/apis/none/v1', '/openapi/v3/apis/resource.k8s.io/v1beta1'])
    assert.deepEqual(await ask(path), { status: 404, headers: {}, body: { kind: 'empty' } });
  assert.equal(await ask('/openapi/v1'), undefined);
  assert.equal(await ask('/openapi/v2/'), undefined);
});

test('openapi: patching says which kind it patches and that fields are validated', async () => {
  for (const path of ['/openapi/v2', '/openapi/v3/apis/apps/v1']) {
    const { paths } = await document(path);
    const patch = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']?.patch;
    assert.deepEqual(patch?.['x-kubernetes-group-version-kind'], { group: 'apps', kind: 'Deployment', version: 'v1' });
    assert.equal(patch?.['x-kubernetes-action'], 'patch');
    // Old kubectl looks for these two in place; the others stand in v2's shared table.
    const names = patch?.parameters.flatMap((p) => (p.in === 'query' ? [p.name] : []));
    assert.deepEqual(
      names,
      path === '/openapi/v2' ? ['dryRun', 'fieldValidation'] : ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
    );
  }
});

test('openapi: fields carry merge keys, list types, defaults and enumerations', async () => {
  const v2 = (await document('/openapi/v2')).definitions['io.k8s.api.core.v1.PodSpec'] as unknown as {
    properties: Record<string, JsonObject>;
    required: string[];
  };
  assert.deepEqual(v2.required, ['containers']);
  const { description, ...containers } = v2.properties.containers!;
  assert.match(String(description), /containers that make up the pod/);
  assert.deepEqual(containers, {
    items: { $ref: '#/definitions/io.k8s.api.core.v1.Container' },
    type: 'array',
    'x-kubernetes-list-map-keys': ['name'],
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge',
  });
  const { schemas } = (await document('/openapi/v3/api/v1')).components;
  const v3 = schemas['io.k8s.api.core.v1.PodSpec'] as unknown as { properties: Record<string, JsonObject> };
  assert.deepEqual(v3.properties.containers?.items, {
    $ref: '#/components/schemas/io.k8s.api.core.v1.Container',
  });
  assert.equal(v3.properties.volumes?.['x-kubernetes-patch-strategy'], 'merge,retainKeys');
  assert.deepEqual(schemas['io.k8s.apimachinery.pkg.api.resource.Quantity'], {
    oneOf: [{ type: 'string' }, { type: 'number' }],
  });
  assert.deepEqual((schemas['io.k8s.api.core.v1.Pod'] as JsonObject)['x-kubernetes-group-version-kind'], [
    { group: '', kind: 'Pod', version: 'v1' },
  ]);
});

test('openapi: the deprecated watch paths are described, and what all operations of a path take is said at the path', async () => {
  const { paths } = await document('/openapi/v2');
  const watches = Object.keys(paths).filter((path) => /^\/apis?\/[^{]*\/watch\//.test(path));
  assert.equal(watches.length, 152);
  const { get, parameters } = paths['/api/v1/watch/namespaces/{namespace}/pods'] as unknown as {
    get: Record<string, unknown>;
    parameters: { $ref: string }[];
  };
  assert.equal(get['x-kubernetes-action'], 'watchlist');
  assert.equal(get.operationId, 'watchCoreV1NamespacedPodList');
  assert.equal(get.parameters, undefined);
  assert.equal(parameters.length, 13);
  assert.ok(parameters.some(({ $ref }) => $ref === '#/parameters/namespace-vgWSWtn3'));
});

test('openapi: in v3 a kind of every group names the core group and its document', async () => {
  const { components } = await document('/openapi/v3/apis/apps/v1');
  const options = components.schemas['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'];
  assert.deepEqual(options?.['x-kubernetes-group-version-kind'], [
    { group: '', kind: 'DeleteOptions', version: 'v1' },
    { group: 'apps', kind: 'DeleteOptions', version: 'v1' },
  ]);
});

test('openapi: every reference leads somewhere', async () => {
  const dangling = (text: string, known: Readonly<Record<string, unknown>>): string[] =>
    [...text.matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g)]
      .map((m) => m[1]!)
      .filter((name) => !(name in known));
  const v2 = await document('/openapi/v2');
  assert.deepEqual(dangling(JSON.stringify(v2), v2.definitions), []);
  for (const path of [
    '/openapi/v3/api/v1',
    '/openapi/v3/apis/apiextensions.k8s.io/v1',
    '/openapi/v3/apis/autoscaling/v1',
    '/openapi/v3/version',
  ]) {
    const v3 = await document(path);
    assert.deepEqual(dangling(JSON.stringify(v3), v3.components.schemas), []);
  }
});

test('openapi: operation ids are unique', async () => {
  const ids = [...JSON.stringify(await document('/openapi/v2')).matchAll(/"operationId":"([^"]+)"/g)].map((m) => m[1]!);
  assert.deepEqual(
    ids.filter((id, i) => ids.indexOf(id) !== i),
    [],
  );
});

test('openapi: both spellings of the protobuf type are served, unknown types refused', async () => {
  for (const version of ['v2', 'v3/apis/apps/v1'])
    for (const mark of ['@', '.']) {
      const short = version.slice(0, 2);
      const response = await ask(`/openapi/${version}`, {
        accept: `application/com.github.proto-openapi.spec.${short}${mark}v1.0+protobuf`,
      });
      assert.equal(
        response?.headers['content-type'],
        `application/com.github.proto-openapi.spec.${short}.v1.0+protobuf`,
      );
      const start = version === 'v2' ? '0a03322e30' : '0a05332e302e30';
      assert.equal(
        bytesOf(response)
          .subarray(0, start.length / 2)
          .toString('hex'),
        start,
      );
    }
  assert.equal((await ask('/openapi/v2', { accept: 'text/html' }))?.status, 406);
});

test('openapi: a document that the client has is answered with 304', async () => {
  const first = await ask('/openapi/v2');
  const again = await ask('/openapi/v2', { 'if-none-match': first?.headers.etag ?? '' });
  assert.deepEqual([again?.status, again?.body.kind], [304, 'empty']);
});
