/** The labels with Kubernetes' prefixes that a kubelet may set on its own Node. Source: k8s.io/kubelet/pkg/apis/well_known_labels.go. */
type Labels = Readonly<Record<string, string>> | undefined;

const kubeletLabels: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);
const kubeletNamespaces = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

/** Keys that are new, gone or changed. */
export function modifiedLabels(a: Labels, b: Labels): readonly string[] {
  if (a === b) return [];
  const modified = new Set<string>();
  for (const key in a) if (b?.[key] !== a[key]) modified.add(key);
  for (const key in b) if (a?.[key] !== b[key]) modified.add(key);
  return [...modified];
}

/** Those a kubelet may not touch, sorted: with them a node could draw privileged work to itself. */
export function forbiddenLabels(keys: readonly string[]): readonly string[] {
  return keys.filter((key) => isRestricted(key)).sort();
}

function isRestricted(key: string): boolean {
  const slash = key.indexOf('/');
  const namespace = slash < 0 ? '' : key.slice(0, slash);
  if (isIn(namespace, 'node-restriction.kubernetes.io')) return true;
  if (!isIn(namespace, 'kubernetes.io') && !isIn(namespace, 'k8s.io')) return false;
  return !kubeletLabels.has(key) && !kubeletNamespaces.some((allowed) => isIn(namespace, allowed));
}

const isIn = (namespace: string, domain: string): boolean => namespace === domain || namespace.endsWith(`.${domain}`);
