/**
 * The node's own say about a pod that was bound to it: the same questions the scheduler asked, asked again because another pod may have
 * come first, and for pods that name their node themselves. Pure. Source: pkg/kubelet/lifecycle/predicate.go.
 */
import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/types/core-v1.ts';
import { isSidecar } from '../pods/pod-info.ts';
import type { PendingResize } from '../pods/resize.ts';
import type { Verdict } from '../pods/verdict.ts';
import { refusedSysctl } from './sysctls.ts';

const reject = (reason: string, message: string): Verdict => ({
  phase: 'Failed',
  reason,
  message: `Pod was rejected: ${message}`,
});

/** @param others the pods the node runs already. @returns undefined when the node takes the pod. */
export function admitPod(pod: Pod, node: Node | undefined, others: readonly Pod[]): Verdict | undefined {
  const sysctl = refusedSysctl(pod);
  if (sysctl) return reject('SysctlForbidden', sysctl);
  if (!node) return undefined;
  const os = pod.spec?.os?.name;
  const nodeOs = node.status?.nodeInfo?.operatingSystem ?? 'linux';
  if (os !== undefined && os !== nodeOs)
    return reject('PodOSNotSupported', `Failed to admit pod as the OS field doesn't match node OS`);
  const selected = pod.spec?.nodeSelector ?? {};
  const labels = node.metadata.labels ?? {};
  const matches = Object.entries(selected).every(([key, value]) => labels[key] === value);
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!matches || (terms && !terms.some((term) => matchesTerm(term, node))))
    return reject('NodeAffinity', "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
  const taint = (node.spec?.taints ?? []).find(
    ({ key, value, effect }) =>
      effect === 'NoExecute' &&
      !(pod.spec?.tolerations ?? []).some(
        (t) =>
          (!t.effect || t.effect === effect) &&
          (!t.key ? t.operator === 'Exists' : t.key === key) &&
          (t.operator === 'Exists' || (t.value ?? '') === (value ?? '')),
      ),
  );
  if (taint)
    return reject(
      'UnexpectedAdmissionError',
      `Predicate TaintToleration failed: node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`,
    );

  const allocatable = node.status?.allocatable ?? {};
  const maxPods = allocatable.pods === undefined ? Number.POSITIVE_INFINITY : parseValue(allocatable.pods);
  if (others.length + 1 > maxPods)
    return reject(
      'OutOfpods',
      `Node didn't have enough resource: pods, requested: 1, used: ${others.length}, capacity: ${maxPods}`,
    );
  const lack = lackingResource(pod, allocatable, others);
  if (lack) return reject(`OutOf${lack.name}`, lackMessage(lack));
  const ports = hostPorts(pod);
  for (const other of ports.length > 0 ? others : [])
    for (const used of hostPorts(other))
      if (ports.some((p) => p.port === used.port && p.protocol === used.protocol && overlaps(p.ip, used.ip)))
        return reject(
          'NodePorts',
          "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        );
  return undefined;
}

interface Lack {
  readonly name: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
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
    const capacity = text === undefined ? 0 : amount(name, text);
    let used = 0;
    for (const other of others) used += podRequests(other)[name] ?? 0;
    if (used + requested > capacity) return { name, requested, used, capacity };
  }
  return undefined;
}

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

/** cpu in milli, the rest in whole units. */
const amount = (name: string, text: string): number => (name === 'cpu' ? parseMilli(text) : parseValue(text));

/** What a pod asks for: its containers and sidecars together, or its hungriest moment of initialisation, plus overhead. */
export function podRequests(pod: Pod): Readonly<Record<string, number>> {
  const spec = pod.spec;
  const total: Record<string, number> = {};
  if (!spec) return total;
  const add = (to: Record<string, number>, list: Readonly<Record<string, string>> | undefined): void => {
    for (const name in list) to[name] = (to[name] ?? 0) + amount(name, list[name]!);
  };
  for (const container of spec.containers) add(total, container.resources?.requests);
  const sidecars: Record<string, number> = {};
  const peaks: Record<string, number> = {};
  for (const container of spec.initContainers ?? []) {
    const moment: Record<string, number> = { ...sidecars };
    add(moment, container.resources?.requests);
    for (const name in moment) peaks[name] = Math.max(peaks[name] ?? 0, moment[name]!);
    if (isSidecar(container)) {
      add(sidecars, container.resources?.requests);
      add(total, container.resources?.requests);
    }
  }
  for (const name in peaks) total[name] = Math.max(total[name] ?? 0, peaks[name]!);
  // Resources of the pod as a whole, where given, stand for those of its containers.
  for (const name in spec.resources?.requests ?? {}) total[name] = amount(name, spec.resources!.requests![name]!);
  add(total, spec.overhead);
  return total;
}

interface HostPort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
}

function hostPorts(pod: Pod): HostPort[] {
  const ports: HostPort[] = [];
  for (const container of pod.spec?.containers ?? [])
    for (const { hostPort, hostIP, protocol, containerPort } of container.ports ?? []) {
      const port = pod.spec?.hostNetwork ? (hostPort ?? containerPort) : hostPort;
      if (port) ports.push({ ip: hostIP || '0.0.0.0', port, protocol: protocol ?? 'TCP' });
    }
  return ports;
}

const isAny = (ip: string): boolean => ip === '0.0.0.0' || ip === '::';
const overlaps = (a: string, b: string): boolean => a === b || isAny(a) || isAny(b);

function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  // A term that asks for nothing matches nothing.
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((requirement) => matchesRequirement(requirement, node.metadata.labels?.[requirement.key])) &&
    fields.every((requirement) =>
      matchesRequirement(requirement, requirement.key === 'metadata.name' ? node.metadata.name : undefined),
    )
  );
}

function matchesRequirement({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const left = /^-?\d+$/.test(value ?? '') ? BigInt(value!) : undefined;
      const right = values.length === 1 && /^-?\d+$/.test(values[0]!) ? BigInt(values[0]!) : undefined;
      if (left === undefined || right === undefined) return false;
      return operator === 'Gt' ? left > right : left < right;
    }
    default:
      return false;
  }
}
