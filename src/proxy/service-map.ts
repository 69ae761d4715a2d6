/**
 * From Services and EndpointSlices to what the rules must do: a list of service ports with the endpoints that this node sends to. Pure.
 * Source: KEP-1669 (terminating endpoints), KEP-2433/4444 (traffic distribution), KEP-2086 (internal traffic policy).
 */
import type { Service, ServicePort } from '../api/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../api/types/discovery-v1.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** What a Service that names no `trafficDistribution` gets: the design's preference for the client's own node, or upstream's even spread. */
export type DefaultTrafficDistribution = 'PreferSameNode' | 'PreferSameZone' | 'Spread';

export interface NodeTopology {
  readonly nodeName: string;
  /** Empty when the node has no `topology.kubernetes.io/zone` label. */
  readonly zone: string;
}

export interface EndpointAddress {
  readonly ip: string;
  readonly port: number;
}

export interface ServicePortRules {
  /** `namespace/name:port`, the name of rules, logs and metrics. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly clusterIps: readonly string[];
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  /** Further addresses that lead to the Service on its port: external IPs, and a load balancer's that does not proxy itself. */
  readonly externalIps: readonly string[];
  /** Those of a load balancer among them: only `sourceRanges` may use them, when there are any. */
  readonly loadBalancerIps: readonly string[];
  /** CIDRs of this family. */
  readonly sourceRanges: readonly string[];
  /** For traffic from inside the cluster, by IP and port; empty: refused, or dropped when `local` forbids the others. */
  readonly endpoints: readonly EndpointAddress[];
  /** For traffic from outside (node ports, external IPs) that may leave this node again. */
  readonly clusterEndpoints: readonly EndpointAddress[];
  /** For traffic from outside; differs from `clusterEndpoints` under `externalTrafficPolicy: Local`. */
  readonly externalEndpoints: readonly EndpointAddress[];
  /** Endpoints exist elsewhere but the policy keeps traffic on this node: packets are dropped, not refused. */
  readonly dropInternal: boolean;
  readonly dropExternal: boolean;
  /** Local external traffic keeps its source address. */
  readonly externalPolicyLocal: boolean;
  /** 0: none; else ClientIP affinity for so many seconds. */
  readonly affinitySeconds: number;
  /** Endpoints on this node, which may reach themselves through the Service. */
  readonly localIps: readonly string[];
}

export interface ProxyInput {
  readonly services: readonly Service[];
  /** By `namespace/service`. */
  readonly slicesOf: (serviceKey: string) => readonly EndpointSlice[];
  readonly topology: NodeTopology;
  readonly defaultTrafficDistribution: DefaultTrafficDistribution;
  /** Name of another proxy implementation's label value; Services that carry one are left alone. */
  readonly family: 'IPv4' | 'IPv6';
}

/** What decides beyond the Service itself. */
export type ServiceContext = Omit<ProxyInput, 'services'>;

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
const headlessLabel = 'service.kubernetes.io/headless';

/** One entry for each port of each Service that this proxy serves, in the order of the Services. */
export function buildServiceRules(input: ProxyInput): ServicePortRules[] {
  const out: ServicePortRules[] = [];
  for (const service of input.services) out.push(...rulesOfService(service, input));
  return out;
}

/** What one Service needs; empty for one that this proxy does not serve. */
export function rulesOfService(service: Service, input: ServiceContext): ServicePortRules[] {
  const clusterIps = servedIps(service, input.family);
  if (clusterIps.length === 0) return [];
  const key = `${service.metadata.namespace}/${service.metadata.name}`;
  const slices = input
    .slicesOf(key)
    .filter((slice) => slice.addressType === input.family && slice.metadata.labels?.[headlessLabel] === undefined);
  return (service.spec?.ports ?? []).map((port) => servicePortRules(key, service, port, clusterIps, slices, input));
}

/**
 * How many endpoints on this node are ready: what a load balancer's health checks ask for. Those that end do not count, though they still serve:
 * the load balancer is to turn away while they do (KEP-1669).
 */
export function readyHere(service: Service, { slicesOf, family, topology }: ServiceContext): number {
  const here = new Set<string>();
  for (const slice of slicesOf(`${service.metadata.namespace}/${service.metadata.name}`)) {
    if (slice.addressType !== family) continue;
    for (const { addresses, conditions, nodeName } of slice.endpoints ?? [])
      if (nodeName === topology.nodeName && (conditions?.ready ?? true) && addresses[0] !== undefined)
        here.add(addresses[0]);
  }
  return here.size;
}

const isFamily = (address: string, family: ProxyInput['family']): boolean =>
  address.includes(':') === (family === 'IPv6');

function servedIps(service: Service, family: ProxyInput['family']): string[] {
  const { spec, metadata } = service;
  if (!spec || spec.type === 'ExternalName' || metadata.labels?.[proxyNameLabel] !== undefined) return [];
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  return ips.filter((ip) => ip !== '' && ip !== 'None' && ip.includes(':') === (family === 'IPv6'));
}

