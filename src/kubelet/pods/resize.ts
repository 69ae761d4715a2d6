/**
 * In-place resize (KEP-1287): a pod's cpu and memory may change while it runs. Three sets of resources exist for a container: what the spec
 * wants, what the node has **allocated** to it (the spec's once it fits), and what is **applied** to its cgroup. Pure.
 */

import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '../../api/types/core-v1.ts';

/** By container name; the pod's own resources under `wholePod`. */
export type Allocation = ReadonlyMap<string, ResourceRequirements>;

/** No container's name. */
export const wholePod = '';

export interface PendingResize {
  /** Deferred: may fit later. Infeasible: never on this node. */
  readonly reason: 'Deferred' | 'Infeasible';
  readonly message: string;
}

export interface ResizeDecision {
  readonly allocation: Allocation;
  /** The pod with the resources it has been allocated: what everything else works with. */
  readonly pod: Pod;
  readonly pending: PendingResize | undefined;
}

/** What the spec asks for. */
export function wantedAllocation(pod: Pod): Allocation {
  const result = new Map<string, ResourceRequirements>();
  if (pod.spec?.resources) result.set(wholePod, pod.spec.resources);
  for (const container of resizable(pod)) result.set(container.name, container.resources ?? {});
  return result;
}

/**
 * After a restart of the kubelet: what the API status says was allocated and applied; the spec where it says nothing.
 * Upstream keeps a checkpoint for this; the status is as old and needs no file.
 */
export function rememberedAllocation(pod: Pod): Allocation {
  const result = new Map(wantedAllocation(pod));
  const { phase, resources } = pod.status ?? {};
  if (phase === 'Running' && resources && result.has(wholePod)) result.set(wholePod, resources);
  for (const status of [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])])
    if (status.resources && status.state?.running && result.has(status.name)) result.set(status.name, status.resources);
  return result;
}

/** @param fit why the pod with its wanted resources does not fit now, undefined when it does. */
export function decideResize(
  pod: Pod,
  allocation: Allocation,
  fit: (wanted: Pod) => PendingResize | undefined,
): ResizeDecision {
  const wanted = wantedAllocation(pod);
  if (sameAllocation(wanted, allocation)) return { allocation, pod, pending: undefined };
  const pending = fit(pod);
  if (!pending) return { allocation: wanted, pod, pending };
  return { allocation, pod: withAllocation(pod, allocation), pending };
}

export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  const replace = (container: Container): Container => {
    const resources = allocation.get(container.name);
    return resources === undefined || resources === container.resources ? container : { ...container, resources };
  };
  const spec = pod.spec!;
  const whole = allocation.get(wholePod);
  return {
    ...pod,
    spec: {
      ...spec,
      ...(spec.resources && whole ? { resources: whole } : {}),
      containers: spec.containers.map(replace),
      ...(spec.initContainers ? { initContainers: spec.initContainers.map(replace) } : {}),
    },
  };
}

/** A container's resources as its cgroup has them: where it has no limit of its own, the pod's holds. */
export function effectiveResources(
  own: ResourceRequirements,
  whole: ResourceRequirements | undefined,
): ResourceRequirements {
  const limits: Record<string, string> = {};
  for (const name of ['cpu', 'memory']) {
    const limit = own.limits?.[name] ?? whole?.limits?.[name];
    if (limit !== undefined) limits[name] = limit;
  }
  return { ...own, limits: { ...own.limits, ...limits } };
}

export const sameResources = (a: ResourceRequirements, b: ResourceRequirements): boolean =>
  sameResource('cpu', a, b) && sameResource('memory', a, b);

/** How a running container gets its new resources: in place, or by a restart when its resizePolicy says so for a resource that changes. */
export function resizeMethod(
  container: Container,
  from: ResourceRequirements,
  to: ResourceRequirements,
): 'none' | 'update' | 'restart' {
  const changed = (['cpu', 'memory'] as const).filter((name) => !sameResource(name, from, to));
  if (changed.length === 0) return 'none';
  const restart = changed.some(
    (name) =>
      container.resizePolicy?.find((policy) => policy.resourceName === name)?.restartPolicy === 'RestartContainer',
  );
  return restart ? 'restart' : 'update';
}

function sameAllocation(a: Allocation, b: Allocation): boolean {
  for (const [name, resources] of a) {
    const other = b.get(name) ?? {};
    if (resources !== other && !sameResources(resources, other)) return false;
  }
  return true;
}

/** By value: `1` and `1000m` are the same, and so are no request and a request of zero. */
function sameResource(name: 'cpu' | 'memory', a: ResourceRequirements, b: ResourceRequirements): boolean {
  const parse = name === 'cpu' ? parseMilli : parseValue;
  const amount = (text: string | undefined): number => (text === undefined ? 0 : parse(text));
  return (
    amount(a.requests?.[name]) === amount(b.requests?.[name]) && amount(a.limits?.[name]) === amount(b.limits?.[name])
  );
}

/** Init containers too: what is still to run gets its new resources at its start. */
export const resizable = (pod: Pod): readonly Container[] => [
  ...(pod.spec?.containers ?? []),
  ...(pod.spec?.initContainers ?? []),
];
