/** nodeSelector and node affinity, with affinity that an administrator adds for all pods of a profile. Source: plugins/nodeaffinity. */

import { fitsRequiredNodeAffinity, matchesNodeSelector, matchesNodeSelectorTerm } from '../../api/pod/node-affinity.ts';
import type { Node, NodeAffinity, PreferredSchedulingTerm } from '../../api/types/core-v1.ts';
import { Action } from '../core/cluster-events.ts';
import type { NodeFilter, NodeScorer, Plugin } from '../core/framework.ts';
import { NodeInfo } from '../core/node-info.ts';
import { pinnedNodeNames } from '../core/pinned-nodes.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { type FilterStatus, fits, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';
import { normalizeToMax } from './normalize.ts';

const name = PluginName.nodeAffinity;
const podMismatch = rejected(name, "node(s) didn't match Pod's node affinity/selector", { preemptionMayHelp: false });
const enforcedMismatch = rejected(name, "node(s) didn't match scheduler-enforced node affinity", {
  preemptionMayHelp: false,
});
const conflict = rejected(name, 'pod affinity terms conflict', { preemptionMayHelp: false });

export function nodeAffinity(args: { readonly addedAffinity?: NodeAffinity } = {}): Plugin {
  const addedRequired = args.addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const addedPreferred = args.addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const judge = (pod: PodInfo, node: Node): FilterStatus => {
    if (addedRequired && !matchesNodeSelector(addedRequired, node)) return enforcedMismatch;
    return fitsRequiredNodeAffinity(pod.pod.spec!, node) ? fits : podMismatch;
  };
  return {
    name,
    events: [
      {
        resource: 'Node',
        action: Action.add | Action.updateNodeLabel,
        hint: (pod, { object, previous }) => {
          if (!(object instanceof NodeInfo) || !object.node) return 'queue';
          if (judge(pod, object.node) !== fits) return 'skip';
          return previous instanceof NodeInfo && previous.node && judge(pod, previous.node) === fits ? 'skip' : 'queue';
        },
      },
    ],
    preFilter(pod) {
      const spec = pod.pod.spec!;
      const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      const selects = spec.nodeSelector !== undefined && Object.keys(spec.nodeSelector).length > 0;
      if (!addedRequired && !required && !selects) return 'skip';
      const onlyNodes = pinnedNodeNames(spec);
      if (onlyNodes?.size === 0) return conflict;
      const filter = (node: NodeInfo): FilterStatus => judge(pod, node.node!);
      return (onlyNodes ? { onlyNodes, filter } : { filter }) satisfies NodeFilter;
    },
    preScore(pod) {
      const own = pod.pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      // A weight of 0 and an empty preference are legal and do nothing.
      const terms = [...addedPreferred, ...own].filter(({ weight }) => weight !== 0);
      return terms.length === 0 ? 'skip' : new PreferredTermsScorer(terms);
    },
  };
}

class PreferredTermsScorer implements NodeScorer {
  private readonly terms: readonly PreferredSchedulingTerm[];
  constructor(terms: readonly PreferredSchedulingTerm[]) {
    this.terms = terms;
  }
  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    for (let i = 0; i < nodes.length; i++) {
      let sum = 0;
      for (const { weight, preference } of this.terms)
        if (matchesNodeSelectorTerm(preference, nodes[i]!.node!)) sum += weight;
      scores[i] = sum;
    }
  }
  normalize(_: readonly NodeInfo[], scores: Float64Array): void {
    normalizeToMax(scores, { reverse: false });
  }
}
