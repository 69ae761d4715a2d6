/**
 * Pods that want to be, or must not be, near other pods; both directions: what the incoming pod says of those that run, and what those say of
 * it. Source: plugins/interpodaffinity/filtering.go.
 */
import { Action, type ClusterEvent, type QueueingHint } from '../core/cluster-events.ts';
import type { NodeFilter, Plugin } from '../core/framework.ts';
import type { Labels } from '../core/label-matcher.ts';
import { NodeInfo } from '../core/node-info.ts';
import { type AffinityTerm, PodInfo, termMatches } from '../core/pod-info.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { type FilterStatus, fits, rejected } from '../core/status.ts';
import { affinityScorer } from './inter-pod-affinity-score.ts';
import { PluginName } from './names.ts';

const name = PluginName.interPodAffinity;
const affinityMismatch = rejected(name, "node(s) didn't match pod affinity rules", { preemptionMayHelp: false });
const antiAffinityMismatch = rejected(name, "node(s) didn't match pod anti-affinity rules", {
  preemptionMayHelp: true,
});
const existingMismatch = rejected(name, "node(s) didn't satisfy existing pods anti-affinity rules", {
  preemptionMayHelp: true,
});

export type NamespaceLabels = (namespace: string) => Labels | undefined;

export interface InterPodAffinityArgs {
  /** What a running pod's required affinity for the incoming pod is worth. */
  readonly hardPodAffinityWeight?: number;
  readonly ignorePreferredTermsOfExistingPods?: boolean;
}

export function interPodAffinity(args: InterPodAffinityArgs, namespaceLabels: NamespaceLabels): Plugin {
  return {
    name,
    events: [
      {
        resource: 'AssignedPod',
        action: Action.add | Action.delete | Action.updatePodLabel,
        hint: (pod, event) => podMatters(pod, event, namespaceLabels),
      },
      { resource: 'Node', action: Action.add | Action.updateNodeLabel, hint: nodeMatters },
      { resource: 'TargetPod', action: Action.updatePodLabel },
    ],
    preFilter(pod, snapshot) {
      if (
        pod.requiredAffinity.length === 0 &&
        pod.requiredAntiAffinity.length === 0 &&
        snapshot.nodesWithAntiAffinityPods.size === 0
      )
        return 'skip';
      const filter = AffinityFilter.count(pod, snapshot);
      return filter.isTrivial ? 'skip' : filter;
    },
    preScore: (pod, feasible, snapshot) => affinityScorer(pod, feasible, snapshot, args),
  };
}

/** `key=value` -> how many (pod, term) pairs are in that domain. */
class TopologyCounts {
  readonly counts: Map<string, Map<string, number>>;
  constructor(counts = new Map<string, Map<string, number>>()) {
    this.counts = counts;
  }
  add(term: AffinityTerm, labels: Labels, by: number): void {
    const domain = labels[term.topologyKey];
    if (domain === undefined) return;
    let byDomain = this.counts.get(term.topologyKey);
    if (!byDomain) this.counts.set(term.topologyKey, (byDomain = new Map()));
    const count = (byDomain.get(domain) ?? 0) + by;
    if (count === 0) byDomain.delete(domain);
    else byDomain.set(domain, count);
    if (byDomain.size === 0) this.counts.delete(term.topologyKey);
  }
  of(topologyKey: string, domain: string): number {
    return this.counts.get(topologyKey)?.get(domain) ?? 0;
  }
  get isEmpty(): boolean {
    return this.counts.size === 0;
  }
  clone(): TopologyCounts {
    return new TopologyCounts(new Map([...this.counts].map(([key, byDomain]) => [key, new Map(byDomain)])));
  }
}

class AffinityFilter implements NodeFilter {
  private readonly pod: PodInfo;
  private readonly namespaceLabels: NamespaceLabels;
  /** Running pods' required anti-affinity against this pod. */
  private readonly existingAnti: TopologyCounts;
  /** Pods that meet all of this pod's required affinity terms. */
  private readonly affinity: TopologyCounts;
  private readonly anti: TopologyCounts;

  private constructor(
    pod: PodInfo,
    namespaceLabels: NamespaceLabels,
    counts: { existingAnti: TopologyCounts; affinity: TopologyCounts; anti: TopologyCounts },
  ) {
    this.pod = pod;
    this.namespaceLabels = namespaceLabels;
    this.existingAnti = counts.existingAnti;
    this.affinity = counts.affinity;
    this.anti = counts.anti;
  }

  static count(pod: PodInfo, snapshot: Snapshot): AffinityFilter {
    const filter = new AffinityFilter(pod, (namespace) => snapshot.namespaceLabels(namespace), {
      existingAnti: new TopologyCounts(),
      affinity: new TopologyCounts(),
      anti: new TopologyCounts(),
    });
    for (const node of snapshot.nodesWithAntiAffinityPods)
      for (const existing of node.pods) filter.countExistingAnti(existing, node, 1);
    filter.countMatches(snapshot);
    return filter;
  }

  get isTrivial(): boolean {
    const { requiredAffinity, requiredAntiAffinity } = this.pod;
    return requiredAffinity.length === 0 && requiredAntiAffinity.length === 0 && this.existingAnti.isEmpty;
  }

  filter(node: NodeInfo): FilterStatus {
    if (!this.affinityHolds(node)) return affinityMismatch;
    for (const { topologyKey } of this.pod.requiredAntiAffinity) {
      const domain = node.labels[topologyKey];
      if (domain !== undefined && this.anti.of(topologyKey, domain) > 0) return antiAffinityMismatch;
    }
    if (!this.existingAnti.isEmpty)
      for (const [topologyKey, byDomain] of this.existingAnti.counts) {
        const domain = node.labels[topologyKey];
        if (domain !== undefined && (byDomain.get(domain) ?? 0) > 0) return existingMismatch;
      }
    return fits;
  }

