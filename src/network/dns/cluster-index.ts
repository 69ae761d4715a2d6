/**
 * The cluster as its DNS sees it: informers' caches, and over them entries made when first asked for and thrown away when their Service or one
 * of its slices changes. A change costs a map delete; nothing is computed for Services that nobody asks about.
 */
import type { Namespace, Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import type { Informer } from '../../client/informer.ts';
import { addressBytes, addressKey } from './address.ts';
import { type Name, nameOf } from './name.ts';
import {
  type EndpointEntry,
  endpointHostname,
  type ServiceEntry,
  serviceEntry,
  sliceEndpoints,
  type ZoneSettings,
} from './service-entry.ts';

export interface ClusterIndex {
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): ServiceEntry | undefined;
  /** Names of an address (`addressKey`): the Service that owns it, else the endpoints with a hostname that have it. */
  pointers(address: string): readonly Name[];
}

export interface ClusterIndexSource {
  readonly services: Pick<Informer<Service>, 'get' | 'addHandler'>;
  readonly slices: Pick<Informer<EndpointSlice>, 'byIndex' | 'addIndex' | 'addHandler'>;
  readonly namespaces: Pick<Informer<Namespace>, 'get'>;
}

const serviceNameLabel = 'kubernetes.io/service-name';
const sliceIndex = 'dns/service';

/** @returns the index and what ends its listening. */
export function createClusterIndex(
  { services, slices, namespaces }: ClusterIndexSource,
  settings: ZoneSettings,
): { readonly index: ClusterIndex; readonly close: () => void } {
  const entries = new Map<string, ServiceEntry>();
  const endpoints = new WeakMap<EndpointSlice, readonly EndpointEntry[]>();
  const endpointsOf = (slice: EndpointSlice): readonly EndpointEntry[] => {
    let known = endpoints.get(slice);
    if (!known) endpoints.set(slice, (known = sliceEndpoints(slice, settings.ttlSeconds)));
    return known;
  };
  const serviceByIp = createPointers();
  const endpointByIp = createPointers();
  slices.addIndex(sliceIndex, (slice) => {
    const key = serviceKeyOf(slice);
    return key === undefined ? none : [key];
  });
  const removers = [
    services.addHandler({
      onAdd: (service) => {
        entries.delete(keyOf(service));
        serviceByIp.replace(keyOf(service), pointersOfService(service, settings));
      },
      onUpdate: (_, service) => {
        entries.delete(keyOf(service));
        serviceByIp.replace(keyOf(service), pointersOfService(service, settings));
      },
      onDelete: (service) => {
        entries.delete(keyOf(service));
        serviceByIp.replace(keyOf(service), none);
      },
    }),
    slices.addHandler({
      onAdd: (slice) => {
        entries.delete(serviceKeyOf(slice) ?? '');
        endpointByIp.replace(keyOf(slice), pointersOfSlice(slice, settings));
      },
      onUpdate: (before, slice) => {
        entries.delete(serviceKeyOf(before) ?? '');
        entries.delete(serviceKeyOf(slice) ?? '');
        endpointByIp.replace(keyOf(slice), pointersOfSlice(slice, settings));
      },
      onDelete: (slice) => {
        entries.delete(serviceKeyOf(slice) ?? '');
        endpointByIp.replace(keyOf(slice), none);
      },
    }),
  ];
  return {
    index: {
      hasNamespace: (name) => namespaces.get(name) !== undefined,
      service(namespace, name) {
        const key = `${namespace}/${name}`;
        const known = entries.get(key);
        if (known) return known;
        const service = services.get(key);
        if (!service) return undefined;
        const entry = serviceEntry(service, slices.byIndex(sliceIndex, key), settings, endpointsOf);
        if (entry) entries.set(key, entry);
        return entry;
      },
      pointers(address) {
        const own = serviceByIp.get(address);
        return own.length > 0 ? own : endpointByIp.get(address);
      },
    },
    close() {
      for (const remove of removers) remove();
    },
  };
}

interface Pointer {
  readonly address: string;
  readonly name: Name;
}

const none: readonly never[] = Object.freeze([]);

/** Names by address, each held by an object that may change or go. */
function createPointers(): {
  replace(key: string, next: readonly Pointer[]): void;
  get(address: string): readonly Name[];
} {
  const byAddress = new Map<string, readonly { readonly key: string; readonly name: Name }[]>();
  const byKey = new Map<string, readonly Pointer[]>();
  return {
    replace(key, next) {
      for (const { address } of byKey.get(key) ?? none) {
        const left = (byAddress.get(address) ?? none).filter((p) => p.key !== key);
        if (left.length === 0) byAddress.delete(address);
        else byAddress.set(address, left);
      }
      if (next.length === 0) byKey.delete(key);
      else byKey.set(key, next);
      for (const { address, name } of next)
        byAddress.set(address, [...(byAddress.get(address) ?? none), { key, name }]);
    },
    get: (address) => byAddress.get(address)?.map((p) => p.name) ?? none,
  };
}

function pointersOfService({ spec, metadata }: Service, { zone }: ZoneSettings): readonly Pointer[] {
  if (!spec || spec.type === 'ExternalName') return none;
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : none;
  const name = nameOf([metadata.name ?? '', metadata.namespace ?? '', 'svc', ...zone]);
  const out: Pointer[] = [];
  for (const ip of ips) {
    const bytes = addressBytes(ip);
    if (bytes && name) out.push({ address: addressKey(bytes), name });
  }
  return out;
}

/** Only endpoints with a hostname: so that an address has one name or few, not one for each Service that selects it (as CoreDNS). */
function pointersOfSlice(slice: EndpointSlice, { zone }: ZoneSettings): readonly Pointer[] {
  const service = slice.metadata.labels?.[serviceNameLabel];
  if (service === undefined) return none;
  let out: Pointer[] | undefined;
  for (const endpoint of slice.endpoints ?? []) {
    if (!endpoint.hostname || endpoint.conditions?.ready === false) continue;
    for (const text of endpoint.addresses) {
      const bytes = addressBytes(text);
      const labels = [
        endpointHostname(endpoint.hostname, text),
        service,
        slice.metadata.namespace ?? '',
        'svc',
        ...zone,
      ];
      const name = nameOf(labels);
      if (bytes && name) (out ??= []).push({ address: addressKey(bytes), name });
    }
  }
  return out ?? none;
}

function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${slice.metadata.namespace}/${name}`;
}

const keyOf = ({ metadata }: Service | EndpointSlice): string => `${metadata.namespace}/${metadata.name}`;
