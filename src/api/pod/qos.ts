import { compareQuantities, parseQuantity } from '../quantity.ts';
import type { Container, Pod, ResourceRequirements } from '../types/core-v1.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const counted = ['cpu', 'memory'] as const;

/**
 * The pod's quality of service: Guaranteed when every container (or the pod as a whole) has limits for cpu and memory and requests equal to
 * them, BestEffort when nothing asks for either, Burstable between. Source: KEP-753, KEP-2837, component-helpers/resource.
 */
export function qosClassOf(pod: Pod): QosClass {
  const { spec } = pod;
  if (!spec) return 'BestEffort';
  if (spec.resources && (asksForAnything(spec.resources) || isGuaranteed(spec.resources)))
    return isGuaranteed(spec.resources) ? 'Guaranteed' : 'Burstable';
  const containers: readonly Container[] = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  if (!containers.some((c) => asksForAnything(c.resources))) return 'BestEffort';
  return containers.every((c) => isGuaranteed(c.resources)) ? 'Guaranteed' : 'Burstable';
}

function asksForAnything(resources: ResourceRequirements | undefined): boolean {
  return counted.some((name) => isPositive(resources?.requests?.[name]) || isPositive(resources?.limits?.[name]));
}

function isGuaranteed(resources: ResourceRequirements | undefined): boolean {
  return counted.every((name) => {
    const limit = resources?.limits?.[name];
    const request = resources?.requests?.[name] ?? limit;
    return (
      isPositive(limit) &&
      request !== undefined &&
      compareQuantities(parseQuantity(limit!), parseQuantity(request)) === 0
    );
  });
}

const isPositive = (quantity: string | undefined): boolean =>
  quantity !== undefined && parseQuantity(quantity).digits > 0n;
