/**
 * Where objects live in the store: upstream's keys, so that a store can be handed from one to the other.
 * `/registry/PREFIX/NAMESPACE/NAME`, or `/registry/PREFIX/NAME` for cluster-scoped kinds.
 * Source: pkg/kubeapiserver/default_storage_factory_builder.go; CRDs and APIServices come from servers of their own, whose prefix has the group.
 */
export const registryPrefix = '/registry/';

const special: Readonly<Record<string, string>> = {
  '/replicationcontrollers': 'controllers',
  '/endpoints': 'services/endpoints',
  '/nodes': 'minions',
  '/services': 'services/specs',
  'networking.k8s.io/ingresses': 'ingress',
  'events.k8s.io/events': 'events',
  'apiextensions.k8s.io/customresourcedefinitions': 'apiextensions.k8s.io/customresourcedefinitions',
  'apiregistration.k8s.io/apiservices': 'apiregistration.k8s.io/apiservices',
};

/** The part of a resource's keys after `/registry/`, without slashes at its ends. */
export function storagePrefix(group: string, resource: string): string {
  return special[`${group}/${resource}`] ?? resource.toLowerCase();
}

/** Prefixes of two segments: services, and whatever begins with the name of a group, which has a dot. */
const twoSegments = (first: string): boolean => first === 'services' || first.includes('.');

/** Custom kinds: their group stands in the key. */
export const customPrefix = (group: string, resource: string): string => `${group}/${resource}`;

/** Splits a store key into its resource's prefix and the object's key (`namespace/name` or `name`); `undefined` for foreign keys. */
export function splitKey(key: string): { readonly prefix: string; readonly objectKey: string } | undefined {
  if (!key.startsWith(registryPrefix)) return undefined;
  let end = key.indexOf('/', registryPrefix.length);
  if (end < 0) return undefined;
  if (twoSegments(key.slice(registryPrefix.length, end))) {
    end = key.indexOf('/', end + 1);
    if (end < 0) return undefined;
  }
  return { prefix: key.slice(registryPrefix.length, end), objectKey: key.slice(end + 1) };
}
