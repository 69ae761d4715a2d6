/** A certificate by request: made here, approved and signed in the cluster. For a node's first certificate, its renewal, and its server's. */
import { createHash } from 'node:crypto';
import { isAlreadyExists, isNotFound } from '../../api/errors.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { ClusterError } from '../cluster-error.ts';
import { createCertificateRequest, type KeyPair, type LeafRequest } from '../pki.ts';

export const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const servingSigner = 'kubernetes.io/kubelet-serving';

export interface CertificateOrder {
  readonly client: Client;
  readonly leaf: Omit<LeafRequest, 'usages'>;
  readonly signerName: typeof clientSigner | typeof servingSigner;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

const usages = {
  [clientSigner]: ['digital signature', 'client auth'],
  [servingSigner]: ['digital signature', 'server auth'],
} as const;
const firstWaitMs = 50;
const maxWaitMs = 2000;

/** The subject every certificate of a node has. */
export const nodeSubject = (nodeName: string) => ({
  commonName: `system:node:${nodeName}`,
  organizations: ['system:nodes'],
});

/** @throws ClusterError when it is denied, fails, or nobody decides in time. */
export async function requestCertificate(order: CertificateOrder): Promise<KeyPair> {
  const { client, leaf, signerName, clock, signal } = order;
  const { key, request } = await createCertificateRequest(leaf);
  const requests = client.resource(resources.certificateSigningRequests);
  // The name follows from the request, so a repeated create of the same is the same.
  const name = `node-csr-${createHash('sha256').update(request).digest('base64url').slice(0, 43).toLowerCase().replaceAll('_', '0').replace(/^-|-$/g, '0')}`;
  try {
    await requests.create(
      {
        metadata: { name },
        spec: { request: Buffer.from(request).toString('base64'), signerName, usages: usages[signerName] },
      },
      signal ? { signal } : {},
    );
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const deadline = clock.monotonic() + order.timeoutMs;
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 1.5, maxWaitMs)) {
    await clock.sleep(waitMs, signal);
    signal?.throwIfAborted();
    const csr = await requests.get(name, signal ? { signal } : {}).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      throw new ClusterError(`The certificate signing request "${name}" was deleted`, 'try again', { cause: error });
    });
    const certificate = csr.status?.certificate;
    if (certificate) return { key, cert: Buffer.from(certificate, 'base64').toString() };
    const refused = verdict(csr);
    if (refused) throw refused;
    if (clock.monotonic() > deadline)
      throw new ClusterError(
        `Nobody ${csr.status?.conditions?.length ? 'signed' : 'approved'} the certificate signing request "${name}" within ${Math.round(order.timeoutMs / 1000)} seconds`,
        'see that the controller manager runs ("bireme status" on a control-plane host), then try again',
      );
  }
}

function verdict({ metadata, status }: CertificateSigningRequest): ClusterError | undefined {
  for (const { type, message = '' } of status?.conditions ?? [])
    if (type === 'Denied' || type === 'Failed')
      return new ClusterError(
        `The certificate signing request "${metadata.name}" ${type === 'Denied' ? 'was denied' : 'failed'}${message ? `: ${message}` : ''}`,
        'ask who administers the cluster',
      );
  return undefined;
}
