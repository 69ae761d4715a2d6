import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { WatchFrame } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { startTestServer, type TestServer } from '../testdata/test-server.ts';
import type { WebhookCall } from '../webhook/client.ts';

const group = 'example.com';
const path = (version: string, rest = '') => `/apis/${group}/${version}/namespaces/default/hosts${rest}`;

interface Review {
  readonly request: { readonly uid: string; readonly desiredAPIVersion: string; readonly objects: JsonObject[] };
}
/** `hostPort: a:1` of v1 is `host: a, port: "1"` of v2. */
function converted(object: JsonObject, apiVersion: string): JsonObject {
  const { hostPort, host, port, ...rest } = object as Record<string, string> & JsonObject;
  const [h, p] = (hostPort ?? `${host}:${port}`).split(':') as [string, string];
  return { ...rest, apiVersion, ...(apiVersion.endsWith('v2') ? { host: h, port: p } : { hostPort: `${h}:${p}` }) };
}
const success = ({ request: { uid, objects, desiredAPIVersion } }: Review): JsonObject => ({
  kind: 'ConversionReview',
  apiVersion: 'apiextensions.k8s.io/v1',
  response: {
    uid,
    result: { status: 'Success' },
    convertedObjects: objects.map((object) => converted(object, desiredAPIVersion)),
  },
});

let t: TestServer;
let calls: number;
let answer: (review: Review) => JsonObject;
beforeEach(async () => {
  calls = 0;
  answer = success;
  t = await startTestServer({
    webhooks: {
      call: async ({ body }: WebhookCall) => {
        calls++;
        return answer(structuredClone(body) as unknown as Review);
      },
    },
  });
  const version = (name: string, storage: boolean, fields: readonly string[]) => ({
    name,
    served: true,
    storage,
    selectableFields: fields.map((field) => ({ jsonPath: `.${field}` })),
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: Object.fromEntries(fields.map((field) => [field, { type: 'string' }])),
      },
    },
  });
  await t.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `hosts.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'hosts', kind: 'Host' },
      versions: [version('v1', true, ['hostPort']), version('v2', false, ['host', 'port'])],
      conversion: {
        strategy: 'Webhook',
        webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://converter.example' } },
      },
    },
  });
});
afterEach(() => t.stop());

const v2 = (name: string, host: string, port = '80') => ({
  apiVersion: `${group}/v2`,
  kind: 'Host',
  metadata: { name, labels: { a: 'b' } },
  host,
  port,
});
const names = async (url: string): Promise<readonly string[]> => {
  const { body } = await t.send('GET', url);
  return (body.items as unknown as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name);
};

test('conversion webhook: an object of one version is read in the other, and keeps what it is', async () => {
  const created = await t.create(path('v2'), v2('a', 'one'));
  const first = await t.send('GET', path('v1', '/a'));
  const { hostPort, metadata } = first.body as unknown as { hostPort: string; metadata: { uid: string } };
  assert.equal(hostPort, 'one:80');
  assert.equal(metadata.uid, (created.metadata as unknown as { uid: string }).uid);
  const list = await t.send('GET', path('v2'));
  assert.deepEqual(
    (list.body.items as unknown as { apiVersion: string; host: string }[]).map(({ apiVersion, host }) => [
      apiVersion,
      host,
    ]),
    [[`${group}/v2`, 'one']],
  );
  const before = calls;
  await t.send('GET', path('v2'));
  assert.equal(calls, before, 'what was converted once is remembered');
});

test('conversion webhook: fields are selected as the version has them, in lists and in watches', async () => {
  await t.create(path('v2'), v2('a', 'one'));
  await t.create(path('v2'), v2('b', 'two'));
  await t.create(path('v2'), v2('c', 'one', '8080'));
  assert.deepEqual(await names(path('v2', '?fieldSelector=host%3Done')), ['a', 'c']);
  assert.deepEqual(await names(path('v2', '?fieldSelector=host%3Done,port%3D80')), ['a']);
  assert.deepEqual(await names(path('v1', '?fieldSelector=hostPort%3Dtwo%3A80')), ['b']);
  const watch = await t.watch(path('v2', '?watch=true&fieldSelector=host%3Done'));
  const taken: WatchFrame[] = [];
  const next = async () => {
    while (taken.length === 0) {
      await watch.ready();
      taken.push(...(watch.take() ?? assert.fail('the watch ended')));
    }
    const frame = taken.shift()!;
    const [type, object] = [frame.type, frame.object()];
    const { metadata, host } = object as unknown as { metadata: { name: string }; host: string };
    return `${type} ${metadata.name} ${host}`;
  };
  assert.deepEqual([await next(), await next()], ['ADDED a one', 'ADDED c one']);
  const merge = { 'content-type': 'application/merge-patch+json' };
  await t.send('PATCH', path('v2', '/b'), { host: 'one' }, merge);
  await t.send('PATCH', path('v2', '/a'), { host: 'two' }, merge);
  await t.send('PATCH', path('v2', '/c'), { port: '81' }, merge);
  assert.deepEqual([await next(), await next(), await next()], ['ADDED b one', 'DELETED a one', 'MODIFIED c one']);
  watch.close();
  await t.send('DELETE', path('v2', '?fieldSelector=host%3Done,port%3D81'));
  assert.deepEqual(await names(path('v2')), ['a', 'b']);
});

const bad: readonly (readonly [string, (review: Review) => JsonObject, RegExp])[] = [
  [
    'says no',
    (r) => ({ ...success(r), response: { uid: r.request.uid, result: { status: 'Failed', message: 'not today' } } }),
    /failed: not today$/,
  ],
  [
    'answers another question',
    (r) => ({ ...success(r), response: { uid: 'x', result: { status: 'Success' } } }),
    /failed: expected response\.uid="[^"]+", got "x"$/,
  ],
  [
    'loses an object',
    (r) => ({ ...success(r), response: { uid: r.request.uid, result: { status: 'Success' }, convertedObjects: [] } }),
    /returned 0 objects, expected 1$/,
  ],
  [
    'does not convert',
    (r) => ({
      ...success(r),
      response: { uid: r.request.uid, result: { status: 'Success' }, convertedObjects: r.request.objects },
    }),
    /invalid converted object at index 0: invalid groupVersion \(expected example\.com\/v1, received example\.com\/v2\)$/,
  ],
  ['renames', (r) => renamed(success(r)), /must have the same name: a != z$/],
];
function renamed(review: JsonObject): JsonObject {
  const copy = structuredClone(review) as unknown as {
    response: { convertedObjects: { metadata: { name: string } }[] };
  };
  copy.response.convertedObjects[0]!.metadata.name = 'z';
  return copy as unknown as JsonObject;
}
for (const [what, reply, message] of bad)
  test(`conversion webhook: one that ${what} is refused`, async () => {
    answer = reply;
    const { status, body } = await t.send('POST', path('v2'), v2('a', 'one'));
    assert.equal(status, 500);
    assert.match(String(body.message), message);
  });
