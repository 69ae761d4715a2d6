/** The annotations a Deployment and its ReplicaSets share. Source: pkg/controller/deployment/util/deployment_util.go. */
import type { Deployment, ReplicaSet } from '../../api/types/apps-v1.ts';
import { maxSurge } from './fenceposts.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
const historyLengthMax = 2000;

type Annotations = Readonly<Record<string, string>>;

/** Those that are not copied from a Deployment to its ReplicaSets. */
const own = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
]);

const int64Max = 2n ** 63n - 1n;

/** An int64, which anybody may have set by hand; 0 when there is none, or one that does not fit. */
export function revisionOf({ metadata }: { readonly metadata: { readonly annotations?: Annotations } }): bigint {
  return parseRevision(metadata.annotations?.[revisionAnnotation]);
}

function parseRevision(text: string | undefined): bigint {
  if (text === undefined || !/^[+-]?\d{1,19}$/.test(text)) return 0n;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value > int64Max || value < -int64Max - 1n ? 0n : value;
}

/** The new ReplicaSet's annotations: the Deployment's own, its revision, and (when it is made) the sizes. */
export function newReplicaSetAnnotations(
  deployment: Deployment,
  current: Annotations,
  revision: bigint,
  options: { readonly exists: boolean },
): Annotations {
  const next: Record<string, string> = { ...current };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {}))
    if (!own.has(key)) next[key] = value;
  const before = next[revisionAnnotation];
  if (parseRevision(before) < revision) {
    next[revisionAnnotation] = `${revision}`;
    // Rolled back to: what it was once is remembered, as long as there is room.
    if (before !== undefined) {
      const history = next[revisionHistoryAnnotation];
      const revisions = history ? history.split(',') : [];
      while (revisions.length > 0 && [...revisions, before].join(',').length > historyLengthMax) revisions.shift();
      next[revisionHistoryAnnotation] = [...revisions, before].join(',');
    }
  }
  return options.exists ? next : { ...next, ...sizeAnnotations(deployment) };
}

export function sizeAnnotations(deployment: Deployment): Annotations {
  const replicas = deployment.spec?.replicas ?? 1;
  return {
    [desiredReplicasAnnotation]: `${replicas}`,
    [maxReplicasAnnotation]: `${replicas + maxSurge(deployment)}`,
  };
}

export function numberAnnotation(replicaSet: ReplicaSet, key: string): number | undefined {
  const text = replicaSet.metadata.annotations?.[key];
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}
