/** Counts that controllers report: none negative, none above the whole. */
import type { DaemonSetStatus, DeploymentStatus, ReplicaSetStatus, StatefulSetStatus } from '../types/apps-v1.ts';
import type { HorizontalPodAutoscalerStatus } from '../types/autoscaling-v2.ts';
import type { ReplicationControllerStatus } from '../types/core-v1.ts';
import type { PodDisruptionBudgetStatus } from '../types/policy-v1.ts';
import { type ErrorList, nonNegative } from './error-list.ts';
import type { ChangeRule } from './kind-rules.ts';

type Counts = Readonly<Record<string, unknown>>;

interface CountRules {
  /** Not negative, in this order. */
  readonly counts: readonly string[];
  /** Not above `replicas`. */
  readonly parts?: readonly string[];
  /** How the count of ready pods is called in the message. */
  readonly ready?: string;
}

function statusRule({ counts, parts = [], ready }: CountRules): ChangeRule {
  return (errors: ErrorList, next: { readonly status?: Counts }, previous: { readonly status?: Counts }) => {
    const status = next.status ?? {};
    const of = (name: string): number => Number(status[name] ?? 0);
    for (const name of counts) nonNegative(errors, of(name), `status.${name}`);
    for (const name of parts)
      if (of(name) > of('replicas'))
        errors.invalid(`status.${name}`, of(name), 'cannot be greater than status.replicas');
    if (ready && of('availableReplicas') > of('readyReplicas'))
      errors.invalid('status.availableReplicas', of('availableReplicas'), `cannot be greater than ${ready}`);
    if (counts.includes('collisionCount') && of('collisionCount') < Number(previous.status?.collisionCount ?? 0))
      errors.invalid('status.collisionCount', of('collisionCount'), 'cannot be decremented');
  };
}

const names = <T>(...list: (keyof T & string)[]): readonly string[] => list;

export const validateDeploymentStatus = statusRule({
  counts: names<DeploymentStatus>(
    'observedGeneration',
    'replicas',
    'updatedReplicas',
    'readyReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'terminatingReplicas',
    'collisionCount',
  ),
  parts: ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
  ready: 'readyReplicas',
});

export const validateReplicaSetStatus = statusRule({
  counts: names<ReplicaSetStatus>(
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'observedGeneration',
    'terminatingReplicas',
  ),
  parts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
  ready: 'readyReplicas',
});

export const validateReplicationControllerStatus = statusRule({
  counts: names<ReplicationControllerStatus>(
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'observedGeneration',
  ),
  parts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
  ready: 'readyReplicas',
});

export const validateStatefulSetStatus = statusRule({
  counts: names<StatefulSetStatus>(
    'replicas',
    'readyReplicas',
    'currentReplicas',
    'updatedReplicas',
    'availableReplicas',
    'observedGeneration',
    'collisionCount',
  ),
  parts: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
  ready: 'status.readyReplicas',
});

export const validateDaemonSetStatus = statusRule({
  counts: names<DaemonSetStatus>(
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ),
});

export const validateDisruptionBudgetStatus = statusRule({
  counts: names<PodDisruptionBudgetStatus>('disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'),
});

export const validateAutoscalerStatus = statusRule({
  counts: names<HorizontalPodAutoscalerStatus>('currentReplicas', 'desiredReplicas'),
});
