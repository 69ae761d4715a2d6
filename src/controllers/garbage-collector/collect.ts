/** Looks at one object live and deletes it when nobody owns it any more. Source: pkg/controller/garbagecollector/garbagecollector.go. */
import { isNotFound } from '../../api/errors.ts';
import { isBeingDeleted } from '../../api/meta.ts';
import type { KubeObject } from '../../api/object.ts';
import type { OwnerReference } from '../../api/types/meta-v1.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';
import { objectPath } from '../../client/resource-path.ts';
import type { ReconcileResult } from '../../client/run-workers.ts';
import type { RestMapping } from '../rest-mapping.ts';
import { foregroundFinalizer, type GraphNode, type OwnerGraph, orphanFinalizer } from './graph.ts';

export interface CollectorContext {
  readonly client: Client;
  readonly graph: OwnerGraph;
  readonly log: Logger;
  mapping(): RestMapping;
  enqueue(node: GraphNode): void;
}

/** Owners known not to exist: `coordinates uid`. Uids are never used again, so an entry never becomes wrong. */
const absentLimit = 500;

export interface Collector {
  /** @throws what requests throw; the caller tries again. */
  attemptToDelete(uid: string, signal: AbortSignal): Promise<ReconcileResult>;
  attemptToOrphan(uid: string, signal: AbortSignal): Promise<void>;
}

