/** Which pods go first when a workload shrinks. Source: ActivePodsWithRanks in pkg/controller/controller_utils.go. */

import { isPodReady } from '../../api/pod/conditions.ts';
import { parseTime } from '../../api/time.ts';
import type { ContainerStatus, Pod } from '../../api/types/core-v1.ts';
import { readySinceMs } from '../pod-state.ts';

export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

interface Ranked {
  readonly pod: Pod;
  readonly doubledUp: number;
}

/**
 * The `count` pods to delete: those that cost least, by upstream's rules in their order.
 * @param related active pods of this workload and its siblings: pods that share a node with many of them go first.
 */
export function podsToDelete(
  pods: readonly Pod[],
  related: readonly Pod[],
  count: number,
  nowMs: number,
): readonly Pod[] {
  // All go: no need to choose.
  if (count >= pods.length) return pods;
  const onNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec?.nodeName ?? '';
    onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  return pods
    .map((pod): Ranked => ({ pod, doubledUp: onNode.get(pod.spec?.nodeName ?? '') ?? 0 }))
    .sort((a, b) => compare(a, b, nowMs))
    .slice(0, count)
    .map(({ pod }) => pod);
}

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Negative: `a` is deleted before `b`. */
function compare(a: Ranked, b: Ranked, nowMs: number): number {
  const rules = [
    // 1. not assigned to a node
    () => Number(!!a.pod.spec?.nodeName) - Number(!!b.pod.spec?.nodeName),
    // 2. pending before unknown before running
    () => (phaseRank[a.pod.status?.phase ?? ''] ?? 0) - (phaseRank[b.pod.status?.phase ?? ''] ?? 0),
    // 3. not ready
    () => Number(isPodReady(a.pod)) - Number(isPodReady(b.pod)),
    // 4. cheaper by the user's own word
    () => deletionCost(a.pod) - deletionCost(b.pod),
    // 5. with more siblings on its node
    () => b.doubledUp - a.doubledUp,
    // 6. ready for a shorter time
    () => (isPodReady(a.pod) && isPodReady(b.pod) ? byAge(a.pod, b.pod, readySinceMs, nowMs) : 0),
    // 7. restarted more often
    () => restarts(b.pod) - restarts(a.pod),
    // 8. younger
    () => byAge(a.pod, b.pod, createdMs, nowMs),
  ];
  for (const rule of rules) {
    const order = rule();
    if (order !== 0) return order;
  }
  return 0;
}

/**
 * Ages are compared by their power of two, and within one by uid, so that which of the pods of about the same age goes is random: otherwise
 * always the youngest, often all in one zone, would go (LogarithmicScaleDown).
 */
function byAge(a: Pod, b: Pod, timeOf: (pod: Pod) => number | undefined, nowMs: number): number {
  const [since, other] = [timeOf(a), timeOf(b)];
  if (since === other) return 0;
  if (since === undefined) return -1;
  if (other === undefined) return 1;
  const difference = magnitude(nowMs - since) - magnitude(nowMs - other);
  if (difference !== 0) return difference;
  return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1;
}

/** log2 of the age in nanoseconds, -1 for none. */
const magnitude = (ageMs: number): number => (ageMs <= 0 ? -1 : Math.floor(Math.log2(ageMs * 1e6)));

function createdMs(pod: Pod): number | undefined {
  const { creationTimestamp } = pod.metadata;
  return creationTimestamp ? parseTime(creationTimestamp) : undefined;
}

function restarts(pod: Pod): number {
  const most = (statuses: readonly ContainerStatus[] | undefined): number =>
    (statuses ?? []).reduce((max, { restartCount }) => Math.max(max, restartCount), 0);
  return most(pod.status?.containerStatuses);
}

/** An int32 in decimal, as validated; anything else counts as 0. */
export function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation];
  return text !== undefined && /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : 0;
}
