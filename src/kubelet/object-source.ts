/**
 * ConfigMaps, Secrets and Services that pods refer to. ConfigMaps and Secrets are read one by one as pods need them (the node authorizer
 * allows no more) and remembered for a while; a changed one reaches running pods at their next periodic sync.
 */
import { isNotFound } from '../api/errors.ts';
import type { ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret, Service } from '../api/types/core-v1.ts';
import type { RuntimeClass } from '../api/types/node-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';

export interface ObjectSource {
  /** undefined when it does not exist. `fresh` asks the API server whatever is remembered. @throws ApiError, TransportError */
  configMap(namespace: string, name: string, options?: ReadOptions): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, options?: ReadOptions): Promise<Secret | undefined>;
  runtimeClass(name: string): Promise<RuntimeClass | undefined>;
  /** Asked each time: what a claim is bound to decides what is mounted. */
  claim(namespace: string, name: string): Promise<PersistentVolumeClaim | undefined>;
  volume(name: string): Promise<PersistentVolume | undefined>;
  /** Services whose addresses pods of this namespace find in their environment. Empty while unknown. */
  services(namespace: string): readonly Service[];
}
export interface ReadOptions {
  readonly signal?: AbortSignal;
  readonly fresh?: boolean;
}

export interface ObjectSourceOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** How long a read object is good for. */
  readonly ttlMs?: number;
  readonly serviceInformer?: Informer<Service>;
}

/** At most this many objects are remembered; the oldest is dropped first. */
const rememberedMax = 10_000;

export function createObjectSource({
  client,
  clock,
  ttlMs = 30_000,
  serviceInformer,
}: ObjectSourceOptions): ObjectSource {
  serviceInformer?.addIndex('kubelet-namespace', (service) => [service.metadata.namespace ?? '']);
  const reader = <T>(read: (namespace: string, name: string, signal?: AbortSignal) => Promise<T>) => {
    const known = new Map<string, { readonly atMs: number; readonly value: Promise<T | undefined> }>();
    return (namespace: string, name: string, { signal, fresh }: ReadOptions = {}): Promise<T | undefined> => {
      const key = `${namespace}/${name}`;
      const hit = known.get(key);
      if (hit && !fresh && clock.monotonic() - hit.atMs < ttlMs) return hit.value;
      const value = read(namespace, name, signal).catch((error) => {
        known.delete(key);
        if (isNotFound(error)) return undefined;
        throw error;
      });
      known.delete(key);
      known.set(key, { atMs: clock.monotonic(), value });
      if (known.size > rememberedMax) known.delete(known.keys().next().value!);
      return value;
    };
  };
  const runtimeClass = reader((_, name) => client.resource(resources.runtimeClasses).get(name));
  return {
    runtimeClass: (name) => runtimeClass('', name),
    claim: (namespace, name) => ifAny(client.resource(resources.persistentVolumeClaims).get(name, { namespace })),
    volume: (name) => ifAny(client.resource(resources.persistentVolumes).get(name)),
    // The read is shared between pods: one pod's end must not abort it for the others, so no signal goes along.
    configMap: reader((namespace, name) => client.resource(resources.configMaps).get(name, { namespace })),
    secret: reader((namespace, name) => client.resource(resources.secrets).get(name, { namespace })),
    services: (namespace) => serviceInformer?.byIndex('kubelet-namespace', namespace) ?? [],
  };
}

async function ifAny<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
