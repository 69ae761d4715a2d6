import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeObject } from '../codec/index.ts';
import { createConversionHub } from '../conversion/hub.ts';
import { createBuiltinDefaulter } from '../defaulting/index.ts';
import { isApiError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { createFieldManager } from '../managed-fields/managed-fields.ts';
import { ownableFields, resetFields } from '../managed-fields/reset-fields.ts';
import { builtinSchema } from '../schema/builtin.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { type ApplyRequest, createApplier } from './apply.ts';

const schema = builtinSchema;
const defaulter = createBuiltinDefaulter(schema);
const hub = createConversionHub(schema);
const fields = createFieldManager();

/** One object and those who write it, as the API server would. */
class Subject {
  readonly #applier = createApplier();
  readonly #group: string;
  readonly #kind: string;
  #minute = 0;
  live: JsonObject | undefined;

  constructor(group: string, kind: string) {
    this.#group = group;
    this.#kind = kind;
  }

  #gvk(apiVersion: string) {
    return { group: this.#group, version: apiVersion.split('/').at(-1)!, kind: this.#kind };
  }

  get now(): string {
    return `2026-01-01T00:${String(this.#minute).padStart(2, '0')}:00Z`;
  }

  apply(
    manager: string,
    config: JsonObject,
    options: { readonly force?: boolean; readonly subresource?: string; readonly apiVersion?: string } = {},
  ): JsonObject {
    this.#minute++;
    const apiVersion = options.apiVersion ?? String(config.apiVersion);
    const type = schema.byGvk(this.#gvk(apiVersion))!;
    const to = (object: JsonObject, version: string): JsonObject =>
      object.apiVersion === version ? object : hub.convert(object, this.#gvk(version));
    const request: ApplyRequest = {
      live: this.live === undefined ? undefined : to(this.live, apiVersion),
      config,
      type,
      apiVersion,
      kind: this.#kind,
      manager,
      subresource: options.subresource ?? '',
      force: options.force ?? false,
      now: this.now,
      ignored: resetFields(this.#group, `${this.#kind.toLowerCase()}s`, options.subresource ?? ''),
      decode: (tree, version) => this.#decode(tree, version),
      applyDefaults: (object) => defaulter(object, type),
      typeOf: (version) => (version.startsWith(this.#group) ? schema.byGvk(this.#gvk(version)) : undefined),
      convert: to,
    };
    this.live = this.#applier.apply(request);
    return this.live;
  }

  #decode(tree: JsonValue, apiVersion: string): JsonObject {
    return decodeObject({ value: tree }, schema.byGvk(this.#gvk(apiVersion))!, { fieldValidation: 'Ignore' }).object;
  }

  /** PUT of the present object, changed. */
  update(
    manager: string,
    change: (object: JsonObject) => JsonObject,
    apiVersion = String(this.live!.apiVersion),
  ): void {
    this.#minute++;
    const live = this.live!.apiVersion === apiVersion ? this.live! : hub.convert(this.live!, this.#gvk(apiVersion));
    const type = schema.byGvk(this.#gvk(apiVersion))!;
    const next = defaulter(this.#decode(change(live), apiVersion), type);
    this.live = fields.update({
      previous: live,
      next,
      type,
      manager,
      apiVersion,
      now: this.now,
      ignored: [['status']],
      convert: (object, version) => ({
        object: object.apiVersion === version ? object : hub.convert(object, this.#gvk(version)),
        type: schema.byGvk(this.#gvk(version))!,
      }),
    });
  }

  get entries(): readonly ManagedFieldsEntry[] {
    const { managedFields } = this.live!.metadata as unknown as { managedFields?: readonly ManagedFieldsEntry[] };
    return managedFields ?? [];
  }

  owns(manager: string): unknown {
    return this.entries.find((entry) => entry.manager === manager)?.fieldsV1;
  }

  error(run: () => unknown): { readonly code: number; readonly message: string } {
    try {
      run();
    } catch (error) {
      if (isApiError(error)) return { code: error.code, message: error.message };
      throw error;
    }
    throw new Error('No error');
  }
}

const configMap = (data: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'c', ...metadata },
  ...(Object.keys(data).length === 0 ? {} : { data }),
});
const pod = (spec: JsonObject): JsonObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });
const containers = (...list: JsonObject[]): JsonObject => pod({ containers: list });
const specOf = (subject: Subject) => subject.live!.spec as { readonly containers: readonly JsonObject[] } & JsonObject;
const names = (items: readonly JsonObject[]): string => items.map(({ name }) => String(name)).join(' ');

test('apply: a create owns what the configuration says and nothing that was defaulted', () => {
  const s = new Subject('', 'Pod');
  s.apply('a', containers({ name: 'x', image: 'i' }));
  assert.deepEqual(s.entries, [
    {
      manager: 'a',
      operation: 'Apply',
      apiVersion: 'v1',
      time: s.now,
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:containers': { 'k:{"name":"x"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
    },
  ]);
  assert.equal(specOf(s).restartPolicy, 'Always');
});

test('apply: the same again is the same object', () => {
  const s = new Subject('', 'Pod');
  const first = s.apply('a', containers({ name: 'x', image: 'i', ports: [{ containerPort: 1 }] }));
  assert.equal(s.apply('a', containers({ name: 'x', image: 'i', ports: [{ containerPort: 1 }] })), first);
});

test('apply: two appliers of one value share it, and neither takes it away alone', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({ k: '1' }));
  s.apply('b', configMap({ k: '1' }));
  s.apply('a', configMap({}));
  assert.deepEqual(s.live!.data, { k: '1' });
  s.apply('b', configMap({}));
  assert.equal(s.live!.data, undefined);
});

test('apply: an applier that shares a value and changes it meets the other one', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({ k: '1' }));
  s.apply('b', configMap({ k: '1' }));
  assert.deepEqual(
    s.error(() => s.apply('a', configMap({ k: '2' }))),
    { code: 409, message: 'Apply failed with 1 conflict: conflict with "b": .data.k' },
  );
});

test('apply: several conflicts are grouped by manager, updaters with their version', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('b', configMap({ x: '1', y: '1' }));
  s.update('editor', (object) => ({ ...object, data: { ...(object.data as JsonObject), z: '1' } }));
  const { message } = s.error(() => s.apply('a', configMap({ x: '2', y: '2', z: '2' })));
  assert.equal(
    message,
    'Apply failed with 3 conflicts: conflicts with "b":\n- .data.x\n- .data.y\nconflicts with "editor" using v1:\n- .data.z',
  );
});

test('apply: force takes the fields and leaves the others with the rest', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('b', configMap({ x: '1', y: '1' }));
  s.apply('a', configMap({ x: '2' }), { force: true });
  assert.deepEqual(s.owns('a'), { 'f:data': { 'f:x': {} } });
  assert.deepEqual(s.owns('b'), { 'f:data': { 'f:y': {} } });
});

test('apply: whoever asks for nothing any more is no manager any more', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({ x: '1' }));
  s.apply('a', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } });
  assert.deepEqual(s.entries, []);
});

