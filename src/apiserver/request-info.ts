/** What a request is about, worked out once from method, path and query. Source: k8s.io/apiserver/pkg/endpoints/request.RequestInfo. */
export interface RequestInfo {
  /** Below /api or /apis/GROUP/VERSION. */
  readonly isResourceRequest: boolean;
  readonly path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; for other paths the lower-cased method. */
  readonly verb: string;
  readonly apiPrefix: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  /** Percent-decoded. */
  readonly name: string;
  /** Everything after the resource. */
  readonly parts: readonly string[];
  readonly fieldSelector: string;
  readonly labelSelector: string;
}
