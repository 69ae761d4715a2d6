/** Which changes of a pod in the API are a reason to look at it again. Pure. */
import type { Pod } from '../../api/types/core-v1.ts';
import { isTerminalPhase } from './pod-info.ts';

/** Our own status writes come back as updates: they are no reason to look at the pod again. */
export function needsStep(before: Pod, after: Pod): boolean {
  return (
    (before.spec !== after.spec &&
      (before.metadata.generation !== after.metadata.generation || before.metadata.generation === undefined)) ||
    before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp ||
    before.metadata.deletionGracePeriodSeconds !== after.metadata.deletionGracePeriodSeconds ||
    !sameMap(before.metadata.labels, after.metadata.labels) ||
    !sameMap(before.metadata.annotations, after.metadata.annotations) ||
    gatesChanged(before, after) ||
    (isTerminalPhase(after.status?.phase) && before.status?.phase !== after.status?.phase)
  );
}

const gatesChanged = (before: Pod, after: Pod): boolean =>
  (after.spec?.readinessGates ?? []).some(
    ({ conditionType }) =>
      before.status?.conditions?.find((c) => c.type === conditionType)?.status !==
      after.status?.conditions?.find((c) => c.type === conditionType)?.status,
  );

function sameMap(
  a: Readonly<Record<string, string>> | undefined,
  b: Readonly<Record<string, string>> | undefined,
): boolean {
  if (a === b) return true;
  const left = Object.keys(a ?? {});
  if (left.length !== Object.keys(b ?? {}).length) return false;
  return left.every((key) => a?.[key] === b?.[key]);
}
