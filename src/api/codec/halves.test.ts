/** The fast half of decoding against the exact one, over all kinds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { builtinSchema } from '../schema/builtin.ts';
import { Canonical } from './canonical.ts';
import { decodeExact } from './exact.ts';
import { DecodeError, decodeObject, encodeText } from './index.ts';
import { arbitrary } from './testdata/arbitrary.ts';
import { valueNodes } from './value-nodes.ts';

const kinds = builtinSchema.resources.filter((resource) => resource.servedByDefault);
const kind = fc.constantFrom(...kinds.map(({ type }) => type));

test('codec: both halves make the same tree of any valid value', () => {
  const valid = kind.chain((type) => arbitrary({ kind: 'struct', type }, 5).map((value) => ({ type, value })));
  fc.assert(
    fc.property(valid, ({ type, value }) => {
      const fast = new Canonical(false);
      const tree = fast.struct(type, value);
      assert.ok(!fast.bad && !fast.unknown);
      const exact = new Canonical(false).struct(type, decodeExact(valueNodes(value), type).value);
      assert.equal(encodeText(tree), encodeText(exact));
    }),
    { numRuns: 300 },
  );
});

const junk = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.constantFrom(1.5, 2 ** 53, -1e300, 1e21),
  fc.string(),
  fc.constant([]),
  fc.constant({}),
  fc.constant([null]),
  fc.constant({ zzz: { name: 1 } }),
);

/** Replaces one value somewhere in the tree. */
function spoil(value: unknown, at: number, bad: unknown): unknown {
  const holders: { holder: Record<string, unknown> | unknown[]; key: string | number }[] = [];
  const visit = (holder: unknown): void => {
    if (typeof holder !== 'object' || holder === null) return;
    for (const key of Object.keys(holder)) {
      holders.push({ holder: holder as Record<string, unknown>, key });
      visit((holder as Record<string, unknown>)[key]);
    }
  };
  const copy = JSON.parse(JSON.stringify(value)) as unknown;
  visit(copy);
  const target = holders[at % Math.max(holders.length, 1)];
  if (!target) return bad;
  Object.defineProperty(target.holder, target.key, {
    value: bad,
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return copy;
}

test('codec: a spoiled value is decoded or refused, in the same way from bytes and from a value', () => {
  const spoiled = kind.chain((type) =>
    fc
      .tuple(arbitrary({ kind: 'struct', type }, 4), fc.nat(), junk)
      .map(([value, at, bad]) => ({ type, value: spoil(value, at, bad) })),
  );
  fc.assert(
    fc.property(spoiled, ({ type, value }) => {
      const outcome = (input: { readonly bytes: Uint8Array } | { readonly value: unknown }): string => {
        try {
          const { object, warnings } = decodeObject(input, type, { fieldValidation: 'Warn' });
          return `${encodeText(object)} ${warnings.join()}`;
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
          return error.message;
        }
      };
      assert.equal(outcome({ bytes: Buffer.from(JSON.stringify(value)) }), outcome({ value }));
    }),
    { numRuns: 1000 },
  );
});
