/** Which Services select a pod, from the informer's cache, with selectors compiled once per Service object. */
import { sameJson } from '../api/edit.ts';
import { isPodReady, isPodTerminal } from '../api/pod/conditions.ts';
import { type LabelMatcher, labelMatcherFromMap, matchLabels } from '../api/selectors/label-selector.ts';
import type { Pod, Service } from '../api/types/core-v1.ts';
import type { Informer } from '../client/informer.ts';
import { namespaceIndex } from './owner-index.ts';

export interface ServiceSelectors {
  /** Services whose selector matches these labels. */
  selecting(namespace: string, labels: Readonly<Record<string, string>> | undefined): readonly Service[];
}

export function serviceSelectors(services: Informer<Service>): ServiceSelectors {
  const servicesIn = namespaceIndex(services);
  const matchers = new WeakMap<Service, LabelMatcher>();
  return {
    selecting(namespace, labels) {
      const found: Service[] = [];
      for (const service of servicesIn(namespace)) {
        if (!hasSelector(service)) continue;
        let matcher = matchers.get(service);
        if (!matcher) matchers.set(service, (matcher = labelMatcherFromMap(service.spec?.selector)));
        if (matchLabels(matcher, labels)) found.push(service);
      }
      return found;
    },
  };
}

/** Services without a selector have their endpoints from somebody else; ExternalName ones have none. */
export const hasSelector = ({ spec }: Service): boolean => spec?.selector !== undefined && spec.type !== 'ExternalName';

/** Whether a pod's change can show in endpoints. Source: endpointslice/util podEndpointsChanged. */
export function endpointChanged(before: Pod, after: Pod): boolean {
  return (
    before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp ||
    isPodReady(before) !== isPodReady(after) ||
    isPodTerminal(before) !== isPodTerminal(after) ||
    before.spec?.nodeName !== after.spec?.nodeName ||
    before.spec?.hostname !== after.spec?.hostname ||
    before.spec?.subdomain !== after.spec?.subdomain ||
    before.status?.podIP !== after.status?.podIP ||
    !sameJson(before.status?.podIPs ?? [], after.status?.podIPs ?? []) ||
    !sameJson(before.metadata.labels ?? {}, after.metadata.labels ?? {})
  );
}
