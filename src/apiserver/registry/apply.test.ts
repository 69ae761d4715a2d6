import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';
import { alwaysAllow } from '../authorization/union.ts';
import { type Answer, startTestServer, type TestServer } from '../testdata/test-server.ts';

const maps = '/api/v1/namespaces/a/configmaps';
const deployments = '/apis/apps/v1/namespaces/a/deployments';
const map = (data?: object, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'c', ...metadata },
  ...(data === undefined ? {} : { data }),
});
const deployment = (spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', image: 'i' }] } },
    ...spec,
  },
});
const scale = (replicas: number) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name: 'd' },
  spec: { replicas },
});
const applyType = { 'content-type': 'application/apply-patch+yaml' };

interface Meta {
  readonly resourceVersion: string;
  readonly generation: number;
  readonly managedFields?: readonly {
    readonly manager: string;
    readonly operation: string;
    readonly subresource?: string;
    readonly time?: string;
    readonly fieldsV1: unknown;
  }[];
}
const meta = ({ body }: Answer) => body.metadata as unknown as Meta;
/** `MANAGER OPERATION[/SUBRESOURCE] [timeless]` of each entry. */
const managers = (answer: Answer) =>
  (meta(answer).managedFields ?? []).map(
    ({ manager, operation, subresource, time }) =>
      `${manager} ${operation}${subresource === undefined ? '' : `/${subresource}`}${time === undefined ? ' timeless' : ''}`,
  );

let t: TestServer;
beforeEach(async () => {
  t = await startTestServer();
});
afterEach(() => t.stop());
const apply = (path: string, body: unknown, query = 'fieldManager=m') =>
  t.send('PATCH', `${path}?${query}`, body, applyType);

test('apply: creates with 201, changes with 200, and changes nothing with 200 and no new revision', async () => {
  const created = await apply(`${maps}/c`, map({ x: '1' }));
  assert.equal(created.status, 201);
  const changed = await apply(`${maps}/c`, map({ x: '2' }));
  assert.equal(changed.status, 200);
  const same = await apply(`${maps}/c`, map({ x: '2' }));
  assert.equal(same.status, 200);
  assert.deepEqual(same.body, changed.body);
});

test('apply: a dry run creates nothing and takes nothing', async () => {
  assert.equal((await apply(`${maps}/c`, map({ x: '1' }), 'fieldManager=m&dryRun=All')).status, 201);
  assert.equal((await t.send('GET', `${maps}/c`)).status, 404);
  await apply(`${maps}/c`, map({ x: '1' }));
  const dry = await apply(`${maps}/c`, map({ x: '2' }), 'fieldManager=n&force=true&dryRun=All');
  assert.deepEqual(managers(dry), ['n Apply']);
  assert.deepEqual(managers(await t.send('GET', `${maps}/c`)), ['m Apply']);
});

test('apply: a revision is a precondition of a change, not of a create', async () => {
  const created = await apply(`${maps}/c`, map({ x: '1' }, { resourceVersion: '5' }));
  assert.equal(created.status, 201);
  assert.equal((await apply(`${maps}/c`, map({ x: '2' }, { resourceVersion: '1' }))).status, 409);
  const { resourceVersion } = meta(created);
  assert.equal((await apply(`${maps}/c`, map({ x: '2' }, { resourceVersion }))).status, 200);
});

test('apply: only times would change when defaults bring everything back, so nothing changes', async () => {
  await apply(`${deployments}/d`, deployment({ replicas: 1 }));
  await t.clock.advance(60_000);
  // Without omitempty the raw configuration differs from the live object each time.
  const spec = { replicas: 1, paused: false };
  const first = await apply(`${deployments}/d`, deployment(spec));
  await t.clock.advance(60_000);
  const second = await apply(`${deployments}/d`, deployment(spec));
  assert.deepEqual(second.body, first.body);
});

test('apply: un-applied replicas come back as the default', async () => {
  await apply(`${deployments}/d`, deployment({ replicas: 4 }));
  const next = await apply(`${deployments}/d`, deployment());
  assert.equal((next.body.spec as unknown as { replicas: number }).replicas, 1);
  assert.equal(meta(next).generation, 2);
});

