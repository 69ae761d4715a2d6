/** Whether a Job has come to its end, and why. Pure. Source: syncJob in pkg/controller/job/job_controller.go. */
import { findCondition, isConditionTrue } from '../../api/meta.ts';
import { parseTime } from '../../api/time.ts';
import type { Job, JobCondition } from '../../api/types/batch-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { finishedMs } from './backoff.ts';
import { jobCondition } from './conditions.ts';
import type { Indexes } from './indexes.ts';
import {
  allFailuresBefore,
  completionsOf,
  failuresBefore,
  hasLimitPerIndex,
  isFailed,
  isSuspended,
  isTracked,
  validIndex,
} from './job-pods.ts';
import { judgeFailure, metSuccessRule } from './policies.ts';

export interface JobView {
  /** With its start time set. */
  readonly job: Job;
  /** Its own, ended ones too. */
  readonly pods: readonly Pod[];
  readonly active: readonly Pod[];
  /** Pods that failed so far, in all. */
  readonly failed: number;
  readonly nowMs: number;
  /** Of an Indexed job. */
  readonly succeededIndexes?: Indexes;
  /** With a limit for each index. */
  readonly failedIndexes?: Indexes;
}

/** FailureTarget and SuccessCriteriaMet come first; Failed and Complete follow when all pods have ended. */
export function endOf(view: JobView): JobCondition | undefined {
  const { job, pods, failed, nowMs, succeededIndexes, failedIndexes } = view;
  const conditions = job.status?.conditions;
  const failure = (reason: string, message: string) => jobCondition('FailureTarget', 'True', reason, message, nowMs);
  if (isConditionTrue(conditions, 'SuccessCriteriaMet')) return findCondition(conditions, 'SuccessCriteriaMet');
  const target = findCondition(conditions, 'FailureTarget');
  if (target?.status === 'True')
    return jobCondition('Failed', 'True', target.reason ?? '', target.message ?? '', nowMs);
  for (const pod of pods) {
    if (!job.spec?.podFailurePolicy || !isFailed(pod, job)) continue;
    const { message } = judgeFailure(job, pod);
    if (message !== undefined) return failure('PodFailurePolicy', message);
  }
  if (failed > backoffLimit(job) || restartedTooOften(job, pods))
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if (deadlineInMs(job, nowMs) === 0)
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (failedIndexes) {
    const { maxFailedIndexes } = job.spec ?? {};
    if (maxFailedIndexes !== undefined && failedIndexes.size > maxFailedIndexes)
      return failure('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
    if (failedIndexes.size > 0 && failedIndexes.size + (succeededIndexes?.size ?? 0) >= completionsOf(job))
      return failure('FailedIndexes', 'Job has failed indexes');
  }
  const met = succeededIndexes && metSuccessRule(job, succeededIndexes);
  return met === undefined ? undefined : jobCondition('SuccessCriteriaMet', 'True', 'SuccessPolicy', met, nowMs);
}

const backoffLimit = ({ spec }: Job): number => spec?.backoffLimit ?? 6;

/** With restartPolicy OnFailure containers are started again in their pods: their restarts count. */
function restartedTooOften(job: Job, pods: readonly Pod[]): boolean {
  if (job.spec?.template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const { restartCount } of status.initContainerStatuses ?? []) restarts += restartCount;
    for (const { restartCount } of status.containerStatuses ?? []) restarts += restartCount;
  }
  const limit = backoffLimit(job);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** @returns milliseconds until the deadline, 0 when it has passed, undefined when there is none or the clock stands still. */
export function deadlineInMs(job: Job, nowMs: number): number | undefined {
  const seconds = job.spec?.activeDeadlineSeconds;
  const started = job.status?.startTime ? parseTime(job.status.startTime) : undefined;
  if (seconds === undefined || started === undefined || isSuspended(job)) return undefined;
  return Math.max(0, started + seconds * 1000 - nowMs);
}

/** Whether the pod's failure is the last that its index may have. */
export function isIndexLost(pod: Pod, job: Job): boolean {
  if (!isFailed(pod, job)) return false;
  const { action, counts } = judgeFailure(job, pod);
  return action === 'FailIndex' || (counts && failuresBefore(pod) >= (job.spec?.backoffLimitPerIndex ?? 0));
}

/**
 * The last failed pod of each index that is neither done nor active: it keeps its finalizer until its successor is made, for it knows how often
 * the index has failed.
 */
export function failedToReplace(view: JobView, pods: readonly Pod[]): ReadonlyMap<number, Pod> {
  const { job, active, succeededIndexes, failedIndexes } = view;
  const result = new Map<number, Pod>();
  if (!hasLimitPerIndex(job)) return result;
  const running = new Set(active.map((pod) => validIndex(pod, job)));
  for (const pod of pods) {
    const index = validIndex(pod, job);
    if (index === undefined || !isTracked(pod) || !isFailed(pod, job) || running.has(index)) continue;
    if (succeededIndexes?.has(index) || failedIndexes?.has(index)) continue;
    const other = result.get(index);
    if (!other || (allFailuresBefore(other) <= allFailuresBefore(pod) && finishedMs(pod) >= finishedMs(other)))
      result.set(index, pod);
  }
  return result;
}
