/** Sums, orders and choices over a Deployment's ReplicaSets. Pure. */
import { parseTime } from '../../api/time.ts';
import type { Deployment, ReplicaSet } from '../../api/types/apps-v1.ts';
import { revisionOf } from './annotations.ts';
import { sameTemplate } from './template-hash.ts';

export const sizeOf = (replicaSet: ReplicaSet): number => replicaSet.spec?.replicas ?? 0;
export const availableOf = (replicaSet: ReplicaSet): number => replicaSet.status?.availableReplicas ?? 0;
export const isActive = (replicaSet: ReplicaSet): boolean => sizeOf(replicaSet) > 0;

export function sum(replicaSets: readonly ReplicaSet[], of: (replicaSet: ReplicaSet) => number): number {
  let total = 0;
  for (const replicaSet of replicaSets) total += of(replicaSet);
  return total;
}

const createdMs = ({ metadata }: ReplicaSet): number =>
  metadata.creationTimestamp ? (parseTime(metadata.creationTimestamp) ?? 0) : 0;

export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  return createdMs(a) - createdMs(b) || (a.metadata.name! < b.metadata.name! ? -1 : 1);
}
export function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [first, second] = [revisionOf(a), revisionOf(b)];
  return first === second ? byCreation(a, b) : first < second ? -1 : 1;
}

/** The ReplicaSet of the Deployment's present template, if there is one: the oldest, should there be several. */
export function findNewReplicaSet(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...replicaSets].sort(byCreation).find(({ spec }) => sameTemplate(spec?.template, deployment.spec?.template));
}

/** The only active one; else, when none is, the newest. Undefined when several are: they share. */
export function activeOrLatest(
  newReplicaSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ReplicaSet | undefined {
  const active = [...old, ...(newReplicaSet ? [newReplicaSet] : [])].filter(isActive);
  if (active.length > 1) return undefined;
  return active[0] ?? newReplicaSet ?? [...old].sort(byCreation).at(-1);
}

export interface Scaling {
  readonly replicaSet: ReplicaSet;
  readonly to: number;
}
