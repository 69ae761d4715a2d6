import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer, type TestServer } from '../../testdata/test-server.ts';

const base = '/apis/admissionregistration.k8s.io/v1';
const configMaps = '/api/v1/namespaces/default/configmaps';

const rules = (resources: readonly string[] = ['configmaps']): object => ({
  resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources }],
});

async function withServer(run: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startTestServer();
  try {
    await server.create('/api/v1/namespaces', { metadata: { name: 'default', labels: { team: 'a' } } });
    await run(server);
  } finally {
    await server.stop();
  }
}

async function policy(server: TestServer, spec: object, binding: object = {}): Promise<void> {
  await server.create(`${base}/validatingadmissionpolicies`, {
    metadata: { name: 'p' },
    spec: { matchConstraints: rules(), ...spec },
  });
  await server.create(`${base}/validatingadmissionpolicybindings`, {
    metadata: { name: 'b' },
    spec: { policyName: 'p', validationActions: ['Deny'], ...binding },
  });
}

const configMap = (name: string, data: object = {}): object => ({ metadata: { name }, data });

test('policies: a request that breaks a validation is refused in upstream words', () =>
  withServer(async (server) => {
    await policy(server, {
      validations: [{ expression: "object.data.?mode.orValue('') != 'bad'", message: 'mode may not be bad' }],
    });
    const { status, body } = await server.send('POST', configMaps, configMap('a', { mode: 'bad' }));
    assert.equal(status, 422, JSON.stringify(body));
    const message = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: mode may not be bad";
    assert.equal(body.message, `configmaps "a" is forbidden: ${message}`);
    assert.equal(body.reason, 'Invalid');
    assert.deepEqual((body.details as { causes: object[] }).causes, [{ message }]);
    assert.equal((await server.send('POST', configMaps, configMap('a', { mode: 'good' }))).status, 201);
  }));

test('policies: messageExpression, reason, variables, match conditions and parameters', () =>
  withServer(async (server) => {
    await server.create(configMaps, configMap('limits', { max: '2' }));
    await policy(
      server,
      {
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
        matchConditions: [{ name: 'not-limits', expression: "object.metadata.name != 'limits'" }],
        variables: [
          { name: 'max', expression: 'int(params.data.max)' },
          { name: 'count', expression: 'size(object.data)' },
        ],
        validations: [
          {
            expression: 'variables.count <= variables.max',
            messageExpression: "'%d is more than %d'.format([variables.count, variables.max])",
            reason: 'Forbidden',
          },
        ],
      },
      { paramRef: { name: 'limits', parameterNotFoundAction: 'Deny' } },
    );
    const refused = await server.send('POST', configMaps, configMap('a', { a: '1', b: '2', c: '3' }));
    assert.equal(refused.status, 403, refused.text);
    assert.match(String(refused.body.message), /denied request: 3 is more than 2$/);
    assert.equal((await server.send('POST', configMaps, configMap('b', { a: '1' }))).status, 201);
  }));

test('policies: warnings warn, and an error counts by the failure policy', () =>
  withServer(async (server) => {
    await policy(
      server,
      { validations: [{ expression: "object.data.missing == 'x'" }] },
      { validationActions: ['Warn'] },
    );
    const { status, headers } = await server.send('POST', configMaps, configMap('a', { b: '1' }));
    assert.equal(status, 201);
    assert.match(
      headers.warning ?? '',
      /Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': expression 'object.data.missing == 'x'' resulted in error: no such key: missing/,
    );
  }));

test('policies: the authorizer and the namespace can be asked', () =>
  withServer(async (server) => {
    await policy(server, {
      validations: [
        { expression: "authorizer.group('').resource('pods').namespace('default').check('get').allowed()" },
        { expression: "namespaceObject.metadata.labels['team'] == 'a'" },
        { expression: "request.userInfo.username == 'tester' && request.operation == 'CREATE'" },
      ],
    });
    const { status, text } = await server.send('POST', configMaps, configMap('a'));
    assert.equal(status, 201, text);
  }));

test('policies: an expression that does not compile is refused when the policy is written', () =>
  withServer(async (server) => {
    const { status, body } = await server.send('POST', `${base}/validatingadmissionpolicies`, {
      metadata: { name: 'p' },
      spec: { matchConstraints: rules(), validations: [{ expression: 'object.x +' }] },
    });
    assert.equal(status, 422, JSON.stringify(body));
    assert.match(
      String(body.message),
      /spec\.validations\[0\]\.expression: Invalid value: "object\.x \+": compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input/,
    );
  }));

test('policies: a mutating policy applies configurations and JSON patches', () =>
  withServer(async (server) => {
    await server.create(`${base}/mutatingadmissionpolicies`, {
      metadata: { name: 'm' },
      spec: {
        matchConstraints: rules(),
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: "Object{metadata: Object.metadata{labels: {'seen': 'yes'}}}" },
          },
          {
            patchType: 'JSONPatch',
            jsonPatch: { expression: "[JSONPatch{op: 'add', path: '/data/added', value: 'here'}]" },
          },
        ],
      },
    });
    await server.create(`${base}/mutatingadmissionpolicybindings`, {
      metadata: { name: 'm' },
      spec: { policyName: 'm' },
    });
    const { status, body } = await server.send('POST', configMaps, configMap('a', { own: '1' }));
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual(body.data, { added: 'here', own: '1' });
    assert.deepEqual((body.metadata as { labels: object }).labels, { seen: 'yes' });
  }));

test('policies: the status tells what the types of matched kinds do not allow', () =>
  withServer(async (server) => {
    await policy(server, {
      matchConstraints: {
        resourceRules: [
          { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] },
        ],
      },
      validations: [{ expression: "object.spec.replicas > '1'" }, { expression: 'object.spec.replicas > 1' }],
    });
    for (let i = 0; i < 20; i++) await server.clock.advance(10);
    const { body } = await server.send('GET', `${base}/validatingadmissionpolicies/p`);
    const { typeChecking, observedGeneration } = body.status as {
      typeChecking: { expressionWarnings: { fieldRef: string; warning: string }[] };
      observedGeneration: number;
    };
    assert.equal(observedGeneration, 1);
    assert.equal(typeChecking.expressionWarnings.length, 1);
    assert.equal(typeChecking.expressionWarnings[0]!.fieldRef, 'spec.validations[0].expression');
    assert.match(
      typeChecking.expressionWarnings[0]!.warning,
      /^apps\/v1, Kind=Deployment: .*found no matching overload for '_>_' applied to '\(int, string\)'/s,
    );
  }));
