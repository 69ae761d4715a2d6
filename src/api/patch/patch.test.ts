import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../errors.ts';
import { deepFreeze } from '../freeze.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyPatch, type PatchType } from './patch.ts';

const deployment = builtinSchema.byGvk({ group: 'apps', version: 'v1', kind: 'Deployment' })!;
const pod = builtinSchema.byGvk({ group: '', version: 'v1', kind: 'Pod' })!;

function patched(type: PatchType, before: JsonObject, patch: JsonValue, structType = deployment): JsonValue {
  return applyPatch({ type, object: deepFreeze(before), patch: deepFreeze(patch), structType });
}
const strategicSpec = (spec: JsonObject, patch: JsonObject): JsonValue | undefined =>
  (patched('strategic', { spec }, { spec: patch }, pod) as JsonObject)['spec'];
const names = (spec: JsonValue | undefined, key = 'containers'): string[] =>
  ((spec as JsonObject)[key] as readonly JsonObject[]).map((item) => `${item['name'] ?? JSON.stringify(item)}`);

const a = {
  name: 'a',
  image: '1',
  env: [
    { name: 'X', value: '1' },
    { name: 'Y', value: '2' },
  ],
};
const b = { name: 'b', image: '1' };

test('strategic patch: a list element is merged by its key, the rest stays', () => {
  assert.deepEqual(strategicSpec({ containers: [a, b] }, { containers: [{ name: 'b', image: '2' }] }), {
    containers: [a, { name: 'b', image: '2' }],
  });
});
test('strategic patch: a new element goes before the live ones, unless ordered', () => {
  assert.deepEqual(names(strategicSpec({ containers: [a, b] }, { containers: [{ name: 'n' }] })), ['n', 'a', 'b']);
  assert.deepEqual(
    names(
      strategicSpec(
        { containers: [a, b] },
        { '$setElementOrder/containers': [{ name: 'b' }, { name: 'n' }, { name: 'a' }], containers: [{ name: 'n' }] },
      ),
    ),
    ['b', 'n', 'a'],
  );
});
test('strategic patch: live elements that the order does not name keep their place among the others', () => {
  const live = ['p', 'q', 'r', 's'].map((name) => ({ name }));
  assert.deepEqual(
    names(strategicSpec({ containers: live }, { '$setElementOrder/containers': [{ name: 's' }, { name: 'q' }] })),
    ['p', 'r', 's', 'q'],
  );
});
test('strategic patch: an added element takes the place a deleted one left in the live order, as upstream', () => {
  const live = ['p', 'q', 's'].map((name) => ({ name }));
  const patch = {
    '$setElementOrder/containers': [{ name: 'q' }, { name: 'n' }],
    containers: [{ name: 'n' }, { name: 'p', $patch: 'delete' }],
  };
  assert.deepEqual(names(strategicSpec({ containers: live }, patch)), ['q', 's', 'n']);
});
test('strategic patch: an element is deleted, a list replaced, by directive', () => {
  assert.deepEqual(names(strategicSpec({ containers: [a, b] }, { containers: [{ name: 'a', $patch: 'delete' }] })), [
    'b',
  ]);
  assert.deepEqual(
    names(strategicSpec({ containers: [a, b] }, { containers: [{ $patch: 'replace' }, { name: 'only' }] })),
    ['only'],
  );
});
test('strategic patch: nested lists, deletion and order in one', () => {
  const spec = strategicSpec(
    { containers: [a] },
    {
      containers: [
        {
          name: 'a',
          '$setElementOrder/env': [{ name: 'Z' }, { name: 'Y' }],
          env: [
            { name: 'X', $patch: 'delete' },
            { name: 'Z', value: '3' },
          ],
        },
      ],
    },
  );
  assert.deepEqual(spec, {
    containers: [
      {
        name: 'a',
        image: '1',
        env: [
          { name: 'Z', value: '3' },
          { name: 'Y', value: '2' },
        ],
      },
    ],
  });
});
test('strategic patch: null removes a key, and is dropped where there is nothing to remove', () => {
  assert.deepEqual(
    strategicSpec({ hostname: 'h' }, { hostname: null, nodeName: null, securityContext: { runAsUser: null } }),
    {
      securityContext: {},
    },
  );
});
test('strategic patch: $retainKeys clears the other keys', () => {
  const before = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
  assert.deepEqual(patched('strategic', before, patch), { spec: { strategy: { type: 'Recreate' } } });
});
test('strategic patch: a map is replaced or emptied by directive', () => {
  const before = { metadata: { labels: { x: '1' }, annotations: { y: '2' } } };
  const patch = { metadata: { labels: { $patch: 'replace', z: '3' }, annotations: { $patch: 'delete' } } };
  assert.deepEqual(patched('strategic', before, patch), { metadata: { labels: { z: '3' }, annotations: {} } });
});
test('strategic patch: scalars are merged, deleted and ordered', () => {
  const before = { metadata: { finalizers: ['a/a', 'b/b'] } };
  const finalizers = (patch: JsonObject): unknown =>
    ((patched('strategic', before, { metadata: patch }) as JsonObject)['metadata'] as JsonObject)['finalizers'];
  assert.deepEqual(finalizers({ finalizers: ['c/c', 'a/a'] }), ['c/c', 'a/a', 'b/b']);
  assert.deepEqual(finalizers({ '$deleteFromPrimitiveList/finalizers': ['a/a', 'x/x'] }), ['b/b']);
  assert.deepEqual(finalizers({ '$setElementOrder/finalizers': ['b/b', 'c/c', 'a/a'], finalizers: ['c/c'] }), [
    'b/b',
    'c/c',
    'a/a',
  ]);
});
test('strategic patch: a list without a merge key is replaced', () => {
  assert.deepEqual(strategicSpec({ tolerations: [{ key: 'a' }] }, { tolerations: [{ key: 'b' }] }), {
    tolerations: [{ key: 'b' }],
  });
});

