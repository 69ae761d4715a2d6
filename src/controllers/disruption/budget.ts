/** What a PodDisruptionBudget allows. Pure. Source: pkg/controller/disruption. */
import { scaledValue } from '../../api/int-or-string.ts';
import { setCondition } from '../../api/meta.ts';
import { isPodReady } from '../../api/pod/conditions.ts';
import { formatTime, parseTime } from '../../api/time.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { LabelSelector } from '../../api/types/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/types/policy-v1.ts';

/** An evicted pod that is still there after this was not deleted after all. */
const deletionTimeoutMs = 2 * 60_000;
const allowedCondition = 'DisruptionAllowed';

/** Whether it must be known how many pods their controllers want: all but a plain minAvailable are shares of that. */
export const needsScale = ({ spec }: PodDisruptionBudget): boolean =>
  spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';

export interface BudgetView {
  readonly budget: PodDisruptionBudget;
  /** Those its selector matches. */
  readonly pods: readonly Pod[];
  /** How many their controllers want; when that is not needed, anything. */
  readonly scale: number;
  readonly nowMs: number;
}

export interface BudgetVerdict {
  readonly status: PodDisruptionBudgetStatus;
  /** Until an eviction is given up. */
  readonly recheckMs?: number;
  /** Evicted long ago and still there. */
  readonly notDeleted: readonly Pod[];
}

export function judgeBudget({ budget, pods, scale, nowMs }: BudgetView): BudgetVerdict {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  let desired = 0;
  let expected = scale;
  if (maxUnavailable !== undefined)
    desired = Math.max(0, expected - scaledValue(maxUnavailable, expected, { roundUp: true }));
  else if (typeof minAvailable === 'string') desired = scaledValue(minAvailable, expected, { roundUp: true });
  else {
    expected = minAvailable === undefined ? 0 : pods.length;
    desired = minAvailable ?? 0;
  }
  const disruptedPods: Record<string, string> = {};
  const notDeleted: Pod[] = [];
  let recheckMs: number | undefined;
  let healthy = 0;
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const evicted = budget.status?.disruptedPods?.[pod.metadata.name!];
    const leftMs = evicted === undefined ? -1 : (parseTime(evicted) ?? 0) + deletionTimeoutMs - nowMs;
    if (evicted !== undefined && leftMs > 0) {
      disruptedPods[pod.metadata.name!] = evicted;
      recheckMs = Math.min(leftMs, recheckMs ?? leftMs);
      continue;
    }
    if (evicted !== undefined) notDeleted.push(pod);
    if (isPodReady(pod)) healthy++;
  }
  const allowed = expected <= 0 ? 0 : Math.max(0, healthy - desired);
  const generation = budget.metadata.generation;
  const status = {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    conditions: withAllowed(budget, {
      status: allowed > 0 ? 'True' : 'False',
      reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
      message: '',
      nowMs,
      generation,
    }),
  };
  return { status, notDeleted, ...(recheckMs === undefined ? {} : { recheckMs }) };
}

/** Nothing is known: nothing may be disrupted. */
export function failedStatus(budget: PodDisruptionBudget, message: string, nowMs: number): PodDisruptionBudgetStatus {
  const generation = budget.status?.observedGeneration;
  const condition = { status: 'False', reason: 'SyncFailed', message, nowMs, generation } as const;
  return {
    currentHealthy: 0,
    desiredHealthy: 0,
    expectedPods: 0,
    ...budget.status,
    disruptionsAllowed: 0,
    conditions: withAllowed(budget, condition),
  };
}

function withAllowed(
  { status }: PodDisruptionBudget,
  condition: {
    readonly status: 'True' | 'False';
    readonly reason: string;
    readonly message: string;
    readonly nowMs: number;
    readonly generation: number | undefined;
  },
) {
  const { nowMs, generation, ...rest } = condition;
  const now = formatTime(nowMs);
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  return setCondition(
    status?.conditions,
    { type: allowedCondition, ...rest, ...observed, lastTransitionTime: now },
    now,
  );
}

/** As upstream prints it. */
export function describeSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key]},`)
    .join('');
  const expressions = matchExpressions
    .map(
      ({ key, operator, values = [] }) =>
        `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
    )
    .join('');
  return `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:[]LabelSelectorRequirement{${expressions}},}`;
}
