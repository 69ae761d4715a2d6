import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  getIn,
  sameJson,
  setIn,
  withFields,
  withFinalizer,
  withLabel,
  withMetadata,
  withoutFinalizer,
} from './edit.ts';
import { deepFreeze } from './freeze.ts';
import type { JsonObject } from './json.ts';

const pod = deepFreeze({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', labels: { x: '1' }, finalizers: ['f'] },
  spec: { containers: [{ name: 'c' }, { name: 'd' }] },
});

test('edit: setting a value copies the path and shares the rest', () => {
  const next = setIn(pod, ['spec', 'containers', 1, 'name'], 'e');
  assert.equal(pod.spec.containers[1]!.name, 'd');
  assert.equal(next.spec.containers[1]!.name, 'e');
  assert.equal(next.metadata, pod.metadata);
  assert.equal(next.spec.containers[0], pod.spec.containers[0]);
  assert.ok(Object.isFrozen(next.spec.containers[1]));
});
test('edit: setting the same value returns the same object', () => {
  assert.equal(setIn(pod, ['metadata', 'labels', 'x'], '1'), pod);
  assert.equal(withMetadata(pod, { name: 'a' }), pod);
  assert.equal(withFields(pod, { kind: 'Pod' }), pod);
  assert.equal(setIn(pod, ['spec', 'missing', 'deep'], undefined), pod);
});
test('edit: missing objects on the way are made, undefined removes', () => {
  assert.deepEqual(getIn(setIn(pod, ['status', 'phase'], 'Running') as JsonObject, ['status']), { phase: 'Running' });
  assert.deepEqual(withLabel(pod, 'x', undefined).metadata.labels, {});
  assert.deepEqual(setIn(pod, ['spec', 'containers', 0], undefined).spec.containers, [{ name: 'd' }]);
  assert.ok(!('name' in withMetadata(pod, { name: undefined }).metadata));
});
test('edit: __proto__ and constructor are ordinary keys', () => {
  const next = setIn<JsonObject>({ data: {} }, ['data', '__proto__'], 'x');
  assert.deepEqual(Object.keys(next['data'] as JsonObject), ['__proto__']);
  assert.equal(getIn(next, ['data', '__proto__']), 'x');
  assert.equal(getIn({ data: {} }, ['data', 'constructor']), undefined);
});
test('edit: a step through a scalar or a bad index is refused', () => {
  assert.throws(() => setIn(pod, ['kind', 'x'], 1), /Not an object at kind/);
  assert.throws(() => setIn(pod, ['spec', 'containers', 5], {}), /No array index 5 at spec.containers/);
});
test('edit: finalizers are added once and the empty list goes away', () => {
  assert.equal(withFinalizer(pod, 'f'), pod);
  assert.deepEqual(withFinalizer(pod, 'g').metadata.finalizers, ['f', 'g']);
  assert.ok(!('finalizers' in withoutFinalizer(pod, 'f').metadata));
});
test('edit: equality of JSON ignores key order and undefined', () => {
  assert.ok(sameJson({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1, z: undefined }));
  assert.ok(!sameJson({ a: 1 }, { b: 1 }));
  assert.ok(!sameJson([1], [1, 2]));
  assert.ok(!sameJson({}, []));
});
