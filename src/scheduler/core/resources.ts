/**
 * What a pod asks for and a node has, in numbers: milli-CPU, bytes, counts. Source: component-helpers resource/helpers.go (PodRequests).
 */
import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Container, ContainerStatus, Pod } from '../../api/types/core-v1.ts';

export type ResourceList = Readonly<Record<string, string>>;

/** One shape, mutable by its owner only. `scalars` holds everything but cpu, memory, ephemeral-storage and pods. */
export class Resources {
  cpuMilli = 0;
  memoryBytes = 0;
  ephemeralBytes = 0;
  pods = 0;
  scalars: Map<string, number> | undefined = undefined;

  static of(list: ResourceList | undefined): Resources {
    const resources = new Resources();
    if (list) for (const name in list) resources.set(name, list[name]!);
    return resources;
  }
  private set(name: string, quantity: string): void {
    if (name === 'cpu') this.cpuMilli = parseMilli(quantity);
    else if (name === 'memory') this.memoryBytes = parseValue(quantity);
    else if (name === 'ephemeral-storage') this.ephemeralBytes = parseValue(quantity);
    else if (name === 'pods') this.pods = parseValue(quantity);
    else (this.scalars ??= new Map()).set(name, parseValue(quantity));
  }
  clone(): Resources {
    const copy = new Resources();
    copy.add(this);
    copy.pods = this.pods;
    return copy;
  }
  add(other: Resources): void {
    this.cpuMilli += other.cpuMilli;
    this.memoryBytes += other.memoryBytes;
    this.ephemeralBytes += other.ephemeralBytes;
    if (other.scalars)
      for (const [name, amount] of other.scalars)
        (this.scalars ??= new Map()).set(name, (this.scalars.get(name) ?? 0) + amount);
  }
  subtract(other: Resources): void {
    this.cpuMilli -= other.cpuMilli;
    this.memoryBytes -= other.memoryBytes;
    this.ephemeralBytes -= other.ephemeralBytes;
    if (other.scalars)
      for (const [name, amount] of other.scalars)
        (this.scalars ??= new Map()).set(name, (this.scalars.get(name) ?? 0) - amount);
  }
  /** Each amount becomes the larger of both. */
  raiseTo(other: Resources): void {
    this.cpuMilli = Math.max(this.cpuMilli, other.cpuMilli);
    this.memoryBytes = Math.max(this.memoryBytes, other.memoryBytes);
    this.ephemeralBytes = Math.max(this.ephemeralBytes, other.ephemeralBytes);
    if (other.scalars)
      for (const [name, amount] of other.scalars)
        (this.scalars ??= new Map()).set(name, Math.max(this.scalars.get(name) ?? 0, amount));
  }
}

/** What a container that names no request is counted as when nodes are scored, so that such pods do not pile up on one node. */
export const defaultCpuMilli = 100;
export const defaultMemoryBytes = 200 * 1024 * 1024;

/**
 * The larger of all containers together and of each init container at its turn (sidecars started before it run on), or the pod-level
 * requests where set, plus overhead.
 * @param nonZero containers without a cpu or memory request count as the defaults above.
 */
export function podRequests(pod: Pod, options: { readonly nonZero: boolean }): Resources {
  const spec = pod.spec!;
  const total = new Resources();
  for (const container of spec.containers)
    total.add(containerRequests(container, statusOf(pod.status?.containerStatuses, container.name), options.nonZero));
  if (spec.initContainers?.length) {
    const sidecars = new Resources();
    const peak = new Resources();
    for (const container of spec.initContainers) {
      const status = statusOf(pod.status?.initContainerStatuses, container.name);
      const own = containerRequests(container, status, options.nonZero);
      if (container.restartPolicy === 'Always') {
        total.add(own);
        sidecars.add(own);
        peak.raiseTo(sidecars);
      } else {
        own.add(sidecars);
        peak.raiseTo(own);
      }
    }
    total.raiseTo(peak);
  }
  const podLevel = spec.resources?.requests;
  if (podLevel) {
    const wanted = Resources.of(podLevel);
    if (podLevel.cpu !== undefined) total.cpuMilli = wanted.cpuMilli;
    if (podLevel.memory !== undefined) total.memoryBytes = wanted.memoryBytes;
    if (wanted.scalars) for (const [name, amount] of wanted.scalars) (total.scalars ??= new Map()).set(name, amount);
  }
  if (spec.overhead) total.add(Resources.of(spec.overhead));
  return total;
}

/** While a resize is under way the larger of wanted, allocated and actual counts, so that the node is never promised twice. */
function containerRequests(container: Container, status: ContainerStatus | undefined, nonZero: boolean): Resources {
  const requests = container.resources?.requests;
  const own = Resources.of(requests);
  if (nonZero) {
    if (requests?.cpu === undefined) own.cpuMilli = defaultCpuMilli;
    if (requests?.memory === undefined) own.memoryBytes = defaultMemoryBytes;
  }
  if (status?.resources?.requests) own.raiseTo(Resources.of(status.resources.requests));
  if (status?.allocatedResources) own.raiseTo(Resources.of(status.allocatedResources));
  return own;
}

function statusOf(statuses: readonly ContainerStatus[] | undefined, name: string): ContainerStatus | undefined {
  if (statuses) for (const status of statuses) if (status.name === name) return status;
  return undefined;
}
