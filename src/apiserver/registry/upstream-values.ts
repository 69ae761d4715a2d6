/**
 * Values that upstream's kube-apiserver wrote: protobuf behind `k8s\0`. They are read as what they say and written back as JSON, so a control
 * plane can be taken over while it lives. (Upstream reads our JSON by itself.) Loads the protobuf codec: for shared stores only.
 */
import { decodeObject, encode } from '../../api/codec/index.ts';
import { decodeProtobuf } from '../../api/codec/protobuf/index.ts';
import { decodeRangeAllocation } from '../../api/codec/protobuf/range-allocation.ts';
import type { Schema } from '../../api/schema/model.ts';
import type { Transformer } from './transformer.ts';

const magic = [0x6b, 0x38, 0x73, 0x00] as const;
const unnamed = { group: '', version: '', kind: '' };

export function createUpstreamValues(schema: Schema, inner: Transformer): Transformer {
  return {
    toStorage: (plain, key) => inner.toStorage(plain, key),
    isStale: (key) => inner.isStale?.(key) ?? false,
    fromStorage(stored, key) {
      const bytes = inner.fromStorage(stored, key);
      for (let i = 0; i < magic.length; i++) if (bytes[i] !== magic[i]) return bytes;
      const value = decodeProtobuf(bytes, unnamed, schema);
      const [first = '', second] = String(value.apiVersion).split('/');
      const [group, version] = second === undefined ? ['', first] : [first, second];
      const type = schema.byGvk({ group, version, kind: String(value.kind) });
      if (value.kind === 'RangeAllocation') return encode({ ...value, ...decodeRangeAllocation(bytes) });
      if (!type) return encode(value);
      return encode(decodeObject({ value }, type, { fieldValidation: 'Ignore' }).object);
    },
  };
}
