/** A DaemonSet's status from its nodes and pods. Pure. Source: updateDaemonSetStatus in pkg/controller/daemon. */
import { isPodAvailable, isPodReady } from '../../api/pod/conditions.ts';
import type { DaemonSetStatus } from '../../api/types/apps-v1.ts';
import { isUpdated, judgeNode } from './nodes.ts';
import { byAge, type DaemonView, minReadySeconds } from './plan.ts';

/** @param observed the generation was acted upon, not only looked at. */
export function daemonSetStatus(view: DaemonView, observed: boolean): DaemonSetStatus {
  const { daemonSet } = view;
  let desired = 0;
  let current = 0;
  let misscheduled = 0;
  let ready = 0;
  let updated = 0;
  let available = 0;
  for (const node of view.nodes) {
    const pods = view.pods.get(node.metadata.name!) ?? [];
    if (!judgeNode(node, daemonSet).shouldRun) {
      if (pods.length > 0) misscheduled++;
      continue;
    }
    desired++;
    if (pods.length === 0) continue;
    current++;
    const pod = [...pods].sort(byAge)[0]!;
    if (isPodReady(pod)) {
      ready++;
      if (isPodAvailable(pod, minReadySeconds(daemonSet), view.nowMs)) available++;
    }
    if (isUpdated(pod, daemonSet, view.hash)) updated++;
  }
  const { collisionCount, conditions } = daemonSet.status ?? {};
  const observedGeneration = observed ? daemonSet.metadata.generation : daemonSet.status?.observedGeneration;
  return {
    currentNumberScheduled: current,
    numberMisscheduled: misscheduled,
    desiredNumberScheduled: desired,
    numberReady: ready,
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    ...(updated > 0 ? { updatedNumberScheduled: updated } : {}),
    ...(available > 0 ? { numberAvailable: available } : {}),
    ...(desired > available ? { numberUnavailable: desired - available } : {}),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions === undefined ? {} : { conditions }),
  };
}