test('apply: a second applier of an empty map that is not kept has a conflict, as upstream', () => {
  const s = new Subject('', 'ConfigMap');
  const empty = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: {} };
  s.apply('a', empty);
  assert.equal(s.error(() => s.apply('b', empty)).message, 'Apply failed with 1 conflict: conflict with "a": .data');
});

test('apply: an empty map is owned as such, an empty keyed list is not', () => {
  const s = new Subject('', 'Pod');
  s.apply(
    'a',
    pod({ containers: [{ name: 'x', image: 'i' }], nodeSelector: {}, hostAliases: [], securityContext: {} }),
  );
  assert.deepEqual(s.owns('a'), {
    'f:spec': {
      'f:containers': { 'k:{"name":"x"}': { '.': {}, 'f:image': {}, 'f:name': {} } },
      // nodeSelector is atomic.
      'f:nodeSelector': {},
      'f:securityContext': {},
    },
  });
});

test('apply: an item that an applier drops goes, though another set a field in it without owning the item', () => {
  const s = new Subject('', 'Pod');
  s.apply('a', containers({ name: 'x', image: 'i' }, { name: 'y', image: 'j' }));
  s.update('editor', (object) => {
    const { spec } = object as { spec: { containers: JsonObject[] } };
    return { ...object, spec: { ...spec, containers: [spec.containers[0]!, { ...spec.containers[1]!, image: 'k' }] } };
  });
  assert.deepEqual(s.owns('editor'), { 'f:spec': { 'f:containers': { 'k:{"name":"y"}': { 'f:image': {} } } } });
  s.apply('a', containers({ name: 'x', image: 'i' }));
  assert.equal(names(specOf(s).containers), 'x');
  assert.equal(s.owns('editor'), undefined);
});

test('apply: an item that another applier asks for stays without the fields of the first', () => {
  const s = new Subject('', 'Pod');
  s.apply('a', containers({ name: 'x', image: 'i' }, { name: 'y', image: 'j', command: ['c'] }));
  s.apply('b', containers({ name: 'y', image: 'j' }));
  s.apply('a', containers({ name: 'x', image: 'i' }));
  const [, y] = specOf(s).containers;
  assert.equal(y!.image, 'j');
  assert.equal(y!.command, undefined);
});

