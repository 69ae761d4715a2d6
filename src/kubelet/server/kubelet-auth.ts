/**
 * Who may ask a kubelet what: client certificates of the cluster's authority, bearer tokens by TokenReview; rights by SubjectAccessReview on
 * nodes/<subresource>, remembered for a while. Source: pkg/kubelet/server/auth.go, cmd/kubelet/app/auth.go.
 */
import type { ApiRequest } from '../../api/exchange.ts';
import {
  createDelegatedAuth,
  type DelegatedAuth,
  type DelegatedAuthOptions,
  type DelegatedUser,
} from '../../client/delegated-auth.ts';

export interface KubeletAuthOptions extends DelegatedAuthOptions {
  readonly nodeName: string;
}

export interface KubeletAuth extends Pick<DelegatedAuth, 'authenticate'> {
  /** One of the path's subresources is enough. */
  authorize(user: DelegatedUser, request: ApiRequest): Promise<boolean>;
}

export function createKubeletAuth({ nodeName: name, ...options }: KubeletAuthOptions): KubeletAuth {
  const delegated = createDelegatedAuth(options);
  return {
    authenticate: delegated.authenticate,
    async authorize(user, request) {
      const verb = verbOf(request.method);
      for (const subresource of subresourcesOf(request.path)) {
        const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name };
        if (await delegated.authorize(user, { resourceAttributes }, request.signal)) return true;
      }
      return false;
    },
  };
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
export const verbOf = (method: string): string => verbs[method] ?? '';

/** The finer one first; `proxy` allows everything that has no coarse name of its own (KEP-2862). */
export function subresourcesOf(path: string): readonly string[] {
  switch (path.split('/')[1]) {
    case 'pods':
    case 'runningpods':
      return ['pods', 'proxy'];
    case 'healthz':
      return ['healthz', 'proxy'];
    case 'configz':
      return ['configz', 'proxy'];
    case 'stats':
      return ['stats'];
    case 'metrics':
      return ['metrics'];
    case 'logs':
      return ['log'];
    case 'checkpoint':
      return ['checkpoint'];
    case 'statusz':
      return ['statusz'];
    case 'flagz':
      return ['configz'];
    default:
      return ['proxy'];
  }
}
