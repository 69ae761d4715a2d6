import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HPAScalingRules } from '../../api/types/autoscaling-v2.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { limit, newHistory, remember } from './behavior.ts';
import {
  type CalculatorOptions,
  replicasForAverage,
  replicasForShare,
  replicasForTotal,
  replicasForUtilization,
} from './replicas.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const pod = (name: string, { phase = 'Running', ready = 'True', requestMilli = 100, deleted = false } = {}): Pod => ({
  metadata: { name, ...(deleted ? { deletionTimestamp: '2026-01-01T00:59:00Z' } : {}) },
  spec: { containers: [{ name: 'c', resources: { requests: { cpu: `${requestMilli}m` } } }] },
  status: {
    phase,
    startTime: '2026-01-01T00:00:00Z',
    conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:05Z' }],
  },
});
const options = (pods: readonly Pod[], currentReplicas = pods.length): CalculatorOptions => ({
  pods,
  currentReplicas,
  tolerances: { up: 0.1, down: 0.1 },
  nowMs,
});
const metrics = (values: Record<string, number>) =>
  new Map(Object.entries(values).map(([name, valueMilli]) => [name, { valueMilli, atMs: nowMs, windowMs: 60_000 }]));
const abc = ['a', 'b', 'c'].map((name) => pod(name));

for (const [name, values, pods, percent, want] of [
  ['twice the target doubles', { a: 100, b: 100, c: 100 }, abc, 50, 6],
  ['half the target halves', { a: 25, b: 25, c: 25 }, abc, 50, 2],
  ['within the tolerance stays', { a: 52, b: 52, c: 52 }, abc, 50, 3],
  ['a pod that says nothing counts as idle when scaling up', { a: 100, b: 100 }, abc, 50, 4],
  ['a pod that says nothing counts as full when scaling down', { a: 10, b: 10 }, abc, 50, 3],
  [
    'a pending pod counts as idle when scaling up',
    { a: 100, b: 100 },
    [...abc.slice(0, 2), pod('c', { phase: 'Pending' })],
    50,
    4,
  ],
  ['a failed pod does not count', { a: 100, b: 100 }, [...abc.slice(0, 2), pod('c', { phase: 'Failed' })], 50, 4],
  [
    'a pod that ends does not count',
    { a: 100, b: 100, c: 900 },
    [...abc.slice(0, 2), pod('c', { deleted: true })],
    50,
    4,
  ],
  [
    'a pod that never was ready does not count for the processor',
    { a: 100, b: 100, c: 900 },
    [...abc.slice(0, 2), pod('c', { ready: 'False' })],
    50,
    4,
  ],
] as const)
  test(`autoscaler replicas: ${name}`, () =>
    assert.equal(replicasForUtilization(metrics(values), percent, options(pods), 'cpu').replicas, want));

test('autoscaler replicas: averages, totals and shares', () => {
  assert.deepEqual(replicasForAverage(metrics({ a: 30_000, b: 10_000 }), 10_000, options(abc.slice(0, 2))), {
    replicas: 4,
    averageMilli: 20_000,
  });
  assert.equal(replicasForTotal(30_000, 10_000, options(abc)).replicas, 9);
  assert.equal(replicasForTotal(30_000, 10_000, options([], 0)).replicas, 3);
  assert.deepEqual(replicasForShare(90_000, 10_000, 3, { up: 0.1, down: 0.1 }), { replicas: 9, averageMilli: 30_000 });
  assert.equal(replicasForShare(31_000, 10_000, 3, { up: 0.1, down: 0.1 }).replicas, 3);
});

test('autoscaler replicas: what cannot be known is said', () => {
  assert.throws(
    () => replicasForUtilization(metrics({}), 50, options(abc), 'cpu'),
    /did not receive metrics for targeted pods/,
  );
  assert.throws(
    () => replicasForUtilization(metrics({ a: 1 }), 50, options([]), 'cpu'),
    /no pods returned by selector/,
  );
  assert.throws(
    () => replicasForUtilization(metrics({ a: 1, b: 1, c: 1 }), 50, options(abc), 'memory'),
    /missing request for memory in container c of Pod a/,
  );
  assert.throws(
    () => replicasForUtilization(metrics({ a: 1, b: 1, c: 1 }), 50, options(abc), 'cpu', 'x'),
    /container x not found in Pod a/,
  );
});

const wish = (current: number, proposed: number, min = 1, max = 100, at = nowMs) => ({
  current,
  proposed,
  min,
  max,
  nowMs: at,
  downscaleStabilizationMs: 300_000,
});
const rules = (more: Partial<HPAScalingRules>): HPAScalingRules => ({ selectPolicy: 'Max', policies: [], ...more });

test('autoscaler limits: not beyond the maximum, not below the minimum, at most double or four', () => {
  const at = (...args: Parameters<typeof wish>) => {
    const { replicas, limited } = limit(undefined, newHistory(0, 0), wish(...args));
    return `${replicas} ${limited.status} ${limited.reason}`;
  };
  assert.equal(at(3, 5), '5 False DesiredWithinRange');
  assert.equal(at(3, 50, 1, 10), '6 True ScaleUpLimit');
  assert.equal(at(3, 50, 1, 5), '5 True TooManyReplicas');
  assert.equal(at(1, 9), '4 True ScaleUpLimit');
  assert.equal(at(3, 1, 2), '2 True TooFewReplicas');
});

test('autoscaler limits: down only to the highest of the last five minutes', () => {
  const history = newHistory(10, nowMs);
  const first = limit(undefined, history, wish(10, 3, 1, 100, nowMs + 60_000));
  assert.deepEqual([first.replicas, first.able.reason], [10, 'ScaleDownStabilized']);
  assert.equal(limit(undefined, history, wish(10, 3, 1, 100, nowMs + 301_000)).replicas, 3);
});

test('autoscaler limits: rates count what was done in their period', () => {
  const behavior = {
    scaleUp: rules({ stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 4, periodSeconds: 60 }] }),
    scaleDown: rules({ stabilizationWindowSeconds: 0, policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }] }),
  };
  const history = newHistory(10, 0);
  const up = limit(behavior, history, wish(10, 30));
  assert.deepEqual([up.replicas, up.limited.reason], [14, 'ScaleUpLimit']);
  remember(history, 10, 14, nowMs);
  assert.equal(limit(behavior, history, wish(14, 30, 1, 100, nowMs + 30_000)).replicas, 14);
  assert.equal(limit(behavior, history, wish(14, 30, 1, 100, nowMs + 61_000)).replicas, 18);
  assert.equal(limit(behavior, newHistory(10, 0), wish(10, 1)).replicas, 5);
});

test('autoscaler limits: a direction can be closed, and the smallest policy chosen', () => {
  const closed = { scaleUp: rules({ selectPolicy: 'Disabled', stabilizationWindowSeconds: 0 }), scaleDown: rules({}) };
  assert.equal(limit(closed, newHistory(3, 0), wish(3, 9)).replicas, 3);
  const smallest = {
    scaleUp: rules({
      selectPolicy: 'Min',
      stabilizationWindowSeconds: 0,
      policies: [
        { type: 'Pods', value: 1, periodSeconds: 60 },
        { type: 'Percent', value: 100, periodSeconds: 60 },
      ],
    }),
    scaleDown: rules({}),
  };
  assert.equal(limit(smallest, newHistory(3, 0), wish(3, 9)).replicas, 4);
});
