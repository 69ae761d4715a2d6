/**
 * Cluster IPs as IPAddress objects: an address is taken by whoever creates the object of its name, so two API servers cannot hand one out
 * twice. Source: registry/core/service/ipallocator/ipallocator.go (KEP-1880).
 */
import { encode } from '../../api/codec/index.ts';
import type { JsonObject } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import type { IPAddress } from '../../api/types/networking-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Store } from '../../store/store.ts';
import type { Transformer } from '../registry/transformer.ts';
import { candidates, refusal } from './address-range.ts';
import { type Cidr, formatIp, type Ip, type IpFamily, parseIp } from './ip.ts';

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

export interface ClusterIpsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly transformer: Transformer;
  /** The ranges to allocate from now: the configured ones and those of ready ServiceCIDRs. */
  readonly ranges: () => readonly Cidr[];
  /** Whether the watch cache knows the address as taken: saves a try; the store decides. */
  readonly seemsTaken: (address: string) => boolean;
}

export const addressPrefix = '/registry/ipaddresses/';
export const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
export const manager = 'ipallocator.k8s.io';

/** Why an address cannot be had, in upstream's words. */
export class AllocationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AllocationError';
  }
}
export const alreadyAllocated = 'provided IP is already allocated';
export const rangeFull = 'range is full';

export class ClusterIps {
  readonly #options: ClusterIpsOptions;

  constructor(options: ClusterIpsOptions) {
    this.#options = options;
  }

  /** Whether the cluster has a range of this family. */
  serves(family: IpFamily): boolean {
    return this.#options.ranges().some((range) => range.family === family);
  }

  /**
   * Takes one address. A dry run only looks at the range.
   * @returns false when it was the Service's already: what the API server writes for its own Service `kubernetes` before that. @throws AllocationError.
   */
  async claim(ip: Ip, service: ServiceName, dryRun: boolean, signal: AbortSignal): Promise<boolean> {
    const reason = refusal(this.#options.ranges(), ip);
    if (reason !== undefined) throw new AllocationError(reason);
    if (dryRun || (await this.#create(ip, service, signal))) return true;
    if (service.namespace === 'default' && service.name === 'kubernetes') {
      const key = keyOf(ip);
      const kv = (await this.#options.store.range({ key }, signal)).kvs[0];
      if (kv && isFor(this.read(kv.value, key), service)) return false;
    }
    throw new AllocationError(alreadyAllocated);
  }

  /** Takes a free address of the family. @returns its text. @throws AllocationError. */
  async claimNext(family: IpFamily, service: ServiceName, dryRun: boolean, signal: AbortSignal): Promise<string> {
    const { ranges, random, seemsTaken } = this.#options;
    let misses = 0;
    for (const range of ranges()) {
      if (range.family !== family) continue;
      for (const ip of candidates(range, random)) {
        const address = formatIp(ip);
        if (dryRun) return address;
        // A full IPv6 range has no end; upstream gives up on a range in the same way.
        if (seemsTaken(address)) {
          if (++misses % 4096 === 0) await this.#options.clock.yield();
          if (misses > maxLooks) break;
          continue;
        }
        if (await this.#create(ip, service, signal)) return address;
      }
    }
    throw new AllocationError(rangeFull);
  }

  /** Gives an address back if it is still this service's. */
  async release(address: string, service: ServiceName, signal?: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const ip = parseIp(address);
    if (!ip) return;
    const key = keyOf(ip);
    const kv = (await store.range({ key }, signal)).kvs[0];
    if (!kv || !isFor(this.read(kv.value, key), service)) return;
    await store.txn(
      {
        compare: [{ key, target: 'modRevision', op: '=', value: kv.modRevision }],
        success: [{ type: 'delete', key }],
      },
      signal,
    );
  }

  read(value: Uint8Array, key: string): IPAddress {
    const plain = this.#options.transformer.fromStorage(value, key);
    return JSON.parse(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString()) as IPAddress;
  }

  /** @returns false when the address is taken. */
  async #create(ip: Ip, service: ServiceName, signal: AbortSignal): Promise<boolean> {
    const { store, transformer, random, clock } = this.#options;
    const key = keyOf(ip);
    const object = addressObject(ip, service, { uid: random.uuid(), now: formatTime(clock.now()) });
    const value = transformer.toStorage(encode(object), key);
    const { succeeded } = await store.txn(
      {
        compare: [{ key, target: 'modRevision', op: '=', value: 0 }],
        success: [{ type: 'put', key, value }],
      },
      signal,
    );
    return succeeded;
  }
}

/** Addresses that seem taken before a search gives up. */
const maxLooks = 1 << 20;

export const keyOf = (ip: Ip): string => addressPrefix + formatIp(ip);

export const isFor = ({ spec: { parentRef } }: IPAddress, service: ServiceName): boolean =>
  (parentRef.group ?? '') === '' &&
  parentRef.resource === 'services' &&
  parentRef.namespace === service.namespace &&
  parentRef.name === service.name;

function addressObject(
  ip: Ip,
  service: ServiceName,
  stamp: { readonly uid: string; readonly now: string },
): JsonObject {
  return {
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    metadata: {
      name: formatIp(ip),
      uid: stamp.uid,
      creationTimestamp: stamp.now,
      labels: { 'ipaddress.kubernetes.io/ip-family': ip.family, [managedByLabel]: manager },
      managedFields: [
        {
          manager: 'kube-apiserver',
          operation: 'Update',
          apiVersion: 'networking.k8s.io/v1',
          time: stamp.now,
          fieldsType: 'FieldsV1',
          fieldsV1: managed,
        },
      ],
    },
    spec: { parentRef: { resource: 'services', namespace: service.namespace, name: service.name } },
  };
}

const managed = {
  'f:metadata': {
    'f:labels': { '.': {}, 'f:ipaddress.kubernetes.io/ip-family': {}, 'f:ipaddress.kubernetes.io/managed-by': {} },
  },
  'f:spec': { 'f:parentRef': { '.': {}, 'f:name': {}, 'f:namespace': {}, 'f:resource': {} } },
};
