/** `pods/NAME/log`: a container's log from the node's kubelet. Source: registry/core/pod/strategy.go (LogLocation). */
import { Readable } from 'node:stream';
import { ApiError } from '../../../api/errors.ts';
import type { Pod } from '../../../api/types/core-v1.ts';
import type { UpgradeAnswer } from '../../../serve/upgrade/request-upgrade.ts';
import { requestedProtocol } from '../../../serve/upgrade/tunnel.ts';
import { streamOverWebSocket } from '../../../serve/websocket/stream-out.ts';
import type { ProxyBackend } from '../../proxy/proxy.ts';
import { readObject } from '../read.ts';
import { methodNotAllowed } from '../resource-handler.ts';
import type { SubresourceHandler } from '../subresources.ts';
import { missing } from './reviews.ts';

/** How the API server reaches a node's kubelet. */
export interface KubeletClient {
  /** @throws ApiError when the kubelet refuses or cannot be reached. */
  containerLogs(request: {
    readonly node: string;
    readonly namespace: string;
    readonly pod: string;
    readonly container: string;
    /** The caller's query: follow, tailLines, previous, ... */
    readonly query: URLSearchParams;
    readonly signal: AbortSignal;
  }): Promise<AsyncIterable<Uint8Array>>;
  /** Asks a kubelet for another protocol (exec, attach, port-forward). @throws Error when it cannot be reached. */
  connect(request: KubeletUpgrade): Promise<UpgradeAnswer>;
  /** For `nodes/proxy`. @throws ApiError 500 when the node does not say where its kubelet is. */
  backend(node: string): { readonly host: string; readonly port: number; readonly backend: ProxyBackend };
}

export interface KubeletUpgrade {
  readonly node: string;
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  readonly query: string;
  /** Names in lower case; several values are sent as several lines. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly signal: AbortSignal;
}

export function logHandler(kubelet: KubeletClient | undefined): SubresourceHandler {
  return async ({ context, handler, served, namespace, name }) => {
    if (context.request.method !== 'GET') throw methodNotAllowed();
    const object = await readObject(handler.registry, context, served, served.stored!, namespace, name);
    const pod = handler.registry.cache.valueOf(object) as unknown as Pod;
    const container = chosenContainer(pod, name, context.query.get('container') ?? '');
    const node = pod.spec?.nodeName ?? '';
    // A pod without a node has written nothing: no content, as upstream answers.
    const webSocket = requestedProtocol(context.request) === 'websocket';
    if (node === '')
      return webSocket
        ? streamOverWebSocket(context.request, Readable.from([]))
        : { status: 204, headers: {}, body: { kind: 'empty' } };
    if (!kubelet) throw missing('pods/log', 'a connection to kubelets');
    const stream = await kubelet.containerLogs({
      node,
      namespace,
      pod: name,
      container,
      query: context.query,
      signal: context.signal,
    });
    if (webSocket) return streamOverWebSocket(context.request, stream);
    return { status: 200, headers: plainText, body: { kind: 'stream', stream } };
  };
}

const plainText = { 'content-type': 'text/plain' } as const;

/** @throws ApiError 400 when it is not one of the pod's, or there are several to choose from. */
export function chosenContainer({ spec }: Pod, pod: string, wanted: string): string {
  const containers = (spec?.containers ?? []).map(({ name }) => name ?? '');
  const init = (spec?.initContainers ?? []).map(({ name }) => name ?? '');
  const ephemeral = (spec?.ephemeralContainers ?? []).map(({ name }) => name ?? '');
  if (wanted !== '') {
    if (containers.includes(wanted) || init.includes(wanted) || ephemeral.includes(wanted)) return wanted;
    throw ApiError.badRequest(`container ${wanted} is not valid for pod ${pod}`);
  }
  if (containers.length === 1) return containers[0]!;
  if (containers.length === 0) throw ApiError.badRequest(`a container name must be specified for pod ${pod}`);
  const initText = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : '';
  throw ApiError.badRequest(
    `a container name must be specified for pod ${pod}, choose one of: [${containers.join(' ')}]${initText}`,
  );
}