  addPod(pod: PodInfo, node: NodeInfo): void {
    this.countExistingAnti(pod, node, 1);
    this.countOwn(pod, node, 1);
  }
  removePod(pod: PodInfo, node: NodeInfo): void {
    this.countExistingAnti(pod, node, -1);
    this.countOwn(pod, node, -1);
  }
  clone(): AffinityFilter {
    return new AffinityFilter(this.pod, this.namespaceLabels, {
      existingAnti: this.existingAnti.clone(),
      affinity: this.affinity.clone(),
      anti: this.anti.clone(),
    });
  }

  /**
   * Where the pods are that this pod's own terms mean. The usual term (one namespace, and for affinity the only one) is answered from counts that
   * are kept; any other looks at every pod.
   */
  private countMatches(snapshot: Snapshot): void {
    const { requiredAffinity, requiredAntiAffinity } = this.pod;
    const isCounted = ({ namespaces, namespaceSelector }: AffinityTerm): boolean =>
      namespaces.size === 1 && namespaceSelector === undefined;
    const addCounted = (counts: TopologyCounts, term: AffinityTerm): void => {
      const [namespace] = term.namespaces;
      const matching = snapshot.matchingPods(namespace!, term.selector, { withTerminating: true });
      for (const node of snapshot.nodes) {
        const count = matching[node.slot]!;
        if (count > 0) counts.add(term, node.labels, count);
      }
    };
    const [only, another] = requiredAffinity;
    if (only && !another && isCounted(only)) addCounted(this.affinity, only);
    else if (only) for (const node of snapshot.nodes) for (const pod of node.pods) this.countAffinity(pod, node, 1);
    for (const term of requiredAntiAffinity)
      if (isCounted(term)) addCounted(this.anti, term);
      else for (const node of snapshot.nodes) for (const pod of node.pods) this.countAnti(term, pod, node, 1);
  }

  private affinityHolds(node: NodeInfo): boolean {
    const terms = this.pod.requiredAffinity;
    if (terms.length === 0) return true;
    let allPresent = true;
    for (const { topologyKey } of terms) {
      const domain = node.labels[topologyKey];
      // A node outside the topology can never do.
      if (domain === undefined) return false;
      if (this.affinity.of(topologyKey, domain) <= 0) allPresent = false;
    }
    if (allPresent) return true;
    // The first pod of a group that wants to be together: nobody is there yet, and it matches its own terms.
    return this.affinity.isEmpty && matchesAll(terms, this.pod, this.namespaceLabels);
  }

  private countExistingAnti(existing: PodInfo, node: NodeInfo, by: number): void {
    for (const term of existing.requiredAntiAffinity)
      if (termMatches(term, this.pod, this.namespaceLabels)) this.existingAnti.add(term, node.labels, by);
  }
  private countOwn(existing: PodInfo, node: NodeInfo, by: number): void {
    if (this.pod.requiredAffinity.length > 0) this.countAffinity(existing, node, by);
    for (const term of this.pod.requiredAntiAffinity) this.countAnti(term, existing, node, by);
  }
  private countAffinity(existing: PodInfo, node: NodeInfo, by: number): void {
    const { requiredAffinity } = this.pod;
    if (!matchesAll(requiredAffinity, existing, this.namespaceLabels)) return;
    for (const term of requiredAffinity) this.affinity.add(term, node.labels, by);
  }
  private countAnti(term: AffinityTerm, existing: PodInfo, node: NodeInfo, by: number): void {
    if (termMatches(term, existing, this.namespaceLabels)) this.anti.add(term, node.labels, by);
  }
}

function matchesAll(terms: readonly AffinityTerm[], pod: PodInfo, namespaceLabels: NamespaceLabels): boolean {
  for (const term of terms) if (!termMatches(term, pod, namespaceLabels)) return false;
  return true;
}

/** A new match for affinity helps; an old match for anti-affinity, in either direction, that is gone helps. */
function podMatters(
  pod: PodInfo,
  { previous, object, action }: ClusterEvent,
  namespaces: NamespaceLabels,
): QueueingHint {
  const came = object instanceof PodInfo && !(action & Action.delete) ? object : undefined;
  const went =
    previous instanceof PodInfo ? previous : action & Action.delete && object instanceof PodInfo ? object : undefined;
  if (came && pod.requiredAffinity.length > 0) {
    const wasGood = went !== undefined && matchesAll(pod.requiredAffinity, went, namespaces);
    if (!wasGood && matchesAll(pod.requiredAffinity, came, namespaces)) return 'queue';
  }
  if (went) {
    const inTheWay = (other: PodInfo): boolean =>
      pod.requiredAntiAffinity.some((term) => termMatches(term, other, namespaces)) ||
      other.requiredAntiAffinity.some((term) => termMatches(term, pod, namespaces));
    if (inTheWay(went) && !(came && inTheWay(came))) return 'queue';
  }
  return 'skip';
}

function nodeMatters(pod: PodInfo, { previous, object }: ClusterEvent): QueueingHint {
  if (!(object instanceof NodeInfo)) return 'queue';
  const had = previous instanceof NodeInfo ? previous.labels : undefined;
  const keys = [...pod.requiredAffinity, ...pod.requiredAntiAffinity].map(({ topologyKey }) => topologyKey);
  // Rejected by others' anti-affinity only: any new or relabelled node may be outside their topology.
  if (keys.length === 0) return 'queue';
  return keys.some((key) => object.labels[key] !== had?.[key]) || !had ? 'queue' : 'skip';
}
