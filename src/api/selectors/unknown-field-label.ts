/** What upstream says about a field label that a kind does not know: each group has words of its own. */

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Core kinds with a conversion function of their own; the others of the group have the general one. */
const ownWords: ReadonlySet<string> = new Set([
  '/Pod',
  '/Node',
  '/ReplicationController',
  '/Event',
  '/Namespace',
  '/Secret',
  '/Service',
  'events.k8s.io/Event',
  'certificates.k8s.io/CertificateSigningRequest',
  'certificates.k8s.io/ClusterTrustBundle',
  'certificates.k8s.io/PodCertificateRequest',
]);

/** For built-in kinds. A custom kind says `field label not supported: LABEL`. */
export function unknownFieldLabel({ group, version, kind }: Kind, label: string): string {
  if (ownWords.has(`${group}/${kind}`)) return `field label not supported: ${label}`;
  if (group === 'batch' && kind === 'Job') return `field label ${JSON.stringify(label)} not supported for Job`;
  if (group === 'resource.k8s.io' && kind === 'ResourceSlice')
    return `field label not supported for ${group}/${version}, Kind=${kind}: ${label}`;
  return `${JSON.stringify(label)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}
