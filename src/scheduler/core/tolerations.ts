/** Taints and tolerations. Source: component-helpers scheduling/corev1/helpers.go. */
import type { Taint, Toleration } from '../../api/types/core-v1.ts';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? '') {
    case '':
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Exists':
      return true;
    // Gt and Lt belong to an alpha gate (TaintTolerationComparisonOperators), off as upstream has it by default.
    default:
      return false;
  }
}

/** @returns the first taint with one of `effects` that no toleration covers. */
export function firstUntolerated(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  isRelevant: (taint: Taint) => boolean,
): Taint | undefined {
  next: for (let i = 0; i < taints.length; i++) {
    const taint = taints[i]!;
    if (!isRelevant(taint)) continue;
    for (let j = 0; j < tolerations.length; j++) if (tolerates(tolerations[j]!, taint)) continue next;
    return taint;
  }
  return undefined;
}

export const keepsPodsOff = (taint: Taint): boolean => taint.effect === 'NoSchedule' || taint.effect === 'NoExecute';
export const isPreferNoSchedule = (taint: Taint): boolean => taint.effect === 'PreferNoSchedule';
