/** From a kind in an owner reference to the resource to ask for. */
import { parseApiVersion } from '../api/meta.ts';
import type { DiscoveredResource } from '../client/discovery.ts';

export interface RestMapping {
  /** The named version if it is served, else the group's preferred one; `undefined` for an unknown kind. */
  resourceOf(apiVersion: string, kind: string): DiscoveredResource | undefined;
}

export function createRestMapping(resources: readonly DiscoveredResource[]): RestMapping {
  const exact = new Map<string, DiscoveredResource>();
  const preferred = new Map<string, DiscoveredResource>();
  for (const resource of resources) {
    const { group, version, kind } = resource;
    // Kinds with several resources (`Scale`, reviews) are never owners; the first is as good as any.
    if (!exact.has(`${group}/${version}/${kind}`)) exact.set(`${group}/${version}/${kind}`, resource);
    if (resource.preferred && !preferred.has(`${group}/${kind}`)) preferred.set(`${group}/${kind}`, resource);
  }
  return {
    resourceOf(apiVersion, kind) {
      const { group, version } = parseApiVersion(apiVersion);
      return exact.get(`${group}/${version}/${kind}`) ?? preferred.get(`${group}/${kind}`);
    },
  };
}
