/** Prefers nodes where the shares of cpu and memory in use stay alike. Source: plugins/noderesources/balanced_allocation.go (v1.36). */
import { maxNodeScore, type NodeScorer, type Plugin } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { PluginName } from './names.ts';
import { capacityOf, defaultResourceWeights, type ResourceWeight } from './node-resources-fit.ts';

export function nodeResourcesBalancedAllocation(args: { readonly resources?: readonly ResourceWeight[] } = {}): Plugin {
  const resources = (args.resources ?? defaultResourceWeights).map(({ name }) => name);
  return {
    name: PluginName.nodeResourcesBalancedAllocation,
    events: [],
    // A pod that asks for nothing would only be drawn to whatever is balanced already.
    preScore: (pod) => (resources.every((name) => asked(pod, name) === 0) ? 'skip' : new BalanceScorer(pod, resources)),
  };
}

class BalanceScorer implements NodeScorer {
  private readonly pod: PodInfo;
  private readonly resources: readonly string[];
  constructor(pod: PodInfo, resources: readonly string[]) {
    this.pod = pod;
    this.resources = resources;
  }
  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      let n = 0;
      let sum = 0;
      let first = 0;
      let second = 0;
      const fractions = this.resources.length > 2 ? new Float64Array(this.resources.length) : undefined;
      for (let j = 0; j < this.resources.length; j++) {
        const resource = this.resources[j]!;
        const capacity = capacityOf(node, resource);
        if (capacity === 0) continue;
        const fraction = Math.min(1, (used(node, resource) + asked(this.pod, resource)) / capacity);
        if (n === 0) first = fraction;
        else if (n === 1) second = fraction;
        if (fractions) fractions[n] = fraction;
        sum += fraction;
        n++;
      }
      let deviation = 0;
      if (n === 2) deviation = Math.abs(first - second) / 2;
      else if (n > 2 && fractions) {
        const mean = sum / n;
        let squares = 0;
        for (let j = 0; j < n; j++) squares += (fractions[j]! - mean) ** 2;
        deviation = Math.sqrt(squares / n);
      }
      scores[i] = Math.trunc((1 - deviation) * maxNodeScore);
    }
  }
}

/** What containers really ask for: unlike LeastAllocated, no defaults. */
function asked(pod: PodInfo, resource: string): number {
  const { requests } = pod;
  if (resource === 'cpu') return requests.cpuMilli;
  if (resource === 'memory') return requests.memoryBytes;
  if (resource === 'ephemeral-storage') return requests.ephemeralBytes;
  return requests.scalars?.get(resource) ?? 0;
}
function used(node: NodeInfo, resource: string): number {
  const { requested } = node;
  if (resource === 'cpu') return requested.cpuMilli;
  if (resource === 'memory') return requested.memoryBytes;
  if (resource === 'ephemeral-storage') return requested.ephemeralBytes;
  return requested.scalars?.get(resource) ?? 0;
}
