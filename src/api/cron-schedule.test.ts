import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCronSchedule } from './cron-schedule.ts';

for (const [schedule, zone, from, ...want] of [
  ['*/15 * * * *', 'UTC', '2026-01-01T00:07:30Z', '2026-01-01T00:15:00Z', '2026-01-01T00:30:00Z'],
  ['0 12 * * mon-FRI', 'UTC', '2026-01-02T12:00:00Z', '2026-01-05T12:00:00Z', '2026-01-06T12:00:00Z'],
  ['0 0 13 * 5', 'UTC', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-09T00:00:00Z', '2026-01-13T00:00:00Z'],
  ['0 0 31 * ?', 'UTC', '2026-01-31T00:00:00Z', '2026-03-31T00:00:00Z', '2026-05-31T00:00:00Z'],
  ['0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
  ['5/20 3,4 * * *', 'UTC', '2026-01-01T03:30:00Z', '2026-01-01T03:45:00Z', '2026-01-01T04:05:00Z'],
  ['@weekly', 'UTC', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
  ['@every 1h30m', 'UTC', '2026-01-01T00:00:10Z', '2026-01-01T01:30:10Z'],
  ['30 9 * * *', 'Asia/Kolkata', '2026-01-01T00:00:00Z', '2026-01-01T04:00:00Z'],
  // Skipped in spring, twice in autumn.
  ['30 2 * * *', 'Europe/Berlin', '2026-03-28T02:00:00Z', '2026-03-30T00:30:00Z'],
  [
    '30 2 * * *',
    'Europe/Berlin',
    '2026-10-24T12:00:00Z',
    '2026-10-25T00:30:00Z',
    '2026-10-25T01:30:00Z',
    '2026-10-26T01:30:00Z',
  ],
  // Midnight itself was skipped.
  ['0 * * * *', 'America/Sao_Paulo', '2018-11-04T02:30:00Z', '2018-11-04T03:00:00Z'],
  ['TZ=Asia/Tokyo 0 0 1 * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-31T15:00:00Z'],
] as const)
  test(`cron: ${schedule} in ${zone} after ${from}`, () => {
    const parsed = parseCronSchedule(schedule, zone);
    let at = Date.parse(from);
    for (const next of want) {
      at = parsed.next(at)!;
      assert.equal(new Date(at).toISOString(), new Date(Date.parse(next)).toISOString());
    }
  });

test('cron: a day that never comes', () =>
  assert.equal(parseCronSchedule('0 0 31 2 *').next(Date.UTC(2026, 0, 1)), undefined));

for (const [schedule, message] of [
  ['', 'empty spec string'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['5-2 * * * *', 'beginning of range (5) beyond end of range (2): 5-2'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
  ['@often', 'unrecognized descriptor: @often'],
  ['TZ=Nowhere * * * * *', 'provided bad location Nowhere: unknown time zone Nowhere'],
] as const)
  test(`cron: ${JSON.stringify(schedule)} is refused`, () =>
    assert.throws(() => parseCronSchedule(schedule), { message }));
