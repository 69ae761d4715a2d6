/** How long a Job waits after failures: 10 seconds, doubling, at most 10 minutes. Pure. Source: pkg/controller/job/backoff_utils.go. */
import { findCondition } from '../../api/meta.ts';
import { isSidecar } from '../../api/pod/resources.ts';
import { parseTime } from '../../api/time.ts';
import type { ContainerStatus, Pod } from '../../api/types/core-v1.ts';

const baseMs = 10_000;
const maxMs = 10 * 60_000;

/** Failures since the last success. */
export interface BackoffRecord {
  readonly failures: number;
  readonly lastFailureMs: number;
}
export const noFailures: BackoffRecord = Object.freeze({ failures: 0, lastFailureMs: 0 });

/** With the pods that ended since. */
export function nextRecord(record: BackoffRecord, succeeded: readonly Pod[], failed: readonly Pod[]): BackoffRecord {
  if (succeeded.length === 0 && failed.length === 0) return record;
  const times = failed.map(finishedMs).sort((a, b) => a - b);
  if (succeeded.length === 0)
    return { failures: record.failures + times.length, lastFailureMs: times.at(-1) ?? record.lastFailureMs };
  const lastSuccess = Math.max(...succeeded.map(finishedMs));
  const since = times.filter((at) => at > lastSuccess);
  return since.length === 0 ? noFailures : { failures: since.length, lastFailureMs: since.at(-1)! };
}

/** @returns milliseconds until the next pod may be made. */
export function remainingMs({ failures, lastFailureMs }: BackoffRecord, nowMs: number): number {
  if (failures === 0) return 0;
  const delay = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 10));
  return Math.max(0, delay - (nowMs - lastFailureMs));
}

/** When its last container ended; else when it stopped being ready, was deleted, or was made. */
export function finishedMs(pod: Pod): number {
  return lastContainerEnd(pod) ?? notReadySince(pod) ?? deletedAt(pod) ?? time(pod.metadata.creationTimestamp) ?? 0;
}

function lastContainerEnd({ spec, status }: Pod): number | undefined {
  const sidecars = new Set((spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const relevant: readonly ContainerStatus[] = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ];
  let last: number | undefined;
  for (const { state } of relevant) {
    const at = time(state?.terminated?.finishedAt);
    if (at === undefined) return undefined;
    last = Math.max(at, last ?? at);
  }
  return last;
}
function notReadySince({ status }: Pod): number | undefined {
  const ready = findCondition(status?.conditions, 'Ready');
  return ready?.status === 'False' ? time(ready.lastTransitionTime) : undefined;
}
function deletedAt({ metadata }: Pod): number | undefined {
  const end = time(metadata.deletionTimestamp);
  return end === undefined ? undefined : end - Number(metadata.deletionGracePeriodSeconds ?? 0) * 1000;
}
const time = (text: string | undefined | null): number | undefined => (text ? parseTime(text) : undefined);