export function createCollector({ client, graph, log, mapping, enqueue }: CollectorContext): Collector {
  const absent = new Set<string>();

  const live = async (
    resource: DiscoveredResource,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<KubeObject | undefined> => {
    try {
      const path = objectPath(resource, namespace, name);
      return (await client.transport.request({ method: 'GET', path, headers, signal })) as unknown as KubeObject;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  const resolve = (apiVersion: string, kind: string): DiscoveredResource => {
    const resource = mapping().resourceOf(apiVersion, kind);
    if (!resource) throw new Error(`No resource is known for kind "${kind}" in version "${apiVersion}"`);
    return resource;
  };

  /** @returns what the reference is: a living owner, one that waits for its dependents, or nothing. */
  const classify = async (node: GraphNode, reference: OwnerReference, signal: AbortSignal): Promise<OwnerState> => {
    const resource = resolve(reference.apiVersion, reference.kind);
    if (resource.namespaced && node.namespace === '') return 'unresolvable';
    const known = graph.get(reference.uid);
    const namespace = resource.namespaced ? node.namespace : '';
    // What a watch has shown and not taken back is there; when it goes, its going brings us here again.
    if (
      known?.resource &&
      known.kind === reference.kind &&
      known.name === reference.name &&
      known.namespace === namespace
    )
      return known.deletingDependents ? 'waiting' : 'solid';
    const id = `${resource.group}/${resource.resource}/${namespace}/${reference.name} ${reference.uid}`;
    if (absent.has(id)) return 'dangling';
    const owner = await live(resource, namespace, reference.name, signal);
    if (owner?.metadata.uid !== reference.uid) {
      absent.add(id);
      if (absent.size > absentLimit) absent.delete(absent.values().next().value as string);
      return 'dangling';
    }
    return isBeingDeleted(owner) && owner.metadata.finalizers?.includes(foregroundFinalizer) ? 'waiting' : 'solid';
  };

  const patch = async (
    node: GraphNode,
    latest: KubeObject,
    metadata: PatchedMetadata,
    signal: AbortSignal,
  ): Promise<void> => {
    const { resourceVersion = '', name = '' } = latest.metadata;
    const body = { metadata: { resourceVersion, ...metadata } };
    await client
      .resource(node.resource!)
      .patch(name, { type: 'merge', patch: body as never }, { namespace: node.namespace, signal });
  };
  const withoutOwners = (latest: KubeObject, uids: ReadonlySet<string>): PatchedMetadata => ({
    ownerReferences: (latest.metadata.ownerReferences ?? []).filter(({ uid }) => !uids.has(uid)),
  });
  const removeFinalizer = async (
    node: GraphNode,
    latest: KubeObject,
    finalizer: string,
    signal: AbortSignal,
  ): Promise<void> => {
    const finalizers = latest.metadata.finalizers ?? [];
    if (!finalizers.includes(finalizer)) return;
    await patch(node, latest, { finalizers: finalizers.filter((each) => each !== finalizer) }, signal);
  };
  const remove = async (
    node: GraphNode,
    latest: KubeObject,
    propagationPolicy: 'Background' | 'Foreground' | 'Orphan',
    signal: AbortSignal,
  ): Promise<void> => {
    const { name = '', uid = '', resourceVersion = '' } = latest.metadata;
    // The version too: between the look and the deletion somebody may have given it an owner.
    const body = { preconditions: { uid, resourceVersion }, propagationPolicy };
    try {
      await client.resource(node.resource!).delete(name, { namespace: node.namespace, body, signal });
      log.info('Deleted object without owners', { kind: node.kind, object: describe(node), propagationPolicy });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  return {
    async attemptToDelete(uid, signal) {
      const node = graph.get(uid);
      if (!node) return undefined;
      if (!node.resource) {
        const resource = resolve(node.apiVersion, node.kind);
        if (resource.namespaced && node.namespace === '') return undefined;
        const owner = await live(resource, resource.namespaced ? node.namespace : '', node.name, signal);
        // It is there, and its own watch will say so soon; until then it must not be forgotten.
        if (owner?.metadata.uid === uid) return graph.get(uid)?.resource ? undefined : { requeue: true };
        for (const dependent of node.dependents) enqueue(dependent);
        return undefined;
      }
      if (node.deleting && !node.deletingDependents) return undefined;
      const latest = await live(node.resource, node.namespace, node.name, signal);
      if (latest?.metadata.uid !== uid) {
        graph.forget(uid);
        return undefined;
      }
      if (node.deletingDependents) {
        const blocking = [...node.dependents].filter((dependent) => blocks(dependent, uid));
        if (blocking.length === 0) await removeFinalizer(node, latest, foregroundFinalizer, signal);
        else for (const dependent of blocking) if (!dependent.deletingDependents) enqueue(dependent);
        return undefined;
      }
      const references = latest.metadata.ownerReferences ?? [];
      if (references.length === 0) return undefined;
      const gone = new Set<string>();
      let solid = 0;
      let waiting = 0;
      for (const reference of references) {
        const state = await classify(node, reference, signal);
        if (state === 'solid' || state === 'unresolvable') solid++;
        else {
          gone.add(reference.uid);
          if (state === 'waiting') waiting++;
        }
      }
      if (solid > 0) {
        if (gone.size > 0) await patch(node, latest, withoutOwners(latest, gone), signal);
        return undefined;
      }
      if (waiting > 0 && node.dependents.size > 0) {
        // Of two that wait for each other one has to stop blocking.
        for (const dependent of node.dependents)
          if (dependent.deletingDependents) {
            const blocking = references.map((reference) => ({ ...reference, blockOwnerDeletion: false }));
            await patch(node, latest, { ownerReferences: blocking }, signal);
            break;
          }
        const now = await live(node.resource, node.namespace, node.name, signal);
        if (now?.metadata.uid === uid) await remove(node, now, 'Foreground', signal);
        return undefined;
      }
      const finalizers = latest.metadata.finalizers ?? [];
      const policy = finalizers.includes(orphanFinalizer)
        ? 'Orphan'
        : finalizers.includes(foregroundFinalizer)
          ? 'Foreground'
          : 'Background';
      await remove(node, latest, policy, signal);
      return undefined;
    },

    async attemptToOrphan(uid, signal) {
      const node = graph.get(uid);
      if (!node?.resource) return;
      for (const dependent of [...node.dependents]) {
        if (!dependent.resource) continue;
        const latest = await live(dependent.resource, dependent.namespace, dependent.name, signal);
        if (latest?.metadata.uid !== dependent.uid) continue;
        if (latest.metadata.ownerReferences?.some((reference) => reference.uid === uid))
          await patch(dependent, latest, withoutOwners(latest, new Set([uid])), signal);
      }
      const owner = await live(node.resource, node.namespace, node.name, signal);
      if (owner?.metadata.uid === uid) await removeFinalizer(node, owner, orphanFinalizer, signal);
    },
  };
}

type OwnerState = 'solid' | 'waiting' | 'dangling' | 'unresolvable';
type PatchedMetadata = {
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
};

const blocks = (dependent: GraphNode, uid: string): boolean =>
  dependent.owners.some((reference) => reference.uid === uid && reference.blockOwnerDeletion === true);
const describe = ({ namespace, name }: GraphNode): string => (namespace === '' ? name : `${namespace}/${name}`);
const headers = Object.freeze({
  accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json',
});
