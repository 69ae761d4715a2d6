/** The legacy Endpoints object of a Service. Pure. Source: pkg/controller/endpoint/endpoints_controller.go. */

import { sameJson } from '../../api/edit.ts';
import { isPodReady } from '../../api/pod/conditions.ts';
import { findTargetPort } from '../../api/pod/ports.ts';
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
} from '../../api/types/core-v1.ts';
import { addressTypesOf, hasEndpoint, hasHostname } from '../endpoint-slice/pod-endpoint.ts';
import { headlessLabel, isHeadless } from '../endpoint-slice/slice-labels.ts';

export const managedByLabel = 'endpoints.kubernetes.io/managed-by';
export const endpointsControllerName = 'endpoint-controller';
export const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
/** More addresses are left out, ready ones last. */
const addressesMax = 1000;

/** @param current what is there; undefined: to be created. @returns undefined when it is right already. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  current: Endpoints | undefined,
): Endpoints | undefined {
  const { subsets, truncated } = capped(subsetsOf(service, pods));
  const labels = labelsOf(service);
  const isRight =
    current !== undefined &&
    sameJson(normal(current.subsets), normal(subsets)) &&
    sameJson(current.metadata.labels ?? {}, labels) &&
    (current.metadata.annotations?.[overCapacityAnnotation] === 'truncated') === truncated;
  if (isRight) return undefined;
  const { [overCapacityAnnotation]: _capacity, ...kept } = current?.metadata.annotations ?? {};
  const annotations = { ...kept, ...(truncated ? { [overCapacityAnnotation]: 'truncated' } : {}) };
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...current?.metadata,
      name: service.metadata.name!,
      namespace: service.metadata.namespace!,
      labels,
      ...(Object.keys(annotations).length > 0 ? { annotations } : { annotations: {} }),
    },
    ...(subsets.length > 0 ? { subsets } : {}),
  };
}

/** Addresses with the same ports share a subset. */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  const groups = new Map<string, { ports: EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>();
  for (const pod of pods) {
    if (!hasEndpoint(pod, { includeTerminating: publishAll })) continue;
    const address = addressOf(service, pod);
    if (!address) continue;
    const ports = portsOf(service, pod);
    // A Service with ports, none of which this pod has.
    if (ports.length === 0 && (service.spec?.ports?.length ?? 0) > 0) continue;
    const key = JSON.stringify(ports);
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, ready: [], notReady: [] }));
    (publishAll || isPodReady(pod) ? group.ready : group.notReady).push(address);
  }
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length > 0 ? { addresses: ready.sort(byAddress) } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: notReady.sort(byAddress) } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    }));
}

function addressOf(service: Service, pod: Pod): EndpointAddress | undefined {
  // One family only: the Service's first.
  const wantsV6 = addressTypesOf(service)[0] === 'IPv6';
  const all = pod.status?.podIPs?.length ? pod.status.podIPs.map(({ ip }) => ip) : [pod.status?.podIP ?? ''];
  const ip = all.find((candidate) => candidate !== '' && candidate.includes(':') === wantsV6);
  if (ip === undefined) return undefined;
  return {
    ip,
    ...(hasHostname(pod, service) ? { hostname: pod.spec!.hostname! } : {}),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: {
      kind: 'Pod',
      namespace: pod.metadata.namespace!,
      name: pod.metadata.name!,
      uid: pod.metadata.uid!,
    },
  };
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const { name, protocol = 'TCP', appProtocol, port, targetPort } of service.spec?.ports ?? []) {
    const number = findTargetPort(pod, targetPort ?? port, protocol);
    if (number === undefined) continue;
    ports.push({
      ...(name ? { name } : {}),
      port: number,
      protocol,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    });
  }
  return ports;
}

function labelsOf(service: Service): Readonly<Record<string, string>> {
  const { [headlessLabel]: _headless, ...labels } = service.metadata.labels ?? {};
  return {
    ...labels,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [managedByLabel]: endpointsControllerName,
  };
}

function capped(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const count = (of: 'addresses' | 'notReadyAddresses'): number =>
    subsets.reduce((total, subset) => total + (subset[of]?.length ?? 0), 0);
  if (count('addresses') + count('notReadyAddresses') <= addressesMax) return { subsets, truncated: false };
  let ready = Math.min(count('addresses'), addressesMax);
  let notReady = addressesMax - ready;
  const kept = subsets.flatMap((subset) => {
    const addresses = subset.addresses?.slice(0, ready) ?? [];
    const others = subset.notReadyAddresses?.slice(0, notReady) ?? [];
    ready -= addresses.length;
    notReady -= others.length;
    if (addresses.length + others.length === 0) return [];
    return [
      {
        ...(addresses.length > 0 ? { addresses } : {}),
        ...(others.length > 0 ? { notReadyAddresses: others } : {}),
        ...(subset.ports ? { ports: subset.ports } : {}),
      },
    ];
  });
  return { subsets: kept, truncated: true };
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : (a.targetRef?.uid ?? '') < (b.targetRef?.uid ?? '') ? -1 : 1;
}

const normal = (subsets: readonly EndpointSubset[] | undefined) =>
  (subsets ?? []).map(({ addresses = [], notReadyAddresses = [], ports = [] }) => ({
    addresses,
    notReadyAddresses,
    ports,
  }));
