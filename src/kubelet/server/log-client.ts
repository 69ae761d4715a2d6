/** Container logs for an API server in the same process: calls the kubelet's handler as its client certificate would (hollow nodes, tests). */

import { ApiError } from '../../api/errors.ts';
import type { ApiHandler } from '../../api/exchange.ts';

/** As the API server's KubeletClient asks. */
export interface ContainerLogRequest {
  readonly node: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

/** @param handlerOf the handler of a node's kubelet, undefined when it is not in this process. */
export function createInProcessLogClient(handlerOf: (node: string) => ApiHandler | undefined): {
  containerLogs(request: ContainerLogRequest): Promise<AsyncIterable<Uint8Array>>;
} {
  return {
    async containerLogs({ node, namespace, pod, container, query, signal }) {
      const handler = handlerOf(node);
      if (!handler)
        throw new ApiError({
          code: 502,
          reason: 'ServiceUnavailable',
          message: `dial: the kubelet of node ${JSON.stringify(node)} cannot be reached`,
        });
      const answer = await handler({
        method: 'GET',
        path: `/containerLogs/${[namespace, pod, container].map(encodeURIComponent).join('/')}`,
        query: query.toString(),
        headers: {},
        peer: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
        remoteAddress: 'in-process',
        signal,
      });
      if (answer.status === 200 && answer.body.kind === 'stream') return answer.body.stream;
      throw logError(answer.status, answer.body.kind === 'bytes' ? Buffer.from(answer.body.bytes).toString() : '');
    },
  };
}

/** What the API server says when the kubelet refuses: its text, with the code it gave. */
export function logError(status: number, text: string): ApiError {
  const reason = { 400: 'BadRequest', 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound' } as const;
  return new ApiError({
    code: status,
    reason: reason[status as keyof typeof reason] ?? 'InternalError',
    message: text,
  });
}
