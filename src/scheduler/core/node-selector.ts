/** Required and preferred node affinity, and spec.nodeSelector. Source: component-helpers scheduling/corev1/nodeaffinity. */
import type {
  Node,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodSpec,
} from '../../api/types/core-v1.ts';
import { noLabels } from './label-matcher.ts';

/** nodeSelector and requiredDuringScheduling both hold. */
export function matchesRequiredNodeAffinity(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? noLabels;
  const wanted = spec.nodeSelector;
  if (wanted) for (const key in wanted) if (labels[key] !== wanted[key]) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, node);
}

/** Terms are ORed, a term's requirements ANDed; a term without any requirement matches nothing. */
export function matchesNodeSelector(selector: NodeSelector, node: Node): boolean {
  for (const term of selector.nodeSelectorTerms) if (matchesNodeSelectorTerm(term, node)) return true;
  return false;
}

export function matchesNodeSelectorTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions;
  const fields = term.matchFields;
  if (!expressions?.length && !fields?.length) return false;
  const labels = node.metadata.labels ?? noLabels;
  if (expressions)
    for (const requirement of expressions) if (!holds(requirement, labels[requirement.key])) return false;
  if (fields)
    for (const requirement of fields) {
      if (requirement.key !== 'metadata.name' || !holds(requirement, node.metadata.name)) return false;
    }
  return true;
}

/**
 * The node names that required affinity pins through matchFields, when every term does; undefined when some term does not.
 * Upstream uses it so that DaemonSet pods look at one node only.
 */
export function pinnedNodeNames(spec: PodSpec): Set<string> | undefined {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required || required.nodeSelectorTerms.length === 0) return undefined;
  const union = new Set<string>();
  for (const { matchFields } of required.nodeSelectorTerms) {
    let names: Set<string> | undefined;
    for (const { key, operator, values } of matchFields ?? []) {
      if (key !== 'metadata.name' || operator !== 'In') continue;
      const these = new Set(values);
      names = names === undefined ? these : names.intersection(these);
    }
    if (names === undefined) return undefined;
    for (const name of names) union.add(name);
  }
  return union;
}

function holds({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const wanted = values[0];
      if (value === undefined || wanted === undefined || !/^[+-]?\d+$/.test(value) || !/^[+-]?\d+$/.test(wanted))
        return false;
      return operator === 'Gt' ? BigInt(value) > BigInt(wanted) : BigInt(value) < BigInt(wanted);
    }
    default:
      return false;
  }
}
