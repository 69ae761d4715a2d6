/**
 * A node with everything on it, added up. One shape for all nodes; plain numbers, so that a filter is a few comparisons.
 * Only the cache (and preemption's dry run, on a copy) changes it.
 */
import type { Node, Taint } from '../../api/types/core-v1.ts';
import { type Labels, noLabels } from './label-matcher.ts';
import type { PodInfo } from './pod-info.ts';
import { Resources } from './resources.ts';

const noTaints: readonly Taint[] = Object.freeze([]);

export class NodeInfo {
  /** Stable while the node is known; index into per-node columns. */
  readonly slot: number;
  readonly name: string;
  /** Undefined while pods are known on a node that is not (its pods arrived first, or it was removed before them). */
  node: Node | undefined = undefined;
  labels: Labels = noLabels;
  taints: readonly Taint[] = noTaints;
  allocatable: Resources = new Resources();
  readonly pods: PodInfo[] = [];
  podsWithAffinity = 0;
  podsWithRequiredAntiAffinity = 0;
  requested: Resources = new Resources();
  nonZeroCpuMilli = 0;
  nonZeroMemoryBytes = 0;
  /** `protocol/port` -> addresses in use. */
  hostPorts: Map<string, string[]> | undefined = undefined;
  /** Image name -> size in bytes. */
  images: Map<string, number> = new Map();
  /** Grows with each change. */
  generation = 0;

  constructor(slot: number, name: string) {
    this.slot = slot;
    this.name = name;
  }

  setNode(node: Node): void {
    this.node = node;
    this.labels = node.metadata.labels ?? noLabels;
    this.taints = node.spec?.taints ?? noTaints;
    this.allocatable = Resources.of(node.status?.allocatable);
    this.images = new Map();
    for (const image of node.status?.images ?? [])
      for (const name of image.names ?? []) this.images.set(name, Number(image.sizeBytes ?? 0));
    this.generation++;
  }

  clearNode(): void {
    this.node = undefined;
    this.labels = noLabels;
    this.taints = noTaints;
    this.allocatable = new Resources();
    this.images = new Map();
    this.generation++;
  }

  addPod(pod: PodInfo): void {
    this.pods.push(pod);
    this.count(pod, 1);
  }

  /** @returns false when it is not there. */
  removePod(uid: string): boolean {
    for (let i = 0; i < this.pods.length; i++) {
      const pod = this.pods[i]!;
      if (pod.uid !== uid) continue;
      this.pods[i] = this.pods[this.pods.length - 1]!;
      this.pods.pop();
      this.count(pod, -1);
      return true;
    }
    return false;
  }

  /** A copy for preemption's dry run. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.slot, this.name);
    copy.node = this.node;
    copy.labels = this.labels;
    copy.taints = this.taints;
    copy.allocatable = this.allocatable;
    copy.images = this.images;
    for (const pod of this.pods) copy.addPod(pod);
    return copy;
  }

  private count(pod: PodInfo, sign: 1 | -1): void {
    if (sign === 1) this.requested.add(pod.requests);
    else this.requested.subtract(pod.requests);
    this.nonZeroCpuMilli += sign * pod.nonZeroCpuMilli;
    this.nonZeroMemoryBytes += sign * pod.nonZeroMemoryBytes;
    if (pod.hasAffinity) this.podsWithAffinity += sign;
    if (pod.requiredAntiAffinity.length > 0) this.podsWithRequiredAntiAffinity += sign;
    for (const { hostIp: ip, protocol, hostPort: port } of pod.hostPorts) {
      const key = `${protocol}/${port}`;
      const used = (this.hostPorts ??= new Map()).get(key) ?? [];
      if (sign === 1) this.hostPorts.set(key, [...used, ip]);
      else {
        const at = used.indexOf(ip);
        this.hostPorts.set(key, at < 0 ? used : used.toSpliced(at, 1));
      }
    }
    this.generation++;
  }
}
