import type { PodSpec } from '../../api/types/core-v1.ts';

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
