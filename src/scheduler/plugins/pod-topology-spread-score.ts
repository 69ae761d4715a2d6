/** Soft topology spreading: nodes in domains with few matching pods score high. Source: plugins/podtopologyspread/scoring.go. */
import { maxNodeScore, type NodeScorer } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { PodInfo } from '../core/pod-info.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { hasAllKeys, hostnameLabel, type SpreadConstraint, takesPart } from './spread-constraint.ts';

const ignored = -1;

export class SpreadScorer implements NodeScorer {
  private readonly constraints: readonly SpreadConstraint[];
  private readonly requireAllKeys: boolean;
  /** Per constraint: domain -> matching pods in it; undefined for hostname, where the node's own count is the answer. */
  private readonly domainCounts: readonly (Map<string, number> | undefined)[];
  private readonly nodeCounts: readonly (Int32Array | undefined)[];
  /** Keeps constraints with few domains from being watered down by those with many. */
  private readonly weights: readonly number[];

  constructor(
    pod: PodInfo,
    constraints: readonly SpreadConstraint[],
    feasible: readonly NodeInfo[],
    snapshot: Snapshot,
    requireAllKeys: boolean,
  ) {
    this.constraints = constraints;
    this.requireAllKeys = requireAllKeys;
    this.nodeCounts = constraints.map(({ selector }) =>
      selector.empty ? undefined : snapshot.matchingPods(pod.namespace, selector, { withTerminating: false }),
    );
    let scored = 0;
    const domainCounts = constraints.map(({ topologyKey }) =>
      topologyKey === hostnameLabel ? undefined : new Map<string, number>(),
    );
    for (let n = 0; n < feasible.length; n++) {
      const node = feasible[n]!;
      if (requireAllKeys && !hasAllKeys(constraints, node)) continue;
      scored++;
      for (let i = 0; i < constraints.length; i++)
        domainCounts[i]?.set(node.labels[constraints[i]!.topologyKey] ?? '', 0);
    }
    this.weights = domainCounts.map((counts) => Math.log((counts ? counts.size : scored) + 2));
    this.domainCounts = domainCounts;
    if (domainCounts.some((counts) => counts !== undefined)) this.countDomains(pod, snapshot);
  }

  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    for (let n = 0; n < nodes.length; n++) {
      const node = nodes[n]!;
      if (this.requireAllKeys && !hasAllKeys(this.constraints, node)) {
        scores[n] = ignored;
        continue;
      }
      let sum = 0;
      for (let i = 0; i < this.constraints.length; i++) {
        const { topologyKey, maxSkew } = this.constraints[i]!;
        const domain = node.labels[topologyKey];
        if (domain === undefined) continue;
        const domains = this.domainCounts[i];
        const count = domains ? (domains.get(domain) ?? 0) : (this.nodeCounts[i]?.[node.slot] ?? 0);
        sum += count * this.weights[i]! + (maxSkew - 1);
      }
      scores[n] = Math.round(sum);
    }
  }

  normalize(_: readonly NodeInfo[], scores: Float64Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = 0;
    for (let n = 0; n < scores.length; n++) {
      const score = scores[n]!;
      if (score === ignored) continue;
      if (score < min) min = score;
      if (score > max) max = score;
    }
    for (let n = 0; n < scores.length; n++) {
      const score = scores[n]!;
      if (score === ignored) scores[n] = 0;
      else scores[n] = max === 0 ? maxNodeScore : Math.trunc((maxNodeScore * (max + min - score)) / max);
    }
  }

  private countDomains(pod: PodInfo, snapshot: Snapshot): void {
    for (const node of snapshot.nodes) {
      if (this.requireAllKeys && !hasAllKeys(this.constraints, node)) continue;
      for (let i = 0; i < this.constraints.length; i++) {
        const counts = this.domainCounts[i];
        if (!counts) continue;
        const constraint = this.constraints[i]!;
        const domain = node.labels[constraint.topologyKey] ?? '';
        // Domains without a feasible node cannot be chosen: their counts do not matter.
        const count = counts.get(domain);
        if (count === undefined || !takesPart(constraint, pod, node)) continue;
        counts.set(domain, count + (this.nodeCounts[i]?.[node.slot] ?? 0));
      }
    }
  }
}
