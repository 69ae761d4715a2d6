/** What controllers ask of and do to an object's metadata and conditions. Objects are frozen; changes are new values. */
import { withFields } from './edit.ts';
import type { KubeObject } from './object.ts';
import type { ObjectMeta, OwnerReference } from './types/meta-v1.ts';

interface HasMetadata {
  readonly metadata?: ObjectMeta;
}

/** The owner reference with `controller: true`. Source: metav1.GetControllerOf. */
export function controllerOf(object: HasMetadata): OwnerReference | undefined {
  const references = object.metadata?.ownerReferences;
  if (references === undefined) return undefined;
  for (let i = 0; i < references.length; i++) if (references[i]!.controller === true) return references[i];
  return undefined;
}

export function isControlledBy(object: HasMetadata, owner: HasMetadata): boolean {
  const uid = controllerOf(object)?.uid;
  return uid !== undefined && uid === owner.metadata?.uid;
}

/** The reference a controller puts on what it makes: controller and blockOwnerDeletion are true. Source: metav1.NewControllerRef. */
export function newControllerRef(
  owner: KubeObject,
  gvk: { readonly group: string; readonly version: string; readonly kind: string },
): OwnerReference {
  const { name, uid } = owner.metadata;
  if (!name || !uid) throw new Error(`Cannot refer to ${gvk.kind} "${name ?? ''}": it has no name or uid yet`);
  return Object.freeze({
    apiVersion: gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`,
    kind: gvk.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  });
}

/** Being deleted: it waits for finalizers or a grace period. */
export const isBeingDeleted = (object: HasMetadata): boolean => object.metadata?.deletionTimestamp !== undefined;
export const hasFinalizer = (object: HasMetadata, finalizer: string): boolean =>
  object.metadata?.finalizers?.includes(finalizer) === true;

/** `{ group, version }` of an apiVersion; the core group is empty. */
export function parseApiVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
export const formatApiVersion = (group: string, version: string): string =>
  group === '' ? version : `${group}/${version}`;

/** What conditions of all kinds share. */
export interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string;
}

export function findCondition<C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  if (conditions === undefined) return undefined;
  for (let i = 0; i < conditions.length; i++) if (conditions[i]!.type === type) return conditions[i];
  return undefined;
}

export const isConditionTrue = (conditions: readonly ConditionLike[] | undefined, type: string): boolean =>
  findCondition(conditions, type)?.status === 'True';

/**
 * Sets a condition by type, at its place or at the end. The transition time is kept while the status stays, else it is
 * `condition.lastTransitionTime`, or `now` when that is absent. Returns the same list when nothing changes.
 * Source: meta.SetStatusCondition.
 */
export function setCondition<C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  condition: C,
  now: string,
): readonly C[] {
  const list = conditions ?? [];
  const index = list.findIndex((c) => c.type === condition.type);
  const old = list[index];
  const lastTransitionTime =
    old !== undefined && old.status === condition.status && old.lastTransitionTime !== undefined
      ? old.lastTransitionTime
      : (condition.lastTransitionTime ?? now);
  if (old === undefined) return Object.freeze([...list, Object.freeze({ ...condition, lastTransitionTime })]);
  const next = withFields<ConditionLike>(old, { ...condition, lastTransitionTime }) as C;
  return next === old ? list : Object.freeze(list.map((c, i) => (i === index ? next : c)));
}

/** The list without the condition of that type; the same list when it has none. */
export function removeCondition<C extends ConditionLike>(conditions: readonly C[], type: string): readonly C[] {
  return findCondition(conditions, type) === undefined
    ? conditions
    : Object.freeze(conditions.filter((c) => c.type !== type));
}
