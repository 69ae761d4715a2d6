import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';
import { startTestServer, type TestServer } from '../testdata/test-server.ts';

const group = 'stable.example.com';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function crontabs(changes: object = {}, versionChanges: object = {}): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `crontabs.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'crontabs', kind: 'CronTab', shortNames: ['ct'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
          },
          additionalPrinterColumns: [{ name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' }],
          selectableFields: [{ jsonPath: '.spec.image' }],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  required: ['cronSpec'],
                  properties: {
                    cronSpec: { type: 'string', pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$' },
                    image: { type: 'string', default: 'busybox' },
                    replicas: { type: 'integer', minimum: 1, maximum: 10 },
                    ports: {
                      type: 'array',
                      'x-kubernetes-list-type': 'map',
                      'x-kubernetes-list-map-keys': ['port'],
                      items: {
                        type: 'object',
                        required: ['port'],
                        properties: { port: { type: 'integer' }, name: { type: 'string' } },
                      },
                    },
                    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  },
                },
                status: { type: 'object', properties: { replicas: { type: 'integer' } } },
              },
            },
          },
          ...versionChanges,
        },
      ],
      ...changes,
    },
  };
}

const path = (name = '', namespace = 'default'): string =>
  `/apis/${group}/v1/namespaces/${namespace}/crontabs${name === '' ? '' : `/${name}`}`;
const cron = (name: string, spec: object = { cronSpec: '* * * * *' }): object => ({
  apiVersion: `${group}/v1`,
  kind: 'CronTab',
  metadata: { name },
  spec,
});

async function withKind(run: (server: TestServer) => Promise<void>, definition: object = crontabs()): Promise<void> {
  const server = await startTestServer();
  try {
    await server.create(definitions, definition);
    await established(server);
    await run(server);
  } finally {
    await server.stop();
  }
}

async function established(server: TestServer, name = `crontabs.${group}`): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const { body } = await server.send('GET', `${definitions}/${name}`);
    const { conditions } = (body.status ?? {}) as { conditions?: { type: string; status: string }[] | null };
    if (conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) return;
    await server.clock.advance(10);
  }
  assert.fail(`${name} was not established`);
}

test('custom resources: a definition becomes established and its objects can be written and read', () =>
  withKind(async (server) => {
    const { status, body } = await server.send('POST', path(), cron('a'));
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual(body.spec, { cronSpec: '* * * * *', image: 'busybox' });
    assert.equal((body.metadata as { generation: number }).generation, 1);
    const got = await server.send('GET', path('a'));
    assert.deepEqual(got.body, body);
    const list = await server.send('GET', `/apis/${group}/v1/crontabs`);
    assert.equal(list.body.kind, 'CronTabList');
    assert.equal((list.body.items as { kind: string }[])[0]!.kind, 'CronTab');
  }));

test('custom resources: objects lie under their group in the store', () =>
  withKind(async (server) => {
    await server.create(path(), cron('a'));
    const { kvs } = await server.store.range({ key: `/registry/${group}/crontabs/default/a` });
    assert.equal(JSON.parse(Buffer.from(kvs[0]!.value).toString()).kind, 'CronTab');
  }));

test('custom resources: discovery tells of the kind with its subresources and short names', () =>
  withKind(async (server) => {
    const { body } = await server.send('GET', `/apis/${group}/v1`);
    const resources = body.resources as { name: string; shortNames?: string[] }[];
    assert.deepEqual(
      resources.map(({ name }) => name),
      ['crontabs', 'crontabs/status', 'crontabs/scale'],
    );
    assert.deepEqual(resources[0]!.shortNames, ['ct']);
    const groups = await server.send('GET', '/apis');
    assert.ok((groups.body.groups as { name: string }[]).some(({ name }) => name === group));
  }));

const invalid: readonly [name: string, spec: object, message: string][] = [
  ['a missing required field', {}, 'spec.cronSpec: Required value'],
  [
    'a pattern that does not match',
    { cronSpec: 'x' },
    `spec.cronSpec: Invalid value: "x": spec.cronSpec in body should match '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'`,
  ],
  [
    'a wrong type',
    { cronSpec: '* * * * *', replicas: 'two' },
    'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
  ],
  [
    'a number beyond its maximum',
    { cronSpec: '* * * * *', replicas: 11 },
    'spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10',
  ],
  [
    'two items of one key',
    { cronSpec: '* * * * *', ports: [{ port: 1 }, { port: 1 }] },
    'spec.ports[1]: Duplicate value: {"port":1}',
  ],
];
for (const [name, spec, message] of invalid)
  test(`custom resources: ${name} is refused in upstream's words`, () =>
    withKind(async (server) => {
      const { status, body } = await server.send('POST', path(), cron('a', spec));
      assert.equal(status, 422, JSON.stringify(body));
      assert.ok(String(body.message).includes(message), String(body.message));
    }));

