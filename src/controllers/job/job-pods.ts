/** The pods of a Job: their completion index, their failures, and what a new one looks like. Pure. Source: pkg/controller/job. */
import { hasFinalizer, isBeingDeleted } from '../../api/meta.ts';
import type { Job } from '../../api/types/batch-v1.ts';
import type { Container, Pod, PodTemplateSpec } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { podFromTemplate } from '../pod-writer.ts';
import { podsToDelete } from '../replica-set/ranking.ts';
import { judgeFailure } from './policies.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexKey = 'batch.kubernetes.io/job-completion-index';
const failureCountKey = 'batch.kubernetes.io/job-index-failure-count';
const ignoredFailureCountKey = 'batch.kubernetes.io/job-index-ignored-failure-count';
const indexVariable = 'JOB_COMPLETION_INDEX';
const generatedNameMax = 58;

export const isTracked = (pod: Pod): boolean => hasFinalizer(pod, trackingFinalizer);
export const isIndexed = ({ spec }: Job): boolean => spec?.completionMode === 'Indexed';
export const isSuspended = ({ spec }: Job): boolean => spec?.suspend === true;
export const completionsOf = ({ spec }: Job): number => spec?.completions ?? 0;
export const hasLimitPerIndex = ({ spec }: Job): boolean => spec?.backoffLimitPerIndex !== undefined;

/** Pods on their way out are not replaced before they have ended. */
export const replacesOnlyFailed = ({ spec }: Job): boolean =>
  spec?.podReplacementPolicy === 'Failed' || spec?.podFailurePolicy !== undefined;

export function isFailed(pod: Pod, job: Job): boolean {
  const phase = pod.status?.phase;
  if (phase === 'Failed') return true;
  return !replacesOnlyFailed(job) && isBeingDeleted(pod) && phase !== 'Succeeded';
}

/** undefined when it has none, or none that can be read. */
export function completionIndex({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexKey];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
/** The pod's index when the Job has such an index. */
export function validIndex(pod: Pod, job: Job): number | undefined {
  const index = completionIndex(pod);
  return index !== undefined && index < completionsOf(job) ? index : undefined;
}
export const indexesOf = (pods: readonly Pod[]): readonly number[] =>
  pods.map(completionIndex).filter((index) => index !== undefined);

function count({ metadata }: Pod, key: string): number {
  const text = metadata.annotations?.[key] ?? '';
  return /^\d+$/.test(text) ? Math.min(Number(text), 2 ** 31 - 1) : 0;
}
/** How often its index had failed before it. */
export const failuresBefore = (pod: Pod): number => count(pod, failureCountKey);
/** With those that a policy said to ignore. */
export const allFailuresBefore = (pod: Pod): number => failuresBefore(pod) + count(pod, ignoredFailureCountKey);

/** @param replaced the failed pod of the same index that this one follows. */
export function jobPod(job: Job, index: number | undefined, replaced: Pod | undefined): Pod {
  const template = job.spec!.template;
  const finalizers = [...new Set([...(template.metadata?.finalizers ?? []), trackingFinalizer])];
  const tracked = { ...template, metadata: { ...template.metadata, finalizers } };
  if (index === undefined) return podFromTemplate(job, resources.jobs, tracked);
  const pod = podFromTemplate(job, resources.jobs, withIndexVariable(tracked));
  const suffix = `-${index}-`;
  const annotations: Record<string, string> = { ...pod.metadata.annotations, [indexKey]: String(index) };
  if (hasLimitPerIndex(job)) {
    const counts = replaced ? judgeFailure(job, replaced).counts : false;
    const ignored = replaced ? count(replaced, ignoredFailureCountKey) + Number(!counts) : 0;
    annotations[failureCountKey] = String(replaced ? failuresBefore(replaced) + Number(counts) : 0);
    if (ignored > 0) annotations[ignoredFailureCountKey] = String(ignored);
  }
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      generateName: `${job.metadata.name!.slice(0, generatedNameMax - suffix.length)}${suffix}`,
      labels: { ...pod.metadata.labels, [indexKey]: String(index) },
      annotations,
    },
    spec: { ...pod.spec!, hostname: `${job.metadata.name}-${index}` },
  };
}

function withIndexVariable(template: PodTemplateSpec): PodTemplateSpec {
  const added = (container: Container): Container =>
    container.env?.some(({ name }) => name === indexVariable)
      ? container
      : {
          ...container,
          env: [
            ...(container.env ?? []),
            { name: indexVariable, valueFrom: { fieldRef: { fieldPath: `metadata.labels['${indexKey}']` } } },
          ],
        };
  const { containers, initContainers, ...spec } = template.spec!;
  return {
    ...template,
    spec: {
      ...spec,
      ...(initContainers ? { initContainers: initContainers.map(added) } : {}),
      containers: containers.map(added),
    },
  };
}

/** At least `atLeast` of the active pods, and all that share their index with another, have none or one beyond the completions. */
export function podsToRemove(job: Job, active: readonly Pod[], atLeast: number, nowMs: number): readonly Pod[] {
  const remove: Pod[] = [];
  let left: readonly Pod[] = active;
  if (isIndexed(job)) {
    const byIndex = new Map<number, Pod[]>();
    for (const pod of active) {
      const index = validIndex(pod, job);
      if (index === undefined) remove.push(pod);
      else byIndex.set(index, [...(byIndex.get(index) ?? []), pod]);
    }
    left = [...byIndex.values()].map((pods) => {
      const surplus = podsToDelete(pods, [], pods.length - 1, nowMs);
      remove.push(...surplus);
      return pods.find((pod) => !surplus.includes(pod))!;
    });
  }
  if (remove.length >= atLeast) return remove;
  return [...remove, ...podsToDelete(left, [], atLeast - remove.length, nowMs)];
}
