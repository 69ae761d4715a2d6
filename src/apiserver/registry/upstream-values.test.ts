import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeProtobuf } from '../../api/codec/protobuf/index.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { identityTransformer } from './transformer.ts';
import { createUpstreamValues } from './upstream-values.ts';

const values = createUpstreamValues(builtinSchema, identityTransformer);
const pod = {
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'a', namespace: 'default', uid: 'u', creationTimestamp: '2026-11-23T00:00:00Z' },
  spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '100m' } } }] },
  status: { phase: 'Running' },
};

test('upstream values: what kube-apiserver stored as protobuf reads as the JSON we would have stored', () => {
  const stored = encodeProtobuf(pod, builtinSchema);
  const read = JSON.parse(Buffer.from(values.fromStorage(stored, '/registry/pods/default/a')).toString());
  assert.deepEqual(read, pod);
  assert.ok(
    Buffer.from(values.fromStorage(stored, 'k')).toString().startsWith('{"kind":"Pod","apiVersion":"v1","metadata":{'),
  );
});

test('upstream values: JSON passes untouched, the same bytes', () => {
  const json = Buffer.from(JSON.stringify(pod));
  assert.equal(values.fromStorage(json, 'k'), json);
});
