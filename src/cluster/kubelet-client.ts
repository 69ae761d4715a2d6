/** How the API server reaches kubelets: real ones over HTTPS under their node's address, hollow ones in this process. */
import { ApiError } from '../api/errors.ts';
import type { ApiHandler } from '../api/exchange.ts';
import type { Node } from '../api/types/core-v1.ts';
import type { KubeletClient } from '../apiserver/registry/endpoints/logs.ts';
import type { Clock } from '../base/clock.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import type { Transport } from '../client/transport.ts';
import { createInProcessLogClient } from '../kubelet/server/log-client.ts';
import type { KeyPair } from './pki.ts';

export interface KubeletClientOptions {
  readonly clock: Clock;
  /** The node's object from the API server's own cache. */
  readonly node: (name: string) => Node | undefined;
  /** The handler of a kubelet in this process. */
  readonly hollow: (name: string) => ApiHandler | undefined;
  /** The certificate that kubelets know the API server by. Absent: only hollow kubelets can be reached. */
  readonly certificate?: KeyPair;
  readonly ca?: string;
}

export function createKubeletClient(options: KubeletClientOptions): KubeletClient & { close(): Promise<void> } {
  const hollow = createInProcessLogClient(options.hollow);
  const transports = new Map<string, Transport>();
  const transportOf = (name: string): Transport => {
    const node = options.node(name);
    const address = node?.status?.addresses?.find((a) => a.type === 'InternalIP')?.address;
    const port = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    const key = `${address}:${port}`;
    let transport = transports.get(key);
    if (!transport) {
      if (!address || port === 0 || !options.certificate)
        throw ApiError.internal(
          new Error(
            `no preferred addresses found; known addresses: [${(node?.status?.addresses ?? []).map((a) => a.address).join(' ')}]`,
          ),
        );
      transport = createHttpsTransport({
        server: `https://${address}:${port}`,
        clock: options.clock,
        clientCertificate: { cert: options.certificate.cert, key: options.certificate.key },
        ...(options.ca ? { ca: options.ca } : {}),
      });
    }
    transports.set(key, transport);
    return transport;
  };
  return {
    containerLogs: async (request) => {
      const { node, namespace, pod, container, query, signal } = request;
      if (options.hollow(node)) return hollow.containerLogs(request);
      return transportOf(node).stream({
        method: 'GET',
        path: `/containerLogs/${[namespace, pod, container].map(encodeURIComponent).join('/')}`,
        query: Object.fromEntries([...query].filter(([name]) => name !== 'container')),
        signal,
      });
    },
    close: async () => {
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}