for (const [why, patch, code, message] of [
  [
    'an element without the key',
    { containers: [{ image: 'x' }] },
    500,
    'map: map[image:x] does not contain declared merge key: name',
  ],
  [
    'an unknown directive',
    { containers: [{ name: 'a', $patch: 'bogus' }] },
    500,
    'unknown patch type: bogus in map: map[$patch:bogus name:a]',
  ],
  [
    'an element the order does not name',
    { '$setElementOrder/containers': [{ name: 'a' }], containers: [{ name: 'b', image: '2' }] },
    500,
    "The order in patch list:\n[map[image:2 name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
  ],
  [
    'an order of a list the type has not',
    { '$setElementOrder/nothing': [] },
    500,
    'unable to find api field in struct PodSpec for the json field "nothing"',
  ],
  [
    'an order that is no list',
    { '$setElementOrder/containers': 1 },
    500,
    'expected a []interface {}, but received a int64',
  ],
  ['a bad $retainKeys', { $retainKeys: ['x'], hostname: 'h' }, 400, 'invalid patch format of retainKeys'],
  ['a directive without a list', { $setElementOrder: [] }, 400, 'invalid patch format of setElementOrder list'],
  ['mixed elements', { containers: [{ name: 'c' }, 'c'] }, 500, undefined],
] as const)
  test(`strategic patch: refuses ${why}`, () => {
    assert.throws(
      () => strategicSpec({ containers: [a, b] }, patch as unknown as JsonObject),
      (error: unknown) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.code, code);
        if (message !== undefined) assert.equal(error.message, message);
        return true;
      },
    );
  });

test('merge patch: nulls remove, arrays are replaced, new maps lose their nulls', () => {
  assert.deepEqual(
    patched('merge', { a: { b: 1, c: 2 }, l: [1, 2] }, { a: { b: null }, l: [3], n: { x: null, y: [{ z: null }] } }),
    { a: { c: 2 }, l: [3], n: { y: [{}] } },
  );
});
test('merge patch: __proto__ is an ordinary key', () => {
  const result = patched('merge', { data: {} }, JSON.parse('{"data":{"__proto__":"x"}}')) as JsonObject;
  assert.deepEqual(Object.entries(result['data'] as JsonObject), [['__proto__', 'x']]);
});
test('merge patch: must be an object', () => {
  assert.throws(() => patched('merge', {}, [1]), {
    message: 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  });
});

const document = { a: { b: 1, 'c/d': 2, 'e~f': 3 }, l: [1, 2, 3] };
for (const [why, operations, want] of [
  [
    'add, replace, remove',
    [
      { op: 'add', path: '/a/x', value: 9 },
      { op: 'replace', path: '/a/b', value: 8 },
      { op: 'remove', path: '/l/0' },
    ],
    { a: { b: 8, 'c/d': 2, 'e~f': 3, x: 9 }, l: [2, 3] },
  ],
  [
    'escaped keys',
    [
      { op: 'remove', path: '/a/c~1d' },
      { op: 'remove', path: '/a/e~0f' },
    ],
    { a: { b: 1 }, l: [1, 2, 3] },
  ],
  [
    'the end and the middle of a list',
    [
      { op: 'add', path: '/l/-', value: 4 },
      { op: 'add', path: '/l/1', value: 0 },
    ],
    { ...document, l: [1, 0, 2, 3, 4] },
  ],
  ['a negative index', [{ op: 'remove', path: '/l/-1' }], { ...document, l: [1, 2] }],
  ['move', [{ op: 'move', from: '/a/b', path: '/z' }], { a: { 'c/d': 2, 'e~f': 3 }, l: [1, 2, 3], z: 1 }],
  [
    'a copy is a value of its own',
    [
      { op: 'copy', from: '/l', path: '/m' },
      { op: 'add', path: '/m/-', value: 4 },
    ],
    { ...document, m: [1, 2, 3, 4] },
  ],
  ['replace of a missing key', [{ op: 'replace', path: '/none', value: 1 }], { ...document, none: 1 }],
  ['test of a missing key against null', [{ op: 'test', path: '/none', value: null }], document],
  ['the whole document', [{ op: 'replace', path: '', value: { x: 1 } }], { x: 1 }],
] as const)
  test(`json patch: ${why}`, () => {
    const frozen = deepFreeze(structuredClone(document)) as JsonObject;
    assert.deepEqual(patched('json', frozen, operations as unknown as JsonValue), want);
    assert.deepEqual(frozen, document);
  });