test('apply: defaults below a struct that its only owner drops come back, others stay', () => {
  const s = new Subject('', 'Pod');
  s.apply('a', pod({ containers: [{ name: 'x', image: 'i', livenessProbe: { httpGet: { port: 80 } } }] }));
  assert.equal((specOf(s).containers[0]!.livenessProbe as JsonObject).periodSeconds, 10);
  s.apply('a', containers({ name: 'x', image: 'i' }));
  assert.equal(specOf(s).containers[0]!.livenessProbe, undefined);
});

const orders: readonly (readonly [string, string, string, string])[] = [
  ['an item of the configuration goes behind those that are there', 'a b', 'c', 'a b c'],
  ['shared items come in the order of the configuration', 'a b c', 'c a', 'b c a'],
  ['what stands before a shared item stays before it', 'x a y b', 'a b', 'x a y b'],
  ['a new item stands before the shared one that follows it', 'x a y', 'n a', 'x n a y'],
  ['a full turn', 'a b c', 'c b a', 'c b a'],
];
for (const [name, first, second, want] of orders)
  test(`apply: order of items: ${name}`, () => {
    const s = new Subject('', 'Pod');
    const list = (text: string) => containers(...text.split(' ').map((n) => ({ name: n, image: 'i' })));
    s.apply('one', list(first));
    s.apply('two', list(second));
    assert.equal(names(specOf(s).containers), want);
  });

test('apply: sets are united, and each applier takes out only its own values', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({}, { finalizers: ['e.com/1', 'e.com/2'] }));
  s.apply('b', configMap({}, { finalizers: ['e.com/2', 'e.com/3'] }));
  s.apply('a', configMap({}, { finalizers: ['e.com/1'] }));
  assert.deepEqual((s.live!.metadata as JsonObject).finalizers, ['e.com/1', 'e.com/2', 'e.com/3']);
  s.apply('b', configMap({}));
  assert.deepEqual((s.live!.metadata as JsonObject).finalizers, ['e.com/1']);
});

test('apply: a key that is left out has its default', () => {
  const s = new Subject('', 'Pod');
  s.apply('a', containers({ name: 'x', image: 'i', ports: [{ containerPort: 53 }] }));
  s.apply('b', containers({ name: 'x', ports: [{ containerPort: 53, protocol: 'UDP' }] }));
  s.apply('c', containers({ name: 'x', ports: [{ containerPort: 53, protocol: 'TCP', hostPort: 1 }] }));
  assert.deepEqual(specOf(s).containers[0]!.ports, [
    { hostPort: 1, containerPort: 53, protocol: 'TCP' },
    { containerPort: 53, protocol: 'UDP' },
  ]);
});

test('apply: an object nobody was tracked on belongs to before-first-apply', () => {
  const s = new Subject('', 'ConfigMap');
  s.live = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'c', uid: 'u' }, data: { x: '1', y: '1' } };
  assert.equal(
    s.error(() => s.apply('a', configMap({ x: '2' }))).message,
    'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.x',
  );
  s.apply('a', configMap({ x: '2' }), { force: true });
  assert.deepEqual(
    s.entries.map(({ manager, operation, fieldsV1 }) => [manager, operation, fieldsV1]),
    [
      ['a', 'Apply', { 'f:data': { 'f:x': {} } }],
      ['before-first-apply', 'Update', { 'f:data': { '.': {}, 'f:y': {} } }],
    ],
  );
});

test('apply: the manager of an Update entry and its Apply entry are two', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('m', configMap({ x: '1' }));
  s.update('m', (object) => ({ ...object, data: { x: '1', y: '1' } }));
  assert.deepEqual(
    s.entries.map(({ manager, operation }) => `${manager} ${operation}`),
    ['m Apply', 'm Update'],
  );
});

test('apply: a time changes with the object, not with the set alone', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({ x: '1' }));
  const created = s.now;
  s.apply('b', configMap({ x: '1' }));
  assert.deepEqual(
    s.entries.map(({ manager, time }) => [manager, time]),
    [
      ['b', undefined],
      ['a', created],
    ],
  );
});

test('apply: status sent to the main resource is merged but owned by nobody', () => {
  const s = new Subject('apps', 'Deployment');
  const identity = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' } };
  const base = {
    ...identity,
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', image: 'i' }] } },
    },
  };
  s.apply('a', { ...base, status: { replicas: 3 } });
  assert.equal((s.owns('a') as JsonObject)['f:status'], undefined);
  s.apply('k', { ...identity, status: { replicas: 3 } }, { subresource: 'status' });
  assert.deepEqual(s.owns('k'), { 'f:status': { 'f:replicas': {} } });
});

