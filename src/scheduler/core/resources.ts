/** What a pod asks for and a node has, as fixed fields: filters compare plain numbers of one shape. */
import { amountsOf, podRequests, type ResourceAmounts } from '../../api/pod/resources.ts';
import type { Pod } from '../../api/types/core-v1.ts';

export type ResourceList = Readonly<Record<string, string>>;

/** One shape, mutable by its owner only. `scalars` holds everything but cpu, memory, ephemeral-storage and pods. */
export class Resources {
  cpuMilli = 0;
  memoryBytes = 0;
  ephemeralBytes = 0;
  pods = 0;
  scalars: Map<string, number> | undefined = undefined;

  /** What a node offers. */
  static of(list: ResourceList | undefined): Resources {
    return Resources.from(amountsOf(list));
  }
  static from(amounts: ResourceAmounts): Resources {
    const resources = new Resources();
    for (const name in amounts) resources.set(name, amounts[name]!);
    return resources;
  }
  private set(name: string, amount: number): void {
    if (name === 'cpu') this.cpuMilli = amount;
    else if (name === 'memory') this.memoryBytes = amount;
    else if (name === 'ephemeral-storage') this.ephemeralBytes = amount;
    else if (name === 'pods') this.pods = amount;
    else (this.scalars ??= new Map()).set(name, amount);
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
}

/** What a container that names no request is counted as when nodes are scored, so that such pods do not pile up on one node. */
const scoredWhenUnspecified: ResourceAmounts = { cpu: 100, memory: 200 * 1024 * 1024 };

/** While a resize is under way the larger of wanted, allocated and actual counts, so that the node is never promised twice. */
export const requestsOf = (pod: Pod): Resources => Resources.from(podRequests(pod, { useStatus: true }));
export const scoredRequestsOf = (pod: Pod): Resources =>
  Resources.from(podRequests(pod, { useStatus: true, unspecified: scoredWhenUnspecified }));
