/** What controllers ask about a pod beyond `api/pod/conditions.ts`. */

import { findCondition } from '../api/meta.ts';
import { isPodTerminal, podAvailableIn } from '../api/pod/conditions.ts';
import { parseTime } from '../api/time.ts';
import type { Pod } from '../api/types/core-v1.ts';

export const isPodTerminating = (pod: Pod): boolean =>
  !isPodTerminal(pod) && pod.metadata.deletionTimestamp !== undefined;

/** Since when it is ready, milliseconds; undefined when it is not or nobody noted the time. */
export function readySinceMs(pod: Pod): number | undefined {
  const condition = findCondition(pod.status?.conditions, 'Ready');
  return condition?.status === 'True' && condition.lastTransitionTime
    ? parseTime(condition.lastTransitionTime)
    : undefined;
}

/** In how many milliseconds the next ready pod becomes available; undefined when none is on its way. */
export function nextAvailabilityMs(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  if (minReadySeconds === 0) return undefined;
  let next: number | undefined;
  for (const pod of pods) {
    const left = podAvailableIn(pod, minReadySeconds, nowMs);
    if (left && (next === undefined || left < next)) next = left;
  }
  return next;
}
