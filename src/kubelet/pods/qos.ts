/** Quality-of-service class, CPU shares and OOM score. Source: pkg/apis/core/v1/helper/qos, pkg/kubelet/cm/helpers_linux, pkg/kubelet/qos. */
import { type QosClass, qosClassOf } from '../../api/pod/qos.ts';
import { parseValue } from '../../api/quantity.ts';
import type { Container, Pod } from '../../api/types/core-v1.ts';

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
  const request = container.resources?.requests?.memory;
  const requestBytes = request === undefined ? 0 : parseValue(request);
  const adjust = Math.trunc(1000 - (1000 * requestBytes) / nodeMemoryBytes);
  // Never as safe as a guaranteed pod, never as unsafe as a best-effort one.
  if (adjust < 1000 - 997) return 1000 - 997;
  return adjust === 1000 ? 999 : adjust;
}

/** system-node-critical: the kubelet protects it like itself. */
export const isNodeCritical = (pod: Pod): boolean => Number(pod.spec?.priority ?? 0) >= 2_000_001_000;
/** Both system priority classes. */
export const isCritical = (pod: Pod): boolean => Number(pod.spec?.priority ?? 0) >= 2_000_000_000;
