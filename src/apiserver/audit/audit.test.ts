import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { alwaysAllow } from '../authorization/union.ts';
import { parseRequestInfo } from '../request-info.ts';
import { startTestServer, type TestServer, taken } from '../testdata/test-server.ts';
import { type AuditOptions, AuditPolicyError, readAuditPolicy } from './index.ts';
import { recordingOf } from './policy.ts';

const policy = (rules: readonly JsonObject[], over: JsonObject = {}): JsonValue => ({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules,
  ...over,
});

interface Recorded {
  readonly server: TestServer;
  readonly lines: string[];
  events(): readonly JsonObject[];
}

async function recording(
  rules: readonly JsonObject[],
  over: Partial<AuditOptions> & { readonly policy?: never; readonly fields?: JsonObject } = {},
  options: Parameters<typeof startTestServer>[0] = {},
): Promise<Recorded> {
  const lines: string[] = [];
  const { fields, ...more } = over;
  const server = await startTestServer({
    ...options,
    audit: {
      policy: readAuditPolicy(policy(rules, fields)),
      mode: 'blocking',
      sink: {
        write: async (text) => {
          lines.push(text);
        },
      },
      ...more,
    },
  });
  const events = (): readonly JsonObject[] =>
    lines
      .join('')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JsonObject);
  return { server, lines, events };
}

const configMaps = '/api/v1/namespaces/default/configmaps';
const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: 'b' } };

