import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from './freeze.ts';
import {
  type ConditionLike,
  controllerOf,
  isControlledBy,
  newControllerRef,
  parseApiVersion,
  removeCondition,
  setCondition,
} from './meta.ts';
import { unknownFieldLabel } from './selectors/unknown-field-label.ts';

const owner = { metadata: { name: 'web', uid: 'u1' } };
test('meta: the controller is the owner that says so', () => {
  const ref = newControllerRef(owner, { group: 'apps', version: 'v1', kind: 'ReplicaSet' });
  assert.deepEqual(ref, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'web',
    uid: 'u1',
    controller: true,
    blockOwnerDeletion: true,
  });
  const pod = { metadata: { name: 'p', ownerReferences: [{ ...ref, uid: 'u0', controller: false }, ref] } };
  assert.equal(controllerOf(pod), ref);
  assert.ok(isControlledBy(pod, owner));
  assert.equal(isControlledBy({ metadata: {} }, { metadata: {} }), false);
  assert.throws(
    () => newControllerRef({ metadata: { name: 'x' } }, { group: '', version: 'v1', kind: 'Pod' }),
    /no name or uid yet/,
  );
});

const at = (status: string, lastTransitionTime?: string, reason = 'R'): ConditionLike & { reason: string } => ({
  type: 'Ready',
  status,
  reason,
  ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }),
});
test('meta: a condition keeps its transition time while its status stays', () => {
  const first = setCondition(undefined, at('False'), 't1');
  assert.deepEqual(first, [at('False', 't1')]);
  const same = setCondition(first, at('False'), 't2');
  assert.equal(same, first);
  const reason = setCondition(first, at('False', undefined, 'S'), 't2');
  assert.deepEqual(reason, [at('False', 't1', 'S')]);
  assert.deepEqual(setCondition(first, at('True'), 't2'), [at('True', 't2')]);
  assert.deepEqual(setCondition(first, at('True', 't3'), 't2'), [at('True', 't3')]);
  assert.deepEqual(removeCondition(first, 'Ready'), []);
  assert.equal(removeCondition(first, 'Other'), first);
});
test('meta: group and version of an apiVersion', () => {
  assert.deepEqual(parseApiVersion('apps/v1'), { group: 'apps', version: 'v1' });
  assert.deepEqual(parseApiVersion('v1'), { group: '', version: 'v1' });
});
test('meta: freezing goes all the way down and stops at what is frozen', () => {
  const shared = Object.freeze({ a: [1] });
  const tree = deepFreeze({ x: { y: [{}] }, shared });
  assert.ok(Object.isFrozen(tree.x.y[0]) && !Object.isFrozen(shared.a));
});
test('field labels: each kind refuses an unknown label in its own words', () => {
  const say = (group: string, version: string, kind: string): string =>
    unknownFieldLabel({ group, version, kind }, 'spec.foo');
  assert.equal(say('', 'v1', 'Pod'), 'field label not supported: spec.foo');
  assert.equal(say('batch', 'v1', 'Job'), 'field label "spec.foo" not supported for Job');
  assert.equal(
    say('resource.k8s.io', 'v1', 'ResourceSlice'),
    'field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.foo',
  );
  assert.equal(
    say('apps', 'v1', 'Deployment'),
    '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
});
