import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { JsonValue } from '../json.ts';
import type { Plan } from '../managed-fields/type-plan.ts';
import { mergeConfig } from './merge.ts';

const set: Plan = { kind: 'set' };
const atomic: Plan = { kind: 'leaf' };
const map: Plan = { kind: 'map', value: atomic };
const keyed: Plan = {
  kind: 'keyed',
  keys: [{ name: 'id' }, { name: 'zone', default: 'z' }],
  element: {
    kind: 'struct',
    names: ['id', 'n', 'zone'],
    elements: ['f:id', 'f:n', 'f:zone'],
    plans: [atomic, atomic, atomic],
  },
};

/** Live, configuration, outcome; a set is written as its letters. */
const orders: readonly (readonly [string, string, string, string])[] = [
  ['what is asked for already', 'abc', 'ab', 'abc'],
  ['one more at the end', 'ab', 'abc', 'abc'],
  ['nothing asked for', 'abc', '', 'abc'],
  ['nothing there yet', '', 'abc', 'abc'],
  ['turned round', 'ab', 'ba', 'ba'],
  ['nothing shared', 'abc', 'de', 'abcde'],
  ['the last one shared', 'abc', 'cd', 'abcd'],
  ['new ones go before the shared one that follows them', 'abcgf', 'cdef', 'abcgdef'],
  ['live ones stay between shared ones', 'cdef', 'ace', 'acdef'],
  ['new ones before a shared tail', 'abcxyz', 'dexyz', 'abcdexyz'],
  ['shared ones in another order', 'cagf', 'cfag', 'cfag'],
  ['the first one asked for last', 'abcd', 'defa', 'bcdefa'],
  ['shared and new ones mixed', 'cdefghij', '2h3e4kl', 'cdfg2hij3e4kl'],
];
for (const [name, live, config, want] of orders)
  test(`merge: order of a set: ${name}`, () => {
    assert.equal((mergeConfig([...live], [...config], set) as readonly string[]).join(''), want);
  });

const rows: readonly (readonly [string, JsonValue, JsonValue, Plan, JsonValue])[] = [
  ['an empty map asks for nothing of a full one', { a: 1 }, {}, map, { a: 1 }],
  ['a null map asks for nothing of a full one', { a: 1 }, null, map, { a: 1 }],
  ['a null map stands instead of an empty one', {}, null, map, null],
  ['an empty map stands instead of null', null, {}, map, {}],
  ['a null list asks for nothing of a full one', ['a'], null, set, ['a']],
  ['an atomic value is taken whole', { a: 1, b: 2 }, { a: 2 }, atomic, { a: 2 }],
  ['an atomic null is taken', { a: 1 }, null, atomic, null],
  ['a member that is null is taken', { a: 1, b: 2 }, { a: null }, map, { a: null, b: 2 }],
  [
    'items are matched by all keys, with their defaults',
    [
      { id: 1, zone: 'z', n: 1 },
      { id: 1, zone: 'y', n: 2 },
    ],
    [{ id: 1, n: 3 }],
    keyed,
    [
      { id: 1, zone: 'z', n: 3 },
      { id: 1, zone: 'y', n: 2 },
    ],
  ],
  [
    'items that share a key in the live list are replaced by the one asked for',
    [
      { id: 1, n: 1 },
      { id: 1, n: 2 },
    ],
    [{ id: 1, n: 3 }],
    keyed,
    [{ id: 1, n: 3 }],
  ],
  [
    'items that share a key in the live list stay while nobody asks',
    [
      { id: 1, n: 1 },
      { id: 1, n: 2 },
    ],
    [{ id: 2 }],
    keyed,
    [{ id: 1, n: 1 }, { id: 1, n: 2 }, { id: 2 }],
  ],
];
for (const [name, live, config, plan, want] of rows)
  test(`merge: ${name}`, () => assert.deepEqual(mergeConfig(live, config, plan), want));

test('merge: what changes nothing is the live value itself', () => {
  const live = { labels: { a: '1' } };
  const plan: Plan = { kind: 'map', value: map };
  assert.equal(mergeConfig(live, { labels: { a: '1' } }, plan), live);
  const list = [{ id: 1, zone: 'z', n: 1 }];
  assert.equal(mergeConfig(list, [{ id: 1, n: 1 }], keyed), list);
});

const letters = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 8 });
test('merge: a merged set holds both, once each, and keeps the order of the configuration', () => {
  fc.assert(
    fc.property(letters, letters, (live, config) => {
      const merged = mergeConfig(live, config, set) as readonly string[];
      assert.deepEqual([...merged].sort(), [...new Set([...live, ...config])].sort());
      if (config.length > 0)
        assert.deepEqual(
          merged.filter((x) => config.includes(x)),
          config,
        );
      assert.deepEqual(
        merged.filter((x) => !config.includes(x)),
        live.filter((x) => !config.includes(x)),
      );
      assert.deepEqual(mergeConfig(merged, config, set), merged);
    }),
  );
});
