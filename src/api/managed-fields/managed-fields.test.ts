import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deepFreeze } from '../freeze.ts';
import type { JsonObject } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { compareElements, differenceOf, type FieldSet, unionOf } from './field-set.ts';
import { createFieldManager, type ManagedFieldsUpdate } from './managed-fields.ts';
import { managerName } from './manager-name.ts';
import { resetFields } from './reset-fields.ts';

const manager = createFieldManager();
const type = (group: string, version: string, kind: string) => builtinSchema.byGvk({ group, version, kind })!;
const types = { Pod: type('', 'v1', 'Pod'), ConfigMap: type('', 'v1', 'ConfigMap'), Node: type('', 'v1', 'Node') };
const now = '2026-01-01T00:00:00Z';

function write(next: JsonObject, options: Partial<ManagedFieldsUpdate> = {}): JsonObject {
  const kind = next['kind'] as keyof typeof types;
  return manager.update({
    next: deepFreeze(next),
    type: types[kind],
    manager: 'me',
    apiVersion: 'v1',
    now,
    ...options,
  });
}
const entries = (object: JsonObject): readonly ManagedFieldsEntry[] =>
  ((object['metadata'] as JsonObject)['managedFields'] ?? []) as unknown as readonly ManagedFieldsEntry[];
/** `manager[/subresource]: {paths}` for each entry. */
const owners = (object: JsonObject): Record<string, unknown> =>
  Object.fromEntries(
    entries(object).map((e) => [`${e.manager}${e.subresource ? `/${e.subresource}` : ''}`, e.fieldsV1]),
  );
const configMap = (data: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  kind: 'ConfigMap',
  apiVersion: 'v1',
  metadata: { name: 'c', ...metadata },
  data,
});
const pod = (spec: JsonObject, status: JsonObject = {}): JsonObject => ({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'p', uid: 'u' },
  spec,
  status,
});
/** The live object with its managers, changed by `edit`. */
const edited = (object: JsonObject, edit: JsonObject): JsonObject => ({ ...object, ...edit });

