/** Warnings of services, endpoints and rules of the network. */
import type { Endpoints, Node, Service } from '../types/core-v1.ts';
import type { EndpointSlice } from '../types/discovery-v1.ts';
import type { Ingress, NetworkPolicy, NetworkPolicyPeer } from '../types/networking-v1.ts';
import { addressWarnings, rangeWarnings } from './addresses.ts';

const topologyHints = 'service.kubernetes.io/topology-aware-hints';
const ingressClass = 'kubernetes.io/ingress.class';

export function serviceWarnings({ metadata, spec = {} }: Service): readonly string[] {
  const out: string[] = [];
  const { clusterIP = '', clusterIPs = [], externalIPs = [], loadBalancerIP = '', type } = spec;
  const headless = type === 'ClusterIP' && clusterIP === 'None';
  const external = type === 'ExternalName';
  if (metadata.annotations?.[topologyHints] !== undefined)
    out.push(`annotation ${topologyHints} is deprecated, please use service.kubernetes.io/topology-mode instead`);
  if (clusterIP !== '' && clusterIP !== 'None')
    for (const [i, ip] of clusterIPs.entries()) out.push(...addressWarnings(`spec.clusterIPs[${i}]`, ip));
  if (headless) {
    if (loadBalancerIP) out.push('spec.loadBalancerIP is ignored for headless services');
    if (externalIPs.length > 0) out.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None') out.push('spec.SessionAffinity is ignored for headless services');
  }
  for (const [i, ip] of externalIPs.entries()) out.push(...addressWarnings(`spec.externalIPs[${i}]`, ip));
  if (externalIPs.length > 0 && !headless && !external)
    out.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  if (loadBalancerIP) out.push(...addressWarnings('spec.loadBalancerIP', loadBalancerIP));
  for (const [i, range] of (spec.loadBalancerSourceRanges ?? []).entries())
    out.push(...rangeWarnings(`spec.loadBalancerSourceRanges[${i}]`, range));
  if (external && externalIPs.length > 0) out.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (!external && spec.externalName) out.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  if (spec.trafficDistribution === 'PreferClose')
    out.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  return out;
}

/** Of the status of a service or an ingress. */
export function loadBalancerWarnings({ status }: Pick<Service, 'status'> | Pick<Ingress, 'status'>): readonly string[] {
  const points: readonly { readonly ip?: string }[] = status?.loadBalancer?.ingress ?? [];
  return points.flatMap(({ ip }, i) => (ip ? addressWarnings(`status.loadBalancer.ingress[${i}]`, ip) : []));
}

export function endpointsWarnings({ metadata, subsets = [] }: Endpoints): readonly string[] {
  if (metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return [];
  return subsets.flatMap((subset, i) =>
    (['addresses', 'notReadyAddresses'] as const).flatMap((name) =>
      (subset[name] ?? []).flatMap(({ ip }, j) => addressWarnings(`subsets[${i}].${name}[${j}].ip`, ip)),
    ),
  );
}

const sliceControllers = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

export function sliceWarnings(slice: EndpointSlice, created: boolean): readonly string[] {
  const out: string[] = [];
  if (created && slice.addressType === 'FQDN') out.push('spec.addressType: FQDN endpoints are deprecated');
  if (sliceControllers.has(slice.metadata.labels?.['endpointslice.kubernetes.io/managed-by'] ?? '')) return out;
  for (const [i, endpoint] of (slice.endpoints ?? []).entries())
    for (const [j, address] of (endpoint.addresses ?? []).entries())
      out.push(...addressWarnings(`endpoints[${i}].addresses[${j}]`, address));
  return out;
}

export function ingressWarnings({ metadata, spec }: Ingress): readonly string[] {
  return metadata.annotations?.[ingressClass] !== undefined && (spec?.ingressClassName ?? null) === null
    ? [`annotation ${JSON.stringify(ingressClass)} is deprecated, please use 'spec.ingressClassName' instead`]
    : [];
}

export function networkPolicyWarnings({ spec }: NetworkPolicy): readonly string[] {
  const out: string[] = [];
  const peers = (list: readonly NetworkPolicyPeer[] | undefined, field: string): void => {
    for (const [j, { ipBlock }] of (list ?? []).entries()) {
      if (!ipBlock) continue;
      out.push(...rangeWarnings(`${field}[${j}].ipBlock.cidr`, ipBlock.cidr));
      for (const [k, range] of (ipBlock.except ?? []).entries())
        out.push(...rangeWarnings(`${field}[${j}].ipBlock.except[${k}]`, range));
    }
  };
  for (const [i, { from }] of (spec?.ingress ?? []).entries()) peers(from, `spec.ingress[${i}].from`);
  for (const [i, { to }] of (spec?.egress ?? []).entries()) peers(to, `spec.egress[${i}].to`);
  return out;
}

export function nodeWarnings({ spec = {} }: Node): readonly string[] {
  const out: string[] = [];
  if (spec.configSource) out.push('spec.configSource: the feature is removed');
  if (spec.externalID) out.push('spec.externalID: this field is deprecated, and is unused by Kubernetes');
  for (const [i, range] of (spec.podCIDRs ?? []).entries()) out.push(...rangeWarnings(`spec.podCIDRs[${i}]`, range));
  return out;
}
