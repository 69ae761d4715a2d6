/**
 * The node's own say about a pod that was bound to it: the same questions the scheduler asked, asked again because another pod may have
 * come first, and for pods that name their node themselves. Pure. Source: pkg/kubelet/lifecycle/predicate.go.
 */
import { fitsRequiredNodeAffinity } from '../../api/pod/node-affinity.ts';
import { hostPorts, portsCollide } from '../../api/pod/ports.ts';
import { amountOf, podRequests, type ResourceAmounts } from '../../api/pod/resources.ts';
import { findUntoleratedTaint } from '../../api/pod/tolerations.ts';
import { parseValue } from '../../api/quantity.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import type { PendingResize } from '../pods/resize.ts';
import { rejection, type Verdict } from '../pods/verdict.ts';
import { isStaticPod } from '../static/static-pods.ts';
import { refusedSysctl } from './sysctls.ts';

/** @param others the pods the node runs already. @returns undefined when the node takes the pod. */
export function admitPod(
  pod: Pod,
  node: Node | undefined,
  others: readonly Pod[],
  allowedUnsafeSysctls: readonly string[] = [],
): Verdict | undefined {
  const sysctl = refusedSysctl(pod, allowedUnsafeSysctls);
  if (sysctl) return rejection('SysctlForbidden', sysctl);
  if (!node) return undefined;
  if (
    pod.spec?.securityContext?.supplementalGroupsPolicy === 'Strict' &&
    node.status?.features?.supplementalGroupsPolicy !== true
  )
    return rejection(
      'SupplementalGroupsPolicyNotSupported',
      'SupplementalGroupsPolicy=Strict is not supported in this node',
    );
  const os = pod.spec?.os?.name;
  const nodeOs = node.status?.nodeInfo?.operatingSystem ?? 'linux';
  if (os !== undefined && os !== nodeOs)
    return rejection('PodOSNotSupported', `Failed to admit pod as the OS field doesn't match node OS`);
  const allocatable = node.status?.allocatable ?? {};
  const maxPods = allocatable.pods === undefined ? Number.POSITIVE_INFINITY : parseValue(allocatable.pods);
  if (others.length + 1 > maxPods)
    return rejection(
      'OutOfpods',
      `Node didn't have enough resource: pods, requested: 1, used: ${others.length}, capacity: ${maxPods}`,
    );
  const lack = lackingResource(pod, allocatable, others);
  if (lack) return rejection(`OutOf${lack.name}`, lackMessage(lack));
  if (pod.spec && !fitsRequiredNodeAffinity(pod.spec, node))
    return rejection(
      'NodeAffinity',
      "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    );
  const ports = pod.spec ? hostPorts(pod.spec) : [];
  for (const other of ports.length > 0 ? others : [])
    for (const used of other.spec ? hostPorts(other.spec) : [])
      if (ports.some((port) => portsCollide(port, used)))
        return rejection(
          'NodePorts',
          "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        );
  const taint = findUntoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ({ effect }) => effect === 'NoExecute');
  if (taint && !isStaticPod(pod))
    return rejection(
      'TaintToleration',
      "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
    );
  return undefined;
}

/** Whether it rests on what others may have changed at the node a moment ago: labels, taints, resources of theirs, what its runtime can do. */
export const mayBeOutdated = ({ reason }: Verdict): boolean =>
  reason === 'NodeAffinity' ||
  reason === 'TaintToleration' ||
  reason === 'SupplementalGroupsPolicyNotSupported' ||
  (reason.startsWith('OutOf') && isExtendedResource(reason.slice('OutOf'.length)));

interface Lack {
  readonly name: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

/** What a pod that was refused for lack of something misses, as amounts; undefined when it was refused for another reason. */
export function lackingAmounts(pod: Pod, node: Node | undefined, others: readonly Pod[]): ResourceAmounts | undefined {
  const allocatable = node?.status?.allocatable;
  if (!allocatable) return undefined;
  const lacking: Record<string, number> = {};
  const maxPods = allocatable.pods === undefined ? Number.POSITIVE_INFINITY : parseValue(allocatable.pods);
  if (others.length + 1 > maxPods) lacking.pods = others.length + 1 - maxPods;
  const wanted = podRequests(pod);
  for (const name of Object.keys(wanted)) {
    const text = allocatable[name];
    if (text === undefined && isExtendedResource(name)) continue;
    let used = 0;
    for (const other of others) used += podRequests(other)[name] ?? 0;
    const missing = used + wanted[name]! - (text === undefined ? 0 : amountOf(name, text));
    if (wanted[name]! > 0 && missing > 0) lacking[name] = missing;
  }
  return lacking;
}

/** The first resource of which the node has too little for the pod beside the others. */
function lackingResource(
  pod: Pod,
  allocatable: Readonly<Record<string, string>>,
  others: readonly Pod[],
): Lack | undefined {
  const wanted = podRequests(pod);
  for (const name of Object.keys(wanted)) {
    const requested = wanted[name]!;
    if (requested === 0) continue;
    const text = allocatable[name];
    if (text === undefined && isExtendedResource(name)) continue;
    const capacity = text === undefined ? 0 : amountOf(name, text);
    let used = 0;
    for (const other of others) used += podRequests(other)[name] ?? 0;
    if (used + requested > capacity) return { name, requested, used, capacity };
  }
  return undefined;
}

/**
 * One that the node says nothing of belongs to the cluster, or was advertised a moment ago by somebody else: the scheduler counted it.
 * Source: pkg/kubelet/lifecycle/predicate.go (removeMissingExtendedResources), IsExtendedResourceName.
 */
const isExtendedResource = (name: string): boolean =>
  name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.');

const lackMessage = ({ name, requested, used, capacity }: Lack): string =>
  `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;

/** Whether a running pod may have the resources it wants now. Source: pkg/kubelet/allocation. */
export function fitResize(pod: Pod, node: Node | undefined, others: readonly Pod[]): PendingResize | undefined {
  const allocatable = node?.status?.allocatable;
  if (!allocatable) return undefined;
  const never = lackingResource(pod, allocatable, []);
  if (never)
    return {
      reason: 'Infeasible',
      message: `Node didn't have enough capacity: ${never.name}, requested: ${never.requested}, capacity: ${never.capacity}`,
    };
  const now = lackingResource(pod, allocatable, others);
  return now && { reason: 'Deferred', message: lackMessage(now) };
}
