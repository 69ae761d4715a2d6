/** Quality-of-service class, CPU shares and OOM score. Source: pkg/apis/core/v1/helper/qos, pkg/kubelet/cm/helpers_linux, pkg/kubelet/qos. */
import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Container, Pod } from '../../api/types/core-v1.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** The class the API server stored, else computed from requests and limits of cpu and memory. */
export function qosClass(pod: Pod): QosClass {
  const stored = pod.status?.qosClass;
  if (stored) return stored as QosClass;
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const requests = new Map<string, number>();
  const limits = new Map<string, number>();
  let guaranteed = true;
  for (const { resources } of containers) {
    add(requests, resources?.requests);
    const limited = add(limits, resources?.limits);
    if (limited < 2) guaranteed = false;
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  if (guaranteed && requests.size === limits.size && [...requests].every(([name, milli]) => limits.get(name) === milli))
    return 'Guaranteed';
  return 'Burstable';
}

/** @returns how many of cpu and memory were given as more than zero. */
function add(sums: Map<string, number>, list: Readonly<Record<string, string>> | undefined): number {
  let found = 0;
  for (const name of ['cpu', 'memory']) {
    const text = list?.[name];
    const milli = text === undefined ? 0 : parseMilli(text);
    if (milli <= 0) continue;
    found++;
    sums.set(name, (sums.get(name) ?? 0) + milli);
  }
  return found;
}

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