const hpa = (apiVersion: string, spec: JsonObject): JsonObject => ({
  apiVersion,
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'h' },
  spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, ...spec },
});

test('apply: an applier that moves to another version keeps one entry and what it dropped goes', () => {
  const s = new Subject('autoscaling', 'HorizontalPodAutoscaler');
  s.apply('a', hpa('autoscaling/v1', { maxReplicas: 3, minReplicas: 2, targetCPUUtilizationPercentage: 50 }));
  s.apply('a', hpa('autoscaling/v2', { maxReplicas: 3 }));
  const spec = s.live!.spec as JsonObject;
  assert.equal(spec.minReplicas, 1);
  assert.deepEqual(
    s.entries.map(({ manager, apiVersion }) => `${manager} ${apiVersion}`),
    ['a autoscaling/v2'],
  );
});

test('apply: a field that another owns in another version is a conflict', () => {
  const s = new Subject('autoscaling', 'HorizontalPodAutoscaler');
  s.apply('a', hpa('autoscaling/v1', { maxReplicas: 3 }));
  assert.equal(
    s.error(() => s.apply('b', hpa('autoscaling/v2', { maxReplicas: 4 }))).message,
    'Apply failed with 1 conflict: conflict with "a": .spec.maxReplicas',
  );
});

test('apply: what another owns in another version is not pruned', () => {
  const s = new Subject('autoscaling', 'HorizontalPodAutoscaler');
  s.apply('a', hpa('autoscaling/v1', { maxReplicas: 3, minReplicas: 2 }));
  s.apply('b', hpa('autoscaling/v2', { maxReplicas: 3, minReplicas: 2 }));
  s.apply('a', hpa('autoscaling/v1', { maxReplicas: 3 }));
  assert.equal((s.live!.spec as JsonObject).minReplicas, 2);
  s.apply('b', hpa('autoscaling/v2', { maxReplicas: 3 }));
  assert.equal((s.live!.spec as JsonObject).minReplicas, 1);
});

test('apply: entries of versions that are not served any more are dropped', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({ x: '1' }));
  const gone = { ...s.entries[0]!, manager: 'old', apiVersion: 'v0' } as unknown as JsonObject;
  s.live = {
    ...s.live!,
    metadata: { ...(s.live!.metadata as JsonObject), managedFields: [...s.entries, gone] as never },
  };
  s.apply('b', configMap({ y: '1' }));
  assert.deepEqual(
    s.entries.map(({ manager }) => manager),
    ['a', 'b'],
  );
});

test('apply: the same quantity in other words is a change, as upstream', () => {
  const s = new Subject('', 'Pod');
  s.apply('a', containers({ name: 'x', image: 'i', resources: { limits: { cpu: '1' } } }));
  assert.match(
    s.error(() => s.apply('b', containers({ name: 'x', resources: { limits: { cpu: '1000m' } } }))).message,
    /conflict with "a": \.spec\.containers\[name="x"\]\.resources\.limits\.cpu$/,
  );
});

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

function clientSide(data: JsonObject, recorded: JsonObject): Subject {
  const s = new Subject('', 'ConfigMap');
  const annotations = { [lastApplied]: JSON.stringify(configMap(recorded)) };
  s.live = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'c', uid: 'u' } };
  s.live = fields.update({
    next: { ...configMap(data, { annotations }) },
    type: schema.byGvk({ group: '', version: 'v1', kind: 'ConfigMap' })!,
    manager: 'kubectl-client-side-apply',
    apiVersion: 'v1',
    now: s.now,
  });
  return s;
}

test('apply: kubectl goes over what it had applied on the client side without a conflict, and keeps the record', () => {
  const s = clientSide({ x: '1' }, { x: '1' });
  s.apply('kubectl', configMap({ x: '2' }));
  const { annotations } = s.live!.metadata as unknown as { annotations: Record<string, string> };
  assert.deepEqual(s.live!.data, { x: '2' });
  assert.equal(
    annotations[lastApplied],
    '{"apiVersion":"v1","data":{"x":"2"},"kind":"ConfigMap","metadata":{"name":"c"}}\n',
  );
});

test('apply: kubectl meets a conflict where somebody changed what it had recorded', () => {
  const s = clientSide({ x: '9', y: '1' }, { x: '1', y: '1' });
  assert.equal(
    s.error(() => s.apply('kubectl', configMap({ x: '2', y: '2' }))).message,
    'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.x',
  );
});

