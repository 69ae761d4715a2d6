/** Informer indexes by owner, shared by all controllers: the same name always with the same function. */
import { controllerOf } from '../api/meta.ts';
import type { KubeObject } from '../api/object.ts';
import type { Informer } from '../client/informer.ts';

const byController = 'controllers/controller-uid';
const byNamespace = 'controllers/namespace';
const orphans = 'controllers/orphans';

const controllerUid = (object: KubeObject): readonly string[] => {
  const owner = controllerOf(object);
  return owner ? [owner.uid] : none;
};
const namespaceOf = (object: KubeObject): readonly string[] => [object.metadata.namespace ?? ''];
const orphanNamespace = (object: KubeObject): readonly string[] =>
  controllerOf(object) ? none : [object.metadata.namespace ?? ''];
const none: readonly string[] = Object.freeze([]);

export interface OwnerIndex<T> {
  ownedBy(uid: string): readonly T[];
  /** Objects of a namespace that no controller owns. */
  orphansIn(namespace: string): readonly T[];
}
export function ownerIndex<T extends KubeObject>(informer: Informer<T>): OwnerIndex<T> {
  informer.addIndex(byController, controllerUid);
  informer.addIndex(orphans, orphanNamespace);
  return {
    ownedBy: (uid) => informer.byIndex(byController, uid),
    orphansIn: (namespace) => informer.byIndex(orphans, namespace),
  };
}

/** All objects of a namespace. */
export function namespaceIndex<T extends KubeObject>(informer: Informer<T>): (namespace: string) => readonly T[] {
  informer.addIndex(byNamespace, namespaceOf);
  return (namespace) => informer.byIndex(byNamespace, namespace);
}
