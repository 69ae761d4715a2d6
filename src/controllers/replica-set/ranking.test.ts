import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types/core-v1.ts';
import { deletionCost, podsToDelete } from './ranking.ts';

const now = Date.UTC(2026, 0, 2);
const ago = (seconds: number): string => new Date(now - seconds * 1000).toISOString();

interface Shape {
  readonly node?: string | undefined;
  readonly phase?: string;
  readonly readyFor?: number;
  readonly age?: number;
  readonly cost?: string;
  readonly restarts?: number;
  readonly uid?: string;
}
function pod(
  name: string,
  { node, phase = 'Running', readyFor, age = 1000, cost, restarts = 0, uid = name }: Shape,
): Pod {
  return {
    metadata: {
      name,
      uid,
      creationTimestamp: ago(age),
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
    },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: {
      phase,
      conditions: readyFor === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ago(readyFor) }],
      containerStatuses: [{ name: 'c', ready: true, restartCount: restarts, image: '', imageID: '' }],
    },
  };
}
const steady: Shape = { node: 'n1', readyFor: 1000 };

const cases: readonly { name: string; first: Shape; second: Shape }[] = [
  { name: 'unassigned before assigned', first: { ...steady, node: undefined }, second: steady },
  { name: 'pending before unknown', first: { ...steady, phase: 'Pending' }, second: { ...steady, phase: 'Unknown' } },
  { name: 'unknown before running', first: { ...steady, phase: 'Unknown' }, second: steady },
  { name: 'not ready before ready', first: { node: 'n1' }, second: steady },
  { name: 'cheaper before dearer', first: { ...steady, cost: '-1' }, second: steady },
  {
    name: 'cheaper before dearer, even when the dearer is younger',
    first: { ...steady, cost: '5' },
    second: { node: 'n1', readyFor: 1, cost: '10' },
  },
  { name: 'ready for a shorter time first', first: { node: 'n1', readyFor: 10 }, second: steady },
  { name: 'more restarts first', first: { ...steady, restarts: 3 }, second: steady },
  { name: 'younger before older', first: { ...steady, age: 10 }, second: { ...steady, age: 100_000 } },
  {
    name: 'of about the same age the smaller uid',
    first: { ...steady, age: 1001, uid: 'a' },
    second: { ...steady, age: 1000, uid: 'b' },
  },
];
for (const { name, first, second } of cases)
  test(`replica set: deletes ${name}`, () => {
    const [a, b] = [pod('first', first), pod('second', second)];
    for (const order of [
      [a, b],
      [b, a],
    ])
      assert.deepEqual(
        podsToDelete(order, [], 1, now).map(({ metadata }) => metadata.name),
        ['first'],
      );
  });

test('replica set: deletes where most siblings are', () => {
  const pods = [pod('alone', { ...steady, node: 'n1' }), pod('crowded', { ...steady, node: 'n2' })];
  const related = [...pods, pod('sibling', { ...steady, node: 'n2' })];
  assert.deepEqual(
    podsToDelete(pods, related, 1, now).map(({ metadata }) => metadata.name),
    ['crowded'],
  );
});

test('replica set: a deletion cost that is no int32 in plain decimal counts as nothing', () => {
  for (const [text, want] of [
    ['7', 7],
    ['-3', -3],
    ['0', 0],
    ['+1', 0],
    ['01', 0],
    ['1.5', 0],
    ['x', 0],
  ] as const)
    assert.equal(deletionCost(pod('p', { cost: text })), want, text);
});
