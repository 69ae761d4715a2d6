/** What the cluster's DNS says of one Service: made from the Service and its EndpointSlices once, read by every question. Pure. */
import type { Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { addressBytes, addressKey } from './address.ts';
import { labelLengthMax, labelsOf, type Name, nameLengthMax, nameOf } from './name.ts';
import { addressRecord, type DnsRecord, nameRecord } from './records.ts';

export interface PortEntry {
  readonly name: string;
  /** tcp, udp or sctp. */
  readonly protocol: string;
  readonly port: number;
}

export interface EndpointEntry {
  /** The endpoint's hostname, else its address with dashes, as CoreDNS names it. Lower case, a legal label. */
  readonly hostname: string;
  readonly record: DnsRecord;
  readonly ports: readonly PortEntry[];
  /** Equal for the same endpoint in two slices. */
  readonly key: string;
}

export interface ServiceEntry {
  readonly kind: 'clusterIp' | 'headless' | 'externalName';
  readonly name: Name;
  /** Records of the Service's own name, owner left to the question. Of a headless Service: its endpoints'. */
  readonly v4: readonly DnsRecord[];
  readonly v6: readonly DnsRecord[];
  /** Of a Service with addresses of its own. */
  readonly ports: readonly PortEntry[];
  /** Ready endpoints: the names below a Service, whatever its kind. */
  readonly endpoints: readonly EndpointEntry[];
  /** externalName: the alias and the labels of what it stands for. */
  readonly alias: DnsRecord | undefined;
  readonly aliasLabels: readonly string[];
}

export interface ZoneSettings {
  /** Labels of the cluster domain. */
  readonly zone: readonly string[];
  /** Of every record of the cluster. */
  readonly ttlSeconds: number;
}

const none: readonly never[] = Object.freeze([]);

/**
 * @param endpointsOf remembers what `sliceEndpoints` made of a slice: of a Service with thousands of endpoints one slice changes at a time.
 * @returns undefined for a Service that has no name in DNS: one without addresses yet, or an ExternalName that is an address.
 */
export function serviceEntry(
  service: Service,
  slices: readonly EndpointSlice[],
  { zone, ttlSeconds }: ZoneSettings,
  endpointsOf: (slice: EndpointSlice) => readonly EndpointEntry[] = (slice) => sliceEndpoints(slice, ttlSeconds),
): ServiceEntry | undefined {
  const { spec, metadata } = service;
  const labels = [metadata.name ?? '', metadata.namespace ?? '', 'svc', ...zone];
  const name = nameOf(labels);
  if (!spec || !name) return undefined;
  if (spec.type === 'ExternalName') {
    const external = spec.externalName ?? '';
    const aliasLabels = labelsOf(external);
    const target = addressBytes(external) ? undefined : nameOf(aliasLabels);
    if (!target || aliasLabels.length === 0) return undefined;
    const alias = nameRecord('CNAME', undefined, target, ttlSeconds);
    return { kind: 'externalName', name, v4: none, v6: none, ports: none, endpoints: none, alias, aliasLabels };
  }
  const endpoints = mergedEndpoints(slices, endpointsOf);
  const clusterIps = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  if (clusterIps.includes('None')) {
    const records = uniqueAddresses(endpoints);
    return {
      kind: 'headless',
      name,
      v4: records.filter((r) => r.data.length === 4),
      v6: records.filter((r) => r.data.length === 16),
      ports: none,
      endpoints,
      alias: undefined,
      aliasLabels: none,
    };
  }
  const addresses = clusterIps.map(addressBytes).filter((ip) => ip !== undefined);
  if (addresses.length === 0) return undefined;
  const records = addresses.map((ip) => addressRecord(undefined, ip, ttlSeconds));
  return {
    kind: 'clusterIp',
    name,
    v4: records.filter((r) => r.data.length === 4),
    v6: records.filter((r) => r.data.length === 16),
    ports: (spec.ports ?? []).map((p) => portEntry(p.name, p.protocol, p.port)),
    endpoints,
    alias: undefined,
    aliasLabels: none,
  };
}

/** The ready endpoints of a slice: the slices of a Service with `publishNotReadyAddresses` say of all of them that they are ready. */
export function sliceEndpoints(slice: EndpointSlice, ttlSeconds: number): readonly EndpointEntry[] {
  if (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6') return none;
  const ports = (slice.ports ?? [])
    .filter((p) => p.port !== undefined)
    .map((p) => portEntry(p.name, p.protocol, p.port!));
  const out: EndpointEntry[] = [];
  for (const endpoint of slice.endpoints ?? []) {
    if (endpoint.conditions?.ready === false) continue;
    for (const text of endpoint.addresses) {
      const address = addressBytes(text);
      const hostname = endpointHostname(endpoint.hostname, text);
      if (!address || hostname.length > labelLengthMax) continue;
      const record = addressRecord(undefined, address, ttlSeconds);
      out.push({ hostname, record, ports, key: `${hostname}/${addressKey(address)}` });
    }
  }
  return out;
}

/**
 * Each endpoint once: while it moves between slices it is in both, and a Service with ports of different targets has one slice for each, so that
 * its endpoint has the ports of all.
 */
function mergedEndpoints(
  slices: readonly EndpointSlice[],
  endpointsOf: (slice: EndpointSlice) => readonly EndpointEntry[],
): readonly EndpointEntry[] {
  if (slices.length === 0) return none;
  const found = new Map<string, EndpointEntry>();
  for (const slice of slices)
    for (const endpoint of endpointsOf(slice)) {
      const known = found.get(endpoint.key);
      if (!known) found.set(endpoint.key, endpoint);
      else if (known.ports !== endpoint.ports) {
        const more = endpoint.ports.filter((p) => !known.ports.some((k) => samePort(k, p)));
        if (more.length > 0) found.set(endpoint.key, { ...known, ports: [...known.ports, ...more] });
      }
    }
  return [...found.values()];
}

/** `hostname.service.namespace.svc.zone`; undefined when that is too long to be a name. */
export function endpointName({ hostname }: EndpointEntry, { name }: ServiceEntry): Name | undefined {
  if (name.length + hostname.length + 1 > nameLengthMax) return undefined;
  const out = new Uint8Array(name.length + hostname.length + 1);
  out[0] = hostname.length;
  for (let i = 0; i < hostname.length; i++) out[i + 1] = hostname.charCodeAt(i);
  out.set(name, hostname.length + 1);
  return out;
}

/** As CoreDNS names an endpoint: by its hostname, else by its address with dashes. */
export function endpointHostname(hostname: string | undefined, address: string): string {
  return hostname ? hostname.toLowerCase() : address.toLowerCase().replaceAll(/[.:]/g, '-');
}

function portEntry(name: string | undefined, protocol: string | undefined, port: number): PortEntry {
  return { name: (name ?? '').toLowerCase(), protocol: (protocol ?? 'TCP').toLowerCase(), port };
}

const samePort = (a: PortEntry, b: PortEntry): boolean =>
  a.name === b.name && a.protocol === b.protocol && a.port === b.port;

/** An address that two endpoints have, under two hostnames, is one record of the Service's name. */
function uniqueAddresses(endpoints: readonly EndpointEntry[]): DnsRecord[] {
  const seen = new Set<string>();
  const out: DnsRecord[] = [];
  for (const { record, hostname, key } of endpoints) {
    const address = key.slice(hostname.length + 1);
    if (seen.has(address)) continue;
    seen.add(address);
    out.push(record);
  }
  return out;
}
