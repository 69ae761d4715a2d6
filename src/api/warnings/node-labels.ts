/** Node labels that have a successor. */
import { checkLabelValue } from '../names.ts';
import type { NodeSelectorTerm } from '../types/core-v1.ts';

const successors = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  ['failure-domain.beta.kubernetes.io/region', 'deprecated since v1.17; use "topology.kubernetes.io/region" instead'],
  ['failure-domain.beta.kubernetes.io/zone', 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ['beta.kubernetes.io/instance-type', 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
]);

/** What is said of a label, if anything. */
export const deprecatedNodeLabel = (key: string): string | undefined => successors.get(key);

/** @param weighted a term of a preference: its values are not validated, so they are looked at here. */
export function nodeTermWarnings(field: string, term: NodeSelectorTerm, { weighted = false } = {}): readonly string[] {
  const out: string[] = [];
  for (const [i, { key, values }] of (term.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${i}]`;
    const message = successors.get(key);
    if (message) out.push(`${path}.key: ${key} is ${message}`);
    if (!weighted) continue;
    for (const [j, value] of (values ?? []).entries())
      for (const wrong of checkLabelValue(value)) out.push(`${path}.values[${j}]: ${value} is invalid, ${wrong}`);
  }
  return out;
}
