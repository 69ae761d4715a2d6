/** Which subresources are answered how. What is not here is a write of the object through a strategy of its own (status, resize, ...). */
import { ApiError } from '../../api/errors.ts';
import type { SubresourceHandler } from './subresources.ts';

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
}

export function builtinSubresources(_kubelet: KubeletClient | undefined): Readonly<Record<string, SubresourceHandler>> {
  return {
    '/pods/exec': missing('exec'),
    '/pods/attach': missing('attach'),
    '/pods/portforward': missing('portforward'),
    '/pods/proxy': missing('proxy'),
    '/services/proxy': missing('proxy'),
    '/nodes/proxy': missing('proxy'),
  };
}

export const builtinVirtual = (): Readonly<Record<string, SubresourceHandler>> => ({});

const missing =
  (what: string): SubresourceHandler =>
  ({ served }) => {
    throw new ApiError({
      code: 501,
      message: `${served.schema.resource}/${what} is not implemented yet: this API server has no streaming connection to kubelets`,
      details: { kind: served.schema.resource },
    });
  };
