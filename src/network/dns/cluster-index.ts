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
  type ServiceEntry,
  serviceEntry,
  sliceEndpoints,
  type ZoneSettings,
} from './service-entry.ts';

export interface ClusterIndex {
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): ServiceEntry | undefined;
  /** Names of an address (`addressKey`): the Service that owns it, else the ready endpoints that have it. */
  pointers(address: string): readonly Name[];
}

export interface ClusterIndexSource {
  readonly services: Pick<Informer<Service>, 'get' | 'addHandler'>;
  readonly slices: Pick<Informer<EndpointSlice>, 'get' | 'byIndex' | 'addIndex' | 'addHandler'>;
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
  const serviceByIp = createAddressMap();
  const endpointByIp = createAddressMap();
  slices.addIndex(sliceIndex, sliceServiceKeys);
  const removers = [
    services.addHandler({
      onAdd: (service) => {
        entries.delete(keyOf(service));
        serviceByIp.replace(keyOf(service), addressesOfService(service));
      },
      onUpdate: (_, service) => {
        entries.delete(keyOf(service));
        serviceByIp.replace(keyOf(service), addressesOfService(service));
      },
      onDelete: (service) => {
        entries.delete(keyOf(service));
        serviceByIp.replace(keyOf(service), none);
      },
    }),
    slices.addHandler({
      onAdd: (slice) => {
        entries.delete(serviceKeyOf(slice) ?? '');
        endpointByIp.replace(keyOf(slice), addressesOfSlice(slice));
      },
      onUpdate: (before, slice) => {
        entries.delete(serviceKeyOf(before) ?? '');
        entries.delete(serviceKeyOf(slice) ?? '');
        endpointByIp.replace(keyOf(slice), addressesOfSlice(slice));
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
        const names: Name[] = [];
        const put = (labels: readonly string[]): void => {
          const name = nameOf([...labels, ...settings.zone]);
          if (name && !names.some((known) => Buffer.compare(known, name) === 0)) names.push(name);
        };
        for (const key of serviceByIp.get(address)) {
          const [namespace = '', name = ''] = key.split('/');
          put([name, namespace, 'svc']);
        }
        if (names.length > 0) return names;
        for (const key of endpointByIp.get(address)) {
          const slice = slices.get(key);
          const service = slice?.metadata.labels?.[serviceNameLabel];
          if (!slice || service === undefined) continue;
          for (const { hostname, record } of endpointsOf(slice))
            if (addressKey(record.data) === address) put([hostname, service, slice.metadata.namespace ?? '', 'svc']);
        }
        return names;
      },
    },
    close() {
      for (const remove of removers) remove();
    },
  };
}

const none: readonly never[] = Object.freeze([]);

/** Keys of objects by the addresses they hold. There are as many as endpoints in the cluster, so nothing is made for them but the map. */
function createAddressMap(): {
  replace(key: string, next: readonly string[]): void;
  get(address: string): readonly string[];
} {
  /** One key in nearly every case, so no array for it. */
  const byAddress = new Map<string, string | readonly string[]>();
  const byKey = new Map<string, readonly string[]>();
  const keysOf = (address: string): readonly string[] => {
    const keys = byAddress.get(address);
    return keys === undefined ? none : typeof keys === 'string' ? [keys] : keys;
  };
  const put = (address: string, keys: readonly string[]): void => {
    if (keys.length === 0) byAddress.delete(address);
    else byAddress.set(address, keys.length === 1 ? keys[0]! : keys);
  };
  return {
    replace(key, next) {
      for (const address of byKey.get(key) ?? none)
        put(
          address,
          keysOf(address).filter((other) => other !== key),
        );
      if (next.length === 0) byKey.delete(key);
      else byKey.set(key, next);
      for (const address of next) if (!keysOf(address).includes(key)) put(address, [...keysOf(address), key]);
    },
    get: keysOf,
  };
}

function addressesOfService({ spec }: Service): readonly string[] {
  if (!spec || spec.type === 'ExternalName') return none;
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : none;
  return ips.map(keyOfText).filter((key) => key !== '');
}

/** Of ready endpoints, whatever the Service: as CoreDNS, where an address has as many names as Services select it. */
function addressesOfSlice(slice: EndpointSlice): readonly string[] {
  if (slice.metadata.labels?.[serviceNameLabel] === undefined || slice.addressType === 'FQDN') return none;
  const out: string[] = [];
  for (const endpoint of slice.endpoints ?? []) {
    if (endpoint.conditions?.ready === false) continue;
    for (const text of endpoint.addresses) out.push(slice.addressType === 'IPv4' ? text : keyOfText(text));
  }
  return out;
}

function keyOfText(text: string): string {
  const bytes = addressBytes(text);
  return bytes ? addressKey(bytes) : '';
}

/** One function for all: several servers may share an informer, and so its index. */
function sliceServiceKeys(slice: EndpointSlice): readonly string[] {
  const key = serviceKeyOf(slice);
  return key === undefined ? none : [key];
}

function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${slice.metadata.namespace}/${name}`;
}

const keyOf = ({ metadata }: Service | EndpointSlice): string => `${metadata.namespace}/${metadata.name}`;
