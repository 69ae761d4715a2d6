/** A StatefulSet's status from its pods. Pure. Source: computeReplicaStatus and completeRollingUpdate in pkg/controller/statefulset. */
import { isBeingDeleted } from '../../api/meta.ts';
import { isPodAvailable } from '../../api/pod/conditions.ts';
import type { StatefulSetStatus } from '../../api/types/apps-v1.ts';
import { ordinalOf, replicasOf, revisionOf } from './identity.ts';
import { isRunningAndReady, type StatefulPlan, type StatefulView } from './plan.ts';

export function statefulSetStatus(view: StatefulView, plan: StatefulPlan, collisionCount: number): StatefulSetStatus {
  const { set, nowMs } = view;
  const count = { replicas: 0, ready: 0, available: 0, current: 0, updated: 0 };
  for (const pod of view.pods) {
    if (ordinalOf(set, pod) < 0) continue;
    count.replicas++;
    if (isRunningAndReady(pod)) {
      count.ready++;
      if (isPodAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)) count.available++;
    }
    if (isBeingDeleted(pod)) continue;
    if (revisionOf(pod) === view.currentRevision) count.current++;
    if (revisionOf(pod) === view.updateRevision) count.updated++;
  }
  for (const step of plan.steps)
    if (step.kind === 'delete' && step.why === 'update' && revisionOf(step.pod) === view.currentRevision)
      count.current--;
  const wanted = replicasOf(set);
  const complete =
    set.spec?.updateStrategy?.type !== 'OnDelete' &&
    count.updated === wanted &&
    count.ready === wanted &&
    count.replicas === wanted;
  const current = complete ? count.updated : count.current;
  return {
    ...(set.metadata.generation ? { observedGeneration: set.metadata.generation } : {}),
    replicas: count.replicas,
    ...(count.ready > 0 ? { readyReplicas: count.ready } : {}),
    ...(current > 0 ? { currentReplicas: current } : {}),
    ...(count.updated > 0 ? { updatedReplicas: count.updated } : {}),
    currentRevision: complete ? view.updateRevision : view.currentRevision,
    updateRevision: view.updateRevision,
    collisionCount,
    availableReplicas: count.available,
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  };
}
