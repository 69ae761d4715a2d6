/**
 * The endpoints of the `kubernetes` Service: one address per living API server. Each holds a key under /registry/masterleases with a lease; who
 * stops renewing it drops out, and any other server takes the address away. Source: controlplane/reconcilers/lease.go.
 */
import { encode } from '../../api/codec/index.ts';
import { sameJson } from '../../api/edit.ts';
import type { JsonArray, JsonObject } from '../../api/json.ts';
import { prefixEnd, StoreError } from '../../store/store.ts';
import type { StoredObjects } from './stored-objects.ts';

const leasesPrefix = '/registry/masterleases/';
const leaseTtlSeconds = 15;

export interface KubernetesEndpointsOptions {
  readonly stored: StoredObjects;
  readonly advertiseAddress: string;
  readonly port: number;
}

export interface KubernetesEndpoints {
  /** Renews this server's lease and brings Endpoints and EndpointSlice up to date. */
  sync(signal?: AbortSignal): Promise<void>;
  /** Takes this server's address out. */
  leave(signal?: AbortSignal): Promise<void>;
}

export function createKubernetesEndpoints(options: KubernetesEndpointsOptions): KubernetesEndpoints {
  const { stored, advertiseAddress, port } = options;
  const { store } = stored;
  const ownKey = leasesPrefix + advertiseAddress;
  let lease: bigint | undefined;

  const renew = async (signal: AbortSignal | undefined): Promise<void> => {
    if (lease !== undefined) {
      try {
        await store.leaseKeepAlive(lease, signal);
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'leaseNotFound') throw error;
      }
    }
    lease = await store.leaseGrant(leaseTtlSeconds, signal);
    const value = encode({
      kind: 'Endpoints',
      apiVersion: 'v1',
      metadata: {},
      subsets: [{ addresses: [{ ip: advertiseAddress }] }],
    });
    await store.txn(
      {
        compare: [],
        success: [{ type: 'put', key: ownKey, value, lease }],
      },
      signal,
    );
  };
  const addresses = async (signal: AbortSignal | undefined): Promise<readonly string[]> => {
    const { kvs } = await store.range({ key: leasesPrefix, end: prefixEnd(leasesPrefix), keysOnly: true }, signal);
    return kvs.map(({ key }) => key.slice(leasesPrefix.length)).sort();
  };
  const write = async (ips: readonly string[], signal: AbortSignal | undefined): Promise<void> => {
    await upTo('', 'endpoints', endpoints(ips, port), ['subsets'], signal);
    await upTo('discovery.k8s.io', 'endpointslices', endpointSlice(ips, port), ['endpoints', 'ports'], signal);
  };
  /** Another server may be about the same: it has read the same leases, so losing a race loses nothing before the next turn. */
  const upTo = async (
    group: string,
    resource: string,
    wanted: JsonObject,
    fields: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const key = stored.key(group, resource, 'default', 'kubernetes');
    const found = await stored.get(key, signal);
    if (found === undefined) await stored.put(key, wanted, 0, signal);
    else if (!fields.every((field) => sameJson(found.object[field] ?? null, wanted[field] ?? null))) {
      const next = { ...found.object };
      for (const field of fields) next[field] = wanted[field];
      await stored.put(key, next, found.revision, signal);
    }
  };
  return {
    async sync(signal) {
      await renew(signal);
      await write(await addresses(signal), signal);
    },
    async leave(signal) {
      if (lease !== undefined) await store.leaseRevoke(lease, signal);
      lease = undefined;
      await write(await addresses(signal), signal);
    },
  };
}

function endpoints(ips: readonly string[], port: number): JsonObject {
  const subsets: JsonArray =
    ips.length === 0
      ? []
      : [{ addresses: ips.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }];
  return {
    kind: 'Endpoints',
    apiVersion: 'v1',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
    },
    ...(subsets.length === 0 ? {} : { subsets }),
  };
}

function endpointSlice(ips: readonly string[], port: number): JsonObject {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: ips[0]?.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: 'https', protocol: 'TCP', port }],
  };
}
