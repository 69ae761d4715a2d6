/** What a kubelet's requests must look like, word for word as upstream says it. Source: pkg/apis/certificates/helpers.go. */
import type { CertificateRequest } from '../../api/certificate-request.ts';

export const signers = {
  kubeApiserverClient: 'kubernetes.io/kube-apiserver-client',
  kubeApiserverClientKubelet: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacyUnknown: 'kubernetes.io/legacy-unknown',
} as const;

/** @returns what is wrong; undefined when all is well. */
export function kubeletClientProblem(request: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isNodesGroup(request)) return 'subject organization is not system:nodes';
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (request.emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!request.commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:';
  return usagesProblem(usages, 'client auth');
}

/** @returns what is wrong; undefined when all is well. */
export function kubeletServingProblem(request: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isNodesGroup(request)) return 'subject organization is not system:nodes';
  if (request.dnsNames.length === 0 && request.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (request.emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  const wrong = usagesProblem(usages, 'server auth');
  if (wrong) return wrong;
  return request.commonName.startsWith('system:node:')
    ? undefined
    : 'subject common name does not begin with system:node:';
}

/** Any client certificate. */
export function clientUsagesProblem(usages: readonly string[]): string | undefined {
  for (const usage of usages)
    if (!['digital signature', 'key encipherment', 'client auth'].includes(usage))
      return `invalid usage for client certificate: ${usage}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

const isNodesGroup = ({ organizations }: CertificateRequest): boolean =>
  organizations.length === 1 && organizations[0] === 'system:nodes';

/** Key encipherment is for RSA keys only, and so optional. */
function usagesProblem(usages: readonly string[], role: string): string | undefined {
  const given = new Set(usages);
  const required = ['digital signature', role];
  const all = given.has('key encipherment') ? [...required, 'key encipherment'] : required;
  if (given.size === all.length && all.every((usage) => given.has(usage))) return undefined;
  return `usages did not match [${[...required, 'key encipherment'].sort().join(' ')}]`;
}
