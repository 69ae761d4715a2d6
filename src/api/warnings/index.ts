/** What the server tells a client about a valid object: `group/resource` of the stored kind -> warnings. Pure. */
import type { Secret } from '../types/core-v1.ts';
import * as network from './network.ts';
import * as storage from './storage.ts';
import { tlsPairProblem } from './tls-pair.ts';
import * as workloads from './workloads.ts';

export interface KindWarnings {
  readonly onCreate?: (object: never) => readonly string[];
  readonly onUpdate?: (next: never, previous: never) => readonly string[];
  /** On changes of the status. */
  readonly onStatus?: (next: never) => readonly string[];
}

const always = <T>(warnings: (object: T) => readonly string[]): KindWarnings => ({
  onCreate: warnings,
  onUpdate: warnings,
});

const templated: KindWarnings = {
  onCreate: (object: never) => workloads.newTemplatedWarnings(object),
  onUpdate: workloads.changedTemplatedWarnings,
};

export const kindWarnings: Readonly<Record<string, KindWarnings>> = {
  // Programs change pods, and often: nobody would read the warnings.
  '/pods': { onCreate: workloads.newPodWarnings },
  '/podtemplates': { onCreate: workloads.newPodTemplateWarnings, onUpdate: workloads.changedPodTemplateWarnings },
  '/replicationcontrollers': templated,
  'apps/deployments': templated,
  'apps/replicasets': templated,
  'apps/daemonsets': {
    onCreate: (object: never) => workloads.newTemplatedWarnings(object, { named: false }),
    onUpdate: workloads.changedTemplatedWarnings,
  },
  'apps/statefulsets': {
    onCreate: workloads.newStatefulSetWarnings,
    onUpdate: workloads.changedStatefulSetWarnings,
  },
  'batch/jobs': { onCreate: workloads.newJobWarnings, onUpdate: workloads.changedJobWarnings },
  'batch/cronjobs': { onCreate: workloads.newCronJobWarnings, onUpdate: workloads.changedCronJobWarnings },
  '/services': { ...always(network.serviceWarnings), onStatus: network.loadBalancerWarnings },
  '/endpoints': always(network.endpointsWarnings),
  '/nodes': always(network.nodeWarnings),
  '/secrets': always(secretWarnings),
  '/persistentvolumes': always(storage.volumeWarnings),
  '/persistentvolumeclaims': always(storage.claimWarnings),
  'discovery.k8s.io/endpointslices': {
    onCreate: (slice: never) => network.sliceWarnings(slice, true),
    onUpdate: (slice: never) => network.sliceWarnings(slice, false),
  },
  'networking.k8s.io/ingresses': { onCreate: network.ingressWarnings, onStatus: network.loadBalancerWarnings },
  'networking.k8s.io/networkpolicies': always(network.networkPolicyWarnings),
  'node.k8s.io/runtimeclasses': always(storage.runtimeClassWarnings),
  'storage.k8s.io/storageclasses': always(storage.storageClassWarnings),
  'storage.k8s.io/csistoragecapacities': always(storage.storageCapacityWarnings),
  'storage.k8s.io/csidrivers': {
    onCreate: (driver: never) => storage.csiDriverWarnings(driver),
    onUpdate: storage.csiDriverWarnings,
  },
};

function secretWarnings({ type, data = {} }: Secret): readonly string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const bytes = (key: string): Buffer => Buffer.from(data[key] ?? '', 'base64');
  const problem = tlsPairProblem(bytes('tls.crt'), bytes('tls.key'));
  return problem ? [problem] : [];
}

/** Versions that are on their way out, by `group/version/resource`; every answer about them says so. */
export const versionWarnings: Readonly<Record<string, string>> = {
  '/v1/componentstatuses': 'v1 ComponentStatus is deprecated in v1.19+',
  '/v1/endpoints': 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
};
