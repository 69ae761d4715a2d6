/** What a Job's policies say about failed pods and succeeded indexes. Pure. Source: pkg/controller/job/{pod_failure_policy,success_policy}.go. */
import type { Job, PodFailurePolicyOnExitCodesRequirement } from '../../api/types/batch-v1.ts';
import type { ContainerStatus, Pod } from '../../api/types/core-v1.ts';
import { Indexes } from './indexes.ts';

export interface FailureVerdict {
  /** It counts towards the back-off limit. */
  readonly counts: boolean;
  readonly action?: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  /** With FailJob: why. */
  readonly message?: string;
}

/** The first rule that matches decides; without one the failure counts. */
export function judgeFailure({ spec }: Job, pod: Pod): FailureVerdict {
  const rules = spec?.podFailurePolicy?.rules ?? [];
  for (let i = 0; i < rules.length; i++) {
    const { action, onExitCodes, onPodConditions } = rules[i]!;
    const container = onExitCodes && containerMatching(pod, onExitCodes);
    const condition =
      onExitCodes === undefined
        ? pod.status?.conditions?.find(({ type, status }) =>
            onPodConditions?.some((pattern) => pattern.type === type && (pattern.status ?? 'True') === status),
          )
        : undefined;
    if (!container && !condition) continue;
    switch (action) {
      case 'Ignore':
        return { counts: false, action: 'Ignore' };
      case 'FailIndex':
        return { counts: true, action: 'FailIndex' };
      case 'Count':
        return { counts: true, action: 'Count' };
      case 'FailJob': {
        const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
        const message = container
          ? `Container ${container.name} for pod ${name} failed with exit code ${container.state?.terminated?.exitCode} matching ${action} rule at index ${i}`
          : `Pod ${name} has condition ${condition?.type} matching ${action} rule at index ${i}`;
        return { counts: true, action: 'FailJob', message };
      }
      default:
        break;
    }
  }
  return { counts: true };
}

function containerMatching(
  { status }: Pod,
  { containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement,
): ContainerStatus | undefined {
  const matches = ({ name, state }: ContainerStatus): boolean => {
    const exitCode = state?.terminated?.exitCode;
    // Success is never a failure, whatever the values say.
    if (exitCode === undefined || exitCode === 0 || (containerName !== undefined && containerName !== name))
      return false;
    return operator === 'In' ? values.includes(exitCode) : operator === 'NotIn' && !values.includes(exitCode);
  };
  return status?.containerStatuses?.find(matches) ?? status?.initContainerStatuses?.find(matches);
}

/** The message of the success policy's first rule that is met; undefined when none is. */
export function metSuccessRule({ spec }: Job, succeeded: Indexes): string | undefined {
  if (!spec?.successPolicy || succeeded.size === 0) return undefined;
  const index = spec.successPolicy.rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && succeeded.size >= succeededCount;
    const required = Indexes.parse(succeededIndexes, spec.completions ?? 0);
    if (required.size === 0) return false;
    const done = required.overlap(succeeded);
    return done === required.size || (succeededCount !== undefined && done >= succeededCount);
  });
  return index < 0 ? undefined : `Matched rules at index ${index}`;
}
