/** Where a pod's control group is and what its limits are. Pure. Source: pkg/kubelet/cm/{pod_container_manager_linux,helpers_linux}.go. */
import { join } from 'node:path';
import { podRequests, podLimits as resourceLimits } from '../../api/pod/resources.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { CgroupLimits } from '../../host/cgroups.ts';
import { podUid } from '../pods/pod-info.ts';
import { cpuQuota, cpuShares, qosClass } from '../pods/qos.ts';

/** `/kubepods/burstable/pod<uid>`; guaranteed pods stand directly below kubepods. */
export function podCgroupPath(pod: Pod, cgroupRoot: string): string {
  const qos = qosClass(pod);
  const tier = qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`;
  return join(cgroupRoot, `/kubepods${tier}/pod${podUid(pod)}`);
}

/**
 * A pod's own limits: those of the pod as a whole where it has them (KEP-2837), else the containers' sum, which holds only when every
 * container has one. Overhead counts, because the pod's group holds the sandbox too.
 */
export function podLimits(
  pod: Pod,
  config: { readonly cpuCFSQuota: boolean; readonly podPidsLimit: number },
): CgroupLimits {
  const { cpuRequestMilli, cpuLimitMilli, memoryLimitBytes } = podCgroupAmounts(pod);
  return {
    cpuShares: cpuShares(cpuRequestMilli),
    cpuQuota: cpuLimitMilli && config.cpuCFSQuota ? cpuQuota(cpuLimitMilli) : undefined,
    memoryBytes: memoryLimitBytes,
    pids: config.podPidsLimit > 0 ? config.podPidsLimit : undefined,
  };
}

/** What a pod's group stands for, before it is turned into the kernel's words. Absent limits: not every container has one, nor the pod. */
export function podCgroupAmounts(pod: Pod): {
  readonly cpuRequestMilli: number;
  readonly cpuLimitMilli: number | undefined;
  readonly memoryLimitBytes: number | undefined;
} {
  const cpuLimitMilli = limitOf(pod, 'cpu') || undefined;
  return {
    cpuRequestMilli: podRequests(pod).cpu || (cpuLimitMilli ?? 0),
    cpuLimitMilli,
    memoryLimitBytes: limitOf(pod, 'memory') || undefined,
  };
}

/** @returns undefined when one container has none, unless the pod as a whole has one. */
function limitOf(pod: Pod, name: 'cpu' | 'memory'): number | undefined {
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const declared =
    pod.spec?.resources?.limits?.[name] !== undefined || all.every((c) => c.resources?.limits?.[name] !== undefined);
  return declared ? resourceLimits(pod)[name] : undefined;
}
