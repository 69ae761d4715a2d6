/** Fields of features that are off, by paths through structs, lists and maps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { disabledFieldsStrategy } from './disabled-fields.ts';

const now = { now: '2026-01-01T00:00:00Z', user: { name: 'a', groups: [] } };
const created = (id: string, object: object): JsonObject =>
  disabledFieldsStrategy(id)!.prepareForCreate!(object as JsonObject, now);
const pod = (lifecycle: object): object => ({
  spec: { containers: [{ name: 'a' }, { name: 'b', ...lifecycle }], volumes: null },
});

test('disabled fields: one in a list goes, and the struct around it when nothing else is in it', () => {
  assert.deepEqual(created('/pods', pod({ lifecycle: { stopSignal: 'SIGTERM' } })), pod({}));
  const hook = { preStop: { sleep: { seconds: 1 } } };
  assert.deepEqual(created('/pods', pod({ lifecycle: { stopSignal: 'SIGTERM', ...hook } })), pod({ lifecycle: hook }));
});

test('disabled fields: one among the members of a map goes', () => {
  const slice = (attribute: object): object => ({ spec: { devices: [{ attributes: { a: attribute, b: {} } }, {}] } });
  assert.deepEqual(created('resource.k8s.io/resourceslices', slice({ bools: [true], int: 1 })), slice({ int: 1 }));
});

test('disabled fields: an object without any is the same object', () => {
  for (const object of [pod({}), { spec: null }, {}]) assert.equal(created('/pods', object), object);
});

test('disabled fields: an update keeps what was there before', () => {
  const { prepareForUpdate } = disabledFieldsStrategy('/pods')!;
  const before = pod({ lifecycle: { stopSignal: 'SIGTERM' } }) as JsonObject;
  const next = pod({ lifecycle: { stopSignal: 'SIGINT' } }) as JsonObject;
  assert.equal(prepareForUpdate!(next, before, now), next);
  assert.deepEqual(prepareForUpdate!(next, pod({}) as JsonObject, now), pod({}));
});

test('disabled fields: one of the status goes with a write of the status', () => {
  const { subresources } = disabledFieldsStrategy('/nodes')!;
  const before = { status: { phase: 'Running' } };
  const next = { status: { phase: 'Running', config: { error: 'x' } } };
  assert.deepEqual(subresources!.status!.prepareForUpdate!(next, before, now), before);
  assert.equal(disabledFieldsStrategy('/podtemplates')!.subresources, undefined);
});
