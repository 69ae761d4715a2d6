/** Whether a container that ended starts again, by its own rules and policy and then by the pod's. Pure. Source: pkg/api/v1/pod (KEP-5307, KEP-5532). */
import type { Container, ContainerRestartRule, Pod, PodStatus } from '../../api/types/core-v1.ts';
import { findContainer, type PodRuntimeStatus } from '../containers/runtime-status.ts';

/** The reason that containers wait with while all of the pod's start over. */
export const restartingAllContainers = 'RestartingAllContainers';
export const allContainersRestarting = 'AllContainersRestarting';

/** The first of the container's rules that speaks of this exit code. */
export function matchingRule(container: Container, exitCode: number): ContainerRestartRule | undefined {
  return container.restartPolicyRules?.find(({ exitCodes }) => {
    const named = exitCodes?.values?.includes(exitCode) === true;
    if (exitCodes?.operator === 'In') return named;
    return exitCodes?.operator === 'NotIn' && !named;
  });
}

/** A matching rule wins over the container's policy, that one over the pod's. */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  if (matchingRule(container, exitCode)) return true;
  switch (container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always') {
    case 'Never':
      return false;
    case 'OnFailure':
      return exitCode !== 0;
    default:
      return true;
  }
}

const allOf = ({ spec }: Pod): readonly Container[] => [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];

/** Some rule of the pod can make all its containers start over. */
export const couldRestartAll = (pod: Pod): boolean =>
  allOf(pod).some(({ restartPolicyRules }) => restartPolicyRules?.some(isForAll));

const isForAll = ({ action }: ContainerRestartRule): boolean => action === 'RestartAllContainers';

/** A container ended with a code for which all start over, or they are doing so already. */
export function mustRestartAll(pod: Pod, runtime: PodRuntimeStatus, previous: PodStatus | undefined): boolean {
  if (!couldRestartAll(pod)) return false;
  if (previous?.conditions?.some(({ type, status }) => type === allContainersRestarting && status === 'True'))
    return true;
  return allOf(pod).some((container) => {
    const found = findContainer(runtime, container.name);
    if (found?.state !== 'exited') return false;
    const rule = matchingRule(container, found.exitCode);
    return rule !== undefined && isForAll(rule);
  });
}

/** The runtime has nothing left of the pod's containers: the next step starts them anew. */
export const isCleared = (pod: Pod, runtime: PodRuntimeStatus): boolean =>
  allOf(pod).every(({ name }) => findContainer(runtime, name) === undefined);

export interface ContainerToReset {
  readonly id: string;
  readonly name: string;
  readonly running: boolean;
}

/** What must go before all containers start over. Those that caused it go last: as long as one is there, a kubelet that was cut off knows of it. */
export function containersToReset(pod: Pod, { containers }: PodRuntimeStatus): readonly ContainerToReset[] {
  const victims: ContainerToReset[] = [];
  const causes: ContainerToReset[] = [];
  for (const list of [pod.spec?.containers ?? [], pod.spec?.initContainers ?? []])
    for (const container of list)
      for (const { id, name, state, exitCode } of containers) {
        if (name !== container.name) continue;
        const rule = state === 'exited' ? matchingRule(container, exitCode) : undefined;
        (rule && isForAll(rule) ? causes : victims).push({ id, name, running: state !== 'exited' });
      }
  return [...victims, ...causes];
}
