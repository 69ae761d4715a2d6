/**
 * Who owns whom, by uid. It learns only from what the watches say, and tells what that makes worth looking at; looking (live) and acting is
 * the collector's. Source of behaviour: pkg/controller/garbagecollector/graph_builder.go.
 *
 * Invariants:
 * 1. A node is in `dependents` of the node of each of its owner references.
 * 2. An owner that no watch has shown is there as a virtual node, as long as something refers to it.
 */
import { sameJson } from '../../api/edit.ts';
import type { ObjectMeta, OwnerReference } from '../../api/types/meta-v1.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';

export interface GraphNode {
  readonly uid: string;
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for cluster-scoped objects. Of a virtual node it is that of who referred to it first. */
  readonly namespace: string;
  readonly name: string;
  /** Absent while the node is virtual. */
  readonly resource: DiscoveredResource | undefined;
  readonly owners: readonly OwnerReference[];
  readonly dependents: ReadonlySet<GraphNode>;
  readonly deleting: boolean;
  /** Being deleted in the foreground: it waits for its dependents. */
  readonly deletingDependents: boolean;
}
type Mutable = { -readonly [K in keyof GraphNode]: GraphNode[K] } & { dependents: Set<GraphNode> };

export interface GraphListener {
  /** Perhaps it may go now; look at it. */
  attemptToDelete(node: GraphNode): void;
  /** It is being deleted and its dependents are to stay. */
  attemptToOrphan(node: GraphNode): void;
  /** A reference that names an owner where it cannot be: another namespace, or a namespaced owner of a cluster-scoped object. */
  invalidOwner(node: GraphNode, reference: OwnerReference): void;
}

export interface OwnerGraph {
  get(uid: string): GraphNode | undefined;
  /** An object as a watch shows it. */
  observe(resource: DiscoveredResource, apiVersion: string, metadata: ObjectMeta): void;
  /** The object is gone: from the server's word, by a watch or a live look. */
  forget(uid: string): void;
  /** Uids of all observed objects of a resource. */
  uidsOf(resourceId: string): Iterable<string>;
  readonly size: number;
}

export const resourceId = ({ group, resource }: Pick<DiscoveredResource, 'group' | 'resource'>): string =>
  `${resource}.${group}`;

