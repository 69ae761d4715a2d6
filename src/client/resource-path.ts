/** Where a resource lives: `/api/v1/namespaces/NS/pods/NAME/status`, `/apis/GROUP/VERSION/...`. */
import type { KubeObject, ResourceRef } from '../api/object.ts';

type Ref = Pick<ResourceRef<KubeObject>, 'group' | 'version' | 'resource' | 'namespaced'>;

/** The collection; without a namespace that of all namespaces. A namespace given for a cluster-scoped resource is left out. */
export function collectionPath(ref: Ref, namespace?: string): string {
  const root = ref.group === '' ? `/api/${ref.version}` : `/apis/${ref.group}/${ref.version}`;
  return ref.namespaced && namespace
    ? `${root}/namespaces/${encodeURIComponent(namespace)}/${ref.resource}`
    : `${root}/${ref.resource}`;
}

/** One object or a subresource of it. @throws Error when a namespaced resource comes without a namespace, or the name is empty. */
export function objectPath(ref: Ref, namespace: string | undefined, name: string, subresource?: string): string {
  // client-go refuses an empty name too: the path would be the collection's, and a DELETE would empty it.
  if (name === '') throw new Error(`A request for one of "${ref.resource}" needs a name`);
  if (ref.namespaced && !namespace)
    throw new Error(`A request for "${name}" of "${ref.resource}" needs a namespace: the resource is namespaced`);
  const path = `${collectionPath(ref, namespace)}/${encodeURIComponent(name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** `apiVersion` of objects of the resource. */
export const apiVersionOf = (ref: Pick<ResourceRef<KubeObject>, 'group' | 'version'>): string =>
  ref.group === '' ? ref.version : `${ref.group}/${ref.version}`;
