/** A Deployment's status and conditions. Pure. Source: pkg/controller/deployment/{progress,sync}.go. */
import { sameJson } from '../../api/edit.ts';
import { findCondition } from '../../api/meta.ts';
import { formatTime, parseTime } from '../../api/time.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/types/apps-v1.ts';
import { maxUnavailable } from './fenceposts.ts';
import { availableOf, sizeOf, sum } from './replica-sets.ts';

type Conditions = readonly DeploymentCondition[];
type ConditionType = 'Available' | 'Progressing' | 'ReplicaFailure';

export const Reason = {
  minimumAvailable: 'MinimumReplicasAvailable',
  minimumUnavailable: 'MinimumReplicasUnavailable',
  newReplicaSet: 'NewReplicaSetCreated',
  foundNewReplicaSet: 'FoundNewReplicaSet',
  newReplicaSetAvailable: 'NewReplicaSetAvailable',
  replicaSetUpdated: 'ReplicaSetUpdated',
  failedCreate: 'ReplicaSetCreateError',
  timedOut: 'ProgressDeadlineExceeded',
  paused: 'DeploymentPaused',
  resumed: 'DeploymentResumed',
} as const;

const noDeadline = 2 ** 31 - 1;
export const hasProgressDeadline = ({ spec }: Deployment): boolean =>
  spec?.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== noDeadline;

/** Sets a condition by type. The same status and reason change nothing; the transition time moves only with the status. */
export function withCondition(
  conditions: Conditions,
  type: ConditionType,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  nowMs: number,
): Conditions {
  const current = findCondition(conditions, type);
  if (current?.status === status && current.reason === reason) return conditions;
  return replaced(conditions, type, status, reason, message, nowMs);
}

function replaced(
  conditions: Conditions,
  type: ConditionType,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): Conditions {
  const current = findCondition(conditions, type);
  const now = formatTime(nowMs);
  const lastTransitionTime = current?.status === status ? (current.lastTransitionTime ?? now) : now;
  return [...without(conditions, type), { type, status, lastUpdateTime: now, lastTransitionTime, reason, message }];
}

export const without = (conditions: Conditions, type: ConditionType): Conditions =>
  conditions.filter((condition) => condition.type !== type);

