/** The cluster beyond nodes and pods, from informer caches. */
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import type { Service } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { Informer, InformerFactory } from '../../client/informer.ts';
import {
  bothMatch,
  compileLabelMap,
  compileLabelSelector,
  type LabelMatcher,
  matchesEverything,
} from '../core/label-matcher.ts';
import type { PodInfo } from '../core/pod-info.ts';
import type { ClusterListers } from '../profile.ts';
import { createVolumeLister } from './volume-lister.ts';

/** What the scheduler watches: it starts when all of it is known. */
export const watchedResources: readonly ResourceRef<KubeObject>[] = [
  resources.pods,
  resources.nodes,
  resources.persistentVolumeClaims,
  resources.persistentVolumes,
  resources.storageClasses,
  resources.csiNodes,
  resources.csiDrivers,
  resources.csiStorageCapacities,
  resources.volumeAttachments,
  resources.namespaces,
  resources.podDisruptionBudgets,
  resources.replicaSets,
  resources.replicationControllers,
  resources.statefulSets,
  resources.services,
];

export function createListers(informers: InformerFactory, client: Client, clock: Clock): ClusterListers {
  const volumes = createVolumeLister(informers, client, clock);
  const namespaces = informers.informer(resources.namespaces);
  const budgets = informers.informer(resources.podDisruptionBudgets);
  const replicaSets = informers.informer(resources.replicaSets);
  const replicationControllers = informers.informer(resources.replicationControllers);
  const statefulSets = informers.informer(resources.statefulSets);
  const services = informers.informer(resources.services);
  const servicesIn = byNamespace(services);

  const ownerSelector = (pod: PodInfo): LabelMatcher | undefined => {
    const owner = pod.pod.metadata.ownerReferences?.find(({ controller }) => controller);
    if (!owner) return undefined;
    const key = `${pod.namespace}/${owner.name}`;
    switch (`${owner.apiVersion}/${owner.kind}`) {
      case 'v1/ReplicationController': {
        const spec = replicationControllers.get(key)?.spec;
        return spec && compileLabelMap(spec.selector);
      }
      case 'apps/v1/ReplicaSet': {
        const spec = replicaSets.get(key)?.spec;
        return spec && compileLabelSelector(spec.selector);
      }
      case 'apps/v1/StatefulSet': {
        const spec = statefulSets.get(key)?.spec;
        return spec && compileLabelSelector(spec.selector);
      }
      default:
        return undefined;
    }
  };

  return {
    volumes,
    volumeBinder: volumes,
    namespaceLabels: (namespace) =>
      namespaces.get(namespace)?.metadata.labels ?? (namespaces.get(namespace) ? {} : undefined),
    podDisruptionBudgets: () => budgets.list(),
    defaultSelector(pod) {
      let selector = matchesEverything;
      for (const service of servicesIn(pod.namespace)) {
        const wanted = service.spec?.selector;
        if (!wanted || Object.keys(wanted).length === 0) continue;
        const matcher = compileLabelMap(wanted);
        if (matcher.matches(pod.labels)) selector = bothMatch(selector, matcher);
      }
      return bothMatch(selector, ownerSelector(pod) ?? matchesEverything);
    },
  };
}

function byNamespace(services: Informer<Service>): (namespace: string) => readonly Service[] {
  const index = 'scheduler/namespace';
  services.addIndex(index, serviceNamespace);
  return (namespace) => services.byIndex(index, namespace);
}

const serviceNamespace = (service: Service): readonly string[] => [service.metadata.namespace ?? ''];
