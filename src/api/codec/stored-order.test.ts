/** The form in which objects come back from the store. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBuiltinDefaulter } from '../defaulting/index.ts';
import type { JsonObject } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { asStored, decodeObject, encodeText } from './index.ts';
import { arbitrary } from './testdata/arbitrary.ts';

const kinds = builtinSchema.resources.filter((resource) => resource.servedByDefault);
const kind = fc.constantFrom(...kinds.map(({ type }) => type));
const valid = kind.chain((type) => arbitrary({ kind: 'struct', type }, 5).map((value) => ({ type, value })));
const defaulter = createBuiltinDefaulter(builtinSchema);

test('codec: what decoding says is as stored is so, defaulted too', () => {
  fc.assert(
    fc.property(valid, ({ type, value }) => {
      const decoded = decodeObject({ value }, type, { fieldValidation: 'Ignore' });
      if (!decoded.asStored) return;
      assert.equal(encodeText(asStored(decoded.object, type)), encodeText(decoded.object));
      const defaulted = defaulter(decoded.object, type);
      assert.equal(encodeText(asStored(defaulted, type)), encodeText(defaulted));
    }),
    { numRuns: 300 },
  );
});

test('codec: with a base only what differs is put in order, with the same result', () => {
  fc.assert(
    fc.property(valid, ({ type, value }) => {
      const { object: base, asStored: known } = decodeObject({ value }, type, { fieldValidation: 'Ignore' });
      if (!known) return;
      // Members turned round two levels deep, the rest shared with the base.
      const turned = Object.freeze(
        Object.fromEntries(
          Object.entries(base)
            .reverse()
            .map(([name, child]) => [name, name === 'metadata' ? child : reversed(child as JsonObject)]),
        ),
      ) as JsonObject;
      assert.equal(encodeText(asStored(turned, type, base)), encodeText(asStored(turned, type)));
    }),
    { numRuns: 300 },
  );
});

/** A shallow copy of an object with its members turned round; anything else as it is. */
const reversed = (value: JsonObject): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (Object.freeze(Object.fromEntries(Object.entries(value).reverse())) as JsonObject)
    : value;
