/**
 * Approves the kubelets' own requests: a node's first one when its bearer may `create certificatesigningrequests/nodeclient`, a renewal when the node
 * may `create certificatesigningrequests/selfnodeclient`. Source: pkg/controller/certificates/approver.
 */
import { parseCertificateRequest } from '../../api/certificate-request.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { hasCondition, withCondition } from './conditions.ts';
import { kubeletClientProblem, signers } from './kubelet-requests.ts';
import { certificateController } from './request-controller.ts';

export function createCertificateApproving(): Controller {
  return certificateController('certificatesigningrequest-approving-controller', approve);
}

async function approve(csr: CertificateSigningRequest, context: ControllerContext, signal: AbortSignal): Promise<void> {
  if (hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied')) return;
  const { spec } = csr;
  if (spec.signerName !== signers.kubeApiserverClientKubelet) return;
  const request = parseCertificateRequest(spec.request);
  if (kubeletClientProblem(request, spec.usages ?? [])) return;
  const rules = [
    ...(spec.username === request.commonName
      ? [
          {
            right: 'selfnodeclient',
            message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
          },
        ]
      : []),
    { right: 'nodeclient', message: 'Auto approving kubelet client certificate after SubjectAccessReview.' },
  ];
  const requests = context.client.resource(resources.certificateSigningRequests);
  for (const { right, message } of rules) {
    if (!(await mayCreate(csr, right, context, signal))) continue;
    await requests.update(withCondition(csr, { type: 'Approved', reason: 'AutoApproved', message }), {
      subresource: 'approval',
      signal,
    });
    return;
  }
  // Tried again with the queue's delay: the binding that allows it may come later.
  throw new Error(
    `recognized csr "${csr.metadata.name}" as [${rules.map(({ right }) => right).join(' ')}] but subject access review was not approved`,
  );
}

async function mayCreate(
  { spec }: CertificateSigningRequest,
  subresource: string,
  { client }: ControllerContext,
  signal: AbortSignal,
): Promise<boolean> {
  const review = await client.resource(resources.subjectAccessReviews).create(
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        ...(spec.username === undefined ? {} : { user: spec.username }),
        ...(spec.uid === undefined ? {} : { uid: spec.uid }),
        ...(spec.groups === undefined ? {} : { groups: spec.groups }),
        ...(spec.extra === undefined ? {} : { extra: spec.extra }),
        resourceAttributes: {
          group: 'certificates.k8s.io',
          version: '*',
          resource: 'certificatesigningrequests',
          subresource,
          verb: 'create',
        },
      },
    },
    { signal },
  );
  return review.status?.allowed === true;
}