test('apply: a status is applied through its subresource only', async () => {
  await apply(`${deployments}/d`, { ...deployment(), status: { replicas: 7 } });
  assert.deepEqual((await t.send('GET', `${deployments}/d`)).body.status, {});
  const { apiVersion, kind, metadata } = deployment();
  const status = { apiVersion, kind, metadata, spec: { replicas: 9 }, status: { replicas: 7 } };
  const applied = await apply(`${deployments}/d/status`, status, 'fieldManager=s');
  assert.deepEqual(applied.body.status, { replicas: 7 });
  assert.equal((applied.body.spec as unknown as { replicas: number }).replicas, 1);
  assert.deepEqual(managers(applied), ['m Apply', 's Apply/status']);
});

test('apply: a subresource of what does not exist is not found', async () => {
  assert.equal((await apply(`${deployments}/d/status`, deployment())).status, 404);
  assert.equal((await apply(`${deployments}/d/scale`, scale(3))).status, 404);
});

test('apply: a scale conflicts with who applied the replicas, and force hands them over', async () => {
  await apply(`${deployments}/d`, deployment({ replicas: 2 }));
  const refused = await apply(`${deployments}/d/scale`, scale(3), 'fieldManager=hpa');
  assert.equal(refused.status, 409);
  assert.equal(refused.body.message, 'Apply failed with 1 conflict: conflict with "m": .spec.replicas');
  const forced = await apply(`${deployments}/d/scale`, scale(3), 'fieldManager=hpa&force=true');
  assert.equal(forced.status, 200);
  assert.deepEqual((forced.body.spec as unknown as { replicas: number }).replicas, 3);
  const after = await t.send('GET', `${deployments}/d`);
  assert.deepEqual(managers(after), ['hpa Apply/scale timeless', 'm Apply']);
  const taken = await apply(`${deployments}/d`, deployment({ replicas: 2 }));
  assert.equal(
    taken.body.message,
    'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale": .spec.replicas',
  );
});

