/** Endpoints that are no plain write of the object: what each answers is a function of its own, found by resource and subresource. */
import type { ApiResponse } from '../../api/exchange.ts';
import type { RequestContext } from './context.ts';
import type { ResourceHandler } from './resource-handler.ts';
import type { ServedResource } from './resources.ts';

export interface SubresourceRequest {
  readonly context: RequestContext;
  readonly served: ServedResource;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  /** Path segments after the subresource (proxy paths). */
  readonly rest: readonly string[];
  readonly handler: ResourceHandler;
}

export type SubresourceHandler = (request: SubresourceRequest) => Promise<ApiResponse>;

export interface SubresourceHandlers {
  /** By `group/resource/subresource`, then by subresource alone. */
  find(served: ServedResource, subresource: string): SubresourceHandler | undefined;
  /** Resources that are answered and not stored: reviews, bindings, component statuses. */
  virtual(served: ServedResource): SubresourceHandler | undefined;
}

export function subresourceHandlers(
  handlers: Readonly<Record<string, SubresourceHandler>>,
  virtual: Readonly<Record<string, SubresourceHandler>>,
): SubresourceHandlers {
  return {
    find: ({ schema: { group, resource } }, subresource) =>
      handlers[`${group}/${resource}/${subresource}`] ?? handlers[subresource],
    virtual: ({ schema: { group, resource } }) => virtual[`${group}/${resource}`],
  };
}
