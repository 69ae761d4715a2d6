/**
 * What one scheduling cycle sees. A cycle is synchronous, so nothing can change under it and the cache's own NodeInfos are the snapshot:
 * no copying at all (upstream copies changed NodeInfos because its cycle runs beside the informers). Only the order of nodes is rebuilt,
 * when nodes came, went or moved to another zone.
 */
import type { LabelMatcher, Labels } from './label-matcher.ts';
import type { NodeInfo } from './node-info.ts';
import type { CountOptions } from './pod-counts.ts';

export interface Snapshot {
  /** All known nodes, zones interleaved, so that looking at the first few hundred looks at all zones. */
  readonly nodes: readonly NodeInfo[];
  get(name: string): NodeInfo | undefined;
  /** Nodes with pods that have any (anti-)affinity, or required anti-affinity. */
  readonly nodesWithAffinityPods: ReadonlySet<NodeInfo>;
  readonly nodesWithAntiAffinityPods: ReadonlySet<NodeInfo>;
  /**
   * How many matching pods of `namespace` each node has, by `NodeInfo.slot`. Kept up to date from the first question on, so asking is O(1).
   */
  matchingPods(namespace: string, selector: LabelMatcher, options: CountOptions): Int32Array;
  /** On how many nodes an image is. */
  nodesWithImage(name: string): number;
  namespaceLabels(namespace: string): Labels | undefined;
}
