/** Which subresources are answered how. What is not here is a write of the object through a strategy of its own (status, resize, ...). */
import { ApiError } from '../../api/errors.ts';
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import { bindingHandler } from './endpoints/binding.ts';
import { connectHandler, type StreamMetrics } from './endpoints/connect.ts';
import { evictionHandler } from './endpoints/eviction.ts';
import { type KubeletClient, logHandler } from './endpoints/logs.ts';
import { type ReviewOptions, reviewHandlers } from './endpoints/reviews.ts';
import { scaleHandler } from './endpoints/scale.ts';
import { tokenHandler } from './endpoints/token.ts';
import { type SubresourceHandlers, subresourceHandlers } from './subresources.ts';

export interface SubresourceTableOptions extends ReviewOptions {
  readonly kubelet: KubeletClient | undefined;
  readonly tokenIssuer: TokenIssuer | undefined;
  readonly streams: StreamMetrics;
}

export function builtinSubresources(options: SubresourceTableOptions): SubresourceHandlers {
  return subresourceHandlers(
    {
      scale: scaleHandler,
      '/pods/binding': bindingHandler,
      '/pods/eviction': evictionHandler,
      '/pods/log': logHandler(options.kubelet),
      '/serviceaccounts/token': tokenHandler(options.tokenIssuer),
      '/pods/exec': connectHandler('exec', options),
      '/pods/attach': connectHandler('attach', options),
      '/pods/portforward': connectHandler('portforward', options),
      '/pods/proxy': missing,
      '/services/proxy': missing,
      '/nodes/proxy': missing,
    },
    { '/bindings': bindingHandler, ...reviewHandlers(options) },
  );
}

const missing = ({
  served,
  subresource,
}: {
  readonly served: { readonly schema: { readonly resource: string } };
  readonly subresource: string;
}): never => {
  const what = `${served.schema.resource}/${subresource}`;
  throw new ApiError({
    code: 501,
    message: `${what} is not implemented yet: this API server proxies no HTTP to pods, services and nodes; use kubectl port-forward for pods and services`,
    details: { kind: served.schema.resource },
  });
};
