/** Quality-of-service class, CPU shares and OOM score. Source: pkg/apis/core/v1/helper/qos, pkg/kubelet/cm/helpers_linux, pkg/kubelet/qos. */
import { type QosClass, qosClassOf } from '../../api/pod/qos.ts';
import { podRequests } from '../../api/pod/resources.ts';
import { parseValue } from '../../api/quantity.ts';
import type { Container, Pod } from '../../api/types/core-v1.ts';
import { isSidecar } from './pod-info.ts';

/** The class the API server settled at creation, else computed from what the containers ask for. */
export const qosClass = (pod: Pod): QosClass => (pod.status?.qosClass as QosClass | undefined) || qosClassOf(pod);

/** cgroup v1 `cpu.shares`: 1024 for a core, at least 2, at most 262144. */
export function cpuShares(cpuMilli: number): number {
  if (cpuMilli === 0) return 2;
  return Math.min(262_144, Math.max(2, Math.floor((cpuMilli * 1024) / 1000)));
}

/** Microseconds of CPU per period of 100 ms; 0 means no limit. */
export function cpuQuota(cpuMilli: number, periodUs = 100_000): number {
  if (cpuMilli === 0) return 0;
  return Math.max(1000, Math.floor((cpuMilli * periodUs) / 1000));
}

/** -997 for guaranteed and node-critical pods, 1000 for best effort, between them by the share of the node's memory that was asked for. */
export function oomScoreAdjust(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  if (isNodeCritical(pod)) return -997;
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const spare = sparePodMemory(pod);
  const score = (bytes: number): number => 1000 - Math.floor((1000 * (bytes + spare)) / nodeMemoryBytes);
  let adjust = score(memoryRequest(container));
  // A sidecar serves the others: it is never killed before the one of them that asked for least.
  if (isSidecar(container) && pod.spec?.initContainers?.some(({ name }) => name === container.name))
    adjust = Math.min(adjust, score(Math.min(...(pod.spec.containers ?? []).map(memoryRequest))));
  // Never as safe as a guaranteed pod, never as unsafe as a best-effort one.
  if (adjust < 1000 - 997) return 1000 - 997;
  return adjust === 1000 ? 999 : adjust;
}

const memoryRequest = ({ resources }: Container): number =>
  resources?.requests?.memory === undefined ? 0 : parseValue(resources.requests.memory);

/** What the pod as a whole asked for beyond its containers, an equal part for each of them. */
function sparePodMemory(pod: Pod): number {
  const whole = pod.spec?.resources?.requests;
  if (whole?.memory === undefined) return 0;
  const count = (pod.spec?.containers.length ?? 0) + (pod.spec?.initContainers?.length ?? 0);
  const asked = podRequests(pod, { withoutPodLevel: true, withoutOverhead: true }).memory ?? 0;
  return count === 0 ? 0 : Math.trunc((parseValue(whole.memory) - asked) / count);
}

/** system-node-critical: the kubelet protects it like itself. */
export const isNodeCritical = (pod: Pod): boolean => Number(pod.spec?.priority ?? 0) >= 2_000_001_000;
/** Both system priority classes. */
export const isCritical = (pod: Pod): boolean => Number(pod.spec?.priority ?? 0) >= 2_000_000_000;
