/** NoSchedule and NoExecute taints must be tolerated; PreferNoSchedule ones cost score. Source: plugins/tainttoleration. */

import { findUntoleratedTaint, repelsNewPods, toleratesTaint } from '../../api/pod/tolerations.ts';
import type { Taint, Toleration } from '../../api/types/core-v1.ts';
import { Action } from '../core/cluster-events.ts';
import type { NodeFilter, NodeScorer, Plugin } from '../core/framework.ts';
import { NodeInfo } from '../core/node-info.ts';
import { type FilterStatus, fits, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';
import { normalizeToMax } from './normalize.ts';

const untolerated = rejected(PluginName.taintToleration, 'node(s) had untolerated taint(s)', {
  preemptionMayHelp: false,
});

export function taintToleration(): Plugin {
  return {
    name: PluginName.taintToleration,
    events: [
      {
        resource: 'Node',
        action: Action.add | Action.updateNodeTaint,
        hint: (pod, { object, previous }) => {
          if (!(object instanceof NodeInfo)) return 'queue';
          if (!allTolerated(object, pod.tolerations)) return 'skip';
          return previous instanceof NodeInfo && allTolerated(previous, pod.tolerations) ? 'skip' : 'queue';
        },
      },
      { resource: 'TargetPod', action: Action.updatePodToleration },
    ],
    preFilter: (pod) => new TaintFilter(pod.tolerations),
    preScore(pod, feasible) {
      for (let i = 0; i < feasible.length; i++)
        if (feasible[i]!.taints.some(isPreferNoSchedule)) return new PreferNoScheduleScorer(pod.tolerations);
      // No such taint anywhere: every node would get the same score.
      return 'skip';
    },
  };
}

const isPreferNoSchedule = (taint: Taint): boolean => taint.effect === 'PreferNoSchedule';
const allTolerated = (node: NodeInfo, tolerations: readonly Toleration[]): boolean =>
  findUntoleratedTaint(node.taints, tolerations, repelsNewPods) === undefined;

class TaintFilter implements NodeFilter {
  private readonly tolerations: readonly Toleration[];
  constructor(tolerations: readonly Toleration[]) {
    this.tolerations = tolerations;
  }
  filter(node: NodeInfo): FilterStatus {
    return node.taints.length === 0 || allTolerated(node, this.tolerations) ? fits : untolerated;
  }
}

class PreferNoScheduleScorer implements NodeScorer {
  private readonly tolerations: readonly Toleration[];
  constructor(tolerations: readonly Toleration[]) {
    this.tolerations = tolerations.filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
  }
  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    for (let i = 0; i < nodes.length; i++) {
      let intolerable = 0;
      for (const taint of nodes[i]!.taints)
        if (isPreferNoSchedule(taint) && !this.tolerations.some((toleration) => toleratesTaint(toleration, taint)))
          intolerable++;
      scores[i] = intolerable;
    }
  }
  normalize(_: readonly NodeInfo[], scores: Float64Array): void {
    normalizeToMax(scores, { reverse: true });
  }
}
