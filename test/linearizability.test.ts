/** The history checker itself: what is right passes, and each planted violation is caught. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { findViolation, findWatchFault, type Operation } from './support/linearizability.ts';

const write = (value: string, startMs: number, endMs: number, key = 'k'): Operation => ({
  key,
  kind: 'write',
  value,
  startMs,
  endMs,
});
const read = (value: string | undefined, startMs: number, endMs: number, key = 'k'): Operation => ({
  key,
  kind: 'read',
  value,
  startMs,
  endMs,
});
const lost = Number.POSITIVE_INFINITY;

const cases: readonly (readonly [name: string, history: readonly Operation[], right: boolean])[] = [
  ['one after the other', [write('a', 0, 1), read('a', 2, 3), write('b', 4, 5), read('b', 6, 7)], true],
  ['a read during a write sees either', [write('a', 0, 1), write('b', 2, 6), read('a', 3, 4)], true],
  [
    'two writes at once are ordered by who read later',
    [write('a', 0, 5), write('b', 0, 5), read('a', 6, 7), read('a', 8, 9)],
    true,
  ],
  ['a stale read', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)], false],
  ['a lost acknowledged write', [write('a', 0, 1), read(undefined, 2, 3)], false],
  ['reads that go back in time', [write('a', 0, 1), write('b', 2, 9), read('b', 3, 4), read('a', 5, 6)], false],
  ['a value nobody wrote', [write('a', 0, 1), read('x', 2, 3)], false],
  ['two orders at once', [write('a', 0, 5), write('b', 0, 5), read('a', 6, 7), read('b', 8, 9)], false],
  [
    'an unanswered write that took effect later',
    [write('a', 0, 1), write('b', 2, lost), read('a', 3, 4), read('b', 8, 9)],
    true,
  ],
  [
    'an unanswered write that never did',
    [write('a', 0, 1), write('b', 2, lost), read('a', 3, 4), read('a', 8, 9)],
    true,
  ],
  [
    'an unanswered write that came and went',
    [write('a', 0, 1), write('b', 2, lost), read('b', 3, 4), read('a', 8, 9)],
    false,
  ],
  [
    'a violation on one key among others',
    [write('a', 0, 1, 'x'), write('a', 0, 1, 'y'), read('a', 2, 3, 'x'), read(undefined, 2, 3, 'y')],
    false,
  ],
];
for (const [name, history, right] of cases)
  test(`history: ${name}`, () => assert.equal(findViolation(history, undefined) === undefined, right));

test('history: what one register answers at random moments always passes; one changed read never does', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = createSeededRandom(seed);
    const history: Operation[] = [];
    let value: string | undefined;
    for (let i = 0; i < 60; i++) {
      // Effects stand at 10, 20, 30 ...; each operation reaches up to four of them to either side.
      const at = 10 * (i + 1);
      const span = { startMs: at - 1 - random.below(40), endMs: at + 1 + random.below(40) };
      if (random.below(2) === 0) {
        value = `v${i}`;
        history.push({ key: 'k', kind: 'write', value, ...span, ...(random.below(10) === 0 ? { endMs: lost } : {}) });
      } else history.push({ key: 'k', kind: 'read', value, ...span });
    }
    assert.equal(findViolation(history, undefined), undefined, `seed ${seed}`);
    const reads = history.filter(({ kind }) => kind === 'read');
    const victim = reads[random.below(reads.length)]!;
    const planted = history.map((each) => (each === victim ? { ...each, value: 'never' } : each));
    assert.ok(findViolation(planted, undefined), `seed ${seed}`);
  }
});

const event = (value: string, resourceVersion: number, key = 'k') => ({
  key,
  value,
  resourceVersion: String(resourceVersion),
});
for (const [name, events, fault] of [
  ['all there, in order', [event('a', 1), event('b', 2), event('c', 3)], undefined],
  ['a gap', [event('a', 1), event('c', 3)], 'the value b of k was acknowledged and never seen'],
  ['a repeat', [event('a', 1), event('b', 2), event('b', 3), event('c', 4)], 'the value b of k came twice'],
  ['a step back', [event('a', 2), event('b', 1), event('c', 3)], 'an event of k at 1 came after one at 2'],
] as const)
  test(`watch: ${name}`, () =>
    assert.equal(findWatchFault(events, [event('a', 1), event('b', 2), event('c', 3)]), fault));
