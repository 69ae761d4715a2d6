/**
 * Who owns a claim, by the retention policy: with `whenDeleted: Delete` the set, with `whenScaled: Delete` the pod once it is beyond the wanted
 * size, so that the garbage collector takes the claim with them. Pure. Source: pkg/controller/statefulset/stateful_set_utils.go.
 */
import { newControllerRef } from '../../api/meta.ts';
import type { KubeObject } from '../../api/object.ts';
import type { StatefulSet } from '../../api/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/types/core-v1.ts';
import type { OwnerReference } from '../../api/types/meta-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { isInRange, ordinalOf } from './identity.ts';

export interface ClaimOwnership {
  readonly upToDate: boolean;
  /** Somebody else controls the claim although the policy wants to: the user is told. */
  readonly conflict: boolean;
  /** What the references should be. */
  readonly references: readonly OwnerReference[];
}

export function judgeClaimOwners(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): ClaimOwnership {
  const references = claim.metadata.ownerReferences ?? [];
  const conflict = hasUnexpectedController(references, set, pod);
  // It belongs to a former set or pod of the same name, which the garbage collector settles: hands off.
  if (references.some((reference) => isStale(reference, set, setKind) || isStale(reference, pod, podKind)))
    return { upToDate: true, conflict, references };
  const others = references.filter(
    (reference) => !refersTo(reference, set, setKind) && !refersTo(reference, pod, podKind),
  );
  const ours = references.filter(({ uid }) => uid === set.metadata.uid || uid === pod.metadata.uid);
  if (conflict) return { upToDate: ours.length === 0, conflict, references: others };
  const wanted = wantedOwners(set, pod);
  const upToDate =
    ours.length === wanted.length &&
    wanted.every(({ uid }) => ours.some((reference) => reference.uid === uid && reference.controller === true));
  return { upToDate, conflict, references: [...others, ...wanted] };
}

/** With whenScaled Delete: the claim of a pod that was scaled away and is on its way out must not be taken by the next pod of its name. */
export function isStaleClaim(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean {
  if (policyOf(set).whenScaled !== 'Delete') return false;
  return (claim.metadata.ownerReferences ?? []).some((reference) => isStale(reference, pod, podKind));
}

function wantedOwners(set: StatefulSet, pod: Pod): readonly OwnerReference[] {
  const { whenDeleted, whenScaled } = policyOf(set);
  const scaledAway = !isInRange(set, ordinalOf(set, pod));
  if (whenScaled === 'Delete' && scaledAway) return pod.metadata.uid ? [newControllerRef(pod, resources.pods)] : [];
  return whenDeleted === 'Delete' ? [newControllerRef(set, resources.statefulSets)] : [];
}

function policyOf({ spec }: StatefulSet) {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = spec?.persistentVolumeClaimRetentionPolicy ?? {};
  return { whenDeleted, whenScaled };
}

const setKind = { apiVersion: 'apps/v1', kind: 'StatefulSet' };
const podKind = { apiVersion: 'v1', kind: 'Pod' };
type Gvk = typeof setKind;

const refersTo = (reference: OwnerReference, owner: KubeObject, { apiVersion, kind }: Gvk): boolean =>
  reference.apiVersion === apiVersion && reference.kind === kind && reference.name === owner.metadata.name;
const isStale = (reference: OwnerReference, owner: KubeObject, gvk: Gvk): boolean =>
  refersTo(reference, owner, gvk) && reference.uid !== owner.metadata.uid;

function hasUnexpectedController(references: readonly OwnerReference[], set: StatefulSet, pod: Pod): boolean {
  const { whenDeleted, whenScaled } = policyOf(set);
  // Who keeps everything does not care who else controls it.
  if (whenDeleted === 'Retain' && whenScaled === 'Retain') return false;
  return references.some((reference) => {
    if (refersTo(reference, set, setKind)) return reference.uid !== set.metadata.uid;
    if (refersTo(reference, pod, podKind)) return reference.uid !== pod.metadata.uid;
    return reference.controller === true;
  });
}
