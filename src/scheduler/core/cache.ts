/**
 * What the scheduler believes about nodes and the pods on them. Invariants:
 *
 * 1. A pod is on at most one node. An assumed pod (decided, binding under way) counts as there until the API server confirms it, or until it is
 *    forgotten (the binding failed) or expires.
 * 2. What the informer says wins over what was assumed.
 * 3. A NodeInfo without a node lives as long as pods are on it.
 *
 *      assume ----> assumed --confirm(update from the informer)--> bound ---remove---> gone
 *                     |---forget / expire---> gone
 *
 * Source: pkg/scheduler/backend/cache.
 */
import type { Node } from '../../api/types/core-v1.ts';
import type { Labels } from './label-matcher.ts';
import { NodeInfo } from './node-info.ts';
import { PodCounts } from './pod-counts.ts';
import type { PodInfo } from './pod-info.ts';
import type { Snapshot } from './snapshot.ts';

interface PodState {
  info: PodInfo;
  node: NodeInfo;
  assumed: boolean;
  /** Set when the binding was acknowledged and assumed pods expire. */
  expiresAtMs: number;
}

export interface CacheOptions {
  /** How long after its binding an assumed pod is believed without the informer's word; 0 (upstream's default) for ever. */
  readonly assumedPodTtlMs?: number;
  readonly namespaceLabels?: (namespace: string) => Labels | undefined;
}

export class SchedulerCache {
  private readonly options: CacheOptions;
  private readonly byName = new Map<string, NodeInfo>();
  private readonly pods = new Map<string, PodState>();
  private readonly assumed = new Set<string>();
  private readonly freeSlots: number[] = [];
  private slots = 0;
  private order: NodeInfo[] | undefined;
  private readonly counts = new PodCounts();
  private readonly imageNodes = new Map<string, number>();
  private readonly withAffinity = new Set<NodeInfo>();
  private readonly withAntiAffinity = new Set<NodeInfo>();

  constructor(options: CacheOptions = {}) {
    this.options = options;
  }

  setNode(node: Node): void {
    const name = node.metadata.name!;
    const info = this.nodeInfo(name);
    const isNew = info.node === undefined;
    const zone = zoneOf(info.labels);
    this.countImages(info, -1);
    info.setNode(node);
    this.countImages(info, 1);
    if (isNew || zoneOf(info.labels) !== zone) this.order = undefined;
  }

  removeNode(name: string): void {
    const info = this.byName.get(name);
    if (!info?.node) return;
    this.countImages(info, -1);
    info.clearNode();
    this.order = undefined;
    this.dropIfEmpty(info);
  }

  /** The pod counts as on the node from now on. Throws when it is on a node already: a programming error. */
  assume(pod: PodInfo, nodeName: string): void {
    if (this.pods.has(pod.uid)) throw new Error(`Pod "${pod.key}" is in the cache already: it cannot be assumed`);
    this.place(pod, nodeName, true);
  }

  bindingFinished(uid: string, nowMs: number): void {
    const state = this.pods.get(uid);
    const ttl = this.options.assumedPodTtlMs ?? 0;
    if (state?.assumed && ttl > 0) state.expiresAtMs = nowMs + ttl;
  }

  /** @returns false when it was not assumed (the informer confirmed or removed it meanwhile). */
  forget(uid: string): boolean {
    const state = this.pods.get(uid);
    if (!state?.assumed) return false;
    this.displace(state);
    return true;
  }

  /** A pod with a node, as the informer has it. */
  setPod(pod: PodInfo): void {
    const nodeName = pod.pod.spec!.nodeName!;
    const state = this.pods.get(pod.uid);
    if (state) this.displace(state);
    this.place(pod, nodeName, false);
  }

  removePod(uid: string): void {
    const state = this.pods.get(uid);
    if (state) this.displace(state);
  }

