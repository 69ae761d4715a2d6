/** Preferred (anti-)affinity, of the incoming pod and of those that run. Source: plugins/interpodaffinity/scoring.go. */
import { maxNodeScore, type NodeScorer, type PreScoreResult } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import { type AffinityTerm, type PodInfo, termMatches } from '../core/pod-info.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { InterPodAffinityArgs } from './inter-pod-affinity.ts';

type TopologyScores = Map<string, Map<string, number>>;

export function affinityScorer(
  pod: PodInfo,
  _: readonly NodeInfo[],
  snapshot: Snapshot,
  { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }: InterPodAffinityArgs,
): PreScoreResult {
  const prefers = pod.preferredAffinity.length > 0 || pod.preferredAntiAffinity.length > 0;
  if (!prefers && (ignorePreferredTermsOfExistingPods || snapshot.nodesWithAffinityPods.size === 0)) return 'skip';

  const scores: TopologyScores = new Map();
  const namespaceLabels = (namespace: string) => snapshot.namespaceLabels(namespace);
  const count = (term: AffinityTerm, target: PodInfo, node: NodeInfo, weight: number): void => {
    const domain = node.labels[term.topologyKey];
    if (domain === undefined || weight === 0 || !termMatches(term, target, namespaceLabels)) return;
    let byDomain = scores.get(term.topologyKey);
    if (!byDomain) scores.set(term.topologyKey, (byDomain = new Map()));
    byDomain.set(domain, (byDomain.get(domain) ?? 0) + weight);
  };
  for (const node of prefers ? snapshot.nodes : snapshot.nodesWithAffinityPods) {
    if (!node.node) continue;
    for (const existing of node.pods) {
      for (const term of pod.preferredAffinity) count(term, existing, node, term.weight);
      for (const term of pod.preferredAntiAffinity) count(term, existing, node, -term.weight);
      if (!existing.hasAffinity || ignorePreferredTermsOfExistingPods) continue;
      for (const term of existing.requiredAffinity) count(term, pod, node, hardPodAffinityWeight);
      for (const term of existing.preferredAffinity) count(term, pod, node, term.weight);
      for (const term of existing.preferredAntiAffinity) count(term, pod, node, -term.weight);
    }
  }
  return scores.size === 0 ? 'skip' : new AffinityScorer(scores);
}

class AffinityScorer implements NodeScorer {
  private readonly topologies: readonly (readonly [string, ReadonlyMap<string, number>])[];
  constructor(scores: TopologyScores) {
    this.topologies = [...scores];
  }
  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    for (let n = 0; n < nodes.length; n++) {
      const { labels } = nodes[n]!;
      let sum = 0;
      for (let i = 0; i < this.topologies.length; i++) {
        const [key, byDomain] = this.topologies[i]!;
        const domain = labels[key];
        if (domain !== undefined) sum += byDomain.get(domain) ?? 0;
      }
      scores[n] = sum;
    }
  }
  normalize(_: readonly NodeInfo[], scores: Float64Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let n = 0; n < scores.length; n++) {
      if (scores[n]! < min) min = scores[n]!;
      if (scores[n]! > max) max = scores[n]!;
    }
    const span = max - min;
    for (let n = 0; n < scores.length; n++)
      scores[n] = span > 0 ? Math.trunc(maxNodeScore * ((scores[n]! - min) / span)) : 0;
  }
}
