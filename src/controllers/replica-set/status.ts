/** A ReplicaSet's status from its pods. Pure. Source: calculateStatus in pkg/controller/replicaset/replica_set_utils.go. */
import { sameJson } from '../../api/edit.ts';
import { findCondition } from '../../api/meta.ts';
import { isPodAvailable, isPodReady } from '../../api/pod/conditions.ts';
import { formatTime } from '../../api/time.ts';
import type { ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '../../api/types/apps-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';

export interface ReplicaFailure {
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly message: string;
}

export function replicaSetStatus(
  replicaSet: ReplicaSet,
  pods: { readonly active: readonly Pod[]; readonly terminating: readonly Pod[] },
  failure: ReplicaFailure | undefined,
  nowMs: number,
): ReplicaSetStatus {
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  const templateLabels = Object.entries(replicaSet.spec?.template?.metadata?.labels ?? {});
  let fullyLabeledReplicas = 0;
  let readyReplicas = 0;
  let availableReplicas = 0;
  for (const pod of pods.active) {
    const { labels } = pod.metadata;
    if (templateLabels.every(([key, value]) => labels?.[key] === value)) fullyLabeledReplicas++;
    if (!isPodReady(pod)) continue;
    readyReplicas++;
    if (isPodAvailable(pod, minReadySeconds, nowMs)) availableReplicas++;
  }
  const conditions = withFailure(replicaSet.status?.conditions ?? [], failure, nowMs);
  return {
    replicas: pods.active.length,
    ...(fullyLabeledReplicas > 0 ? { fullyLabeledReplicas } : {}),
    ...(readyReplicas > 0 ? { readyReplicas } : {}),
    ...(availableReplicas > 0 ? { availableReplicas } : {}),
    terminatingReplicas: pods.terminating.length,
    ...(replicaSet.metadata.generation ? { observedGeneration: replicaSet.metadata.generation } : {}),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

export function sameStatus(before: ReplicaSetStatus | undefined, after: ReplicaSetStatus): boolean {
  const zero = { fullyLabeledReplicas: 0, readyReplicas: 0, availableReplicas: 0, conditions: [] };
  return sameJson({ ...zero, ...before }, { ...zero, ...after });
}

/** The condition is there while creating or deleting fails, and its time is when that began. */
function withFailure(
  conditions: readonly ReplicaSetCondition[],
  failure: ReplicaFailure | undefined,
  nowMs: number,
): readonly ReplicaSetCondition[] {
  const current = findCondition(conditions, 'ReplicaFailure');
  if (!failure) return current ? conditions.filter(({ type }) => type !== 'ReplicaFailure') : conditions;
  if (current) return conditions;
  return [...conditions, { type: 'ReplicaFailure', status: 'True', lastTransitionTime: formatTime(nowMs), ...failure }];
}
