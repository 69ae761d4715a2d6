/**
 * What a Deployment's next step is: sizes for its ReplicaSets. Pure; the controller writes, looks again and asks for the next step.
 * Source: pkg/controller/deployment/{rolling,recreate,sync}.go.
 */

import { isPodTerminal } from '../../api/pod/conditions.ts';
import type { Deployment, ReplicaSet } from '../../api/types/apps-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { desiredReplicasAnnotation, maxReplicasAnnotation, numberAnnotation } from './annotations.ts';
import { isRollingUpdate, maxSurge, maxUnavailable } from './fenceposts.ts';
import {
  activeOrLatest,
  availableOf,
  byCreation,
  byRevision,
  isActive,
  type Scaling,
  sizeOf,
  sum,
} from './replica-sets.ts';

const wantedOf = ({ spec }: Deployment): number => spec?.replicas ?? 1;

/** How big the new ReplicaSet may be now. */
export function newReplicaSetSize(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newReplicaSet: ReplicaSet | undefined,
): number {
  const wanted = wantedOf(deployment);
  if (!isRollingUpdate(deployment)) return wanted;
  const current = newReplicaSet ? sizeOf(newReplicaSet) : 0;
  const room = wanted + maxSurge(deployment) - sum(all, sizeOf);
  return room <= 0 ? current : current + Math.min(room, wanted - current);
}

/** One step of a rolling update: grow the new one, or when it cannot grow, shrink old ones. Empty when nothing can be done now. */
export function planRollingUpdate(
  deployment: Deployment,
  newReplicaSet: ReplicaSet,
  old: readonly ReplicaSet[],
): readonly Scaling[] {
  const all = [...old, newReplicaSet];
  const growth = planNew(deployment, newReplicaSet, all);
  return growth.length > 0 ? growth : planOld(deployment, newReplicaSet, old);
}

function planNew(deployment: Deployment, newReplicaSet: ReplicaSet, all: readonly ReplicaSet[]): readonly Scaling[] {
  const size = sizeOf(newReplicaSet);
  const wanted = wantedOf(deployment);
  if (size === wanted) return [];
  const to = size > wanted ? wanted : newReplicaSetSize(deployment, all, newReplicaSet);
  return to === size ? [] : [{ replicaSet: newReplicaSet, to }];
}

/** First pods that are of no use anyway, then as many as availability allows, the oldest ReplicaSets first. */
function planOld(deployment: Deployment, newReplicaSet: ReplicaSet, old: readonly ReplicaSet[]): readonly Scaling[] {
  const oldSize = sum(old, sizeOf);
  if (oldSize === 0) return [];
  const minAvailable = wantedOf(deployment) - maxUnavailable(deployment);
  const notYetAvailable = sizeOf(newReplicaSet) - availableOf(newReplicaSet);
  const mayGo = oldSize + sizeOf(newReplicaSet) - minAvailable - notYetAvailable;
  if (mayGo <= 0) return [];

  const sizes = new Map(old.map((replicaSet) => [replicaSet, sizeOf(replicaSet)]));
  const order = [...old].sort(byCreation);
  let unhealthyLeft = mayGo;
  for (const replicaSet of order) {
    const unhealthy = sizeOf(replicaSet) - availableOf(replicaSet);
    const gone = Math.min(unhealthyLeft, Math.max(0, unhealthy));
    sizes.set(replicaSet, sizes.get(replicaSet)! - gone);
    unhealthyLeft -= gone;
    if (unhealthyLeft <= 0) break;
  }
  let availableLeft = sum([...old, newReplicaSet], availableOf) - minAvailable;
  for (const replicaSet of order) {
    if (availableLeft <= 0) break;
    const gone = Math.min(sizes.get(replicaSet)!, availableLeft);
    sizes.set(replicaSet, sizes.get(replicaSet)! - gone);
    availableLeft -= gone;
  }
  return order.flatMap((replicaSet) => {
    const to = sizes.get(replicaSet)!;
    return to === sizeOf(replicaSet) ? [] : [{ replicaSet, to }];
  });
}

/** Recreate: all old ones to zero. */
export const planScaleDownAll = (old: readonly ReplicaSet[]): readonly Scaling[] =>
  old.filter(isActive).map((replicaSet) => ({ replicaSet, to: 0 }));

