import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../api/types/apps-v1.ts';
import { newReplicaSetAnnotations, revisionOf } from './annotations.ts';
import { maxSurge, maxUnavailable } from './fenceposts.ts';
import { isScalingEvent, newReplicaSetSize, planCleanup, planRollingUpdate, planScaling } from './plan.ts';
import type { Scaling } from './replica-sets.ts';

interface Shape {
  readonly replicas: number;
  readonly surge?: number | string;
  readonly unavailable?: number | string;
  readonly type?: string;
  readonly limit?: number;
}
const deployment = ({
  replicas,
  surge = '25%',
  unavailable = '25%',
  type = 'RollingUpdate',
  limit,
}: Shape): Deployment => ({
  metadata: { name: 'd', generation: 1 },
  spec: {
    replicas,
    selector: {},
    template: {},
    strategy:
      type === 'RollingUpdate' ? { type, rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } } : { type },
    ...(limit === undefined ? {} : { revisionHistoryLimit: limit }),
  },
});

let created = 0;
interface SetShape {
  readonly available?: number;
  readonly desired?: number;
  readonly max?: number;
  readonly revision?: number;
  readonly status?: number;
  readonly unseen?: boolean;
}
function set(name: string, replicas: number, shape: SetShape = {}): ReplicaSet {
  const { available = replicas, desired, max, revision, status = replicas, unseen } = shape;
  const annotations = {
    ...(desired === undefined ? {} : { 'deployment.kubernetes.io/desired-replicas': `${desired}` }),
    ...(max === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': `${max}` }),
    ...(revision === undefined ? {} : { 'deployment.kubernetes.io/revision': `${revision}` }),
  };
  return {
    metadata: {
      name,
      uid: name,
      generation: 2,
      annotations,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1) + 1000 * created++).toISOString(),
    },
    spec: { replicas, selector: {} },
    status: { replicas: status, availableReplicas: available, observedGeneration: unseen ? 1 : 2 },
  };
}
const told = (scalings: readonly Scaling[]) =>
  scalings.map(({ replicaSet, to }) => `${replicaSet.metadata.name}:${to}`);

test('deployment: surge rounds up, unavailable down, and at least one of them is left', () => {
  const cases: readonly (readonly [Shape, number, number])[] = [
    [{ replicas: 10 }, 3, 2],
    [{ replicas: 1 }, 1, 0],
    [{ replicas: 3, surge: 0, unavailable: '25%' }, 0, 1],
    [{ replicas: 0, surge: 0, unavailable: 0 }, 0, 0],
    [{ replicas: 2, surge: 5, unavailable: 7 }, 5, 2],
    [{ replicas: 4, type: 'Recreate' }, 0, 0],
  ];
  for (const [shape, surge, unavailable] of cases)
    assert.deepEqual(
      [maxSurge(deployment(shape)), maxUnavailable(deployment(shape))],
      [surge, unavailable],
      JSON.stringify(shape),
    );
});

test('deployment: the new ReplicaSet grows into the room that surge leaves', () => {
  const d = deployment({ replicas: 10, surge: 2, unavailable: 0 });
  assert.equal(newReplicaSetSize(d, [set('old', 10)], undefined), 2);
  assert.equal(newReplicaSetSize(d, [set('old', 12)], undefined), 0);
  assert.equal(newReplicaSetSize(d, [set('old', 3)], undefined), 9);
  assert.equal(newReplicaSetSize(d, [], undefined), 10);
  assert.equal(newReplicaSetSize(deployment({ replicas: 4, type: 'Recreate' }), [], undefined), 4);
});

const rolling: readonly { name: string; d: Shape; fresh: ReplicaSet; old: ReplicaSet[]; want: string[] }[] = [
  {
    name: 'growing goes before shrinking',
    d: { replicas: 10, surge: 2, unavailable: 2 },
    fresh: set('new', 0),
    old: [set('old', 10)],
    want: ['new:2'],
  },
  {
    name: 'old pods go as new ones are available',
    d: { replicas: 10, surge: 2, unavailable: 2 },
    fresh: set('new', 2, { available: 0 }),
    old: [set('old', 10)],
    want: ['old:8'],
  },
  {
    name: 'nothing goes while availability would fall below the minimum',
    d: { replicas: 10, surge: 2, unavailable: 2 },
    fresh: set('new', 4, { available: 0 }),
    old: [set('old', 8)],
    want: [],
  },
  {
    name: 'unhealthy old pods go first, whatever their ReplicaSet is',
    d: { replicas: 10, surge: 2, unavailable: 2 },
    fresh: set('new', 2, { available: 0 }),
    old: [set('older', 5), set('sick', 5, { available: 2 })],
    want: ['sick:3'],
  },
  {
    name: 'healthy ones follow when there is more to give, the oldest ReplicaSet first',
    d: { replicas: 10, surge: 0, unavailable: 5 },
    fresh: set('new', 0),
    old: [set('older', 4), set('younger', 6, { available: 5 })],
    want: ['older:0', 'younger:5'],
  },
  {
    name: 'a new ReplicaSet that is too big shrinks',
    d: { replicas: 3 },
    fresh: set('new', 5),
    old: [],
    want: ['new:3'],
  },
  {
    name: 'a finished rollout has nothing to do',
    d: { replicas: 3 },
    fresh: set('new', 3),
    old: [set('old', 0)],
    want: [],
  },
];
for (const { name, d, fresh, old, want } of rolling)
  test(`deployment: rolling update: ${name}`, () =>
    assert.deepEqual(told(planRollingUpdate(deployment(d), fresh, old)), want));

