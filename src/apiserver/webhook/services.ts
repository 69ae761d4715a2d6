/**
 * Where a Service's port leads: one of its ready endpoints, so that a control plane needs no kube-proxy beside it (upstream's --enable-aggregator-routing).
 * Source: apiserver/pkg/util/proxy (ResolveEndpoint).
 */
import { ApiError } from '../../api/errors.ts';
import type { Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import type { Random } from '../../base/random.ts';
import type { ObjectReader } from '../registry/object-reader.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** @throws Error, ApiError 404 and 503: the Service, its port or a ready endpoint is missing. */
export type ServiceResolver = (namespace: string, name: string, port: number) => Address;

export function createServiceResolver(reader: ObjectReader, random: Random): ServiceResolver {
  return (namespace, name, port) => {
    const service = reader.get('', 'services', namespace, name) as unknown as Service | undefined;
    if (!service) throw ApiError.notFound({ group: '', resource: 'service' }, name);
    const { type = 'ClusterIP', ports = [], ipFamilies = [] } = service.spec ?? {};
    if (type === 'ExternalName') throw new Error(`unsupported service type ${JSON.stringify(type)}`);
    const wanted = ports.find((candidate) => candidate.port === port);
    if (!wanted) throw ApiError.serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    const slices = slicesOf(reader, namespace, name, ipFamilies[0], random);
    for (const slice of slices) {
      const number = (slice.ports ?? []).find((candidate) => (candidate.name ?? '') === (wanted.name ?? ''))?.port;
      const endpoints = slice.endpoints ?? [];
      if (number === undefined || endpoints.length === 0) continue;
      const start = random.below(endpoints.length);
      for (let i = 0; i < endpoints.length; i++) {
        const { conditions, addresses } = endpoints[(start + i) % endpoints.length]!;
        if (conditions?.ready !== false && addresses[0] !== undefined) return { host: addresses[0], port: number };
      }
    }
    throw ApiError.serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  };
}

/** In random order, those of the Service's first address family before the others. */
function slicesOf(
  reader: ObjectReader,
  namespace: string,
  name: string,
  family: string | undefined,
  random: Random,
): readonly EndpointSlice[] {
  const own = (
    reader.list('discovery.k8s.io', 'endpointslices', namespace) as unknown as readonly EndpointSlice[]
  ).filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
  if (own.length < 2) return own;
  const ranked = own.map((slice) => ({ slice, rank: (slice.addressType === family ? 0 : 1) + random.float() }));
  return ranked.sort((a, b) => Math.floor(a.rank) - Math.floor(b.rank) || a.rank - b.rank).map(({ slice }) => slice);
}
