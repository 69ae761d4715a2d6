/** A node asks for certificates in its own name only. */
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import type { AdmissionAttributes } from './admission.ts';
import { refusal } from './attributes.ts';

const signers: ReadonlySet<string> = new Set([
  'kubernetes.io/kubelet-serving',
  'kubernetes.io/kube-apiserver-client-kubelet',
]);

export async function checkNodeCertificate(node: string, attributes: AdmissionAttributes): Promise<void> {
  if (attributes.operation !== 'CREATE') return;
  const { spec } = attributes.object as unknown as CertificateSigningRequest;
  if (!spec || !signers.has(spec.signerName)) return;
  const name = await commonName(spec.request).catch((error: unknown) => {
    throw refusal(attributes, `unable to parse csr: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (name !== `system:node:${node}`)
    throw refusal(attributes, `can only create a node CSR with CN=system:node:${node}`);
}

const block = /-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----/;

/** @param request base64 of PEM. */
async function commonName(request: string): Promise<string | undefined> {
  const [pem, type] = block.exec(Buffer.from(request, 'base64').toString('latin1')) ?? [];
  if (pem === undefined || type !== 'CERTIFICATE REQUEST')
    throw new Error('PEM block type must be CERTIFICATE REQUEST');
  // x509 needs the reflection polyfill before it loads.
  await import('reflect-metadata');
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509');
  return new Pkcs10CertificateRequest(pem).subjectName.getField('CN').at(-1);
}
