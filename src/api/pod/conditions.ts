/** What a pod's phase and conditions say. Source: k8s.io/kubernetes/pkg/api/v1/pod, pkg/controller. */
import { findCondition, isConditionTrue } from '../meta.ts';
import { parseTime } from '../time.ts';
import type { Pod, PodCondition } from '../types/core-v1.ts';

export const podCondition = (pod: Pod, type: string): PodCondition | undefined =>
  findCondition(pod.status?.conditions, type);

export const isPodReady = (pod: Pod): boolean => isConditionTrue(pod.status?.conditions, 'Ready');
export const isPodScheduled = (pod: Pod): boolean => (pod.spec?.nodeName ?? '') !== '';

/** Its containers have ended and will not start again. */
export function isPodTerminal(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Neither ended nor on its way out: what controllers count as theirs. */
export const isPodActive = (pod: Pod): boolean => !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;

/** Ready for at least `minReadySeconds`. @param now milliseconds since the epoch */
export function isPodAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return podAvailableIn(pod, minReadySeconds, now) === 0;
}

/** Milliseconds until the pod counts as available if it stays ready, 0 when it is; `undefined` while it is not ready. */
export function podAvailableIn(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const since = ready.lastTransitionTime ? parseTime(ready.lastTransitionTime) : undefined;
  return since === undefined ? undefined : Math.max(0, since + minReadySeconds * 1000 - now);
}