/** Recreate waits until the last old pod has ended, also one that is only terminating. */
export function hasOldPodsRunning(
  newReplicaSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  podsOf: (uid: string) => readonly Pod[],
): boolean {
  if (sum(old, ({ status }) => status?.replicas ?? 0) > 0) return true;
  return old.some(
    ({ metadata }) =>
      metadata.uid !== newReplicaSet?.metadata.uid && podsOf(metadata.uid!).some((pod) => !isPodTerminal(pod)),
  );
}

/** The Deployment was resized since a ReplicaSet was last sized: resizing goes before rolling. */
export function isScalingEvent(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.some((replicaSet) => {
    if (!isActive(replicaSet)) return false;
    const desired = numberAnnotation(replicaSet, desiredReplicasAnnotation);
    return desired !== undefined && desired !== wantedOf(deployment);
  });
}

/**
 * Resizing: one ReplicaSet takes all; a finished rollout's old ones go; in the middle of a rollout each gets its share, the biggest the rest.
 */
export function planScaling(
  deployment: Deployment,
  newReplicaSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): readonly Scaling[] {
  const wanted = wantedOf(deployment);
  const only = activeOrLatest(newReplicaSet, old);
  if (only) return sizeOf(only) === wanted ? [] : [{ replicaSet: only, to: wanted }];
  if (isSaturated(deployment, newReplicaSet)) return planScaleDownAll(old);
  if (!isRollingUpdate(deployment)) return [];
  const active = [...old, ...(newReplicaSet ? [newReplicaSet] : [])].filter(isActive);
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - sum(active, sizeOf);
  // Growing favours the newest of equals, shrinking the oldest.
  const age = toAdd > 0 ? (a: ReplicaSet, b: ReplicaSet) => byCreation(b, a) : byCreation;
  const order = active.sort((a, b) => sizeOf(b) - sizeOf(a) || age(a, b));
  let added = 0;
  const scalings = order.map((replicaSet): Scaling => {
    const share = toAdd === 0 ? 0 : proportion(replicaSet, deployment, toAdd, added);
    added += share;
    return { replicaSet, to: sizeOf(replicaSet) + share };
  });
  const [first, ...rest] = scalings;
  if (!first) return [];
  return [{ ...first, to: Math.max(0, first.to + toAdd - added) }, ...rest];
}

function isSaturated(deployment: Deployment, replicaSet: ReplicaSet | undefined): boolean {
  if (!replicaSet) return false;
  const wanted = wantedOf(deployment);
  return (
    sizeOf(replicaSet) === wanted &&
    numberAnnotation(replicaSet, desiredReplicasAnnotation) === wanted &&
    availableOf(replicaSet) === wanted
  );
}

function proportion(replicaSet: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  if (sizeOf(replicaSet) === 0 || toAdd === added) return 0;
  const share = fraction(replicaSet, deployment);
  const left = toAdd - added;
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

/** By how much the ReplicaSet would change if it kept its part of the whole. */
function fraction(replicaSet: ReplicaSet, deployment: Deployment): number {
  const size = sizeOf(replicaSet);
  if (wantedOf(deployment) === 0) return -size;
  const before =
    numberAnnotation(replicaSet, maxReplicasAnnotation) || deployment.status?.replicas || sizeOf(replicaSet);
  const exact = (size * (wantedOf(deployment) + maxSurge(deployment))) / before;
  // Half away from zero, as Go rounds.
  return (exact < 0 ? Math.ceil(exact - 0.5) : Math.floor(exact + 0.5)) - size;
}

/** Old ReplicaSets beyond the history limit, the oldest revisions first; never one that still has or wants pods. */
export function planCleanup(deployment: Deployment, old: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit;
  if (limit === undefined || limit === 2 ** 31 - 1) return [];
  const cleanable = old.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const excess = cleanable.length - limit;
  if (excess <= 0) return [];
  return cleanable
    .sort(byRevision)
    .slice(0, excess)
    .filter(
      ({ spec, status, metadata }) =>
        (status?.replicas ?? 0) === 0 &&
        (spec?.replicas ?? 1) === 0 &&
        (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0),
    );
}
