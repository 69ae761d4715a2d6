import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scaledValue } from './int-or-string.ts';
import {
  durationProblem,
  formatDuration,
  formatMicroTime,
  formatTime,
  humanDuration,
  parseDuration,
  parseTime,
} from './time.ts';

test('time: seconds and microseconds, in UTC', () => {
  assert.equal(formatTime(1_767_323_045_999), '2026-01-02T03:04:05Z');
  assert.equal(formatMicroTime(1_767_323_045_678), '2026-01-02T03:04:05.678000Z');
  assert.equal(formatMicroTime(1_767_323_045_678, 9), '2026-01-02T03:04:05.678009Z');
});
for (const [text, want] of [
  ['2026-01-02T03:04:05Z', 1_767_323_045_000],
  ['2026-01-02T04:04:05.678901+01:00', 1_767_323_045_678],
  ['1969-12-31T23:59:59Z', -1000],
  ['2026-02-30T00:00:00Z', undefined],
  ['2026-01-02', undefined],
  ['2026-01-02T24:00:00Z', undefined],
  ['0001-01-01T00:00:00Z', -62_135_596_800_000],
] as const)
  test(`time: reads ${text}`, () => assert.equal(parseTime(text), want));

for (const [text, ms, printed] of [
  ['1h30m', 5_400_000, '1h30m0s'],
  ['15s', 15_000, '15s'],
  ['1.5s', 1500, '1.5s'],
  ['100ms', 100, '100ms'],
  ['-90s', -90_000, '-1m30s'],
  ['0', 0, '0s'],
  ['250us', 0.25, '250µs'],
  ['1h0.5s', 3_600_500, '1h0m0.5s'],
] as const)
  test(`time: duration ${text}`, () => {
    assert.equal(parseDuration(text), ms);
    assert.equal(formatDuration(ms), printed);
  });
test('time: what is no duration', () => {
  for (const text of ['', '5', '1d', 's', '.s', '1h ', '9223372036h'])
    assert.equal(parseDuration(text), undefined, text);
});
test('time: ages as kubectl shows them', () => {
  const hour = 3600;
  assert.deepEqual(
    [5, 119, 120, 599, 600, 3 * hour, 7 * hour + 60, 8 * hour, 49 * hour, 48 * hour, 193 * hour, 800 * 24 * hour].map(
      (s) => humanDuration(s * 1000),
    ),
    ['5s', '119s', '2m', '9m59s', '10m', '3h', '7h1m', '8h', '2d1h', '2d', '8d', '2y70d'],
  );
});

test('int or string: percentages round as asked', () => {
  assert.equal(scaledValue(3, 10, { roundUp: true }), 3);
  assert.equal(scaledValue('25%', 10, { roundUp: true }), 3);
  assert.equal(scaledValue('25%', 10, { roundUp: false }), 2);
  assert.throws(() => scaledValue('5', 10, { roundUp: true }), {
    message: 'invalid value for IntOrString: invalid type: string is not a percentage',
  });
  assert.throws(() => scaledValue('x%', 10, { roundUp: true }), {
    message: 'invalid value for IntOrString: invalid value "x%": strconv.Atoi: parsing "x": invalid syntax',
  });
});

for (const [text, want] of [
  ['5', 'missing unit in duration "5"'],
  ['1.5x', 'unknown unit "x" in duration "1.5x"'],
  ['x', 'invalid duration "x"'],
  ['', 'invalid duration ""'],
  ['1s2', 'missing unit in duration "1s2"'],
] as const)
  test(`time: ${JSON.stringify(text)} is no duration, in Go's words`, () =>
    assert.equal(durationProblem(text), `time: ${want}`));
