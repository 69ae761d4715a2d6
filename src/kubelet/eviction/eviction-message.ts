/** What an evicted pod's status says. Pure. Source: pkg/kubelet/eviction/helpers.go (evictionMessage). */
import { parseValue } from '../../api/quantity.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { PodStats } from '../stats/summary-types.ts';
import { type Observation, quantityOf, resourceOf, type Threshold } from './thresholds.ts';

export function evictionMessage(
  threshold: Threshold,
  observation: Observation | undefined,
  pod: Pod,
  stats: PodStats | undefined,
): string {
  const resource = resourceOf(threshold.signal);
  let message = `The node was low on resource: ${resource}. `;
  if (observation)
    message += `Threshold quantity: ${binaryQuantity(quantityOf(threshold.value, observation.capacity))}, available: ${binaryQuantity(observation.available)}. `;
  for (const used of stats?.containers ?? []) {
    const container = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find(
      (c) => c.name === used.name,
    );
    if (!container || (resource !== 'memory' && resource !== 'ephemeral-storage')) continue;
    const bytes =
      resource === 'memory'
        ? used.memory?.workingSetBytes
        : (used.rootfs?.usedBytes ?? 0) + (used.logs?.usedBytes ?? 0);
    const text = container.resources?.requests?.[resource] ?? '0';
    if (bytes === undefined || bytes <= parseValue(text)) continue;
    message += `Container ${used.name} was using ${binaryQuantity(bytes)}, request is ${text}, has larger consumption of ${resource}. `;
  }
  return message;
}

const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** As Go prints a BinarySI quantity: the largest unit without a fraction. */
export function binaryQuantity(amount: number): string {
  let value = Math.trunc(amount);
  let unit = 0;
  while (value !== 0 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value}${units[unit]}`;
}
