/**
 * A node keeps its own certificates: it asks for the one it serves with when it has none from the cluster, and for both again when a fifth of
 * their life is left. Source of the moment: client-go util/certificate.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { nodeFiles } from '../node-config.ts';
import type { KeyPair } from '../pki.ts';
import { clientSigner, nodeSubject, requestCertificate, servingSigner } from './request-certificate.ts';

export interface NodeCertificatesOptions {
  readonly dir: DataDir;
  readonly nodeName: string;
  readonly address: string;
  /** With the node's own rights. */
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The kubelet's server takes it from now on. */
  readonly onServing: (pair: KeyPair) => void;
}

const orderTimeoutMs = 60_000;
const retryMs = 10_000;
const longestSleepMs = 12 * 3_600_000;

/** Certificate and key in one file, as the kubelet keeps them. */
export const clientPemPath = (dir: DataDir): string => `${dir.pki}/kubelet-client-current.pem`;

export const joinPair = ({ cert, key }: KeyPair): string => `${cert.trimEnd()}\n${key.trimEnd()}\n`;

/** Until `signal` aborts. What fails is tried again; the old certificates are good for long. */
export async function keepNodeCertificates(options: NodeCertificatesOptions, signal: AbortSignal): Promise<void> {
  const { dir, clock, random, log, nodeName, address, client, onServing } = options;
  const files = nodeFiles(dir);
  const ca = readFileIfPresent(files.clientCa) ?? '';
  while (!signal.aborted) {
    let next = longestSleepMs;
    try {
      // A node whose files were written by the authority's owner has no such file: its owner renews them.
      const own = readFileIfPresent(clientPemPath(dir));
      if (own === undefined) return;
      const clientDue = dueIn(own, ca, clock.now(), random);
      if (clientDue <= 0) {
        log.info('Renewing the certificate of the node', { node: nodeName });
        const pair = await requestCertificate({
          client,
          leaf: nodeSubject(nodeName),
          signerName: clientSigner,
          clock,
          timeoutMs: orderTimeoutMs,
          signal,
        });
        writeFileAtomically(clientPemPath(dir), joinPair(pair), 0o600);
      } else next = Math.min(next, clientDue);
      const serving = readFileIfPresent(files.kubeletCert);
      const servingDue = serving === undefined ? 0 : dueIn(serving, ca, clock.now(), random);
      if (servingDue <= 0) {
        const pair = await requestCertificate({
          client,
          leaf: { ...nodeSubject(nodeName), dnsNames: [nodeName], ipAddresses: [address] },
          signerName: servingSigner,
          clock,
          timeoutMs: orderTimeoutMs,
          signal,
        });
        writeFileAtomically(files.kubeletKey, pair.key, 0o600);
        writeFileAtomically(files.kubeletCert, pair.cert, 0o644);
        onServing(pair);
        log.info('The kubelet serves with a certificate of the cluster', { node: nodeName });
      } else next = Math.min(next, servingDue);
    } catch (error) {
      if (signal.aborted) return;
      log.warn('Cannot renew a certificate of the node, will try again', { node: nodeName, error });
      next = retryMs;
    }
    await clock.sleep(Math.max(next, 1000), signal);
  }
}

/** Milliseconds until it should be renewed: 70 to 90% of its life. Not positive: now, which is also so for one that the cluster did not sign. */
export function dueIn(pem: string, ca: string, now: number, random: Random): number {
  const cert = new X509Certificate(pem);
  if (!cert.checkIssued(new X509Certificate(ca))) return 0;
  const [from, to] = [new Date(cert.validFrom).getTime(), new Date(cert.validTo).getTime()];
  return from + (to - from) * (0.7 + 0.2 * random.float()) - now;
}