test('custom resources: unknown fields are pruned, kept where the schema says so, and told of when asked', () =>
  withKind(async (server) => {
    const spec = { cronSpec: '* * * * *', other: 1, free: { any: { thing: 1 } } };
    const { headers, body } = await server.send('POST', path(), cron('a', spec));
    assert.deepEqual(body.spec, { cronSpec: '* * * * *', free: { any: { thing: 1 } }, image: 'busybox' });
    assert.equal(headers.warning, '299 - "unknown field \\"spec.other\\""');
    const strict = await server.send('POST', `${path()}?fieldValidation=Strict`, cron('b', spec));
    assert.equal(strict.status, 400);
    assert.equal(
      strict.body.message,
      'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.other"',
    );
  }));

test('custom resources: status and scale are written through their endpoints', () =>
  withKind(async (server) => {
    const made = await server.create(path(), {
      ...cron('a', { cronSpec: '* * * * *', replicas: 2 }),
      status: { replicas: 9 },
    });
    assert.equal(made.status, undefined);
    const put = await server.send('PUT', `${path('a')}/status`, {
      ...made,
      spec: { cronSpec: '1 1 1 1 1' },
      status: { replicas: 2 },
    });
    assert.equal(put.status, 200, put.text);
    assert.deepEqual(put.body.status, { replicas: 2 });
    assert.deepEqual(put.body.spec, made.spec);
    const scale = await server.send('GET', `${path('a')}/scale`);
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const table = (await server.send('GET', `${path('a')}/scale`, undefined, { accept })).body;
    assert.equal(table.kind, 'Table');
    assert.deepEqual((table.rows as { cells: unknown[] }[])[0]!.cells.slice(0, 3), ['a', 2, 2]);
    assert.deepEqual(scale.body.spec, { replicas: 2 });
    assert.deepEqual(scale.body.status, { replicas: 2 });
    const scaled = await server.send(
      'PATCH',
      `${path('a')}/scale`,
      { spec: { replicas: 3 } },
      { 'content-type': 'application/merge-patch+json' },
    );
    assert.equal(scaled.status, 200, scaled.text);
    const after = await server.send('GET', path('a'));
    assert.equal((after.body.spec as { replicas: number }).replicas, 3);
    assert.equal((after.body.metadata as { generation: number }).generation, 2);
  }));

test('custom resources: merge patches work, strategic ones are refused with 415', () =>
  withKind(async (server) => {
    await server.create(path(), cron('a'));
    const merge = await server.send(
      'PATCH',
      path('a'),
      { spec: { image: 'x' } },
      { 'content-type': 'application/merge-patch+json' },
    );
    assert.equal(merge.status, 200, merge.text);
    const strategic = await server.send(
      'PATCH',
      path('a'),
      {},
      { 'content-type': 'application/strategic-merge-patch+json' },
    );
    assert.equal(strategic.status, 415);
    assert.match(
      String(strategic.body.message),
      /application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml/,
    );
  }));

test('custom resources: server-side apply merges list maps by the schema', () =>
  withKind(async (server) => {
    const apply = (manager: string, ports: object[]) =>
      server.send(
        'PATCH',
        `${path('a')}?fieldManager=${manager}`,
        cron('a', { ...(manager === 'one' ? { cronSpec: '* * * * *' } : {}), ports }),
        { 'content-type': 'application/apply-patch+yaml' },
      );
    const first = await apply('one', [{ port: 80, name: 'http' }]);
    assert.equal(first.status, 201, first.text);
    const second = await apply('two', [{ port: 443, name: 'https' }]);
    assert.equal(second.status, 200, second.text);
    assert.deepEqual((second.body.spec as { ports: object[] }).ports, [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
    ]);
    const conflict = await apply('two', [{ port: 80, name: 'other' }]);
    assert.equal(conflict.status, 409, conflict.text);
  }));

test('custom resources: server-side apply keeps what an open schema does not name', () =>
  withKind(
    async (server) => {
      const type = { 'content-type': 'application/apply-patch+yaml' };
      const apply = (spec: object) => server.send('PATCH', `${path('a')}?fieldManager=one`, cron('a', spec), type);
      const first = await apply({ min: 1, replicas: 1, list: [{ a: null }], gone: { a: 1 } });
      assert.equal(first.status, 201, first.text);
      assert.deepEqual(first.body.spec, { gone: { a: 1 }, list: [{ a: null }], min: 1, replicas: 1 });
      const second = await apply({ min: 2, replicas: 3, list: [] });
      assert.deepEqual(second.body.spec, { list: [], min: 2, replicas: 3 }, second.text);
    },
    ruled([], { properties: { min: { type: 'integer' } }, 'x-kubernetes-preserve-unknown-fields': true }),
  ));

