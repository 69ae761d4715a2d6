/** Old requests go: an hour after a decision, a day when nobody decided. Source: pkg/controller/certificates/cleaner. */
import { X509Certificate } from 'node:crypto';
import { isNotFound } from '../../api/errors.ts';
import { parseTime } from '../../api/time.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Controller } from '../controller.ts';
import { untilSynced } from '../observe.ts';

const hourMs = 3_600_000;
const decidedMs = hourMs;
const pendingMs = 24 * hourMs;

export function createCertificateCleaner(): Controller {
  return {
    name: 'certificatesigningrequest-cleaner-controller',
    async run({ client, informers, clock, log }, signal) {
      const requests = informers.informer(resources.certificateSigningRequests);
      if (!(await untilSynced([requests], signal))) return;
      while (!signal.aborted) {
        for (const csr of requests.list()) {
          const why = reasonToClean(csr, clock.now());
          if (why === undefined) continue;
          const name = csr.metadata.name ?? '';
          log.info('Cleaning a certificate signing request', { csr: name, why });
          try {
            await client.resource(resources.certificateSigningRequests).delete(name, { signal });
          } catch (error) {
            if (signal.aborted) return;
            if (!isNotFound(error)) log.warn('Cannot delete a certificate signing request', { csr: name, error });
          }
        }
        await clock.sleep(hourMs, signal);
      }
    },
  };
}

/** @returns undefined when it stays. */
export function reasonToClean(csr: CertificateSigningRequest, now: number): string | undefined {
  const older = (stamp: string | undefined, ms: number): boolean => {
    const at = stamp === undefined ? undefined : parseTime(stamp);
    return at !== undefined && now - at > ms;
  };
  const conditions = csr.status?.conditions ?? [];
  const certificate = csr.status?.certificate;
  if (conditions.length === 0)
    return older(csr.metadata.creationTimestamp, pendingMs) ? 'nobody decided about it' : undefined;
  for (const { type, lastUpdateTime } of conditions) {
    if (type === 'Denied' && older(lastUpdateTime, decidedMs)) return 'it was denied';
    if (type === 'Failed' && older(lastUpdateTime, decidedMs)) return 'it failed';
    if (type !== 'Approved') continue;
    if (certificate && older(lastUpdateTime, decidedMs)) return 'its certificate was issued';
    if (certificate && isExpired(certificate, now)) return 'its certificate has expired';
    if (!certificate && older(lastUpdateTime, pendingMs)) return 'nobody signed it';
  }
  return undefined;
}

function isExpired(certificate: string, now: number): boolean {
  try {
    return new X509Certificate(Buffer.from(certificate, 'base64')).validToDate.getTime() < now;
  } catch {
    // What cannot be read has no end; the other rules will take it.
    return false;
  }
}
