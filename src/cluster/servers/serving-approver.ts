/**
 * Approves what kubelets serve with. Upstream leaves that to people; here the API server does not trust a kubelet without such a certificate, so
 * it is approved when a node asks in its own name for exactly the names and addresses that its Node object already has.
 */
import { isIP } from 'node:net';
import { parseCertificateRequest } from '../../api/certificate-request.ts';
import { isNotFound } from '../../api/errors.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import type { Node } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Addon } from '../control-plane.ts';
import { servingSigner } from './request-certificate.ts';

export const servingApprover: Addon = {
  name: 'kubelet-serving-approver',
  async run({ client, informers, clock, log, metrics }, signal) {
    const requests = informers.informer(resources.certificateSigningRequests);
    const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'kubelet_serving_approver' } });
    const enqueue = (csr: CertificateSigningRequest): void => {
      if (csr.spec.signerName === servingSigner && !csr.status?.conditions?.length) queue.add(csr.metadata.name ?? '');
    };
    const remove = requests.addHandler({ onAdd: enqueue, onUpdate: (_, csr) => enqueue(csr) });
    try {
      await runWorkers(
        queue,
        1,
        async (name) => {
          const csr = requests.get(name);
          if (!csr || csr.status?.conditions?.length) return;
          const nodeName = (csr.spec.username ?? '').replace(/^system:node:/, '');
          const node = await client
            .resource(resources.nodes)
            .get(nodeName, { signal })
            .catch((error: unknown) => {
              if (!isNotFound(error)) throw error;
              return undefined;
            });
          const obstacle = servingObstacle(csr, node);
          if (obstacle !== undefined) throw new Error(`certificate signing request not approved: ${obstacle}`);
          const condition = {
            type: 'Approved',
            status: 'True',
            reason: 'AutoApproved',
            message: 'Names and addresses are those of the Node.',
          };
          await client
            .resource(resources.certificateSigningRequests)
            .update(
              { ...csr, status: { ...csr.status, conditions: [condition] } },
              { subresource: 'approval', signal },
            );
        },
        // The Node's addresses may come a moment later.
        { clock, log, kind: 'csr', maxRetries: 12 },
        signal,
      );
    } finally {
      remove();
    }
  },
};

/** @returns why it is not approved; undefined when it is. */
export function servingObstacle(csr: CertificateSigningRequest, node: Node | undefined): string | undefined {
  const { username = '', groups = [], usages = [], request: pem } = csr.spec;
  if (!username.startsWith('system:node:') || !groups.includes('system:nodes')) return `"${username}" is not a node`;
  const request = parseCertificateRequest(pem);
  if (request.commonName !== username) return 'it is in the name of another';
  if (request.organizations.join() !== 'system:nodes') return 'its organization is not system:nodes';
  const allowed = new Set(['digital signature', 'key encipherment', 'server auth']);
  if (!usages.includes('server auth') || usages.some((usage) => !allowed.has(usage)))
    return `it asks for the usages ${usages.join(', ')}`;
  if (request.emails.length > 0 || request.uris.length > 0) return 'it asks for names of another kind';
  if (!node) return 'there is no such Node';
  const addresses = new Set((node.status?.addresses ?? []).map(({ address }) => canonical(address)));
  addresses.add(node.metadata.name ?? '');
  for (const name of [...request.dnsNames, ...request.ipAddresses])
    if (!addresses.has(canonical(name))) return `"${name}" is no address of the Node`;
  return undefined;
}

/** IPv6 addresses have several spellings. */
const canonical = (address: string): string =>
  isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