test('audit: an event at level Metadata says who, what, when and what came of it, and no body', async () => {
  const { server, events } = await recording([{ level: 'Metadata' }], { fields: { omitStages: ['RequestReceived'] } });
  await server.send('POST', `${configMaps}?fieldManager=me`, configMap, {
    'audit-id': 'id-1',
    'x-forwarded-for': '10.1.2.3, nonsense',
  });
  const [event] = events();
  assert.deepEqual(event, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'id-1',
    stage: 'ResponseComplete',
    requestURI: `${configMaps}?fieldManager=me`,
    verb: 'create',
    user: { username: 'tester', groups: ['system:masters'] },
    sourceIPs: ['10.1.2.3'],
    userAgent: 'test',
    objectRef: { resource: 'configmaps', namespace: 'default', name: 'c', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    requestReceivedTimestamp: event!.requestReceivedTimestamp!,
    stageTimestamp: event!.stageTimestamp!,
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
  assert.match(String(event!.stageTimestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  await server.stop();
});

test('audit: Request has what was sent, RequestResponse what was answered, without managed fields where they are not wanted', async () => {
  const { server, events } = await recording(
    [
      { level: 'Request', verbs: ['create', 'patch'] },
      { level: 'RequestResponse', verbs: ['get', 'list'], omitManagedFields: true },
    ],
    { fields: { omitStages: ['RequestReceived'] } },
  );
  await server.send('POST', configMaps, configMap);
  const patch = { data: { x: 'y' } };
  await server.send('PATCH', `${configMaps}/c`, patch, { 'content-type': 'application/merge-patch+json' });
  await server.send('GET', `${configMaps}/c`);
  await server.send('GET', configMaps);
  await server.send('DELETE', `${configMaps}/c`);
  const [created, patched, got, listed, ...others] = events();
  assert.deepEqual((created!.requestObject as JsonObject).data, { a: 'b' });
  assert.equal(created!.responseObject, undefined);
  assert.deepEqual(patched!.requestObject, patch);
  assert.deepEqual((got!.responseObject as JsonObject).data, { a: 'b', x: 'y' });
  assert.equal(((got!.responseObject as JsonObject).metadata as JsonObject).managedFields, undefined);
  const [item] = (listed!.responseObject as { items: JsonObject[] }).items;
  assert.equal((item!.metadata as JsonObject).managedFields, undefined);
  assert.deepEqual(others, [], 'a request that no rule is for is not recorded');
  await server.stop();
});

test('audit: a failure is told with its reason, at every level', async () => {
  const { server, events } = await recording([{ level: 'Metadata', omitStages: ['RequestReceived'] }]);
  await server.send('GET', `${configMaps}/missing`);
  assert.deepEqual(events()[0]!.responseStatus, {
    metadata: {},
    status: 'Failure',
    message: 'configmaps "missing" not found',
    reason: 'NotFound',
    details: { name: 'missing', kind: 'configmaps' },
    code: 404,
  });
  await server.stop();
});

test('audit: a watch is recorded when it begins and when it ends, once', async () => {
  const { server, events } = await recording([{ level: 'Metadata' }]);
  const stream = await server.watch(`${configMaps}?watch=true`);
  assert.deepEqual(
    events().map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted'],
  );
  taken(stream);
  stream.close();
  taken(stream);
  assert.deepEqual(
    events().map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
  );
  await server.stop();
});

test('audit: whom a caller acts as stands beside him; what admission notes stands among the annotations', async () => {
  const { server, events } = await recording(
    [{ level: 'Metadata', users: ['tester'], omitStages: ['RequestReceived'] }],
    {},
    {
      security: () => ({
        authenticate: () => ({ name: 'tester', groups: [] }),
        authorizer: alwaysAllow,
        admission: [
          {
            name: 'Noting',
            handles: () => true,
            validate: (attributes) => {
              attributes.annotate('noted.example.com/a', 'first');
              attributes.annotate('noted.example.com/a', 'second');
            },
          },
        ],
      }),
    },
  );
  await server.send('POST', configMaps, configMap, { 'impersonate-user': 'alice', 'impersonate-group': 'devs' });
  const [event] = events();
  assert.deepEqual(event!.user, { username: 'tester' });
  assert.deepEqual(event!.impersonatedUser, { username: 'alice', groups: ['devs', 'system:authenticated'] });
  assert.equal((event!.annotations as JsonObject)['noted.example.com/a'], 'first');
  await server.stop();
});

test('audit: somebody unknown is recorded with the ways he tried', async () => {
  const { ApiError } = await import('../../api/errors.ts');
  const { server, events } = await recording(
    [{ level: 'Metadata' }],
    {},
    {
      security: () => ({
        authenticate: () => {
          throw ApiError.unauthorized();
        },
        authorizer: alwaysAllow,
        admission: [],
      }),
    },
  );
  await server.send('GET', configMaps, undefined, { authorization: 'Bearer wrong' });
  const [event, ...others] = events();
  assert.deepEqual(others, []);
  assert.equal(event!.stage, 'ResponseStarted');
  assert.deepEqual(event!.user, {});
  const { code, message } = event!.responseStatus as JsonObject;
  assert.deepEqual([code, message], [401, 'Authentication failed, attempted: bearer']);
  assert.doesNotMatch(JSON.stringify(event), /wrong/);
  await server.stop();
});

test('audit: blocking answers when the event is written; strict refuses what cannot be recorded; batch does not wait', async () => {
  const gate = Promise.withResolvers<void>();
  const slow = await recording([{ level: 'Metadata', omitStages: ['RequestReceived'] }], {
    sink: { write: () => gate.promise },
  });
  let answered = false;
  const asking = slow.server.send('GET', configMaps).then(() => {
    answered = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answered, false);
  gate.resolve();
  await asking;
  await slow.server.stop();

  const broken = { write: () => Promise.reject(new Error('disk full')) };
  const metrics = createMetricsRegistry();
  const strict = await recording([{ level: 'Metadata' }], { sink: broken, mode: 'blocking-strict' }, { metrics });
  const refused = await strict.server.send('POST', configMaps, configMap);
  assert.equal(refused.status, 500);
  assert.match(String(refused.body.message), /failed to store audit event/);
  const text = await metrics.text();
  assert.match(text, /apiserver_audit_requests_rejected_total 1/);
  assert.match(text, /apiserver_audit_error_total\{plugin="log"\} 2/);
  await strict.server.stop();

  const lenient = await recording([{ level: 'Metadata' }], { sink: broken });
  assert.equal((await lenient.server.send('POST', configMaps, configMap)).status, 201);
  await lenient.server.stop();

  const batch = await recording([{ level: 'Metadata', omitStages: ['RequestReceived'] }], {
    mode: 'batch',
    batch: { bufferMax: 3, sizeMax: 100, maxWaitMs: 5_000 },
  });
  for (let i = 0; i < 5; i++) await batch.server.send('GET', configMaps);
  assert.deepEqual(batch.lines, []);
  await batch.server.clock.advance(5_000);
  assert.equal(batch.lines.length, 1, 'one write');
  assert.equal(batch.events().length, 3, 'what the buffer cannot hold is dropped');
  await batch.server.send('GET', configMaps);
  await batch.server.stop();
  assert.equal(batch.events().length, 4, 'the stop writes what is left');
});

const rule = (fields: JsonObject): JsonObject => ({ level: 'Metadata', ...fields });
for (const [name, fields, method, path, matches] of [
  ['by user', { users: ['alice'] }, 'GET', '/api/v1/pods', true],
  ['by another user', { users: ['bob'] }, 'GET', '/api/v1/pods', false],
  ['by group', { userGroups: ['x', 'devs'] }, 'GET', '/api/v1/pods', true],
  ['by verb', { verbs: ['watch', 'list'] }, 'GET', '/api/v1/pods', true],
  ['by namespace', { namespaces: ['a'] }, 'GET', '/api/v1/namespaces/a/pods', true],
  ['by no namespace', { namespaces: [''] }, 'GET', '/api/v1/nodes', true],
  ['a namespace is not of a path', { namespaces: [''] }, 'GET', '/healthz', false],
  ['by group of the API', { resources: [{ group: 'apps' }] }, 'GET', '/apis/apps/v1/deployments', true],
  ['all groups', { resources: [{ group: '*', resources: ['*'] }] }, 'GET', '/apis/a.b/v1/x', true],
  ['by resource', { resources: [{ resources: ['pods'] }] }, 'GET', '/api/v1/pods', true],
  [
    'a resource is not its subresources',
    { resources: [{ resources: ['pods'] }] },
    'GET',
    '/api/v1/namespaces/a/pods/p/log',
    false,
  ],
  ['a subresource', { resources: [{ resources: ['pods/log'] }] }, 'GET', '/api/v1/namespaces/a/pods/p/log', true],
  [
    'a subresource of everything',
    { resources: [{ resources: ['*/log'] }] },
    'GET',
    '/api/v1/namespaces/a/pods/p/log',
    true,
  ],
  ['everything of a resource', { resources: [{ resources: ['pods/*'] }] }, 'GET', '/api/v1/namespaces/a/pods/p', true],
  [
    'by name',
    { resources: [{ resources: ['pods'], resourceNames: ['p'] }] },
    'GET',
    '/api/v1/namespaces/a/pods/q',
    false,
  ],
  ['by path', { nonResourceURLs: ['/healthz*'] }, 'GET', '/healthz/ping', true],
  ['a path is no resource', { nonResourceURLs: ['*'] }, 'GET', '/api/v1/pods', false],
] as const)
  test(`audit: a rule is for a request ${name}: ${matches}`, () => {
    const read = readAuditPolicy(policy([rule(fields as JsonObject)]));
    const info = parseRequestInfo(method, path, new URLSearchParams());
    const { level } = recordingOf(read, info, { name: 'alice', groups: ['devs'] });
    assert.equal(level, matches ? 'Metadata' : 'None');
  });

test('audit: the first rule decides, stages add up, and a rule has the last word on managed fields', () => {
  const read = readAuditPolicy(
    policy(
      [
        { level: 'None', users: ['system:kube-proxy'] },
        { level: 'Request', omitStages: ['ResponseStarted'], omitManagedFields: false },
      ],
      { omitStages: ['RequestReceived'], omitManagedFields: true },
    ),
  );
  const info = parseRequestInfo('GET', '/api/v1/pods', new URLSearchParams());
  assert.equal(recordingOf(read, info, { name: 'system:kube-proxy', groups: [] }).level, 'None');
  const found = recordingOf(read, info, undefined);
  assert.deepEqual(
    [found.level, [...found.omitStages], found.omitManagedFields],
    ['Request', ['RequestReceived', 'ResponseStarted'], false],
  );
});

for (const [name, root, message] of [
  ['another kind', { apiVersion: 'audit.k8s.io/v1beta1', kind: 'Policy' }, /audit\.k8s\.io\/v1, Kind=Policy/],
  ['no rules', policy([]), /loaded illegal policy with 0 rules/],
  ['no level', policy([{}]), /^rules\[0\]\.level: Required value/],
  ['another level', policy([{ level: 'All' }]), /Unsupported value: "All"/],
  [
    'another stage',
    policy([rule({ omitStages: ['End'] })]),
    /allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic/,
  ],
  ['resources and paths', policy([rule({ nonResourceURLs: ['/x'], namespaces: ['a'] })]), /cannot apply to both/],
  ['a path without its slash', policy([rule({ nonResourceURLs: ['x'] })]), /must begin with a '\/'/],
  ['a star in the middle', policy([rule({ nonResourceURLs: ['/x*/y'] })]), /must be the final character/],
  [
    'names without a resource',
    policy([rule({ resources: [{ resourceNames: ['a'] }] })]),
    /requires at least one resource/,
  ],
  [
    'a group with its version',
    policy([rule({ resources: [{ group: 'apps/v1' }] })]),
    /rules\[0\]\.resources\.group: Invalid value: "apps\/v1"/,
  ],
  ['a misspelt field', policy([rule({ user: ['a'] })]), /unknown field "rules\[0\]\.user"/],
] as const)
  test(`audit: a policy with ${name} is refused`, () => {
    assert.throws(
      () => readAuditPolicy(root as JsonValue),
      (error) => error instanceof AuditPolicyError && message.test(error.message),
    );
  });