const scaling: readonly { name: string; d: Shape; fresh?: ReplicaSet; old: ReplicaSet[]; want: string[] }[] = [
  {
    name: 'the only active ReplicaSet takes it all',
    d: { replicas: 7 },
    fresh: set('new', 5),
    old: [set('old', 0)],
    want: ['new:7'],
  },
  {
    name: 'none active: the newest takes it',
    d: { replicas: 2 },
    old: [set('first', 0), set('second', 0)],
    want: ['second:2'],
  },
  {
    name: 'a finished rollout: old ones that somebody scaled up go down',
    d: { replicas: 5 },
    fresh: set('new', 5, { desired: 5 }),
    old: [set('old', 2)],
    want: ['old:0'],
  },
  {
    name: 'in the middle of a rollout each keeps its share, the biggest takes the rest',
    d: { replicas: 20, surge: 0, unavailable: 5 },
    fresh: set('new', 4, { desired: 10, max: 10 }),
    old: [set('old', 6, { desired: 10, max: 10 })],
    want: ['old:12', 'new:8'],
  },
  {
    name: 'shrinking shares, too',
    d: { replicas: 5, surge: 0, unavailable: 1 },
    fresh: set('new', 4, { desired: 10, max: 10 }),
    old: [set('old', 6, { desired: 10, max: 10 })],
    want: ['old:3', 'new:2'],
  },
  {
    name: 'to zero all go',
    d: { replicas: 0 },
    fresh: set('new', 4, { desired: 10, max: 10 }),
    old: [set('old', 6, { desired: 10, max: 10 })],
    want: ['old:0', 'new:0'],
  },
];
for (const { name, d, fresh, old, want } of scaling)
  test(`deployment: scaling: ${name}`, () => assert.deepEqual(told(planScaling(deployment(d), fresh, old)), want));

test('deployment: a resize is seen by the size the ReplicaSets remember', () => {
  assert.equal(isScalingEvent(deployment({ replicas: 3 }), [set('a', 2, { desired: 2 })]), true);
  assert.equal(isScalingEvent(deployment({ replicas: 2 }), [set('a', 2, { desired: 2 })]), false);
  assert.equal(isScalingEvent(deployment({ replicas: 3 }), [set('a', 0, { desired: 2 })]), false);
});

test('deployment: clean-up keeps the history limit and whatever still has or wants pods', () => {
  const old = [
    set('r5', 0, { revision: 5 }),
    set('r1', 0, { revision: 1 }),
    set('r2', 0, { revision: 2, status: 1 }),
    set('r3', 0, { revision: 3, unseen: true }),
    set('r4', 0, { revision: 4 }),
  ];
  const names = (limit: number | undefined) =>
    planCleanup(deployment({ replicas: 1, ...(limit === undefined ? {} : { limit }) }), old).map(
      ({ metadata }) => metadata.name,
    );
  assert.deepEqual(names(1), ['r1', 'r4']);
  assert.deepEqual(names(10), []);
  assert.deepEqual(names(undefined), []);
  assert.deepEqual(names(2 ** 31 - 1), []);
});

test('revisions: all 64 bits count, what is no int64 does not', () => {
  const annotated = (revision: string) => ({
    metadata: { annotations: { 'deployment.kubernetes.io/revision': revision } },
  });
  assert.equal(revisionOf(annotated('3546343826724305832')), 3546343826724305832n);
  assert.equal(revisionOf(annotated('9223372036854775808')), 0n);
  assert.equal(revisionOf(annotated('1.5')), 0n);
  const next = newReplicaSetAnnotations(deployment({ replicas: 1 }), {}, 3546343826724305833n, { exists: true });
  assert.equal(next['deployment.kubernetes.io/revision'], '3546343826724305833');
});
