/** Pods over the limits they set themselves for disk: emptyDir sizes, ephemeral-storage of containers and pods. Pure. Source: eviction_manager.go. */
import { podLimits } from '../../api/pod/resources.ts';
import { parseValue } from '../../api/quantity.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { PodStats } from '../stats/summary-types.ts';
import { binaryQuantity } from './eviction-message.ts';

/** Whether the pod's disk has to be measured at all. */
export function hasLocalLimits(pod: Pod): boolean {
  return (
    (pod.spec?.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined) ||
    [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].some(
      ({ resources }) => resources?.limits?.['ephemeral-storage'] !== undefined,
    )
  );
}

/** @returns the eviction's message, undefined when the pod keeps to its limits. */
export function overLocalLimit(pod: Pod, stats: PodStats): string | undefined {
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    if (!emptyDir?.sizeLimit) continue;
    const limit = parseValue(emptyDir.sizeLimit);
    const used = stats.volume?.find((volume) => volume.name === name)?.usedBytes;
    if (limit > 0 && used !== undefined && used > limit)
      return `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(emptyDir.sizeLimit)}. `;
  }
  const total = podLimits(pod)['ephemeral-storage'];
  const used = stats['ephemeral-storage']?.usedBytes;
  const everyContainer = (pod.spec?.containers ?? []).every((c) => c.resources?.limits?.['ephemeral-storage']);
  if (total !== undefined && everyContainer && used !== undefined && used > total)
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${binaryQuantity(total)}. `;
  for (const { name, resources } of pod.spec?.containers ?? []) {
    const limit = resources?.limits?.['ephemeral-storage'];
    if (limit === undefined) continue;
    const own = stats.containers?.find((container) => container.name === name);
    if ((own?.rootfs?.usedBytes ?? 0) + (own?.logs?.usedBytes ?? 0) > parseValue(limit))
      return `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `;
  }
  return undefined;
}
