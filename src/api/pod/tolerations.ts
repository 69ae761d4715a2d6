/** Taints and tolerations. Source: k8s.io/component-helpers/scheduling/corev1, pkg/controller/tainteviction. */
import type { Taint, Toleration } from '../types/core-v1.ts';

/** An empty key with `Exists` tolerates every taint, an empty effect every effect. */
export function toleratesTaint(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? '') {
    case '':
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Exists':
      return true;
    default:
      // Gt and Lt belong to TaintTolerationComparisonOperators, which is off by default.
      return false;
  }
}

/** The first taint that matters (`isRelevant`) and that nothing tolerates. */
export function findUntoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  isRelevant: (taint: Taint) => boolean = () => true,
): Taint | undefined {
  return taints?.find(
    (taint) => isRelevant(taint) && !tolerations?.some((toleration) => toleratesTaint(toleration, taint)),
  );
}

/** Taints that keep new pods off a node. */
export const repelsNewPods = (taint: Taint): boolean => taint.effect === 'NoSchedule' || taint.effect === 'NoExecute';

/**
 * How long a pod may stay on a node with these NoExecute taints: `evict` now, `stay` for good, or so many milliseconds (the shortest
 * `tolerationSeconds` among the tolerations that are used).
 */
export function tolerationTime(
  taints: readonly Taint[],
  tolerations: readonly Toleration[] | undefined,
): 'evict' | 'stay' | { readonly ms: number } {
  let shortest = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const used = tolerations?.find((toleration) => toleratesTaint(toleration, taint));
    if (!used) return 'evict';
    if (used.tolerationSeconds !== undefined)
      shortest = Math.min(shortest, Math.max(0, Number(used.tolerationSeconds)));
  }
  return shortest === Number.POSITIVE_INFINITY ? 'stay' : { ms: shortest * 1000 };
}
