/** A request for a group that another server answers. Source: kube-aggregator/pkg/apiserver (proxyHandler). */
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import { hostHeader, type UpgradeAnswer } from '../../serve/upgrade/request-upgrade.ts';
import { requestedProtocol, tunnelled } from '../../serve/upgrade/tunnel.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { type Dialer, remoteBackend } from '../proxy/backend.ts';
import { appendForwardedFor, requestHeaders, upgradeHeaders } from '../proxy/headers.ts';
import { bodyOf, decodePath, relayed } from '../proxy/proxy.ts';
import { textResponse } from '../registry/respond.ts';
import type { Address, ServiceResolver } from '../webhook/services.ts';
import type { RemoteApiService } from './api-services.ts';
import { identityHeaders } from './identity.ts';

export interface PassOptions {
  readonly dialer: Dialer;
  readonly resolve: ServiceResolver;
}

/** Discovery should be quick, or every client waits. */
const discoveryTimeoutMs = 5000;

/** Never rejects: failures are upstream's plain text. */
export async function passToApiService(
  remote: RemoteApiService,
  request: ApiRequest,
  user: UserInfo,
  { dialer, resolve }: PassOptions,
): Promise<ApiResponse> {
  if (!remote.available) return unavailable('service unavailable');
  const { namespace, name, port } = remote.service;
  let address: Address;
  try {
    address = resolve(namespace, name, port);
  } catch (error) {
    if (error instanceof Error) return unavailable('service unavailable');
    throw error;
  }
  const authority = hostHeader(address.host, address.port);
  const backend = remoteBackend({ ...address, tls: remote.tls }, authority, dialer);
  const path = request.query === '' ? request.path : `${request.path}?${request.query}`;
  const identity = { ...identityHeaders(user), host: authority };
  try {
    if (requestedProtocol(request) !== undefined) {
      const headers = appendForwardedFor(upgradeHeaders(request), request);
      const answer: UpgradeAnswer = await backend.connect({
        method: request.method,
        path,
        headers: { ...headers, ...identity },
        signal: request.signal,
      });
      if (answer.kind === 'refused' && answer.status < 400)
        return unavailable(`invalid upgrade response: status code ${answer.status}`);
      return tunnelled(answer, dialer.clock);
    }
    const answer = await backend.send({
      method: request.method,
      path,
      headers: { ...requestHeaders(request), 'x-forwarded-uri': decodePath(request.path), ...identity },
      ...bodyOf(request),
      signal: request.signal,
      ...(isDiscovery(request.path) ? { timeoutMs: discoveryTimeoutMs } : {}),
    });
    return relayed(request.method, answer, undefined);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return unavailable(`error trying to reach service: ${text}`);
  }
}

/** `/apis/GROUP/VERSION` */
const isDiscovery = (path: string): boolean => /^\/+apis\/+[^/]+\/+[^/]+\/*$/.test(path);

const unavailable = (text: string): ApiResponse =>
  textResponse(503, `${text}\n`, { 'x-content-type-options': 'nosniff' });