/** The counts, and whether enough pods are available. @param deployment its status holds the conditions so far. */
export function deploymentStatus(
  deployment: Deployment,
  newReplicaSet: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const availableReplicas = sum(all, availableOf);
  const unavailableReplicas = Math.max(0, sum(all, sizeOf) - availableReplicas);
  const enough = availableReplicas >= (deployment.spec?.replicas ?? 1) - maxUnavailable(deployment);
  const before = deployment.status?.conditions ?? [];
  const conditions = enough
    ? withCondition(before, 'Available', 'True', Reason.minimumAvailable, 'Deployment has minimum availability.', nowMs)
    : withCondition(
        before,
        'Available',
        'False',
        Reason.minimumUnavailable,
        'Deployment does not have minimum availability.',
        nowMs,
      );
  const replicas = sum(all, ({ status }) => status?.replicas ?? 0);
  const updatedReplicas = newReplicaSet?.status?.replicas ?? 0;
  const readyReplicas = sum(all, ({ status }) => status?.readyReplicas ?? 0);
  const collisionCount = deployment.status?.collisionCount;
  return {
    ...(deployment.metadata.generation ? { observedGeneration: deployment.metadata.generation } : {}),
    ...(replicas > 0 ? { replicas } : {}),
    ...(updatedReplicas > 0 ? { updatedReplicas } : {}),
    ...(readyReplicas > 0 ? { readyReplicas } : {}),
    ...(availableReplicas > 0 ? { availableReplicas } : {}),
    ...(unavailableReplicas > 0 ? { unavailableReplicas } : {}),
    // Known only once every ReplicaSet has counted its own.
    ...(all.every(({ status }) => status?.terminatingReplicas !== undefined)
      ? { terminatingReplicas: sum(all, ({ status }) => status?.terminatingReplicas ?? 0) }
      : {}),
    conditions,
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
}

/** The status during a rollout: also how it progresses. */
export function rolloutStatus(
  deployment: Deployment,
  newReplicaSet: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const status = deploymentStatus(deployment, newReplicaSet, all, nowMs);
  let conditions = status.conditions ?? [];
  if (!hasProgressDeadline(deployment)) conditions = without(conditions, 'Progressing');
  const current = findCondition(deployment.status?.conditions, 'Progressing');
  const subject = newReplicaSet
    ? `ReplicaSet "${newReplicaSet.metadata.name}"`
    : `Deployment "${deployment.metadata.name}"`;
  const wasComplete =
    (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === Reason.newReplicaSetAvailable;
  if (hasProgressDeadline(deployment) && !wasComplete) {
    if (isComplete(deployment, status)) {
      const message = `${subject} has successfully progressed.`;
      conditions = withCondition(conditions, 'Progressing', 'True', Reason.newReplicaSetAvailable, message, nowMs);
    } else if (isProgressing(deployment, status)) {
      // Each sign of progress starts the deadline anew: the update time moves also when status and reason stay.
      const message = `${subject} is progressing.`;
      conditions = replaced(conditions, 'Progressing', 'True', Reason.replicaSetUpdated, message, nowMs);
    } else if (hasTimedOut({ ...deployment, status: { ...status, conditions } }, nowMs)) {
      const message = `${subject} has timed out progressing.`;
      conditions = withCondition(conditions, 'Progressing', 'False', Reason.timedOut, message, nowMs);
    }
  }
  const failure = replicaFailure(newReplicaSet, all);
  conditions = failure
    ? withCondition(
        conditions,
        'ReplicaFailure',
        failure.status as 'True',
        failure.reason ?? '',
        failure.message ?? '',
        nowMs,
      )
    : without(conditions, 'ReplicaFailure');
  return { ...status, conditions };
}

/** All pods are of the new template and available, and the spec has been seen. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function isProgressing({ status: before }: Deployment, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus | undefined): number =>
    (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, nowMs: number): boolean {
  const condition = findCondition(deployment.status?.conditions, 'Progressing');
  if (!condition || condition.reason === Reason.newReplicaSetAvailable) return false;
  if (condition.reason === Reason.timedOut) return true;
  const deadline = progressDeadlineMs(deployment, condition);
  return deadline !== undefined && deadline < nowMs;
}

function progressDeadlineMs({ spec }: Deployment, condition: DeploymentCondition): number | undefined {
  const from = condition.lastUpdateTime ? parseTime(condition.lastUpdateTime) : undefined;
  return from === undefined ? undefined : from + (spec?.progressDeadlineSeconds ?? 0) * 1000;
}

/** When to look again because the deadline will have passed; undefined when nothing is under way. */
export function timeoutCheckAfterMs(
  deployment: Deployment,
  status: DeploymentStatus,
  nowMs: number,
): number | undefined {
  const condition = findCondition(status.conditions, 'Progressing');
  if (!hasProgressDeadline(deployment) || !condition) return undefined;
  if (isComplete(deployment, status) || condition.reason === Reason.timedOut) return undefined;
  const deadline = progressDeadlineMs(deployment, condition);
  // A second more than the stamp's precision.
  return deadline === undefined ? undefined : Math.max(0, deadline - nowMs) + 1000;
}

/** Pausing stops the deadline's clock, resuming starts it anew; a rollout that timed out stays so. */
export function withPauseCondition(deployment: Deployment, nowMs: number): Conditions {
  const conditions = deployment.status?.conditions ?? [];
  if (!hasProgressDeadline(deployment)) return conditions;
  const current = findCondition(conditions, 'Progressing');
  if (current?.reason === Reason.timedOut) return conditions;
  const isPaused = current?.reason === Reason.paused;
  if (deployment.spec?.paused && !isPaused)
    return withCondition(conditions, 'Progressing', 'Unknown', Reason.paused, 'Deployment is paused', nowMs);
  if (!deployment.spec?.paused && isPaused)
    return withCondition(conditions, 'Progressing', 'Unknown', Reason.resumed, 'Deployment is resumed', nowMs);
  return conditions;
}

/** The new ReplicaSet's failure, else any other's. */
function replicaFailure(newReplicaSet: ReplicaSet | undefined, all: readonly ReplicaSet[]) {
  const own = findCondition(newReplicaSet?.status?.conditions, 'ReplicaFailure');
  if (own) return own;
  for (const { status } of all) {
    const other = findCondition(status?.conditions, 'ReplicaFailure');
    if (other) return other;
  }
  return undefined;
}

export function sameStatus(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  const zero = {
    observedGeneration: 0,
    replicas: 0,
    updatedReplicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    unavailableReplicas: 0,
    conditions: [],
  };
  return sameJson({ ...zero, ...before }, { ...zero, ...after });
}
