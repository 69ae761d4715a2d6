/** Which subresources are answered how. What is not here is a write of the object through a strategy of its own (status, resize, ...). */
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import { bindingHandler } from './endpoints/binding.ts';
import { type ComponentCheck, componentStatusHandler } from './endpoints/component-statuses.ts';
import { connectHandler, type StreamMetrics } from './endpoints/connect.ts';
import { evictionHandler } from './endpoints/eviction.ts';
import { type KubeletClient, logHandler } from './endpoints/logs.ts';
import { nodeProxy, type ProxyOptions, podProxy, serviceProxy } from './endpoints/proxy.ts';
import { type ReviewOptions, reviewHandlers } from './endpoints/reviews.ts';
import { scaleHandler } from './endpoints/scale.ts';
import { tokenHandler } from './endpoints/token.ts';
import { type SubresourceHandlers, subresourceHandlers } from './subresources.ts';

export interface SubresourceTableOptions extends ReviewOptions, ProxyOptions {
  readonly kubelet: KubeletClient | undefined;
  readonly tokenIssuer: TokenIssuer | undefined;
  readonly streams: StreamMetrics;
  readonly components: readonly ComponentCheck[];
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
      '/pods/proxy': podProxy(options),
      '/services/proxy': serviceProxy(options),
      '/nodes/proxy': nodeProxy(options),
    },
    {
      '/bindings': bindingHandler,
      '/componentstatuses': componentStatusHandler(options.components),
      ...reviewHandlers(options),
    },
  );
}