test('apply: a scale by patch takes the replicas from their applier', async () => {
  await apply(`${deployments}/d`, deployment({ replicas: 2 }));
  await t.send(
    'PATCH',
    `${deployments}/d/scale?fieldManager=k`,
    { spec: { replicas: 5 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  const after = await t.send('GET', `${deployments}/d`);
  assert.deepEqual(managers(after), ['m Apply', 'k Update/scale timeless']);
  assert.equal(
    (await apply(`${deployments}/d`, deployment({ replicas: 2 }))).body.message,
    'Apply failed with 1 conflict: conflict with "k" with subresource "scale" using apps/v1: .spec.replicas',
  );
  // Who does not name the replicas does not mind.
  assert.equal((await apply(`${deployments}/d`, deployment())).status, 200);
});

const twice = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  x: "1"\n  x: "2"\n';
test('apply: a key that comes twice is a warning, or an error when asked to be strict', async () => {
  const warned = await apply(`${maps}/c`, twice);
  assert.equal(warned.status, 201);
  assert.match(
    warned.headers.warning!,
    /299 - "error converting YAML to JSON: yaml: unmarshal errors: {3}line 7: key \\"x\\" already set in map"/,
  );
  assert.deepEqual(warned.body.data, { x: '2' });
  const strict = await apply(`${maps}/c`, twice, 'fieldManager=m&fieldValidation=Strict');
  assert.equal(strict.status, 400);
  assert.match(String(strict.body.message), /^error strict decoding YAML: error converting YAML to JSON: yaml: /);
  const ignored = await apply(`${maps}/c`, twice, 'fieldManager=m&fieldValidation=Ignore');
  assert.equal(ignored.headers.warning, undefined);
});

const refusals: readonly (readonly [string, unknown, string, number, RegExp])[] = [
  ['an empty body', '', 'fieldManager=m', 400, /^invalid object type: \/, Kind=$/],
  ['a list', '[]', 'fieldManager=m', 400, /^error decoding YAML: .*cannot unmarshal array into Go value/],
  ['a text', 'hello', 'fieldManager=m', 400, /^error decoding YAML: .*cannot unmarshal string into Go value/],
  ['no YAML', '{a: b', 'fieldManager=m', 400, /^error decoding YAML: error converting YAML to JSON: yaml: /],
  ['no manager', map(), '', 422, /fieldManager: Required value: is required for apply patch$/],
  ['a manager out of bounds', map(), `fieldManager=${'x'.repeat(129)}`, 422, /fieldManager: Too long/],
  [
    'another namespace',
    map({}, { namespace: 'b' }),
    'fieldManager=m',
    400,
    /^the namespace of the provided object does not match the namespace sent on the request$/,
  ],
  [
    'another name',
    map({}, { name: 'e' }),
    'fieldManager=m',
    400,
    /^the name of the object \(e\) does not match the name on the URL \(c\)$/,
  ],
  [
    'no name',
    { apiVersion: 'v1', kind: 'ConfigMap' },
    'fieldManager=m',
    400,
    /^the name of the object \(c based on URL\) was undeterminable: name must be provided$/,
  ],
  [
    'a uid of nobody',
    map({}, { uid: 'u' }),
    'fieldManager=m',
    409,
    /uid mismatch: the provided object specified uid u, and no existing/,
  ],
  [
    'a value that does not decode',
    { ...map(), binaryData: { a: '%' } },
    'fieldManager=m',
    500,
    /^failed to convert new object \(\/c; \/v1, Kind=ConfigMap\)/,
  ],
];
for (const [name, body, query, code, message] of refusals)
  test(`apply: refuses ${name}`, async () => {
    const answer = await apply(`${maps}/c`, body, query);
    assert.equal(answer.status, code, answer.text);
    assert.match(String(answer.body.message), message);
  });

test('apply: who may not create may not create by applying', async () => {
  await t.stop();
  t = await startTestServer({
    security: () => ({
      authenticate: () => ({ name: 'tester', groups: [] }),
      authorizer: {
        ...alwaysAllow,
        authorize: (attributes) =>
          attributes.verb === 'create' ? { kind: 'noOpinion', reason: 'no' } : { kind: 'allow', reason: '' },
      } as typeof alwaysAllow,
      admission: [],
    }),
  });
  assert.equal((await apply(`${maps}/c`, map({ x: '1' }))).status, 403);
});

test('apply: writers at once all succeed where they do not contest a field', async () => {
  const answers = await Promise.all(
    ['p', 'q', 'r', 's', 't'].map((name) => apply(`${maps}/c`, map({ [name]: '1' }), `fieldManager=${name}`)),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 201]);
  const { body } = await t.send('GET', `${maps}/c`);
  assert.deepEqual(body.data, { p: '1', q: '1', r: '1', s: '1', t: '1' });
});

test('apply: an object of its own updater and applier keeps both entries', async () => {
  await t.create(`${maps}?fieldManager=m`, map({ x: '1' }));
  const answer = await apply(`${maps}/c`, map({ x: '1', y: '1' }));
  assert.deepEqual(managers(answer), ['m Apply', 'm Update']);
});

test('apply: a client that empties managedFields makes the next apply start from before-first-apply', async () => {
  await apply(`${maps}/c`, map({ x: '1', z: '1' }));
  const merge = { 'content-type': 'application/merge-patch+json' };
  await t.send('PATCH', `${maps}/c`, { metadata: { managedFields: [{}] } }, merge);
  const answer = await apply(`${maps}/c`, map({ x: '1' }));
  assert.deepEqual(managers(answer), ['m Apply timeless', 'before-first-apply Update']);
  assert.deepEqual(answer.body.data, { x: '1', z: '1' });
});

test('apply: fields that admission put in another order are no change', async () => {
  await t.stop();
  const addsData: AdmissionPlugin = {
    name: 'AddsData',
    handles: (operation) => operation === 'CREATE',
    // Before `data`, where decoding never puts it.
    admit: ({ object }) => ({ ...withoutData(object!), immutable: false, data: object!.data! }),
  };
  t = await startTestServer({
    security: () => ({
      authenticate: () => ({ name: 'tester', groups: [] }),
      authorizer: alwaysAllow,
      admission: [addsData],
    }),
  });
  const created = await apply(`${maps}/c`, map({ x: '1' }));
  assert.match(created.text, /"immutable":false,"data"/);
  const again = await apply(`${maps}/c`, map({ x: '1' }));
  assert.equal(meta(again).resourceVersion, meta(created).resourceVersion);
  const put = await t.send('PUT', `${maps}/c`, { ...map({ x: '1' }), immutable: false });
  assert.equal(put.status, 200);
  assert.equal(meta(put).resourceVersion, meta(created).resourceVersion);
});

function withoutData({ data: _data, ...rest }: JsonObject): JsonObject {
  return rest;
}
