/**
 * What a pod asks for and may use, as exact quantities: for what is shown or added up. Where numbers will do, `resources.ts` is quicker.
 * Source: k8s.io/component-helpers/resource (PodRequests, PodLimits).
 */
import {
  addResources,
  largerResources,
  noResources,
  onlyResources,
  type QuantityTexts,
  type ResourceList,
  readResources,
} from '../resource-list.ts';
import type { Container, ContainerStatus, Pod } from '../types/core-v1.ts';
import { isSidecar } from './resources.ts';

export interface PodListOptions {
  /** Add `spec.overhead`; to limits, where there is one. */
  readonly overhead?: boolean;
  /** Count what is allocated or in use while a resize is under way, where that is more. */
  readonly useStatus?: boolean;
}

/** @throws QuantityError */
export function podResourceList(pod: Pod, which: 'requests' | 'limits', options: PodListOptions = {}): ResourceList {
  const { spec, status } = pod;
  if (!spec) return noResources;
  const ofContainer = (container: Container, statuses: readonly ContainerStatus[] | undefined): ResourceList => {
    const wanted = readResources(container.resources?.[which]);
    const now = options.useStatus ? statuses?.find(({ name }) => name === container.name) : undefined;
    if (!now) return wanted;
    const granted = largerResources(
      isResizeInfeasible(pod) ? noResources : wanted,
      readResources(now.resources?.[which]),
    );
    return which === 'requests' ? largerResources(granted, readResources(now.allocatedResources)) : granted;
  };
  let total = noResources;
  for (const container of spec.containers ?? [])
    total = addResources(total, ofContainer(container, status?.containerStatuses));
  let sidecars = noResources;
  let peak = noResources;
  for (const container of spec.initContainers ?? []) {
    const own = ofContainer(container, status?.initContainerStatuses);
    if (isSidecar(container)) {
      total = addResources(total, own);
      sidecars = addResources(sidecars, own);
      peak = largerResources(peak, sidecars);
    } else peak = largerResources(peak, addResources(own, sidecars));
  }
  total = replaced(largerResources(total, peak), spec.resources?.[which]);
  if (!options.overhead || !spec.overhead) return total;
  const overhead = readResources(spec.overhead);
  return addResources(total, which === 'limits' ? onlyResources(overhead, (name) => total.has(name)) : overhead);
}

/** Pod-level values replace the containers', for the resources that may be given there. */
function replaced(total: ResourceList, podLevel: QuantityTexts | undefined): ResourceList {
  if (!podLevel) return total;
  const result = new Map(total);
  for (const [name, quantity] of readResources(podLevel))
    if (name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')) result.set(name, quantity);
  return result;
}

/** A resize that cannot be granted does not count. */
const isResizeInfeasible = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible') === true;