test('custom resources: tables show the columns of the definition', () =>
  withKind(async (server) => {
    await server.create(path(), cron('a'));
    const { body } = await server.send('GET', path(), undefined, {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    });
    assert.deepEqual(
      (body.columnDefinitions as { name: string }[]).map(({ name }) => name),
      ['Name', 'Spec'],
    );
    assert.deepEqual((body.rows as { cells: unknown[] }[])[0]!.cells, ['a', '* * * * *']);
  }));

test('custom resources: selectable fields select', () =>
  withKind(async (server) => {
    await server.create(path(), cron('a', { cronSpec: '* * * * *', image: 'red' }));
    await server.create(path(), cron('b'));
    const { body } = await server.send('GET', `${path()}?fieldSelector=spec.image%3Dred`);
    assert.deepEqual(
      (body.items as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name),
      ['a'],
    );
    const unknown = await server.send('GET', `${path()}?fieldSelector=spec.cronSpec%3Dred`);
    assert.equal(unknown.status, 400);
  }));

test('custom resources: a definition goes after its instances, also those with finalizers', () =>
  withKind(async (server) => {
    await server.create(path(), cron('a'));
    const held = await server.create(path(), {
      ...cron('b'),
      metadata: { name: 'b', finalizers: ['example.com/hold'] },
    });
    const deleted = await server.send('DELETE', `${definitions}/crontabs.${group}`);
    assert.equal(deleted.status, 200);
    await server.clock.advance(100);
    const blocked = await server.send('POST', path(), cron('c'));
    assert.equal(blocked.status, 403, blocked.text);
    const { body } = await server.send('GET', path());
    assert.equal((body.items as object[]).length, 1);
    await server.send(
      'PATCH',
      path('b'),
      { metadata: { finalizers: null } },
      { 'content-type': 'application/merge-patch+json' },
    );
    await server.clock.advance(5_000);
    assert.equal((await server.send('GET', `${definitions}/crontabs.${group}`)).status, 404);
    assert.equal((await server.send('GET', path('a'))).status, 404);
    assert.ok(held);
  }));

test('custom resources: a second definition with a taken name is not established until the name is free', () =>
  withKind(async (server) => {
    const other = crontabs({ names: { plural: 'others', kind: 'CronTab' } }) as { metadata: { name: string } };
    other.metadata.name = `others.${group}`;
    await server.create(definitions, other);
    await server.clock.advance(50);
    const get = async () =>
      (
        (await server.send('GET', `${definitions}/others.${group}`)).body.status as {
          conditions: { type: string; reason: string; message: string }[];
        }
      ).conditions;
    assert.deepEqual(
      (await get()).map(({ type, reason, message }) => [type, reason, message]),
      [
        ['NamesAccepted', 'ListKindConflict', '"CronTabList" is already in use'],
        ['Established', 'NotAccepted', 'not all names are accepted'],
      ],
    );
    await server.send('DELETE', `${definitions}/crontabs.${group}`);
    await server.clock.advance(5_000);
    await established(server, `others.${group}`);
  }));

test('custom resources: a new schema is in force for what is stored, its defaults included', () =>
  withKind(async (server) => {
    await server.create(path(), cron('a'));
    const before = await server.send('GET', `${definitions}/crontabs.${group}`);
    const next = structuredClone(before.body) as {
      spec: {
        versions: { schema: { openAPIV3Schema: { properties: { spec: { properties: Record<string, object> } } } } }[];
      };
    };
    next.spec.versions[0]!.schema.openAPIV3Schema.properties.spec.properties.color = { type: 'string', default: 'red' };
    const put = await server.send('PUT', `${definitions}/crontabs.${group}`, next);
    assert.equal(put.status, 200, put.text);
    await server.clock.advance(50);
    const { body } = await server.send('GET', path('a'));
    assert.equal((body.spec as { color: string }).color, 'red');
  }));

test('custom resources: two servers on one store serve what either was told of', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const one = await startTestServer({ store, clock });
  const two = await startTestServer({ store, clock });
  try {
    await one.create(definitions, crontabs());
    await established(two);
    await two.create(path(), cron('a'));
    assert.equal((await one.send('GET', path('a'))).status, 200);
  } finally {
    await one.stop();
    await two.stop();
  }
});