test('managed fields: a creator owns what it gave, a container under its key, never spec itself', () => {
  const created = write(
    pod({ containers: [{ name: 'a', image: 'i', resources: {}, env: [{ name: 'X', value: '1' }] }] }),
  );
  assert.deepEqual(entries(created), [
    {
      manager: 'me',
      operation: 'Update',
      apiVersion: 'v1',
      time: now,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:spec': {
          'f:containers': {
            'k:{"name":"a"}': {
              '.': {},
              'f:env': { '.': {}, 'k:{"name":"X"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
              'f:image': {},
              'f:name': {},
              'f:resources': {},
            },
          },
        },
      },
    },
  ]);
  assert.ok(Object.isFrozen(entries(created)[0]!.fieldsV1));
});
test('managed fields: names, uid and the like belong to nobody', () => {
  const created = write(
    configMap({}, { namespace: 'n', uid: 'u', resourceVersion: '1', generation: 1, labels: { l: '1' } }),
  );
  assert.deepEqual(owners(created), { me: { 'f:data': {}, 'f:metadata': { 'f:labels': { '.': {}, 'f:l': {} } } } });
});
test('managed fields: an absent key with a default is part of the list key; numbers are ordered as numbers', () => {
  const ports = [{ containerPort: 443 }, { containerPort: 80, protocol: 'TCP' }];
  const fields = owners(write(pod({ containers: [{ name: 'a', ports }] })))['me'];
  const keys = Object.keys(
    ((((fields as JsonObject)['f:spec'] as JsonObject)['f:containers'] as JsonObject)['k:{"name":"a"}'] as JsonObject)[
      'f:ports'
    ] as JsonObject,
  );
  assert.deepEqual(keys, ['.', 'k:{"containerPort":80,"protocol":"TCP"}', 'k:{"containerPort":443,"protocol":"TCP"}']);
});
test('managed fields: atomic lists and maps are owned as one, sets by value', () => {
  const created = write({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: 'p', finalizers: ['a/b'] },
    spec: { containers: null, nodeSelector: { a: 'b' }, tolerations: [{ key: 'k' }] },
  } as unknown as JsonObject);
  assert.deepEqual(owners(created)['me'], {
    'f:metadata': { 'f:finalizers': { '.': {}, 'v:"a/b"': {} } },
    'f:spec': { 'f:nodeSelector': {}, 'f:tolerations': {} },
  });
});
test('managed fields: who changes a field takes it, the former owner loses it', () => {
  const live = write(configMap({ a: '1', b: '1' }, { uid: 'u' }));
  const next = write(edited(live, { data: { a: '2', b: '1', c: '3' } }), { previous: live, manager: 'other' });
  assert.deepEqual(owners(next), {
    me: { 'f:data': { '.': {}, 'f:b': {} } },
    other: { 'f:data': { 'f:a': {}, 'f:c': {} } },
  });
});
test('managed fields: the same manager gathers its fields in one entry with the new time', () => {
  const live = write(configMap({ a: '1' }, { uid: 'u' }));
  const next = write(edited(live, { data: { a: '1', c: '3' } }), { previous: live, now: '2026-01-02T00:00:00Z' });
  assert.deepEqual(owners(next), { me: { 'f:data': { '.': {}, 'f:a': {}, 'f:c': {} } } });
  assert.equal(entries(next)[0]!.time, '2026-01-02T00:00:00Z');
});
test('managed fields: what is removed is owned by nobody; an entry without fields goes', () => {
  const live = write(configMap({ a: '1' }, { uid: 'u' }));
  const { data: _gone, ...rest } = live;
  assert.deepEqual(entries(write(rest, { previous: live, manager: 'other' })), []);
});
test('managed fields: nothing changed keeps the entries as they are, times included', () => {
  const live = write(configMap({ a: '1' }, { uid: 'u' }));
  const next = write(structuredClone(live) as JsonObject, {
    previous: live,
    manager: 'other',
    now: '2027-01-01T00:00:00Z',
  });
  assert.equal(entries(next), entries(live));
});
test('managed fields: a client that knows nothing of them does not lose them', () => {
  const live = write(configMap({ a: '1' }, { uid: 'u' }));
  const next = write(configMap({ a: '1' }, { uid: 'u' }), { previous: live });
  assert.equal(entries(next), entries(live));
});
test('managed fields: one empty entry, or an empty list, forgets all managers and stops tracking', () => {
  const live = write(configMap({ a: '1' }, { uid: 'u' }));
  assert.deepEqual(entries(write(configMap({ a: '1' }, { uid: 'u', managedFields: [{}] }), { previous: live })), []);
  assert.deepEqual(entries(write(configMap({ a: '1' }, { uid: 'u' }), { previous: live, reset: true })), []);
  const untracked = deepFreeze(configMap({ a: '1' }, { uid: 'u' }));
  assert.deepEqual(entries(write(configMap({ a: '2' }, { uid: 'u' }), { previous: untracked })), []);
});
test('managed fields: malformed entries of a client are passed over for the live ones', () => {
  const live = write(configMap({ a: '1' }, { uid: 'u' }));
  const bad = [
    { manager: 'x', operation: 'Steal', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:data': {} } },
  ];
  const next = write(configMap({ a: '1' }, { uid: 'u', managedFields: bad }), { previous: live });
  assert.equal(entries(next), entries(live));
});
test('managed fields: a subresource has its own entry and the main resource does not own status', () => {
  const live = write(pod({ containers: [{ name: 'a', image: 'i' }] }, { phase: 'Pending' }), {
    ignored: resetFields('', 'pods', ''),
  });
  assert.equal((owners(live)['me'] as JsonObject)['f:status'], undefined);
  const next = write(
    edited(live, { status: { phase: 'Running', conditions: [{ type: 'Ready', lastProbeTime: null }] } }),
    {
      previous: live,
      manager: 'kubelet',
      subresource: 'status',
      ignored: resetFields('', 'pods', 'status'),
    },
  );
  assert.deepEqual(owners(next)['kubelet/status'], {
    'f:status': {
      'f:conditions': { '.': {}, 'k:{"type":"Ready"}': { '.': {}, 'f:lastProbeTime': {}, 'f:type': {} } },
      'f:phase': {},
    },
  });
});
test('managed fields: an applier loses what an updater changes, and stands before it', () => {
  const applied: ManagedFieldsEntry = {
    manager: 'applier',
    operation: 'Apply',
    apiVersion: 'v1',
    time: now,
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } },
  };
  const live = deepFreeze(
    configMap({ a: '1', b: '1' }, { uid: 'u', managedFields: [applied] as unknown as JsonObject[] }),
  );
  const next = write(edited(live, { data: { a: '2', b: '1' } }), { previous: live });
  assert.deepEqual(Object.entries(owners(next)), [
    ['applier', { 'f:data': { 'f:b': {} } }],
    ['me', { 'f:data': { 'f:a': {} } }],
  ]);
});
test('managed fields: items with the same key are owned as one', () => {
  const env = (...values: string[]): JsonObject =>
    pod({ containers: [{ name: 'a', env: values.map((value) => ({ name: 'X', value })) }] });
  const live = write(env('1', '2'));
  const containers = ((owners(live)['me'] as JsonObject)['f:spec'] as JsonObject)['f:containers'] as JsonObject;
  assert.deepEqual((containers['k:{"name":"a"}'] as JsonObject)['f:env'], { '.': {}, 'k:{"name":"X"}': {} });
});
test('managed fields: at most ten updaters; the oldest of a version become ancient-changes', () => {
  let live = write(configMap({ k0: '0' }, { uid: 'u' }), { manager: 'm00', now: '2026-01-01T00:00:00Z' });
  for (let i = 1; i < 13; i++) {
    const data = { ...(live['data'] as JsonObject), [`k${i}`]: '1' };
    const options = {
      manager: `m${String(i).padStart(2, '0')}`,
      now: `2026-01-01T00:00:${String(i).padStart(2, '0')}Z`,
    };
    live = write(edited(live, { data }), { previous: live, ...options });
  }
  assert.equal(entries(live).length, 10);
  assert.deepEqual(entries(live)[0], {
    manager: 'ancient-changes',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:03Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { '.': {}, 'f:k0': {}, 'f:k1': {}, 'f:k2': {}, 'f:k3': {} } },
  });
});
test('managed fields: entries of another version lose fields in that version; a version no longer served loses its entry', () => {
  const entry = (managerName_: string, apiVersion: string): ManagedFieldsEntry => ({
    manager: managerName_,
    operation: 'Update',
    apiVersion,
    time: now,
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { 'f:old': {}, 'f:a': {} } },
  });
  const live = deepFreeze(
    configMap(
      { a: '1' },
      { uid: 'u', managedFields: [entry('x', 'v0'), entry('y', 'gone')] as unknown as JsonObject[] },
    ),
  );
  const next = write(edited(live, { data: { a: '2' } }), {
    previous: live,
    convert: (object, apiVersion) =>
      apiVersion === 'v0'
        ? { object: { ...object, data: { old: (object['data'] as JsonObject)['a']! } }, type: types.ConfigMap }
        : undefined,
  });
  assert.deepEqual(owners(next), { me: { 'f:data': { 'f:a': {} } }, x: { 'f:data': { 'f:a': {} } } });
});
test('managed fields: the manager of a request', () => {
  for (const [fieldManager, userAgent, want] of [
    ['given', 'kubectl/v1', 'given'],
    ['', 'kubectl/v1.30.0 (linux/amd64) kubernetes/abc', 'kubectl'],
    ['', '', ''],
    ['', 'a\u0007b/1', 'ab'],
    ['', 'x'.repeat(200), 'x'.repeat(128)],
  ] as const)
    assert.equal(managerName(fieldManager, userAgent), want);
  assert.equal(entries(write(configMap({ a: '1' }), { manager: '' }))[0]!.manager, 'unknown');
});

