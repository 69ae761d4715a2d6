/**
 * Makes room for a critical pod that does not fit: the fewest and least important pods that give back what it lacks. Pure.
 * Source: pkg/kubelet/preemption/preemption.go.
 */

import type { QosClass } from '../../api/pod/qos.ts';
import { podRequests, type ResourceAmounts } from '../../api/pod/resources.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { isCriticalPod } from '../eviction/eviction-manager.ts';
import { qosClass } from '../pods/qos.ts';

/** @param lacking what is missing, as amounts. @returns undefined when no set of pods gives enough. */
export function podsToPreempt(
  preemptor: Pod,
  pods: readonly Pod[],
  lacking: ResourceAmounts,
): readonly Pod[] | undefined {
  const may = pods.filter((pod) => preemptable(preemptor, pod));
  const tiers: Readonly<Record<QosClass, Pod[]>> = { BestEffort: [], Burstable: [], Guaranteed: [] };
  for (const pod of may) tiers[qosClass(pod)].push(pod);
  // The gentlest tier that can help: nothing of a higher one is taken that a lower one could give.
  if (!meets(may, lacking)) return undefined;
  const guaranteed = fewest(tiers.Guaranteed, minus(lacking, [...tiers.BestEffort, ...tiers.Burstable]));
  const burstable = fewest(tiers.Burstable, minus(lacking, [...tiers.BestEffort, ...guaranteed]));
  const bestEffort = fewest(tiers.BestEffort, minus(lacking, [...burstable, ...guaranteed]));
  return [...bestEffort, ...burstable, ...guaranteed];
}

function preemptable(preemptor: Pod, preemptee: Pod): boolean {
  if (isCriticalPod(preemptor) && !isCriticalPod(preemptee)) return true;
  const [a, b] = [preemptor.spec?.priority, preemptee.spec?.priority];
  return a !== undefined && b !== undefined && Number(a) > Number(b);
}

const given = (pod: Pod, name: string): number => (name === 'pods' ? 1 : (podRequests(pod)[name] ?? 0));

function minus(lacking: ResourceAmounts, pods: readonly Pod[]): ResourceAmounts {
  const left: Record<string, number> = {};
  for (const [name, amount] of Object.entries(lacking)) {
    let still = amount;
    for (const pod of pods) still -= given(pod, name);
    if (still > 0) left[name] = still;
  }
  return left;
}

const meets = (pods: readonly Pod[], lacking: ResourceAmounts): boolean =>
  Object.keys(minus(lacking, pods)).length === 0;

/** One after the other, the pod that comes closest to what is still missing. */
function fewest(pods: readonly Pod[], lacking: ResourceAmounts): readonly Pod[] {
  const left = [...pods];
  const chosen: Pod[] = [];
  let missing = lacking;
  while (Object.keys(missing).length > 0 && left.length > 0) {
    let best = 0;
    let bestDistance = Number.POSITIVE_INFINITY;
    for (const [i, pod] of left.entries()) {
      let distance = 0;
      for (const [name, amount] of Object.entries(missing)) {
        const part = Math.max(0, amount - given(pod, name)) / amount;
        distance += part * part;
      }
      if (distance < bestDistance) [best, bestDistance] = [i, distance];
    }
    chosen.push(...left.splice(best, 1));
    missing = minus(lacking, chosen);
  }
  return chosen;
}