test('custom resources: a server that starts on a filled store serves at once', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const one = await startTestServer({ store, clock });
  await one.create(definitions, crontabs());
  await established(one);
  await one.create(path(), cron('a'));
  const two = await startTestServer({ store, clock });
  assert.equal((await two.send('GET', path('a'))).status, 200);
  await two.stop();
  await one.stop();
});

test('custom resources: OpenAPI v2 and v3 tell of the kind, and no longer once it is gone', () =>
  withKind(async (server) => {
    const name = 'com.example.stable.v1.CronTab';
    const v2 = async () =>
      (await server.send('GET', '/openapi/v2')).body.definitions as Record<
        string,
        { properties: Record<string, unknown> }
      >;
    const definition = (await v2())[name]!;
    assert.deepEqual(Object.keys(definition.properties), ['apiVersion', 'kind', 'metadata', 'spec', 'status']);
    const v3 = await server.send('GET', `/openapi/v3/apis/${group}/v1`);
    const paths = v3.body.paths as Record<string, { patch?: { requestBody: { content: object } } }>;
    assert.deepEqual(
      Object.keys(paths[`/apis/${group}/v1/namespaces/{namespace}/crontabs/{name}`]!.patch!.requestBody.content),
      ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'],
    );
    await server.send('DELETE', `${definitions}/crontabs.${group}`);
    await server.clock.advance(5_000);
    assert.equal((await v2())[name], undefined);
  }));

function ruled(rules: object[], spec: object): object {
  return crontabs(
    {},
    {
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: { spec: { type: 'object', ...spec, 'x-kubernetes-validations': rules } },
        },
      },
      selectableFields: undefined,
      subresources: undefined,
    },
  );
}
const counted = {
  properties: {
    min: { type: 'integer' },
    max: { type: 'integer' },
    names: { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 10 } },
  },
};

test('rules: a value that breaks a rule is refused with its message, reason and field', () =>
  withKind(
    async (server) => {
      const bad = await server.send('POST', path(), cron('a', { min: 3, max: 2 }));
      assert.equal(bad.status, 422, bad.text);
      assert.deepEqual((bad.body.details as { causes: object[] }).causes, [
        { reason: 'FieldValueInvalid', message: 'Invalid value: min 3 is above max', field: 'spec' },
        { reason: 'FieldValueForbidden', message: 'Forbidden: max must be odd', field: 'spec.max' },
      ]);
      const good = await server.send('POST', path(), cron('a', { min: 1, max: 3, names: ['x'] }));
      assert.equal(good.status, 201, good.text);
    },
    ruled(
      [
        { rule: 'self.min <= self.max', messageExpression: "'min %d is above max'.format([self.min])" },
        { rule: 'self.max % 2 == 1', message: 'max must be odd', reason: 'FieldValueForbidden', fieldPath: '.max' },
      ],
      counted,
    ),
  ));

test('rules: transition rules look at what was there', () =>
  withKind(
    async (server) => {
      await server.create(path(), cron('a', { min: 1, max: 3 }));
      const patch = (body: object) =>
        server.send('PATCH', path('a'), body, { 'content-type': 'application/merge-patch+json' });
      assert.equal((await patch({ spec: { min: 2 } })).status, 422);
      assert.equal((await patch({ spec: { max: 5 } })).status, 200);
    },
    ruled([{ rule: 'self.min == oldSelf.min', message: 'min is immutable' }], counted),
  ));

const wrongRules: readonly [name: string, rules: object[], spec: object, field: string, message: RegExp][] = [
  [
    'that does not compile',
    [{ rule: 'self.missing > 1' }],
    counted,
    'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule',
    /compilation failed: ERROR: <input>:1:5: undefined field 'missing'\n \| self\.missing > 1\n \| \.\.\.\.\^/,
  ],
  [
    'that is no yes or no',
    [{ rule: 'self.min' }],
    counted,
    'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule',
    /cel expression must evaluate to a bool/,
  ],
  [
    'that may cost too much',
    [{ rule: 'self.names.all(x, self.names.all(y, x == y))' }],
    { properties: { names: { type: 'array', items: { type: 'string' } } } },
    'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule',
    /Forbidden: estimated rule cost exceeds budget by factor of more than 100x/,
  ],
];
for (const [name, rules, spec, field, message] of wrongRules)
  test(`rules: a definition with a rule ${name} is refused`, async () => {
    const server = await startTestServer();
    const { status, body } = await server.send('POST', definitions, ruled(rules, spec));
    assert.equal(status, 422, JSON.stringify(body));
    const causes = (body.details as { causes: { field: string; message: string }[] }).causes;
    assert.ok(
      causes.some((cause) => cause.field === field && message.test(cause.message)),
      JSON.stringify(causes),
    );
    await server.stop();
  });