test('apply: no other manager may use the record', () => {
  const s = clientSide({ x: '1' }, { x: '1' });
  assert.equal(s.error(() => s.apply('tool', configMap({ x: '2' }))).code, 409);
});

const bad: readonly (readonly [string, JsonObject, number, string])[] = [
  ['a list of managers', configMap({}, { managedFields: [] }), 400, 'metadata.managedFields must be nil'],
  ['no kind', { metadata: { name: 'c' } }, 400, 'invalid object type: /, Kind='],
  ['another kind', { apiVersion: 'v1', kind: 'Secret' }, 400, 'invalid object type: /v1, Kind=Secret'],
  ['an odd apiVersion', { apiVersion: 'a/b/c', kind: 'ConfigMap' }, 400, 'invalid object type: /, Kind='],
  [
    'an unknown field',
    { ...configMap({}), zzz: 1 },
    500,
    'failed to create typed patch object (/c; /v1, Kind=ConfigMap): .zzz: field not declared in schema',
  ],
  [
    'a number for a string',
    configMap({ a: 1 }, { namespace: 'n' }),
    500,
    'failed to create typed patch object (n/c; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:1}',
  ],
  [
    'a list for a map, and a string for a boolean',
    { ...configMap({}), data: ['a', 1], immutable: 'yes' },
    500,
    'failed to create typed patch object (/c; /v1, Kind=ConfigMap): errors:\n  .data: expected map, got &{[a 1]}\n  .immutable: expected boolean, got &{yes}',
  ],
  [
    'a set with an object in it',
    configMap({}, { finalizers: [{}] }),
    500,
    "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .metadata.finalizers: element 0: associative list without keys has an element that's a map type",
  ],
  [
    'a null owner',
    configMap({}, { ownerReferences: [null] }),
    500,
    'failed to create typed patch object (/c; /v1, Kind=ConfigMap): .metadata.ownerReferences: element 0: associative list with keys may not have a null element',
  ],
];
for (const [name, config, code, message] of bad)
  test(`apply: refuses ${name}`, () => {
    const s = new Subject('', 'ConfigMap');
    assert.deepEqual(
      s.error(() => s.apply('a', config, { apiVersion: 'v1' })),
      { code, message },
    );
  });

test('apply: refuses two items of one key, wherever they are', () => {
  const s = new Subject('', 'Pod');
  assert.match(
    s.error(() =>
      s.apply('a', containers({ name: 'x', ports: [{ containerPort: 1 }, { containerPort: 1, protocol: 'TCP' }] })),
    ).message,
    /\.spec\.containers\[name="x"\]\.ports: duplicate entries for key \[containerPort=1,protocol="TCP"\]$/,
  );
});

test('apply: nulls ask for the field and take its value', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap({ x: '1' }));
  s.apply('a', configMap({ x: null }));
  assert.deepEqual(s.live!.data, { x: '' });
  assert.deepEqual(s.owns('a'), { 'f:data': { 'f:x': {} } });
});

test('apply: a key named __proto__ is a key', () => {
  const s = new Subject('', 'ConfigMap');
  s.apply('a', configMap(JSON.parse('{"__proto__":"1"}') as JsonObject));
  s.apply('b', configMap(JSON.parse('{"__proto__":"1","x":"2"}') as JsonObject));
  assert.equal(JSON.stringify(s.live!.data), '{"__proto__":"1","x":"2"}');
});

test('apply: an endpoint that gives only some parts lets its callers own only these', () => {
  const config = pod({ containers: [{ name: 'x', image: 'i', resources: { limits: { cpu: '1' } } }], hostname: 'h' });
  const gvk = { group: '', version: 'v1', kind: 'Pod' };
  const type = schema.byGvk(gvk)!;
  const object = createApplier().apply({
    live: undefined,
    config,
    type,
    apiVersion: 'v1',
    kind: 'Pod',
    manager: 'a',
    subresource: 'resize',
    force: false,
    now: '2026-01-01T00:00:00Z',
    ignored: resetFields('', 'pods', 'resize'),
    only: ownableFields('', 'pods', 'resize'),
    decode: (tree) => decodeObject({ value: tree }, type, { fieldValidation: 'Ignore' }).object,
    applyDefaults: (o) => o,
    typeOf: () => undefined,
    convert: (o) => o,
  });
  const [entry] = (object.metadata as unknown as { managedFields: ManagedFieldsEntry[] }).managedFields;
  assert.deepEqual(entry!.fieldsV1, {
    'f:spec': { 'f:containers': { 'k:{"name":"x"}': { '.': {}, 'f:resources': { 'f:limits': { 'f:cpu': {} } } } } },
  });
});