const anySet: fc.Arbitrary<FieldSet> = fc.letrec<{ node: FieldSet }>((tie) => ({
  node: fc.dictionary(
    fc.constantFrom('f:a', 'f:b', 'k:{"n":"x"}', 'k:{"n":2}', 'v:1'),
    fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('node')),
    { maxKeys: 3 },
  ),
})).node;
const members = (set: FieldSet, path = ''): string[] =>
  Object.entries(set).flatMap(([key, child]) => {
    if (key === '.') return [path];
    const below = `${path}/${key}`;
    return Object.keys(child as FieldSet).length === 0 ? [below] : members(child as FieldSet, below);
  });
test('field sets: union and difference agree with lists of paths', () => {
  fc.assert(
    fc.property(anySet, anySet, (a, b) => {
      const [left, right] = [new Set(members(a)), new Set(members(b))];
      assert.deepEqual(new Set(members(unionOf(a, b))), left.union(right));
      assert.deepEqual(new Set(members(differenceOf(a, b) ?? {})), left.difference(right));
    }),
  );
});
test('field sets: elements are ordered by kind, then by what they hold', () => {
  const ordered = [
    'f:a',
    'f:b',
    'k:{"n":9}',
    'k:{"n":80}',
    'k:{"n":"a"}',
    'k:{"n":"ab"}',
    'v:2',
    'v:10',
    'v:"a"',
    'v:true',
    'i:0',
  ];
  assert.deepEqual([...ordered].reverse().sort(compareElements), ordered);
});
