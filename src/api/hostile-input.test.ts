/** Whatever comes in from outside is refused with an error of ours or understood, never a crash: patches, selectors, quantities, times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from './errors.ts';
import { deepFreeze } from './freeze.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { createFieldManager } from './managed-fields/managed-fields.ts';
import { applyPatch, type PatchType } from './patch/patch.ts';
import { parseQuantity, QuantityError } from './quantity.ts';
import { builtinSchema } from './schema/builtin.ts';
import { type FieldMatcher, formatFieldMatcher, parseFieldSelector } from './selectors/field-selector.ts';
import { formatLabelMatcher, matchLabels, SelectorError } from './selectors/label-selector.ts';
import { parseLabelSelector } from './selectors/parse-label-selector.ts';
import { parseDuration, parseTime } from './time.ts';

const pod = builtinSchema.byGvk({ group: '', version: 'v1', kind: 'Pod' })!;

/** Trees with the keys that patches and pods react to, and those JavaScript reacts to. */
const keys = fc.constantFrom(
  'metadata',
  'spec',
  'status',
  'containers',
  'env',
  'ports',
  'finalizers',
  'managedFields',
  'labels',
  'name',
  'volumes',
  '$patch',
  '$retainKeys',
  '$setElementOrder/containers',
  '$setElementOrder/finalizers',
  '$deleteFromPrimitiveList/finalizers',
  '$setElementOrder',
  '__proto__',
  'constructor',
  'toString',
  'f:a',
);
const scalars = fc.oneof(
  fc.constantFrom<JsonValue>('a', 'b', '', 'delete', 'replace', 'merge', null, true, 0, 1, -1.5, 10n ** 18n),
  fc.string({ maxLength: 4 }),
);
const trees: fc.Arbitrary<JsonValue> = fc.letrec<{ tree: JsonValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    scalars,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.array(fc.tuple(keys, tie('tree')), { maxLength: 4 }).map((pairs) => {
      const object: Record<string, JsonValue> = {};
      for (const [key, value] of pairs)
        Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
      return object;
    }),
  ),
})).tree;
const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objects = trees.filter(isObject);
const operations = fc.array(
  fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'bogus', ''),
      path: fc
        .array(fc.oneof(keys, fc.constantFrom('-', '0', '1', '-1', '~1', '~', '99999999999999999999')), {
          maxLength: 3,
        })
        .map((p) => p.map((s) => `/${s}`).join('')),
      from: fc.array(keys, { maxLength: 2 }).map((p) => p.map((s) => `/${s}`).join('')),
      value: trees,
    },
    { requiredKeys: [] },
  ),
  { maxLength: 5 },
) as unknown as fc.Arbitrary<JsonValue>;

for (const [type, patches] of [
  ['strategic', trees],
  ['merge', trees],
  ['json', fc.oneof(operations, trees)],
] as const satisfies readonly (readonly [PatchType, fc.Arbitrary<JsonValue>])[])
  test(`hostile input: a ${type} patch is applied or refused with a Status, and changes neither argument`, () => {
    fc.assert(
      fc.property(objects, patches, (object, patch) => {
        // Frozen arguments turn every change in place into a TypeError.
        deepFreeze(object);
        deepFreeze(patch);
        try {
          applyPatch({ type, object, patch, structType: pod });
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
        }
        assert.equal(({} as Record<string, unknown>).spec, undefined);
      }),
      { numRuns: 1500 },
    );
  });

test('hostile input: managed fields that a client sends are used or passed over', () => {
  const manager = createFieldManager();
  const entry = fc.record(
    {
      manager: fc.constantFrom('a', ''),
      operation: fc.constantFrom('Apply', 'Update', 'Steal'),
      apiVersion: fc.constantFrom('v1', 'v0', ''),
      fieldsType: fc.constantFrom('FieldsV1', 'x'),
      fieldsV1: trees,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 3 }), fc.boolean(), (managedFields, isUpdate) => {
      const object = (fields: unknown): JsonObject =>
        deepFreeze({
          kind: 'Pod',
          metadata: { name: 'p', labels: { a: '1' }, managedFields: fields },
        }) as unknown as JsonObject;
      const previous = isUpdate
        ? object([
            {
              manager: 'm',
              operation: 'Update',
              apiVersion: 'v1',
              fieldsType: 'FieldsV1',
              fieldsV1: { 'f:metadata': {} },
            },
          ])
        : undefined;
      const next = manager.update({
        next: object(managedFields),
        ...(previous ? { previous } : {}),
        type: pod,
        manager: 'me',
        apiVersion: 'v1',
        now: '2026-01-01T00:00:00Z',
      });
      assert.ok(Object.isFrozen(next));
    }),
    { numRuns: 1000 },
  );
});

const selectorText = fc
  .array(
    fc.constantFrom('a', 'in', 'notin', ' ', ',', '(', ')', '=', '!', '>', '<', '1', 'é', '\0', '\\', '/', 'x/y', '\t'),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
test('hostile input: a label selector is refused or reads back as itself', () => {
  fc.assert(
    fc.property(selectorText, (text) => {
      try {
        const matcher = parseLabelSelector(text);
        const again = parseLabelSelector(formatLabelMatcher(matcher));
        assert.equal(formatLabelMatcher(again), formatLabelMatcher(matcher));
        matchLabels(matcher, { a: '1' });
      } catch (error) {
        if (!(error instanceof SelectorError)) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});
test('hostile input: a field selector is refused or reads back as itself', () => {
  fc.assert(
    fc.property(selectorText, (text) => {
      try {
        const matcher = parseFieldSelector(text);
        // Terms are put in the order of their text, escapes included, so two that differ in escapes may change places.
        const inOrder = (terms: FieldMatcher) => terms.map((term) => JSON.stringify(term)).sort();
        assert.deepEqual(inOrder(parseFieldSelector(formatFieldMatcher(matcher))), inOrder(matcher));
      } catch (error) {
        if (!(error instanceof SelectorError)) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});
test('hostile input: texts that are no quantity, time or duration', () => {
  const text = fc
    .array(fc.constantFrom('1', '0', '.', '-', '+', 'e', 'E', 'm', 'Ki', 'h', 'T', ':', 'Z', ' ', '9'), {
      maxLength: 10,
    })
    .map((p) => p.join(''));
  fc.assert(
    fc.property(text, (given) => {
      try {
        parseQuantity(given);
      } catch (error) {
        if (!(error instanceof QuantityError)) throw error;
      }
      parseTime(given);
      parseDuration(given);
    }),
    { numRuns: 5000 },
  );
});
