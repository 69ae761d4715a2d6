import type { UserInfo } from '../authentication/authenticator.ts';

/** Source: k8s.io/apiserver/pkg/authorization/authorizer.Attributes. */
export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly namespace: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly resourceRequest: boolean;
  /** For requests that are not about a resource. */
  readonly path: string;
  /** Raw, of a list, watch or deletecollection: a node may list pods only with `spec.nodeName` equal to its name. */
  readonly fieldSelector?: string;
}

export type AuthorizationDecision =
  | { readonly kind: 'allow'; readonly reason: string }
  /** Ends the chain. */
  | { readonly kind: 'deny'; readonly reason: string }
  | { readonly kind: 'noOpinion'; readonly reason: string };

export interface Authorizer {
  /** Synchronous where it can be: RBAC answers from memory. */
  authorize(
    attributes: AuthorizationAttributes,
    signal: AbortSignal,
  ): AuthorizationDecision | Promise<AuthorizationDecision>;
}
