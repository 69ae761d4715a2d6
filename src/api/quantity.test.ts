import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addQuantities,
  canonicalQuantity,
  canonicalResource,
  compareQuantities,
  formatQuantity,
  makeQuantity,
  milliValue,
  parseMilli,
  parseQuantity,
  parseValue,
  subtractQuantities,
  value,
} from './quantity.ts';

const canonical: readonly (readonly [why: string, input: string, want: string])[] = [
  ['keeps zero', '0', '0'],
  ['drops the suffix of zero', '0Mi', '0'],
  ['joins thousandths to a whole', '1000m', '1'],
  ['prefers the largest decimal suffix', '1000', '1k'],
  ['keeps an exponent form', '1e3', '1e3'],
  ['normalizes an exponent to a multiple of three', '1e4', '10e3'],
  ['turns a fraction into thousandths', '0.5', '500m'],
  ['keeps a binary suffix', '128Mi', '128Mi'],
  ['climbs to the next binary suffix', '1024Mi', '1Gi'],
  ['descends from a binary fraction', '1.5Gi', '1536Mi'],
  ['shows less than a kibi without suffix', '0.5Ki', '512'],
  ['shows a fraction of a byte in decimal', '0.0001Ki', '102400u'],
  ['keeps bytes that are no multiple of 1024 whole', '1.0009765625Ki', '1025'],
  ['rounds up to a nano', '0.0000000001', '1n'],
  ['rounds a negative away from zero', '-0.0000000001', '-1n'],
  ['caps a binary value at int64', '100Ei', '9223372036854775807'],
  ['prints no suffix beyond E, as upstream', '100000000000E', '100'],
  ['keeps a plus sign upstream does not normalize', '+1', '+1'],
  ['keeps leading zeros upstream does not normalize', '01', '01'],
  ['keeps trailing zeros when the scale is a multiple of three', '1.500', '1.500'],
  ['reads a lone suffix as zero', 'm', '0'],
  ['reads E as exa and E3 as exponent', '2E', '2E'],
  ['reads an upper-case exponent', '2E3', '2E3'],
  ['survives an absurd exponent', '1e2147483640', '1e2147483640'],
  ['survives an absurd negative exponent', '1e-2147483640', '1e-9'],
];
for (const [why, input, want] of canonical)
  test(`quantity: ${why} (${input})`, () => assert.equal(canonicalQuantity(input), want));

const regex = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
for (const [input, message] of [
  ['', regex],
  ['abc', regex],
  ['1 Gi', regex],
  ['1.2.3', regex],
  ['--1', "unable to parse quantity's suffix"],
  ['1KiB', regex],
  ['1Kii', "unable to parse quantity's suffix"],
  ['1ki', "unable to parse quantity's suffix"],
  ['1e', "unable to parse quantity's suffix"],
  ['1e99999999999999999999', "unable to parse quantity's suffix"],
] as const)
  test(`quantity: refuses ${JSON.stringify(input)}`, () => assert.throws(() => parseQuantity(input), { message }));

test('quantity: a core resource list is rounded up to thousandths', () => {
  assert.deepEqual(['0.0001', '1500u', '1', '1Gi', '1.500', '1.5000', '100n'].map(canonicalResource), [
    '1m',
    '2m',
    '1',
    '1Gi',
    '1.500',
    '1500m',
    '1m',
  ]);
});

test('quantity: values round up and saturate', () => {
  assert.deepEqual(
    ['1500m', '-1500m', '1n', '1e30', '0', '1e2000000000'].map((q) => value(parseQuantity(q))),
    [2, -2, 1, Number((1n << 63n) - 1n), 0, Number((1n << 63n) - 1n)],
  );
  assert.equal(milliValue(parseQuantity('1.0001')), 1001);
});

test('quantity: the sum takes the format of the first operand that is not zero', () => {
  const sum = (a: string, b: string): string => formatQuantity(addQuantities(parseQuantity(a), parseQuantity(b)));
  assert.equal(sum('1Gi', '500M'), '1573741824');
  assert.equal(sum('0', '1Gi'), '1Gi');
  assert.equal(sum('100m', '900m'), '1');
  assert.equal(formatQuantity(subtractQuantities(parseQuantity('2'), parseQuantity('500m'))), '1500m');
  assert.equal(formatQuantity(makeQuantity(250, 'DecimalSI', { milli: true })), '250m');
});

test('quantity: comparison agrees with exact arithmetic', () => {
  for (const [a, b] of [
    ['1Gi', '1G'],
    ['1001m', '1'],
    ['1e300', '9E'],
    ['-1', '-2'],
    ['1n', '0'],
  ] as const) {
    assert.ok(compareQuantities(parseQuantity(a), parseQuantity(b)) > 0, `${a} > ${b}`);
    assert.ok(compareQuantities(parseQuantity(b), parseQuantity(a)) < 0, `${b} < ${a}`);
  }
  assert.equal(compareQuantities(parseQuantity('1024Mi'), parseQuantity('1Gi')), 0);
});

const anyQuantity = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    fc.nat({ max: 2 ** 31 - 1 }),
    fc.option(fc.nat({ max: 9999 }), { nil: undefined }),
    fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'e-3', 'E2'),
  )
  .map(([sign, whole, fraction, suffix]) => `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${suffix}`);

test('quantity: the fast reading of whole numbers equals the exact one', () => {
  fc.assert(
    fc.property(anyQuantity, (text) => {
      const exact = parseQuantity(text);
      assert.equal(parseMilli(text), milliValue(exact), text);
      assert.equal(parseValue(text), value(exact), text);
    }),
    { numRuns: 2000 },
  );
});

test('quantity: the canonical text has the same value and is stable', () => {
  fc.assert(
    fc.property(anyQuantity, (text) => {
      const once = parseQuantity(text);
      const again = parseQuantity(formatQuantity(once));
      assert.equal(compareQuantities(once, again), 0, text);
      assert.equal(formatQuantity(again), formatQuantity(once), text);
    }),
    { numRuns: 2000 },
  );
});
