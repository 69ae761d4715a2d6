/** How long a pod may stay on a node with NoExecute taints. Pure. Source: component-helpers/scheduling/corev1, pkg/controller/tainteviction. */
import type { Taint, Toleration } from '../../api/types/core-v1.ts';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? 'Equal') {
    case 'Equal':
    case '':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Exists':
      return true;
    case 'Gt':
    case 'Lt':
      return comparesTo(toleration, taint);
    default:
      return false;
  }
}

/** Numeric operators (TaintTolerationComparisonOperators): taint value above or below the toleration's. */
function comparesTo(toleration: Toleration, taint: Taint): boolean {
  const [given, wanted] = [taint.value ?? '', toleration.value ?? ''];
  if (!/^-?(0|[1-9]\d{0,18})$/.test(given) || !/^-?(0|[1-9]\d{0,18})$/.test(wanted)) return false;
  return toleration.operator === 'Gt' ? BigInt(given) > BigInt(wanted) : BigInt(given) < BigInt(wanted);
}

/** Milliseconds a pod may stay: 0 when a taint is not tolerated, `Infinity` when all are for ever. @param taints only NoExecute ones. */
export function tolerationMs(taints: readonly Taint[], tolerations: readonly Toleration[] | undefined): number {
  let shortest = Number.POSITIVE_INFINITY;
  const used = new Set<Toleration>();
  for (const taint of taints) {
    const matching = tolerations?.filter((toleration) => tolerates(toleration, taint)) ?? [];
    if (matching.length === 0) return 0;
    used.add(matching[0]!);
  }
  for (const { tolerationSeconds } of used)
    if (tolerationSeconds !== undefined) shortest = Math.min(shortest, Math.max(0, Number(tolerationSeconds)) * 1000);
  return shortest;
}
