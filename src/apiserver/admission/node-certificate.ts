/** A node asks for certificates in its own name only. */
import { parseCertificateRequest } from '../../api/certificate-request.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import type { AdmissionAttributes } from './admission.ts';
import { refusal } from './attributes.ts';

const signers: ReadonlySet<string> = new Set([
  'kubernetes.io/kubelet-serving',
  'kubernetes.io/kube-apiserver-client-kubelet',
]);

export function checkNodeCertificate(node: string, attributes: AdmissionAttributes): void {
  if (attributes.operation !== 'CREATE') return;
  const { spec } = attributes.object as unknown as CertificateSigningRequest;
  if (!spec || !signers.has(spec.signerName)) return;
  let name: string;
  try {
    name = parseCertificateRequest(spec.request ?? '').commonName;
  } catch (error) {
    throw refusal(attributes, `unable to parse csr: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (name !== `system:node:${node}`)
    throw refusal(attributes, `can only create a node CSR with CN=system:node:${node}`);
}
