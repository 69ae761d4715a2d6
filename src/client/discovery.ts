/** What resources a server has. Two requests where it speaks aggregated discovery, one for each group version otherwise. */
import { ApiError } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import { parseApiVersion } from '../api/meta.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { APIResourceList } from '../api/types/meta-v1.ts';
import type { Transport } from './transport.ts';

export interface DiscoveredResource extends ResourceRef<KubeObject> {
  readonly verbs: readonly string[];
  /** The version is the first its group lists that has the resource: what `kubectl get` uses. */
  readonly preferred: boolean;
}
export interface Discovery {
  readonly resources: readonly DiscoveredResource[];
  /** Group versions that could not be asked (a dead aggregated API server), with the reason. */
  readonly failures: readonly { readonly groupVersion: string; readonly message: string }[];
}

/** Subresources are left out. @throws like any request when the server cannot be asked at all. */
export async function discoverResources(transport: Transport, signal?: AbortSignal): Promise<Discovery> {
  const ask = (path: string, accept?: string): Promise<JsonObject> =>
    transport.request({
      method: 'GET',
      path,
      ...(accept ? { headers: { accept } } : {}),
      ...(signal ? { signal } : {}),
    });
  const resources: DiscoveredResource[] = [];
  const failures: { groupVersion: string; message: string }[] = [];
  for (const root of ['/api', '/apis']) {
    const answer = (await ask(root, aggregated)) as unknown as GroupDiscoveryList & LegacyRoot;
    if (answer.kind === 'APIGroupDiscoveryList') {
      for (const group of answer.items ?? []) readGroup(group, resources, failures);
      continue;
    }
    const groupVersions =
      answer.kind === 'APIVersions'
        ? [(answer.versions ?? []).map((version) => version)]
        : (answer.groups ?? []).map((group) => group.versions.map(({ groupVersion }) => groupVersion));
    for (const versions of groupVersions) {
      const seen = new Set<string>();
      for (const groupVersion of versions) {
        try {
          const list = (await ask(`${root}/${groupVersion}`)) as unknown as APIResourceList;
          const { group, version } = parseApiVersion(groupVersion);
          for (const { name, kind, namespaced, verbs } of list.resources) {
            if (name.includes('/')) continue;
            resources.push({ group, version, resource: name, kind, namespaced, verbs, preferred: !seen.has(name) });
            seen.add(name);
          }
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          failures.push({ groupVersion, message: error.message });
        }
      }
    }
  }
  return { resources, failures };
}

function readGroup(
  { metadata, versions }: GroupDiscovery,
  resources: DiscoveredResource[],
  failures: { groupVersion: string; message: string }[],
): void {
  const group = metadata.name ?? '';
  const seen = new Set<string>();
  for (const { version, resources: list, freshness } of versions ?? []) {
    if (freshness === 'Stale')
      failures.push({ groupVersion: `${group}/${version}`, message: 'stale GroupVersion discovery' });
    for (const { resource, responseKind, scope, verbs } of list ?? []) {
      const namespaced = scope === 'Namespaced';
      const kind = responseKind?.kind ?? '';
      resources.push({ group, version, resource, kind, namespaced, verbs, preferred: !seen.has(resource) });
      seen.add(resource);
    }
  }
}

const aggregated =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json';

/** apidiscovery.k8s.io/v2; not among the served types. */
interface GroupDiscovery {
  readonly metadata: { readonly name?: string };
  readonly versions?: readonly {
    readonly version: string;
    readonly freshness?: string;
    readonly resources?: readonly {
      readonly resource: string;
      readonly scope: string;
      readonly verbs: readonly string[];
      readonly responseKind?: { readonly kind: string };
    }[];
  }[];
}
interface GroupDiscoveryList {
  readonly kind: string;
  readonly items?: readonly GroupDiscovery[];
}
interface LegacyRoot {
  readonly versions?: readonly string[];
  readonly groups?: readonly { readonly versions: readonly { readonly groupVersion: string }[] }[];
}