for (const [why, operations, cause] of [
  ['a failed test', [{ op: 'test', path: '/a/b', value: 2 }], 'testing value /a/b failed: test failed'],
  [
    'removing what is not there',
    [{ op: 'remove', path: '/a/none' }],
    "error in remove for path: '/a/none': Unable to remove nonexistent key: none: missing value",
  ],
  [
    'a missing parent',
    [{ op: 'add', path: '/n/x', value: 1 }],
    'add operation does not apply: doc is missing path: "/n/x": missing value',
  ],
  [
    'an index out of range',
    [{ op: 'add', path: '/l/9', value: 1 }],
    "error in add for path: '/l/9': Unable to access invalid index: 9: invalid index referenced",
  ],
  ['an unknown operation', [{ op: 'bogus', path: '/a' }], 'Unexpected kind: bogus'],
] as const)
  test(`json patch: refuses ${why} with 422`, () => {
    assert.throws(
      () => patched('json', document, operations as unknown as JsonValue),
      (error: unknown) => {
        assert.ok(error instanceof ApiError && error.cause instanceof Error);
        assert.equal(error.code, 422);
        assert.equal(error.message, 'the server rejected our request due to an error in our request');
        assert.equal(error.cause.message, cause);
        return true;
      },
    );
  });

test('json patch: limits on operations and copied bytes', () => {
  const operation = { op: 'add', path: '/x', value: 1 };
  assert.throws(() => patched('json', {}, new Array(10_001).fill(operation)), {
    message: /maximum operations in a JSON patch is 10000, got 10001/,
  });
  const doubling = Array.from({ length: 30 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }));
  assert.throws(() => applyJsonPatch({ a: ['x'.repeat(100)] }, doubling), { message: /exceeding the limit 3145728/ });
});
test('json patch: a document is not nested into itself without end', () => {
  const inner = `/a${'/b'.repeat(900)}`;
  const deep = { a: Array.from({ length: 900 }).reduce<JsonObject>((child) => ({ b: child }), {}) };
  const growing = Array.from({ length: 20 }, () => ({ op: 'copy', from: '/a', path: `${inner}/b` }));
  assert.throws(() => applyJsonPatch(deep, growing), { name: 'JsonPatchError', message: /^exceeded max depth/ });
  const many = Array.from({ length: 3000 }, () => ({ op: 'copy', from: '/a/x', path: '/a/y' }));
  assert.deepEqual(applyJsonPatch({ a: { x: [1] } }, many), { a: { x: [1], y: [1] } });
});
test('json patch: the body must be a list of operations', () => {
  assert.throws(() => patched('json', {}, { op: 'add' }), {
    message: 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
  });
  assert.throws(() => patched('json', {}, [{ op: 1 }]), {
    message: 'error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string',
  });
});

test('merge patch: applying the difference of two objects gives the second', () => {
  const tree = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(fc.integer(), fc.array(fc.integer()), fc.dictionary(fc.constantFrom('x', 'y'), fc.integer())),
  );
  const difference = (from: JsonObject, to: JsonObject): JsonObject => {
    const patch: Record<string, JsonValue> = {};
    for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) patch[key] = null;
    for (const [key, value] of Object.entries(to)) {
      const old = Object.hasOwn(from, key) ? from[key] : undefined;
      const both = [value, old].every((v) => typeof v === 'object' && v !== null && !Array.isArray(v));
      patch[key] = both ? difference(old as JsonObject, value as JsonObject) : value!;
    }
    return patch;
  };
  fc.assert(
    fc.property(tree, tree, (from, to) => {
      const plain = (v: unknown): JsonObject => JSON.parse(JSON.stringify(v));
      assert.deepEqual(patched('merge', plain(from), difference(plain(from), plain(to))), plain(to));
    }),
  );
});
