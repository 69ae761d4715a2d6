import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstFree, overlap } from './segment.ts';

const candidates = ['10.190.0.0/24', '10.190.1.0/24'];
for (const [name, taken, want] of [
  ['nothing is taken: the first', [], '10.190.0.0/24'],
  ['another cluster has the first', ['10.190.0.0/24', '10.190.0.1', '10.190.0.255'], '10.190.1.0/24'],
  ['a single address inside is enough', ['10.190.0.7'], '10.190.1.0/24'],
  ["a company's 10.0.0.0/8 is less specific", ['10.0.0.0/8'], '10.190.0.0/24'],
  ['both: the one that holds nothing', ['10.0.0.0/8', '10.190.0.0/24'], '10.190.1.0/24'],
  ['all are taken', candidates, undefined],
  ['IPv6 is nobody here', ['fe80::/64', 'ff00::/8'], '10.190.0.0/24'],
] as const)
  test(`free range: ${name}`, () => assert.equal(firstFree(candidates, taken), want));

for (const [a, b, want] of [
  ['10.96.0.0/12', '10.111.255.255', true],
  ['10.96.0.0/12', '10.112.0.0/12', false],
  ['10.0.0.5/8', '10.200.0.0/16', true],
  ['0.0.0.0/0', '192.0.2.1', true],
  ['not a range', '192.0.2.1', false],
] as const)
  test(`overlap: ${a} and ${b}: ${want}`, () => assert.equal(overlap(a, b), want));
