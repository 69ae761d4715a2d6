/** What the cluster's DNS says of one Service: made from the Service and its EndpointSlices once, read by every question. Pure. */
import type { Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { addressBytes, addressKey } from './address.ts';
import { labelsOf, type Name, nameOf } from './name.ts';
import { addressRecord, type DnsRecord, nameRecord } from './records.ts';

export interface PortEntry {
  readonly name: string;
  /** tcp, udp or sctp. */
  readonly protocol: string;
  readonly port: number;
}

export interface EndpointEntry {
  /** The endpoint's hostname, else its address with dashes, as CoreDNS names it. Lower case. */
  readonly hostname: string;
  /** `hostname.service.namespace.svc.zone` */
  readonly name: Name;
  readonly record: DnsRecord;
  readonly ports: readonly PortEntry[];
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

/** @returns undefined for a Service that has no name in DNS: one without addresses yet, or an ExternalName that is an address. */
export function serviceEntry(
  service: Service,
  slices: readonly EndpointSlice[],
  { zone, ttlSeconds }: ZoneSettings,
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
  const endpoints = endpointEntries(slices, labels, ttlSeconds);
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

/**
 * Ready endpoints only: the slices of a Service with `publishNotReadyAddresses` say of all of them that they are ready. While an endpoint moves
 * between slices it is in both, and counts once.
 */
function endpointEntries(
  slices: readonly EndpointSlice[],
  labels: readonly string[],
  ttlSeconds: number,
): readonly EndpointEntry[] {
  const found = new Map<string, EndpointEntry>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6') continue;
    const ports = (slice.ports ?? [])
      .filter((p) => p.port !== undefined)
      .map((p) => portEntry(p.name, p.protocol, p.port!));
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue;
      for (const text of endpoint.addresses) {
        const address = addressBytes(text);
        if (!address) continue;
        const hostname = endpointHostname(endpoint.hostname, text);
        const name = nameOf([hostname, ...labels]);
        if (!name) continue;
        const key = `${hostname}/${addressKey(address)}`;
        const known = found.get(key);
        // A Service with ports of different targets has one slice for each; the endpoint has the ports of all.
        const all = known ? [...known.ports, ...ports.filter((p) => !known.ports.some((k) => samePort(k, p)))] : ports;
        const record = known?.record ?? addressRecord(undefined, address, ttlSeconds);
        found.set(key, { hostname, name, record, ports: all });
      }
    }
  }
  return [...found.values()];
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

function uniqueAddresses(endpoints: readonly EndpointEntry[]): DnsRecord[] {
  const byAddress = new Map<string, DnsRecord>();
  for (const { record } of endpoints) {
    const key = addressKey(record.data);
    if (!byAddress.has(key)) byAddress.set(key, record);
  }
  return [...byAddress.values()];
}
