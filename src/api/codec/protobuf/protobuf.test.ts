import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../../json.ts';
import { builtinSchema } from '../../schema/builtin.ts';
import type { GroupVersionKind } from '../../schema/model.ts';
import { decodeBody, decodeObject, encodeText } from '../index.ts';
import { arbitrary } from '../testdata/arbitrary.ts';
import { decodeProtobuf, encodeProtobuf, encodeWatchFrame, hasProtobuf } from './index.ts';

const gvk = (apiVersion: string, kind: string): GroupVersionKind => {
  const parts = apiVersion.split('/');
  return parts.length === 1 ? { group: '', version: apiVersion, kind } : { group: parts[0]!, version: parts[1]!, kind };
};
const canonical = (value: unknown): JsonObject => {
  const { apiVersion, kind } = value as { apiVersion: string; kind: string };
  return decodeObject({ value }, builtinSchema.byGvk(gvk(apiVersion, kind))!, { fieldValidation: 'Strict' }).object;
};
const through = (object: JsonObject): JsonObject => {
  const expected = gvk(String(object.apiVersion), String(object.kind));
  const plain = decodeProtobuf(encodeProtobuf(object, builtinSchema), expected, builtinSchema);
  return decodeObject({ value: plain }, builtinSchema.byGvk(expected)!, { fieldValidation: 'Strict' }).object;
};

const objects: readonly (readonly [name: string, value: unknown])[] = [
  [
    'a pod with an inlined volume source, quantities, int-or-string and owner',
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'p',
        labels: { b: '1', a: '2' },
        creationTimestamp: '2026-01-02T03:04:05Z',
        generation: 9007199254740993n,
        managedFields: [
          { manager: 'm', operation: 'Update', time: '2026-01-02T03:04:05Z', fieldsV1: { 'f:spec': { '.': {} } } },
        ],
      },
      spec: {
        volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'k', path: 'p', mode: 0 }] } }],
        containers: [
          {
            name: 'c',
            resources: { limits: { cpu: '500m' } },
            livenessProbe: { httpGet: { port: 'http', path: '/' }, initialDelaySeconds: 5 },
            securityContext: { runAsUser: -1, capabilities: { add: ['X'] } },
          },
        ],
        terminationGracePeriodSeconds: 0,
        hostNetwork: true,
      },
    },
  ],
  ['a secret', { apiVersion: 'v1', kind: 'Secret', metadata: {}, data: { a: 'aGk=', b: '' }, type: 'Opaque' }],
  [
    'a lease with microseconds',
    {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {},
      spec: { renewTime: '2026-01-02T03:04:05.000678Z', leaseDurationSeconds: 15 },
    },
  ],
  [
    'an event before 1970 and at the zero time',
    {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {},
      involvedObject: {},
      firstTimestamp: '1969-12-31T23:59:59Z',
      lastTimestamp: null,
      eventTime: null,
    },
  ],
  [
    'a controller revision with any data',
    {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {},
      data: { spec: { a: [1, 'x', null] } },
      revision: 3,
    },
  ],
  [
    'extra values',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: { user: 'u', extra: { k: ['a', 'b'], empty: [] } },
      status: { allowed: true },
    },
  ],
  [
    'a definition with nested schemas',
    {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: {},
      spec: {
        group: 'g',
        names: { plural: 'p', kind: 'K' },
        scope: 'Cluster',
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: {
              openAPIV3Schema: {
                type: 'object',
                default: { a: 1 },
                maximum: 1.5,
                enum: [1, 'a'],
                properties: {
                  x: { type: 'array', items: { type: 'string' } },
                  y: { additionalProperties: false },
                  z: { additionalProperties: { type: 'integer' } },
                },
              },
            },
          },
        ],
      },
      status: { conditions: [], acceptedNames: { plural: '', kind: '' }, storedVersions: null },
    },
  ],
  [
    'a list',
    {
      apiVersion: 'v1',
      kind: 'ConfigMapList',
      metadata: { resourceVersion: '7', remainingItemCount: 3 },
      items: [{ metadata: { name: 'a' }, data: { k: 'v' } }, { metadata: { name: 'b' } }],
    },
  ],
  [
    'a status',
    {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      message: 'no',
      reason: 'NotFound',
      details: { name: 'x', kind: 'pods' },
      code: 404,
    },
  ],
];
for (const [name, value] of objects)
  test(`protobuf: ${name} comes back as it went`, () => {
    const object = canonical(value);
    const back = through(object);
    // A nil list and an empty one are the same on the wire, as in Go.
    assert.equal(encodeText(back).replaceAll('"conditions":null', '"conditions":[]'), encodeText(object));
  });

