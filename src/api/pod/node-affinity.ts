/** Node selectors and required node affinity. Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity. */
import { parseInt64 } from '../selectors/label-selector.ts';
import type { Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from '../types/core-v1.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** `spec.nodeSelector` and required node affinity both hold. */
export function fitsRequiredNodeAffinity(spec: PodSpec, node: Node): boolean {
  for (const key in spec.nodeSelector) if (labelOf(node.metadata.labels, key) !== spec.nodeSelector[key]) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, node);
}

/** One of the terms holds; no terms match no node. */
export function matchesNodeSelector(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeSelectorTerm(term, node));
}

/** All requirements hold; a term without any matches nothing. Fields: only `metadata.name` exists. */
export function matchesNodeSelectorTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  for (const requirement of matchExpressions)
    if (!meetsRequirement(requirement, labelOf(node.metadata.labels, requirement.key))) return false;
  for (const requirement of matchFields)
    if (requirement.key !== 'metadata.name' || !meetsRequirement(requirement, node.metadata.name)) return false;
  return true;
}

/** Only strings count: a label named `constructor` must not find an inherited property. */
function labelOf(labels: Labels, key: string): string | undefined {
  const value: unknown = labels?.[key];
  return typeof value === 'string' ? value : undefined;
}

function meetsRequirement({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
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
      const left = value === undefined ? undefined : parseInt64(value);
      const right = values.length === 1 ? parseInt64(values[0]!) : undefined;
      if (left === undefined || right === undefined) return false;
      return operator === 'Gt' ? left > right : left < right;
    }
    default:
      return false;
  }
}
