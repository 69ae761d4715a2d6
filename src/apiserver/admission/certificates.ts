/**
 * CertificateSigningRequests: who may approve and who may sign requests for which signer, and which groups nobody gets a certificate for.
 * Source: plugin/pkg/admission/certificates (approval, signing, subjectrestriction).
 */
import { parseCertificateRequest } from '../../api/certificate-request.ts';
import { sameJson } from '../../api/edit.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { isFor, refusal } from './attributes.ts';

const group = 'certificates.k8s.io';
const resource = 'certificatesigningrequests';

export function createCertificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: (operation) => operation === 'UPDATE',
    async validate(attributes, signal) {
      if (!isFor(attributes, group, resource, 'approval')) return;
      // The old object's: the endpoint does not change the signer, and nobody shall gain by trying.
      const signer = requestOf(attributes.oldObject)?.spec.signerName ?? '';
      if (!(await mayForSigner(authorizer, attributes.user, 'approve', signer, signal)))
        throw refusal(attributes, `user not permitted to approve requests with signerName ${JSON.stringify(signer)}`);
    },
  };
}

export function createCertificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: (operation) => operation === 'UPDATE',
    async validate(attributes, signal) {
      if (!isFor(attributes, group, resource, 'status')) return;
      const [before, after] = [requestOf(attributes.oldObject), requestOf(attributes.object)];
      const said = (csr: CertificateSigningRequest | undefined) =>
        ({ certificate: csr?.status?.certificate ?? '', conditions: csr?.status?.conditions ?? [] }) as never;
      if (sameJson(said(before), said(after))) return;
      const signer = before?.spec.signerName ?? '';
      if (!(await mayForSigner(authorizer, attributes.user, 'sign', signer, signal)))
        throw refusal(attributes, `user not permitted to sign requests with signerName ${JSON.stringify(signer)}`);
    },
  };
}

const clientSigner = 'kubernetes.io/kube-apiserver-client';

export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (operation) => operation === 'CREATE',
  validate(attributes: AdmissionAttributes) {
    if (!isFor(attributes, group, resource)) return;
    const spec = requestOf(attributes.object)?.spec;
    if (spec?.signerName !== clientSigner) return;
    let organizations: readonly string[];
    try {
      organizations = parseCertificateRequest(spec.request ?? '').organizations;
    } catch (error) {
      throw refusal(attributes, `failed to parse CSR: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (organizations.includes('system:masters'))
      throw refusal(attributes, `use of ${clientSigner} signer with system:masters group is not allowed`);
  },
};

const requestOf = (object: unknown): CertificateSigningRequest | undefined =>
  object as CertificateSigningRequest | undefined;

/** By the signer's name, or by `DOMAIN/*` for all signers of its domain. */
async function mayForSigner(
  authorizer: Authorizer,
  user: UserInfo,
  verb: string,
  signer: string,
  signal: AbortSignal,
): Promise<boolean> {
  for (const name of [signer, `${signer.split('/')[0]}/*`]) {
    const decision = await authorizer.authorize(
      {
        user,
        verb,
        namespace: '',
        apiGroup: group,
        apiVersion: '*',
        resource: 'signers',
        subresource: '',
        name,
        resourceRequest: true,
        path: '',
      },
      signal,
    );
    if (decision.kind === 'allow') return true;
  }
  return false;
}
