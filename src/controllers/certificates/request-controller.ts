/** What the approver and the signer share: a queue of requests that have no certificate yet. Source: pkg/controller/certificates. */
import { isNotFound } from '../../api/errors.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

export function certificateController(
  name: string,
  handle: (csr: CertificateSigningRequest, context: ControllerContext, signal: AbortSignal) => Promise<void>,
): Controller {
  return {
    name,
    async run(context, signal) {
      const { informers, clock, log, metrics } = context;
      const requests = informers.informer(resources.certificateSigningRequests);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'certificate' } });
      const enqueue = (csr: CertificateSigningRequest): void => queue.add(csr.metadata.name ?? '');
      observe(requests, { onAdd: enqueue, onUpdate: (_, csr) => enqueue(csr) }, signal);
      if (!(await untilSynced([requests], signal))) return;
      await runWorkers(
        queue,
        5,
        async (key) => {
          const csr = requests.get(key);
          if (!csr || csr.status?.certificate) return;
          try {
            await handle(csr, context, signal);
          } catch (error) {
            if (!isNotFound(error)) throw error;
          }
        },
        { clock, log, kind: 'csr' },
        signal,
      );
    },
  };
}
