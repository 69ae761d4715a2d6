/** A topology spread constraint with its selector compiled, and which nodes take part in it. */

import { fitsRequiredNodeAffinity } from '../../api/pod/node-affinity.ts';
import { findUntoleratedTaint, repelsNewPods } from '../../api/pod/tolerations.ts';
import type { TopologySpreadConstraint } from '../../api/types/core-v1.ts';
import { compileLabelSelector, type LabelMatcher } from '../core/label-matcher.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { PodInfo } from '../core/pod-info.ts';

export const hostnameLabel = 'kubernetes.io/hostname';

export interface SpreadConstraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly selector: LabelMatcher;
  readonly minDomains: number;
  readonly honorsAffinity: boolean;
  readonly honorsTaints: boolean;
}

/** @param selector stands for the constraint's own (system defaults have none). */
export function compileConstraint(
  constraint: TopologySpreadConstraint,
  pod: PodInfo,
  selector: LabelMatcher | undefined,
): SpreadConstraint {
  // The API server merges matchLabelKeys into the selector of new pods; older pods may not have it, and doing it twice is harmless.
  const pinned = (constraint.matchLabelKeys ?? []).flatMap((key) =>
    pod.labels[key] === undefined ? [] : [{ key, operator: 'In', values: [pod.labels[key]] }],
  );
  const own = constraint.labelSelector;
  const merged =
    pinned.length === 0 || !own ? own : { ...own, matchExpressions: [...(own.matchExpressions ?? []), ...pinned] };
  return {
    maxSkew: constraint.maxSkew,
    topologyKey: constraint.topologyKey,
    selector: selector ?? compileLabelSelector(merged),
    minDomains: constraint.minDomains ?? 1,
    honorsAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorsTaints: (constraint.nodeTaintsPolicy ?? 'Ignore') === 'Honor',
  };
}

/** Whether the node's domain takes part in the constraint for this pod. */
export function takesPart(constraint: SpreadConstraint, pod: PodInfo, node: NodeInfo): boolean {
  if (constraint.honorsAffinity && !fitsRequiredNodeAffinity(pod.pod.spec!, node.node!)) return false;
  return !constraint.honorsTaints || findUntoleratedTaint(node.taints, pod.tolerations, repelsNewPods) === undefined;
}

export function hasAllKeys(constraints: readonly SpreadConstraint[], node: NodeInfo): boolean {
  for (let i = 0; i < constraints.length; i++) if (node.labels[constraints[i]!.topologyKey] === undefined) return false;
  return true;
}