test('protobuf: known bytes of a small object', () => {
  const object = canonical({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } });
  const hex = Buffer.from(encodeProtobuf(object, builtinSchema)).toString('hex');
  const meta = '0a01' + '6e' + '1200' + '1a00' + '2200' + '2a00' + '3200' + '3800' + '4200';
  const raw = `0a${(meta.length / 2).toString(16).padStart(2, '0')}${meta}1200` + '1a020a00';
  const envelope =
    `0a0f0a02763112094e616d657370616365` + `12${(raw.length / 2).toString(16).padStart(2, '0')}${raw}` + '1a002200';
  assert.equal(hex, `6b387300${envelope}`);
});

test('protobuf: packed numbers, split messages and unknown fields are read', () => {
  const raw = Buffer.from('0a030a0161' + '0a031a016e' + 'f80101', 'hex');
  const bytes = Buffer.concat([
    Buffer.from('6b3873000a0b0a0276311205', 'hex'),
    Buffer.from('Event'),
    Buffer.from([0x12, raw.length]),
    raw,
  ]);
  const { metadata } = decodeProtobuf(bytes, gvk('v1', 'Event'), builtinSchema) as { metadata: JsonObject };
  assert.deepEqual(metadata, { name: 'a', namespace: 'n' });
});

test('protobuf: metadata-only objects and lists', () => {
  const single = { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata: { name: 'a' } };
  assert.deepEqual(
    decodeProtobuf(encodeProtobuf(single, builtinSchema), gvk('v1', 'x'), builtinSchema).kind,
    'PartialObjectMetadata',
  );
  const list = {
    apiVersion: 'meta.k8s.io/v1',
    kind: 'PartialObjectMetadataList',
    metadata: { resourceVersion: '1' },
    items: [{ metadata: { name: 'a' } }],
  };
  const back = decodeProtobuf(encodeProtobuf(list, builtinSchema), gvk('v1', 'x'), builtinSchema) as unknown as {
    items: { metadata: { name: string } }[];
  };
  assert.equal(back.items[0]?.metadata.name, 'a');
  assert.ok(!hasProtobuf(gvk('meta.k8s.io/v1', 'Table'), builtinSchema));
  assert.ok(hasProtobuf(gvk('apps/v1', 'DeploymentList'), builtinSchema));
});

test('protobuf: a watch frame is a length and a WatchEvent', () => {
  const frame = Buffer.from(encodeWatchFrame('ADDED', Uint8Array.of(1, 2, 3)));
  assert.equal(frame.toString('hex'), '0000000e' + '0a054144444544' + '1205' + '0a03010203');
});

test('protobuf: what is no protobuf, or cut short, is refused', async () => {
  const decode = (bytes: Uint8Array) => () => decodeProtobuf(bytes, gvk('v1', 'Pod'), builtinSchema);
  assert.throws(decode(Buffer.from('{}')), {
    message: 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
  });
  const whole = encodeProtobuf(
    canonical({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'abc' }, spec: { containers: [] } }),
    builtinSchema,
  );
  for (let length = 5; length < whole.length - 4; length += 3) {
    let failed = false;
    try {
      decode(whole.slice(0, length))();
    } catch (error) {
      assert.ok(
        error instanceof Error && !(error instanceof RangeError) && !(error instanceof TypeError),
        String(error),
      );
      failed = true;
    }
    if (length > 25) assert.ok(failed, `cut at ${length}`);
  }
  const body = { bytes: Buffer.from('x') };
  const expected = gvk('v1', 'Pod');
  await assert.rejects(
    async () =>
      decodeBody(body, {
        schema: builtinSchema,
        expected,
        type: builtinSchema.byGvk(expected)!,
        fieldValidation: 'Warn',
        mediaType: 'application/vnd.kubernetes.protobuf',
      }),
    {
      message:
        'the object provided is unrecognized (must be of type Pod): provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (78)',
    },
  );
});

test('protobuf: a body is decoded like JSON', async () => {
  const expected = gvk('v1', 'ConfigMap');
  const object = canonical({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: 'b' } });
  const decoded = await decodeBody(
    { bytes: encodeProtobuf(object, builtinSchema) },
    {
      schema: builtinSchema,
      expected,
      type: builtinSchema.byGvk(expected)!,
      fieldValidation: 'Strict',
      mediaType: 'application/vnd.kubernetes.protobuf',
    },
  );
  assert.equal(encodeText(decoded.object), encodeText(object));
});

test('protobuf: whatever a kind may hold goes there and back', () => {
  for (const resource of builtinSchema.resources.filter(
    (r) => r.servedByDefault && r.kind !== 'CustomResourceDefinition',
  )) {
    const { group, version, kind, type } = resource;
    const apiVersion = group === '' ? version : `${group}/${version}`;
    if (!builtinSchema.byGvk({ group, version, kind })) continue;
    fc.assert(
      fc.property(arbitrary({ kind: 'struct', type }, 5), (value) => {
        const object = canonical({ ...(value as object), apiVersion, kind });
        assert.equal(encodeText(through(object)), encodeText(object));
      }),
      { numRuns: 5 },
    );
  }
});