  isAssumed(uid: string): boolean {
    return this.assumed.has(uid);
  }
  has(uid: string): boolean {
    return this.pods.has(uid);
  }
  get assumedCount(): number {
    return this.assumed.size;
  }
  get podCount(): number {
    return this.pods.size;
  }
  get nodeCount(): number {
    return this.ordered().length;
  }

  /** Forgets assumed pods whose time is over. @returns their infos. */
  expire(nowMs: number): PodInfo[] {
    const gone: PodInfo[] = [];
    for (const uid of this.assumed) {
      const state = this.pods.get(uid)!;
      if (state.expiresAtMs > nowMs) continue;
      gone.push(state.info);
      this.displace(state);
    }
    return gone;
  }

  readonly snapshot: Snapshot = this.makeSnapshot();

  private makeSnapshot(): Snapshot {
    const cache = this;
    return {
      get nodes() {
        return cache.ordered();
      },
      get: (name) => {
        const info = cache.byName.get(name);
        return info?.node ? info : undefined;
      },
      nodesWithAffinityPods: this.withAffinity,
      nodesWithAntiAffinityPods: this.withAntiAffinity,
      matchingPods: (namespace, selector, options) =>
        cache.counts.of(namespace, selector, options, cache.byName.values(), cache.slots),
      nodesWithImage: (name) => cache.imageNodes.get(name) ?? 0,
      namespaceLabels: (namespace) => cache.options.namespaceLabels?.(namespace),
    };
  }

  /** Nodes with a node object, one from each zone in turn. */
  private ordered(): NodeInfo[] {
    if (this.order) return this.order;
    const zones = new Map<string, NodeInfo[]>();
    for (const info of this.byName.values()) {
      if (!info.node) continue;
      const zone = zoneOf(info.labels);
      const list = zones.get(zone);
      if (list) list.push(info);
      else zones.set(zone, [info]);
    }
    const lists = [...zones.values()];
    const order: NodeInfo[] = [];
    for (let i = 0, added = true; added; i++) {
      added = false;
      for (const list of lists) {
        const info = list[i];
        if (!info) continue;
        order.push(info);
        added = true;
      }
    }
    this.order = order;
    return order;
  }

  private place(info: PodInfo, nodeName: string, assumed: boolean): void {
    const node = this.nodeInfo(nodeName);
    node.addPod(info);
    this.counts.podAdded(info, node.slot);
    this.pods.set(info.uid, { info, node, assumed, expiresAtMs: Number.POSITIVE_INFINITY });
    if (assumed) this.assumed.add(info.uid);
    if (info.hasAffinity) this.withAffinity.add(node);
    if (info.requiredAntiAffinity.length > 0) this.withAntiAffinity.add(node);
  }

  private displace({ info, node }: PodState): void {
    node.removePod(info.uid);
    this.counts.podRemoved(info, node.slot);
    this.pods.delete(info.uid);
    this.assumed.delete(info.uid);
    if (node.podsWithAffinity === 0) this.withAffinity.delete(node);
    if (node.podsWithRequiredAntiAffinity === 0) this.withAntiAffinity.delete(node);
    this.dropIfEmpty(node);
  }

  private nodeInfo(name: string): NodeInfo {
    let info = this.byName.get(name);
    if (!info) {
      info = new NodeInfo(this.freeSlots.pop() ?? this.slots++, name);
      this.byName.set(name, info);
    }
    return info;
  }

  private dropIfEmpty(info: NodeInfo): void {
    if (info.node || info.pods.length > 0) return;
    this.byName.delete(info.name);
    this.freeSlots.push(info.slot);
  }

  private countImages(info: NodeInfo, by: 1 | -1): void {
    for (const name of info.images.keys()) {
      const count = (this.imageNodes.get(name) ?? 0) + by;
      if (count > 0) this.imageNodes.set(name, count);
      else this.imageNodes.delete(name);
    }
  }
}

function zoneOf(labels: Labels): string {
  const region = labels['topology.kubernetes.io/region'] ?? labels['failure-domain.beta.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? labels['failure-domain.beta.kubernetes.io/zone'] ?? '';
  return `${region}:\0:${zone}`;
}
