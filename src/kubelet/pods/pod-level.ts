/** A pod's resources as a whole, in its status (KEP-2837, KEP-5419). Pure. Source: kubelet_pods.go convertToAPIPodLevelResourcesStatus. */
import { podLimits, podRequests, type ResourceAmounts } from '../../api/pod/resources.ts';
import { canonicalQuantity } from '../../api/quantity.ts';
import type { Container, Pod, PodStatus, ResourceRequirements } from '../../api/types/core-v1.ts';
import { podCgroupAmounts } from '../containers/pod-cgroup.ts';
import { cpuShares } from './qos.ts';

/** What upstream takes for "nothing to speak of" in a cgroup: its values stand for lower ones too. */
const minShares = 2;
const minCpuLimitMilli = 10;

/**
 * @param allocated the pod with what the node has given it
 * @param applied the pod with what its cgroups have
 * @param running whether the API knows it as running: then the cgroups count
 */
export function podLevelStatus(
  allocated: Pod,
  applied: Pod,
  running: boolean,
): Pick<PodStatus, 'allocatedResources' | 'resources'> {
  const allocatedResources = asQuantities(podRequests(allocated), allocated);
  return {
    ...(Object.keys(allocatedResources).length > 0 ? { allocatedResources } : {}),
    resources: running ? inForce(applied) : whole(allocated),
  };
}

function whole(pod: Pod): ResourceRequirements {
  return requirements(asQuantities(podRequests(pod), pod), asQuantities(podLimits(pod), pod));
}

/** The pod's own resources, with cpu and memory as its cgroup has them. */
function inForce(pod: Pod): ResourceRequirements {
  const own = pod.spec?.resources;
  const { cpuRequestMilli, cpuLimitMilli, memoryLimitBytes } = podCgroupAmounts(pod);
  const requests: Record<string, string> = { ...own?.requests };
  const limits: Record<string, string> = { ...own?.limits };
  // As the kernel's share says it: read back and rounded up.
  const shares = Math.ceil((cpuShares(cpuRequestMilli) * 1000) / 1024);
  if (shares > minShares || cpuRequestMilli > minShares) requests.cpu ??= milliText(shares);
  const memory = asQuantities(podRequests(pod), pod).memory;
  if (memory !== undefined) requests.memory ??= memory;
  if (cpuLimitMilli !== undefined && cpuLimitMilli > minCpuLimitMilli) limits.cpu ??= milliText(cpuLimitMilli);
  if (memoryLimitBytes !== undefined) limits.memory ??= bytesText(memoryLimitBytes, isBinary(pod));
  return requirements(requests, limits);
}

const requirements = (
  requests: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, string>>,
): ResourceRequirements => ({
  ...(Object.keys(limits).length > 0 ? { limits } : {}),
  ...(Object.keys(requests).length > 0 ? { requests } : {}),
});

function asQuantities(amounts: ResourceAmounts, pod: Pod): Record<string, string> {
  const binary = isBinary(pod);
  const result: Record<string, string> = {};
  for (const name in amounts)
    result[name] =
      name === 'cpu'
        ? milliText(amounts[name]!)
        : name === 'memory' || name === 'ephemeral-storage' || name.startsWith('hugepages-')
          ? bytesText(amounts[name]!, binary)
          : String(amounts[name]);
  return result;
}

const milliText = (milli: number): string => canonicalQuantity(`${milli}m`);
const bytesText = (bytes: number, binary: boolean): string =>
  binary && bytes % 1024 === 0 && bytes > 0 ? canonicalQuantity(`${bytes / 1024}Ki`) : canonicalQuantity(String(bytes));

/** Sums keep the way in which the pod writes memory: `64Mi` or `64M`. */
function isBinary(pod: Pod): boolean {
  const all: readonly Pick<Container, 'resources'>[] = [
    { ...(pod.spec?.resources ? { resources: pod.spec.resources } : {}) },
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []),
  ];
  for (const { resources } of all)
    for (const list of [resources?.requests, resources?.limits])
      if (list?.memory !== undefined) return list.memory.endsWith('i');
  return true;
}
