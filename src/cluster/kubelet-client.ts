/** How the API server reaches kubelets: real ones over HTTPS under their node's address, hollow ones in this process. */
import { ApiError } from '../api/errors.ts';
import type { ApiHandler, PeerCertificate } from '../api/exchange.ts';
import type { Node } from '../api/types/core-v1.ts';
import { inProcessBackend, remoteBackend } from '../apiserver/proxy/backend.ts';
import type { KubeletClient, KubeletUpgrade } from '../apiserver/registry/endpoints/logs.ts';
import type { Clock } from '../base/clock.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import type { Transport } from '../client/transport.ts';
import { createInProcessLogClient } from '../kubelet/server/log-client.ts';
import { createHttpClient } from '../serve/forward/http-client.ts';
import { hostHeader, requestUpgrade, type TlsIdentity, type UpgradeAnswer } from '../serve/upgrade/request-upgrade.ts';
import type { KeyPair } from './pki.ts';

export interface KubeletClientOptions {
  readonly clock: Clock;
  /** The node's object from the API server's own cache. */
  readonly node: (name: string) => Node | undefined;
  /** The handler of a kubelet in this process. */
  readonly hollow: (name: string) => ApiHandler | undefined;
  /** The certificate that kubelets know the API server by. Absent: only hollow kubelets can be reached. */
  readonly certificate?: KeyPair;
  /** Who signs kubelets' serving certificates. Absent: any will do, as upstream's --kubelet-certificate-authority. */
  readonly ca?: string;
}

/** The subject of the certificate that kubelets know the API server by. */
const apiServerPeer: PeerCertificate = Object.freeze({
  commonName: 'kube-apiserver-kubelet-client',
  organizations: Object.freeze(['system:masters']),
});

/** Until a kubelet has answered a request for another protocol; it asks its runtime first. */
const connectTimeoutMs = 30_000;
/** A node with hundreds of containers says a few hundred KiB. */
const pageBytesMax = 16 * 1024 * 1024;

export interface ClusterKubeletClient extends KubeletClient {
  /** The text of one of a kubelet's pages. @throws ApiError, TransportError */
  page(node: string, path: string, signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export function createKubeletClient(options: KubeletClientOptions): ClusterKubeletClient {
  const hollow = createInProcessLogClient(options.hollow);
  const http = createHttpClient({ clock: options.clock });
  let tls: TlsIdentity | undefined;
  const kubeletServer = options.ca ? { ca: options.ca } : { anyServer: true };
  const transports = new Map<string, Transport>();
  /** @throws ApiError 500 when the node does not say where its kubelet is. */
  const addressOf = (name: string): { host: string; port: number; certificate: KeyPair } => {
    const node = options.node(name);
    const host = node?.status?.addresses?.find((a) => a.type === 'InternalIP')?.address;
    const port = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    if (!host || port === 0 || !options.certificate)
      throw ApiError.internal(
        new Error(
          `no preferred addresses found; known addresses: [${(node?.status?.addresses ?? []).map((a) => a.address).join(' ')}]`,
        ),
      );
    return { host, port, certificate: options.certificate };
  };
  const transportOf = (name: string): Transport => {
    const { host, port, certificate } = addressOf(name);
    const key = `${host}:${port}`;
    let transport = transports.get(key);
    if (!transport)
      transport = createHttpsTransport({
        server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
        clock: options.clock,
        clientCertificate: { cert: certificate.cert, key: certificate.key },
        ...(options.ca ? { ca: options.ca } : { insecureSkipTlsVerify: true }),
      });
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
    connect: async ({ node, method, path, query, headers, signal }) => {
      const handler = options.hollow(node);
      if (handler) return connectInProcess(handler, { method, path, query, headers, signal });
      const { host, port, certificate } = addressOf(node);
      return requestUpgrade(
        {
          host,
          port,
          tls: { ...kubeletServer, cert: certificate.cert, key: certificate.key },
        },
        {
          method,
          path: query === '' ? path : `${path}?${query}`,
          headers,
          signal,
          clock: options.clock,
          timeoutMs: connectTimeoutMs,
        },
      );
    },
    backend: (name) => {
      const handler = options.hollow(name);
      if (handler) {
        const node = options.node(name);
        const host = node?.status?.addresses?.find((a) => a.type === 'InternalIP')?.address ?? name;
        const port = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
        return { host, port, backend: inProcessBackend(handler, `${host}:${port}`, apiServerPeer) };
      }
      const { host, port, certificate } = addressOf(name);
      tls ??= { ...kubeletServer, cert: certificate.cert, key: certificate.key };
      return {
        host,
        port,
        backend: remoteBackend({ host, port, tls }, hostHeader(host, port), { http, clock: options.clock }),
      };
    },
    page: async (node, path, signal) => {
      const handler = options.hollow(node);
      const chunks: Uint8Array[] = [];
      if (handler) chunks.push(await pageInProcess(handler, path, signal));
      else {
        let length = 0;
        for await (const chunk of await transportOf(node).stream({ method: 'GET', path, signal })) {
          length += chunk.length;
          // A node is not trusted with the API server's memory.
          if (length > pageBytesMax)
            throw new Error(`${path} of node ${JSON.stringify(node)} is longer than ${pageBytesMax} bytes`);
          chunks.push(chunk);
        }
      }
      return Buffer.concat(chunks).toString();
    },
    close: async () => {
      http.close();
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}

/** Hollow containers have nothing to connect to: their kubelet refuses, and this hands the refusal on. */
async function connectInProcess(
  handler: ApiHandler,
  { method, path, query, headers, signal }: Omit<KubeletUpgrade, 'node'>,
): Promise<UpgradeAnswer> {
  const {
    status,
    headers: answered,
    body,
  } = await handler({
    method,
    path,
    query,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
    ),
    peer: apiServerPeer,
    remoteAddress: 'in-process',
    signal,
  });
  if (body.kind !== 'bytes') throw new Error('A kubelet in this process cannot take a connection over');
  return {
    kind: 'refused',
    status,
    contentType: answered['content-type'] ?? 'text/plain; charset=utf-8',
    body: Buffer.from(body.bytes),
  };
}

async function pageInProcess(handler: ApiHandler, path: string, signal: AbortSignal): Promise<Uint8Array> {
  const { status, body } = await handler({
    method: 'GET',
    path,
    query: '',
    headers: {},
    peer: apiServerPeer,
    remoteAddress: 'in-process',
    signal,
  });
  if (status !== 200 || body.kind !== 'bytes')
    throw new Error(`A kubelet in this process answered ${path} with ${status}`);
  return body.bytes;
}
