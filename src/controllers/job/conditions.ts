/** A Job's conditions: which end it, and how they are set. Pure. Source: pkg/controller/job/job_controller.go, job/util. */
import { findCondition, isConditionTrue } from '../../api/meta.ts';
import { formatTime } from '../../api/time.ts';
import type { Job, JobCondition } from '../../api/types/batch-v1.ts';

export type JobConditionType = 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet' | 'Suspended';

export function jobCondition(
  type: JobConditionType,
  status: 'True' | 'False',
  reason: string,
  message: string,
  nowMs: number,
): JobCondition {
  const now = formatTime(nowMs);
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}

export const isFinished = ({ status }: Job): boolean =>
  isConditionTrue(status?.conditions, 'Complete') || isConditionTrue(status?.conditions, 'Failed');

/** Sets a condition; one that would be False is not added. The same list when nothing changes. */
export function withCondition(conditions: readonly JobCondition[], next: JobCondition): readonly JobCondition[] {
  const current = findCondition(conditions, next.type);
  if (!current) return next.status === 'False' ? conditions : [...conditions, next];
  if (current.status === next.status && current.reason === next.reason && current.message === next.message)
    return conditions;
  return conditions.map((condition) => (condition === current ? next : condition));
}
