/** Joined protobuf against the encoder's own, byte for byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeObject, encode } from '../../api/codec/index.ts';
import { encodeProtobuf, encodeWatchFrame } from '../../api/codec/protobuf/index.ts';
import type { JsonObject } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { CachedObject } from '../watch-cache/cached-object.ts';
import { ProtobufForm } from './protobuf-form.ts';
import type { ValueShape } from './value-form.ts';

const shape: ValueShape = {
  one: (object, revision) =>
    revision === object.revision
      ? object.value!
      : { ...object.value, metadata: { ...(object.value!.metadata as JsonObject), resourceVersion: String(revision) } },
  oneValue: (value) => value,
  list: (objects, metadata) => ({
    kind: `${String(objects[0]?.value?.kind ?? 'Pod')}List`,
    apiVersion: String(objects[0]?.value?.apiVersion ?? 'v1'),
    metadata,
    items: objects.map((object) => object.value!),
  }),
  bookmark: () => ({}),
};
const whole = (value: JsonObject): Uint8Array => encodeProtobuf(value, builtinSchema);
const formOf = (group: string, version: string, kind: string): ProtobufForm =>
  new ProtobufForm(
    shape,
    whole,
    (type, object) => encodeWatchFrame(type, whole(object)),
    { group, version, kind },
    builtinSchema,
  );

function cached(kind: string, apiVersion: string, name: string, spec: JsonObject): CachedObject {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const type = builtinSchema.byGvk({ group: group!, version: version!, kind })!;
  const value = { kind, apiVersion, metadata: { name, namespace: 'default', resourceVersion: '7' }, spec };
  const { object } = decodeObject({ value }, type, { fieldValidation: 'Strict' });
  const from = { key: `default/${name}`, revision: 7, createRevision: 7, bytes: encode(object) };
  return new CachedObject(from, { labels: undefined, fields: [], node: '' }, object);
}

const meta = { resourceVersion: '9', continue: 'x', remainingItemCount: 3 };
const bytesOf = (form: ProtobufForm, objects: readonly CachedObject[]): Buffer => {
  const body = form.list(objects, meta);
  assert.equal(body.kind, 'list');
  if (body.kind !== 'list') return Buffer.alloc(0);
  const bytes = Buffer.concat([...body.chunks()]);
  assert.equal(bytes.byteLength, body.byteLength);
  return bytes;
};

for (const [kind, group, version, spec] of [
  ['Pod', '', 'v1', { containers: [{ name: 'a', image: 'b'.repeat(300) }], nodeName: 'n' }],
  ['Deployment', 'apps', 'v1', { replicas: 3, selector: { matchLabels: { a: 'b' } } }],
] as const) {
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const objects = Array.from({ length: 900 }, (_, i) =>
    cached(kind, apiVersion, `o-${i}`, spec as unknown as JsonObject),
  );

  test(`protobuf form: a list of ${kind}s is what the encoder writes, the second time too`, () => {
    const form = formOf(group, version, kind);
    const expected = Buffer.from(whole(shape.list(objects, meta)));
    assert.ok(bytesOf(form, objects).equals(expected));
    assert.ok(bytesOf(form, objects).equals(expected));
  });

  test(`protobuf form: one ${kind} and its events are what the encoder writes`, () => {
    const form = formOf(group, version, kind);
    const [object] = objects;
    const expected = whole(object!.value!);
    assert.ok(Buffer.from(expected).equals(form.encodable(object!).bytes()));
    for (const revision of [7, 8]) {
      const event = encodeWatchFrame('MODIFIED', whole(shape.one(object!, revision)));
      assert.ok(Buffer.from(event).equals(form.frame('MODIFIED', object!, revision)), `at ${revision}`);
    }
  });
}

test('protobuf form: an empty list', () => {
  assert.ok(bytesOf(formOf('', 'v1', 'Pod'), []).equals(Buffer.from(whole(shape.list([], meta)))));
});
