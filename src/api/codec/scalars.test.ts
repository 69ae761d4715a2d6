import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalBase64 } from './base64.ts';
import { compareUtf8, sortedKeys } from './own.ts';
import { canonicalMicroTime, canonicalTime } from './time.ts';

/** The message when it throws. */
const outcome = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
};
const layout = '2006-01-02T15:04:05Z07:00';
const micro = '2006-01-02T15:04:05.000000Z07:00';

const times: readonly (readonly [name: string, text: string, want: string | null])[] = [
  ['UTC stays', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
  ['the last day of a month stays', '2024-02-29T23:59:59Z', '2024-02-29T23:59:59Z'],
  ['an offset is taken off', '2026-01-01T00:30:00+05:30', '2025-12-31T19:00:00Z'],
  ['a fraction of any length is dropped', '2026-01-02T03:04:05.999999999999Z', '2026-01-02T03:04:05Z'],
  ['a comma is a point', '2026-01-02T03:04:05,5Z', '2026-01-02T03:04:05Z'],
  ['before 1970', '1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59Z'],
  ['the zero time is null', '0001-01-01T00:00:00Z', null],
  ['the zero time elsewhere is null', '0001-01-01T01:00:00+01:00', null],
  ['nothing', '', `parsing time "" as "${layout}": cannot parse "" as "2006"`],
  ['a date alone', '2026-01-02', `parsing time "2026-01-02" as "${layout}": cannot parse "" as "T"`],
  [
    'a blank for the T',
    '2026-01-02 03:04:05Z',
    `parsing time "2026-01-02 03:04:05Z" as "${layout}": cannot parse " 03:04:05Z" as "T"`,
  ],
  ['no zone', '2026-01-02T03:04:05', `parsing time "2026-01-02T03:04:05" as "${layout}": cannot parse "" as "Z07:00"`],
  ['a month too many', '2026-13-02T03:04:05Z', 'parsing time "2026-13-02T03:04:05Z": month out of range'],
  ['a day too many', '2026-02-29T03:04:05Z', 'parsing time "2026-02-29T03:04:05Z": day out of range'],
  ['an hour too many', '2026-01-02T24:00:00Z', 'parsing time "2026-01-02T24:00:00Z": hour out of range'],
  ['a minute too many', '2026-01-02T03:60:00Z', 'parsing time "2026-01-02T03:60:00Z": minute out of range'],
  ['a second too many', '2026-01-02T03:04:60Z', 'parsing time "2026-01-02T03:04:60Z": second out of range'],
  ['more text', '2026-01-02T03:04:05Zx', 'parsing time "2026-01-02T03:04:05Zx": extra text: "x"'],
];
for (const [name, text, want] of times)
  test(`time: ${name}`, () =>
    assert.equal(
      outcome(() => canonicalTime(text)),
      want,
    ));

const microTimes: readonly (readonly [name: string, text: string, want: string | null])[] = [
  ['six digits stay', '2026-01-02T03:04:05.000678Z', '2026-01-02T03:04:05.000678Z'],
  ['an offset is taken off', '2026-01-02T03:04:05.500000-01:00', '2026-01-02T04:04:05.500000Z'],
  ['the zero time is null', '0001-01-01T00:00:00.000000Z', null],
  [
    'six digits must be there',
    '2026-01-02T03:04:05Z',
    `parsing time "2026-01-02T03:04:05Z" as "${micro}": cannot parse "Z" as ".000000"`,
  ],
];
for (const [name, text, want] of microTimes)
  test(`micro time: ${name}`, () =>
    assert.equal(
      outcome(() => canonicalMicroTime(text)),
      want,
    ));

test('time: agrees with Date on every second that Date can write', () => {
  fc.assert(
    fc.property(fc.integer({ min: -60_000_000_000, max: 250_000_000_000 }), (seconds) => {
      const text = `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
      assert.equal(canonicalTime(text), text);
    }),
  );
});

const encoded: readonly (readonly [name: string, text: string, want: string])[] = [
  ['nothing', '', ''],
  ['whole groups', 'aGVsbG8h', 'aGVsbG8h'],
  ['padding of one and two', 'aGk=', 'aGk='],
  ['line ends are skipped', 'aG\nVs\r\nbG8h', 'aGVsbG8h'],
  ['line ends within padding', 'aA=\n=\n', 'aA=='],
  ['spare bits are dropped', 'aB==', 'aA=='],
  ['a character of no alphabet', 'aG!k', 'illegal base64 data at input byte 2'],
  ['the URL alphabet', 'a-_k', 'illegal base64 data at input byte 1'],
  ['padding missing', 'aGk', 'illegal base64 data at input byte 0'],
  ['padding missing in a later group', 'aGVsaGk', 'illegal base64 data at input byte 4'],
  ['half of the padding', 'aA=', 'illegal base64 data at input byte 3'],
  ['padding first', '=aaa', 'illegal base64 data at input byte 0'],
  ['text after the padding', 'aGk=x', 'illegal base64 data at input byte 4'],
];
for (const [name, text, want] of encoded)
  test(`base64: ${name}`, () =>
    assert.equal(
      outcome(() => canonicalBase64(text)),
      want,
    ));

test('base64: what is written is read, and is canonical', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      assert.equal(canonicalBase64(text), text);
    }),
  );
});

test('keys: the order is that of UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
      assert.equal(Math.sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  assert.deepEqual(sortedKeys({ b: 1, 10: 1, 9: 1, '\u{10000}': 1, '\uffff': 1 }), [
    '10',
    '9',
    'b',
    '\uffff',
    '\u{10000}',
  ]);
});