function servicePortRules(
  key: string,
  service: Service,
  port: ServicePort,
  clusterIps: readonly string[],
  slices: readonly EndpointSlice[],
  input: ServiceContext,
): ServicePortRules {
  const spec = service.spec!;
  const candidates = candidatesOf(slices, port);
  const internalLocal = spec.internalTrafficPolicy === 'Local';
  const externalLocal = spec.externalTrafficPolicy === 'Local';
  const usable = usableOf(candidates);
  const here = candidates.filter((c) => c.nodeName === input.topology.nodeName);
  const spread = preferNear(usable, service, input);
  const internal = internalLocal ? usableOf(here) : spread;
  const external = externalLocal ? usableOf(here) : spread;
  const loadBalancerIps =
    spec.type === 'LoadBalancer'
      ? (service.status?.loadBalancer?.ingress ?? [])
          .filter(({ ip, ipMode = 'VIP' }) => ip && ipMode === 'VIP' && isFamily(ip, input.family))
          .map(({ ip }) => ip!)
      : [];
  const externalIps = (spec.externalIPs ?? []).filter((ip) => isFamily(ip, input.family));
  const affinity =
    spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0;
  return {
    name: `${key}:${port.name ?? ''}`,
    protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
    clusterIps,
    port: port.port,
    nodePort: spec.type === 'NodePort' || spec.type === 'LoadBalancer' ? (port.nodePort ?? 0) : 0,
    externalIps: [...new Set([...externalIps, ...loadBalancerIps])],
    loadBalancerIps,
    sourceRanges: (spec.loadBalancerSourceRanges ?? [])
      .map((range) => range.trim())
      .filter((range) => range !== '' && isFamily(range, input.family)),
    endpoints: addresses(internal),
    clusterEndpoints: addresses(spread),
    externalEndpoints: addresses(external),
    dropInternal: internalLocal && internal.length === 0 && usable.length > 0,
    dropExternal: externalLocal && external.length === 0 && usable.length > 0,
    externalPolicyLocal: externalLocal,
    affinitySeconds: affinity,
    localIps: [...new Set(here.map((c) => c.ip))],
  };
}

interface Candidate {
  readonly ip: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName: string;
  readonly zone: string;
  readonly forZones: readonly string[] | undefined;
  readonly forNodes: readonly string[] | undefined;
}

function candidatesOf(slices: readonly EndpointSlice[], port: ServicePort): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    const match = (slice.ports ?? []).find(
      (p) =>
        (p.name ?? '') === (port.name ?? '') &&
        (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP') &&
        p.port !== undefined,
    );
    if (!match?.port) continue;
    for (const endpoint of slice.endpoints ?? []) {
      // Only the first address is used: the others are alternatives of the same endpoint (API documentation of EndpointSlice).
      const ip = endpoint.addresses[0];
      if (ip === undefined) continue;
      const candidate = candidateOf(endpoint, ip, match.port);
      const known = found.get(`${ip}:${match.port}`);
      // While an endpoint moves between slices it is in both; the ready one is the newer truth.
      if (!known || (!known.ready && candidate.ready)) found.set(`${ip}:${match.port}`, candidate);
    }
  }
  return [...found.values()];
}

function candidateOf(endpoint: Endpoint, ip: string, port: number): Candidate {
  const ready = endpoint.conditions?.ready ?? true;
  return {
    ip,
    port,
    ready,
    serving: endpoint.conditions?.serving ?? ready,
    terminating: endpoint.conditions?.terminating ?? false,
    nodeName: endpoint.nodeName ?? '',
    zone: endpoint.zone ?? '',
    forZones: endpoint.hints?.forZones?.map((z) => z.name),
    forNodes: endpoint.hints?.forNodes?.map((n) => n.name),
  };
}

/** Ready endpoints; while none is ready, those that still serve while they terminate, or a rolling update loses traffic (KEP-1669). */
function usableOf(candidates: readonly Candidate[]): readonly Candidate[] {
  const ready = candidates.filter((c) => c.ready);
  return ready.length > 0 ? ready : candidates.filter((c) => c.serving && c.terminating);
}

/**
 * Near endpoints first: hints when every endpoint carries them, as upstream; else the default distribution, unless the Service names one
 * (then the hints are the control plane's business and their absence means an even spread).
 */
function preferNear(usable: readonly Candidate[], service: Service, input: ServiceContext): readonly Candidate[] {
  const { nodeName, zone } = input.topology;
  if (usable.length > 0 && usable.every((c) => c.forNodes !== undefined)) {
    const near = usable.filter((c) => c.forNodes!.includes(nodeName));
    if (near.length > 0) return near;
  }
  if (zone !== '' && usable.length > 0 && usable.every((c) => c.forZones !== undefined)) {
    const near = usable.filter((c) => c.forZones!.includes(zone));
    if (near.length > 0) return near;
  }
  const wish =
    service.spec?.trafficDistribution ??
    (service.spec?.internalTrafficPolicy === 'Local' ? undefined : input.defaultTrafficDistribution);
  if (wish === undefined || wish === 'Spread') return usable;
  if (wish === 'PreferSameNode') {
    const near = usable.filter((c) => c.nodeName === nodeName);
    if (near.length > 0) return near;
  }
  const near = zone === '' ? [] : usable.filter((c) => c.zone === zone);
  return near.length > 0 ? near : usable;
}

function addresses(candidates: readonly Candidate[]): EndpointAddress[] {
  return candidates
    .map(({ ip, port }) => ({ ip, port }))
    .sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
}
