import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';

export const hasCondition = ({ status }: CertificateSigningRequest, type: string): boolean =>
  status?.conditions?.some((condition) => condition.type === type) ?? false;

/** Denied wins over approved, whatever else is there. */
export const isApproved = (csr: CertificateSigningRequest): boolean =>
  hasCondition(csr, 'Approved') && !hasCondition(csr, 'Denied');

export function withCondition(
  csr: CertificateSigningRequest,
  condition: { readonly type: string; readonly reason: string; readonly message: string },
): CertificateSigningRequest {
  const conditions = [...(csr.status?.conditions ?? []), { ...condition, status: 'True' }];
  return { ...csr, status: { ...csr.status, conditions } };
}
