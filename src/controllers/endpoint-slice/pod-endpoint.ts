/** A pod as an endpoint of a Service. Pure. Source: staging/src/k8s.io/endpointslice/utils.go. */

import { isPodReady, isPodTerminal } from '../../api/pod/conditions.ts';
import { findTargetPort } from '../../api/pod/ports.ts';
import type { Node, Pod, Service } from '../../api/types/core-v1.ts';
import type { Endpoint, EndpointPort } from '../../api/types/discovery-v1.ts';

import { isTopologyAware } from './zone-hints.ts';

export type AddressType = 'IPv4' | 'IPv6';

/** It has an address and has not ended. @param includeTerminating slices tell of terminating pods, Endpoints do not. */
export function hasEndpoint(pod: Pod, options: { readonly includeTerminating: boolean }): boolean {
  if (isPodTerminal(pod)) return false;
  if (!pod.status?.podIP && !pod.status?.podIPs?.length) return false;
  return options.includeTerminating || pod.metadata.deletionTimestamp === undefined;
}

/** The families a Service speaks. Older headless Services name none: they get both. */
export function addressTypesOf({ spec }: Service): readonly AddressType[] {
  if (spec?.ipFamilies?.length) return spec.ipFamilies.filter((family) => family === 'IPv4' || family === 'IPv6');
  if (spec?.clusterIP && spec.clusterIP !== 'None') return [spec.clusterIP.includes(':') ? 'IPv6' : 'IPv4'];
  return ['IPv4', 'IPv6'];
}

export function podEndpoint(pod: Pod, node: Node | undefined, service: Service, addressType: AddressType): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone'];
  const nodeName = pod.spec?.nodeName;
  const hints = ready && !isTopologyAware(service) ? hintsFor(service, nodeName, zone) : undefined;
  return {
    addresses: addressesOf(pod, addressType),
    conditions: { ready, serving, terminating },
    ...(hasHostname(pod, service) ? { hostname: pod.spec!.hostname! } : {}),
    targetRef: {
      kind: 'Pod',
      namespace: pod.metadata.namespace!,
      name: pod.metadata.name!,
      uid: pod.metadata.uid!,
    },
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
  };
}

/** spec.trafficDistribution as hints that proxies follow: same zone, or same node and then same zone. */
function hintsFor({ spec }: Service, nodeName: string | undefined, zone: string | undefined): Endpoint['hints'] {
  const forZones = zone ? { forZones: [{ name: zone }] } : undefined;
  switch (spec?.trafficDistribution) {
    case 'PreferClose':
    case 'PreferSameZone':
      return forZones;
    case 'PreferSameNode':
      return nodeName ? { ...forZones, forNodes: [{ name: nodeName }] } : forZones;
    default:
      return undefined;
  }
}

function addressesOf({ status }: Pod, addressType: AddressType): string[] {
  const all = status?.podIPs?.length ? status.podIPs.map(({ ip }) => ip) : [status?.podIP ?? ''];
  return all.filter((ip) => ip !== '' && ip.includes(':') === (addressType === 'IPv6'));
}

export const hasHostname = (pod: Pod, service: Service): boolean =>
  !!pod.spec?.hostname &&
  pod.spec.subdomain === service.metadata.name &&
  pod.metadata.namespace === service.metadata.namespace;

/** A Service's ports on this pod: names are looked up in its containers; a port the pod does not have is left out. */
export function endpointPorts(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const { name, protocol = 'TCP', appProtocol, port, targetPort } of service.spec?.ports ?? []) {
    const number = findTargetPort(pod, targetPort ?? port, protocol);
    if (number === undefined) continue;
    ports.push({ name: name ?? '', protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) });
  }
  return ports;
}
