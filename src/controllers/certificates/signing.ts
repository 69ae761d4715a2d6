/** Signs approved requests for the kubernetes.io signers. Source: pkg/controller/certificates/signer. */
import { type CertificateRequest, parseCertificateRequest } from '../../api/certificate-request.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { hasCondition, isApproved, withCondition } from './conditions.ts';
import { clientUsagesProblem, kubeletClientProblem, kubeletServingProblem, signers } from './kubelet-requests.ts';
import { certificateController } from './request-controller.ts';

/** An authority that makes certificates from requests; it looks at nothing but what it is told. */
export interface RequestSigner {
  /**
   * @param request PEM. @param options.usages as the API names them. @param options.ttlMs from now; backdating and the authority's own end are the signer's.
   * @returns PEM. @throws Error when the authority has expired or a usage is unknown.
   */
  sign(request: string, options: { readonly usages: readonly string[]; readonly ttlMs: number }): Promise<string>;
}

export interface CertificateSigningOptions {
  readonly signer: RequestSigner;
  /** Upstream's --cluster-signing-duration: one year. */
  readonly durationMs?: number;
}

const yearMs = 365 * 86_400_000;
const shortestMs = 10 * 60_000;

type Check = (request: CertificateRequest, usages: readonly string[]) => string | undefined;
const checks: Readonly<Record<string, Check>> = {
  [signers.kubeletServing]: kubeletServingProblem,
  [signers.kubeApiserverClientKubelet]: kubeletClientProblem,
  [signers.kubeApiserverClient]: (_, usages) => clientUsagesProblem(usages),
  [signers.legacyUnknown]: () => undefined,
};

export function createCertificateSigning(options: CertificateSigningOptions): Controller {
  return certificateController('certificatesigningrequest-signing-controller', (csr, context, signal) =>
    signRequest(options, csr, context, signal),
  );
}

async function signRequest(
  { signer, durationMs = yearMs }: CertificateSigningOptions,
  csr: CertificateSigningRequest,
  { client }: ControllerContext,
  signal: AbortSignal,
): Promise<void> {
  if (!isApproved(csr) || hasCondition(csr, 'Failed')) return;
  const { spec } = csr;
  const check = checks[spec.signerName];
  if (!check) return;
  const requests = client.resource(resources.certificateSigningRequests);
  const usages = spec.usages ?? [];
  const problem = check(parseCertificateRequest(spec.request), usages);
  if (problem !== undefined) {
    const failed = { type: 'Failed', reason: 'SignerValidationFailure', message: problem };
    await requests.updateStatus(withCondition(csr, failed), { signal });
    return;
  }
  const asked = spec.expirationSeconds === undefined ? durationMs : spec.expirationSeconds * 1000;
  const ttlMs = Math.min(durationMs, Math.max(shortestMs, asked));
  const pem = await signer.sign(Buffer.from(spec.request, 'base64').toString('latin1'), { usages, ttlMs });
  const certificate = Buffer.from(pem).toString('base64');
  await requests.updateStatus({ ...csr, status: { ...csr.status, certificate } }, { signal });
}