export function createOwnerGraph(listener: GraphListener): OwnerGraph {
  const nodes = new Map<string, Mutable>();
  const byResource = new Map<string, Set<string>>();

  const link = (node: Mutable, references: readonly OwnerReference[]): void => {
    for (const reference of references) {
      let owner = nodes.get(reference.uid);
      if (!owner) {
        owner = {
          uid: reference.uid,
          apiVersion: reference.apiVersion,
          kind: reference.kind,
          namespace: node.namespace,
          name: reference.name,
          resource: undefined,
          owners: [],
          dependents: new Set(),
          deleting: false,
          deletingDependents: false,
        };
        nodes.set(owner.uid, owner);
        // Does it exist at all? Perhaps its watch is only later than this one.
        listener.attemptToDelete(owner);
      } else if (owner.resource && misplaced(node, owner, reference)) {
        listener.invalidOwner(node, reference);
        listener.attemptToDelete(node);
      }
      owner.dependents.add(node);
    }
  };
  const unlink = (node: Mutable, references: readonly OwnerReference[]): void => {
    for (const { uid } of references) {
      const owner = nodes.get(uid);
      if (!owner) continue;
      owner.dependents.delete(node);
      if (!owner.resource && owner.dependents.size === 0) nodes.delete(uid);
    }
  };

  const transitions = (
    node: Mutable,
    metadata: ObjectMeta,
    was: { deleting: boolean; finalizers: readonly string[] },
  ): void => {
    node.deleting = metadata.deletionTimestamp !== undefined;
    if (!node.deleting) return;
    const starts = (finalizer: string): boolean =>
      metadata.finalizers?.includes(finalizer) === true && !(was.deleting && was.finalizers.includes(finalizer));
    if (starts(orphanFinalizer)) listener.attemptToOrphan(node);
    else if (starts(foregroundFinalizer)) {
      node.deletingDependents = true;
      for (const dependent of node.dependents) listener.attemptToDelete(dependent);
      listener.attemptToDelete(node);
    }
  };
  /** Finalizers as last seen, only of the few objects that are being deleted with one of ours. */
  const seenFinalizers = new Map<string, readonly string[]>();

  return {
    get: (uid) => nodes.get(uid),
    uidsOf: (id) => byResource.get(id) ?? [],
    get size() {
      return nodes.size;
    },
    observe(resource, apiVersion, metadata) {
      const uid = metadata.uid ?? '';
      if (uid === '') return;
      const owners = metadata.ownerReferences ?? none;
      const { namespace = '', name = '' } = metadata;
      let node = nodes.get(uid);
      if (!node?.resource) {
        const dependents = node?.dependents ?? new Set<GraphNode>();
        const kind = resource.kind;
        node = {
          uid,
          apiVersion,
          kind,
          namespace,
          name,
          resource,
          owners: none,
          dependents,
          deleting: false,
          deletingDependents: false,
        };
        const virtual = nodes.get(uid);
        nodes.set(uid, node);
        const id = resourceId(resource);
        const uids = byResource.get(id);
        if (uids) uids.add(uid);
        else byResource.set(id, new Set([uid]));
        if (virtual)
          for (const dependent of dependents)
            for (const reference of dependent.owners)
              if (reference.uid === uid && misplaced(dependent, node, reference)) {
                listener.invalidOwner(dependent, reference);
                listener.attemptToDelete(dependent);
              }
      }
      if (owners !== node.owners && !sameJson(owners, node.owners)) {
        const before = node.owners;
        node.owners = owners;
        const kept = new Set(owners.map((reference) => reference.uid));
        const removed = before.filter((reference) => !kept.has(reference.uid));
        const had = new Set(before.map((reference) => reference.uid));
        // An owner that waited for this one may be free now.
        for (const old of before) {
          const now = owners.find((reference) => reference.uid === old.uid);
          const owner = nodes.get(old.uid);
          if (old.blockOwnerDeletion && !now?.blockOwnerDeletion && owner?.deletingDependents)
            listener.attemptToDelete(owner);
        }
        unlink(node, removed);
        const added = owners.filter((reference) => !had.has(reference.uid));
        link(node, added);
        // A new owner may be waiting for its dependents already.
        if (added.some((reference) => nodes.get(reference.uid)?.deletingDependents)) listener.attemptToDelete(node);
      }
      const was = { deleting: node.deleting, finalizers: seenFinalizers.get(uid) ?? none };
      transitions(node, metadata, was);
      if (node.deleting) seenFinalizers.set(uid, metadata.finalizers ?? none);
    },
    forget(uid) {
      const node = nodes.get(uid);
      if (!node) return;
      seenFinalizers.delete(uid);
      if (node.resource) byResource.get(resourceId(node.resource))?.delete(uid);
      // Dependents keep their references; the node stays for them, as one that nobody has seen.
      const references = node.owners;
      unlink(node, references);
      if (node.dependents.size === 0) nodes.delete(uid);
      else {
        node.resource = undefined;
        node.owners = none;
        node.deleting = false;
        node.deletingDependents = false;
        for (const dependent of node.dependents) listener.attemptToDelete(dependent);
      }
      for (const reference of references) {
        const owner = nodes.get(reference.uid);
        if (owner?.deletingDependents) listener.attemptToDelete(owner);
      }
    },
  };
}

function misplaced(node: GraphNode, owner: GraphNode, reference: OwnerReference): boolean {
  if (owner.kind !== reference.kind || owner.name !== reference.name) return true;
  if (owner.namespace === '') return false;
  return owner.namespace !== node.namespace;
}

const none: readonly never[] = Object.freeze([]);
