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

test('upstream values: the node ports it has given out, which are of no kind in the API', () => {
  const envelope = '6b3873000a150a027631120f52616e6765416c6c6f636174696f6e';
  const none = `${envelope}12210a100a0012001a0022002a00320038004200120b33303030302d33323736371a001a002200`;
  const three = `${envelope}12240a100a0012001a0022002a00320038004200120b33303030302d33323736371a030102031a002200`;
  const read = (hex: string): unknown =>
    JSON.parse(
      Buffer.from(values.fromStorage(Buffer.from(hex, 'hex'), '/registry/ranges/servicenodeports')).toString(),
    );
  const allocation = { kind: 'RangeAllocation', apiVersion: 'v1', range: '30000-32767' };
  assert.deepEqual(read(none), { ...allocation, data: '' });
  assert.deepEqual(read(three), { ...allocation, data: 'AQID' });
});
