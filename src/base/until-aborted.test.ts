import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { untilAborted } from './until-aborted.ts';

test('until aborted: by the signal, before or later', async () => {
  const life = new AbortController();
  const waiting = untilAborted(life.signal);
  life.abort();
  await waiting;
  await untilAborted(life.signal);
});

test('until aborted: the other one ends the wait and leaves no listener', async () => {
  const life = new AbortController();
  const mine = new AbortController();
  const waiting = untilAborted(life.signal, mine.signal);
  assert.equal(getEventListeners(life.signal, 'abort').length, 1);
  mine.abort();
  await waiting;
  assert.equal(getEventListeners(life.signal, 'abort').length, 0);
});
