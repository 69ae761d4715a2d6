/**
 * The next steps of a StatefulSet. Ordered: one step at a time, each pod waits for its predecessors. Parallel: all at once. Pure.
 * Source: updateStatefulSet in pkg/controller/statefulset/stateful_set_control.go.
 */
import { scaledValue } from '../../api/int-or-string.ts';
import { isBeingDeleted } from '../../api/meta.ts';
import { isPodAvailable, isPodReady, isPodTerminal } from '../../api/pod/conditions.ts';
import type { StatefulSet } from '../../api/types/apps-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { hasIdentity, isInRange, ordinalOf, replicasOf, revisionOf, startOrdinal } from './identity.ts';

export interface StatefulView {
  readonly set: StatefulSet;
  /** Its own, in any order. */
  readonly pods: readonly Pod[];
  /** Names of revisions. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly nowMs: number;
  /** Whether the claims of a pod have the owners that the retention policy asks for. */
  claimsMatch(pod: Pod): boolean;
  /** Whether a claim of this ordinal still belongs to its former pod. */
  hasStaleClaim(ordinal: number): boolean;
}

export type StatefulStep =
  | { readonly kind: 'create'; readonly ordinal: number; readonly revision: 'current' | 'update' }
  | { readonly kind: 'delete'; readonly pod: Pod; readonly why: 'ended' | 'scaled' | 'update' }
  /** Of a pending pod: a claim may have been deleted in between. */
  | { readonly kind: 'createClaims'; readonly pod: Pod; readonly ordinal: number }
  /** Labels, volumes and the owners of claims. */
  | { readonly kind: 'repair'; readonly pod: Pod; readonly ordinal: number }
  | { readonly kind: 'claimOwners'; readonly pod: Pod; readonly ordinal: number };

export interface StatefulPlan {
  readonly steps: readonly StatefulStep[];
  /** A claim of a former pod stands in the way; nobody tells when it is gone. */
  readonly waitsForClaim: boolean;
}

export function planStatefulSet(view: StatefulView): StatefulPlan {
  const { set } = view;
  const steps: StatefulStep[] = [];
  if (isBeingDeleted(set)) return { steps, waitsForClaim: false };
  const ordered = set.spec?.podManagementPolicy !== 'Parallel';
  const start = startOrdinal(set);
  const replicas: (Pod | undefined)[] = new Array(replicasOf(set)).fill(undefined);
  const condemned: Pod[] = [];
  for (const pod of view.pods) {
    const ordinal = ordinalOf(set, pod);
    if (isInRange(set, ordinal)) replicas[ordinal - start] = pod;
    else if (ordinal >= 0) condemned.push(pod);
  }
  condemned.sort((a, b) => ordinalOf(set, b) - ordinalOf(set, a));

  let waitsForClaim = false;
  for (let i = 0; i < replicas.length; i++) {
    const outcome = planReplica(view, replicas[i], start + i, ordered, steps);
    if (outcome === 'staleClaim') waitsForClaim = true;
    if (outcome !== 'go' && ordered) return { steps, waitsForClaim };
  }
  for (const pod of condemned)
    if (!view.claimsMatch(pod)) steps.push({ kind: 'claimOwners', pod, ordinal: ordinalOf(set, pod) });
  if (planScaleDown(view, replicas, condemned, ordered, steps) === 'wait') return { steps, waitsForClaim };
  if (set.spec?.updateStrategy?.type !== 'OnDelete') planUpdate(view, replicas, steps);
  return { steps, waitsForClaim };
}

/** @returns `wait`: an ordered set goes no further for now. */
function planReplica(
  view: StatefulView,
  pod: Pod | undefined,
  ordinal: number,
  ordered: boolean,
  steps: StatefulStep[],
): 'go' | 'wait' | 'staleClaim' {
  if (!pod) {
    if (view.hasStaleClaim(ordinal)) return 'staleClaim';
    steps.push({ kind: 'create', ordinal, revision: revisionForNew(view.set, ordinal) });
    return 'wait';
  }
  if (isPodTerminal(pod)) {
    // Whatever its exit code: evicted pods may have ended well. The successor is made when the name is free.
    if (!isBeingDeleted(pod)) steps.push({ kind: 'delete', pod, why: 'ended' });
    return 'wait';
  }
  if (pod.status?.phase === 'Pending') steps.push({ kind: 'createClaims', pod, ordinal });
  if (ordered && (isBeingDeleted(pod) || !isRunningAndAvailable(view, pod))) return 'wait';
  if (!hasIdentity(view.set, pod, ordinal) || !view.claimsMatch(pod)) steps.push({ kind: 'repair', pod, ordinal });
  return 'go';
}

/** Below the partition a pod that is made anew is of the current revision, not of the one being rolled out. */
function revisionForNew(set: StatefulSet, ordinal: number): 'current' | 'update' {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec?.updateStrategy ?? {};
  const start = startOrdinal(set);
  if (rollingUpdate) return ordinal < start + (rollingUpdate.partition ?? 0) ? 'current' : 'update';
  const current = set.status?.currentReplicas ?? 0;
  return type === 'RollingUpdate' && ordinal < start + current ? 'current' : 'update';
}

/** From the highest ordinal down; ordered sets one after the other, and not while a remaining pod is in trouble. */
function planScaleDown(
  view: StatefulView,
  replicas: readonly (Pod | undefined)[],
  condemned: readonly Pod[],
  ordered: boolean,
  steps: StatefulStep[],
): 'go' | 'wait' {
  const firstUnavailable =
    replicas.find((pod) => pod && isUnavailable(view, pod)) ?? condemned.findLast((pod) => isUnavailable(view, pod));
  for (const pod of condemned) {
    if (isBeingDeleted(pod)) {
      if (ordered) return 'wait';
      continue;
    }
    if (ordered && !isRunningAndAvailable(view, pod) && pod !== firstUnavailable) return 'wait';
    steps.push({ kind: 'delete', pod, why: 'scaled' });
    if (ordered) return 'wait';
  }
  return 'go';
}

/** Old pods from the highest ordinal down to the partition, so many that not more than maxUnavailable are unavailable. */
function planUpdate(view: StatefulView, replicas: readonly (Pod | undefined)[], steps: StatefulStep[]): void {
  const { rollingUpdate } = view.set.spec?.updateStrategy ?? {};
  const lowest = rollingUpdate?.partition ?? 0;
  let left = maxUnavailable(view.set);
  for (const pod of replicas) if (!pod || isUnavailable(view, pod)) left--;
  for (let i = replicas.length - 1; i >= lowest && left > 0; i--) {
    const pod = replicas[i];
    if (!pod || revisionOf(pod) === view.updateRevision || isBeingDeleted(pod)) continue;
    steps.push({ kind: 'delete', pod, why: 'update' });
    left--;
  }
}

function maxUnavailable(set: StatefulSet): number {
  const value = set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  // A small percentage of a small set is one pod, or nothing would ever move.
  return Math.max(1, scaledValue(value, replicasOf(set), { roundUp: false }));
}

export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isPodReady(pod);
const isAvailable = ({ set, nowMs }: StatefulView, pod: Pod): boolean =>
  isPodAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs);
const isRunningAndAvailable = (view: StatefulView, pod: Pod): boolean =>
  isRunningAndReady(pod) && isAvailable(view, pod);
const isUnavailable = (view: StatefulView, pod: Pod): boolean => isBeingDeleted(pod) || !isAvailable(view, pod);
