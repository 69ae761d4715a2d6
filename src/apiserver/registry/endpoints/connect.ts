/**
 * `pods/NAME/exec`, `attach` and `portforward`: the caller's connection is joined to the node's kubelet. SPDY and the older WebSocket protocols pass as
 * they are; what kubelets do not speak is translated here, as upstream does (WebSocket v5, SPDY inside WebSocket).
 * Source: registry/core/pod/rest/subresources.go, pod/strategy.go (streamLocation), apiserver/pkg/util/proxy.
 */
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../../api/json.ts';
import type { Pod } from '../../../api/types/core-v1.ts';
import type { MetricsRegistry } from '../../../base/metrics.ts';
import type { UpgradeAnswer } from '../../../serve/upgrade/request-upgrade.ts';
import { forwardedHeaders, offered, requestedProtocol, tunnelled } from '../../../serve/upgrade/tunnel.ts';
import { spdyTunnelPrefix } from '../../../serve/websocket/spdy-tunnel.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import { forbidden } from '../../authorization/forbidden.ts';
import { isTrue } from '../../request-info.ts';
import { admitConnection } from '../admit.ts';
import { readObject } from '../read.ts';
import { methodNotAllowed } from '../resource-handler.ts';
import type { SubresourceHandler, SubresourceRequest } from '../subresources.ts';
import { chosenContainer, type KubeletClient, type KubeletUpgrade } from './logs.ts';
import { missing } from './reviews.ts';
import { type AskKubelet, closingProtocol, translateRemoteCommand, tunnelSpdy } from './stream-translation.ts';

export interface ConnectOptions {
  readonly authorizer: Authorizer;
  readonly kubelet: KubeletClient | undefined;
  readonly streams: StreamMetrics;
}

/** Under upstream's names. */
export interface StreamMetrics {
  translated(code: number): void;
  tunnelled(code: number): void;
}

export function createStreamMetrics(metrics: MetricsRegistry): StreamMetrics {
  const translator = metrics.counter<'code'>({
    name: 'apiserver_stream_translator_requests_total',
    help: 'Total number of requests that were handled by the StreamTranslatorProxy, which processes streaming RemoteCommand/V5',
    labels: ['code'],
  });
  const tunnel = metrics.counter<'code'>({
    name: 'apiserver_stream_tunnel_requests_total',
    help: 'Total number of requests that were handled by the StreamTunnelProxy, which processes streaming PortForward/V2',
    labels: ['code'],
  });
  return {
    translated: (code) => translator.increment({ code: String(code) }),
    tunnelled: (code) => tunnel.increment({ code: String(code) }),
  };
}

export type ConnectKind = 'exec' | 'attach' | 'portforward';

export function connectHandler(kind: ConnectKind, options: ConnectOptions): SubresourceHandler {
  return async (subject) => {
    const { context, handler, served, namespace, name } = subject;
    const { request } = context;
    if (request.method !== 'GET' && request.method !== 'POST') throw methodNotAllowed();
    await admitConnection(handler.registry.admission, subject, connectOptions(kind, context.query));
    await mayCreate(subject, options.authorizer);
    const object = await readObject(handler.registry, context, served, served.stored!, namespace, name);
    const pod = handler.registry.cache.valueOf(object) as unknown as Pod;
    const { path, query } = location(kind, pod, namespace, name, context.query);
    const node = pod.spec?.nodeName ?? '';
    if (node === '') throw ApiError.badRequest(`pod ${name} does not have a host assigned`);
    const { kubelet } = options;
    const { clock } = handler.registry;
    if (!kubelet) throw missing(`pods/${kind}`, 'a connection to kubelets');
    const protocol = requestedProtocol(request);
    if (protocol === undefined) throw ApiError.badRequest('Upgrade request required');
    const ask: AskKubelet = (upgrade, signal) =>
      dial(kubelet, { node, path, query: query.toString(), signal, ...upgrade });

    if (protocol === 'websocket') {
      const protocols = offered(request.headers['sec-websocket-protocol']);
      if (kind === 'portforward' && protocols.some((offer) => offer.startsWith(spdyTunnelPrefix)))
        return tunnelSpdy(request, protocols, ask, options.streams, clock);
      if (kind !== 'portforward' && protocols.includes(closingProtocol))
        return translateRemoteCommand(request, optionsOf(query), ask, options.streams);
    }
    return tunnelled(await ask({ method: request.method, headers: forwardedHeaders(request) }, request.signal), clock);
  };
}

/** As admission sees them: PodExecOptions, PodAttachOptions, PodPortForwardOptions. */
function connectOptions(kind: ConnectKind, query: URLSearchParams): JsonObject {
  if (kind === 'portforward') {
    const ports = query.getAll('ports').map(Number).filter(Number.isInteger);
    return ports.length === 0 ? {} : { ports };
  }
  const options: Record<string, JsonValue> = {};
  for (const [option] of streamParameters) if (isTrue(query.get(option))) options[option] = true;
  const container = query.get('container') ?? '';
  if (container !== '') options.container = container;
  if (kind === 'exec') options.command = query.getAll('command');
  return options;
}

/**
 * A WebSocket starts with GET, so its verb is `get`: connecting needs `create` as well (KEP-4006), or whoever may read pods could run commands in them.
 * @throws ApiError 403
 */
async function mayCreate({ context, subresource }: SubresourceRequest, authorizer: Authorizer): Promise<void> {
  const { info, user, signal } = context;
  if (info.verb === 'create') return;
  const attributes = {
    user,
    verb: 'create',
    namespace: info.namespace,
    apiGroup: info.apiGroup,
    apiVersion: info.apiVersion,
    resource: info.resource,
    subresource,
    name: info.name,
    resourceRequest: true,
    path: info.path,
  };
  const decision = await authorizer.authorize(attributes, signal);
  if (decision.kind !== 'allow') throw forbidden(attributes, decision.reason);
}

async function dial(kubelet: KubeletClient, upgrade: KubeletUpgrade): Promise<UpgradeAnswer> {
  try {
    return await kubelet.connect(upgrade);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new ApiError({ code: 500, message: `error dialing backend: ${text}` }, { cause: error });
  }
}

/** Where the kubelet serves it. @throws ApiError 400 */
function location(
  kind: ConnectKind,
  pod: Pod,
  namespace: string,
  name: string,
  query: URLSearchParams,
): { readonly path: string; readonly query: URLSearchParams } {
  const out = new URLSearchParams();
  if (kind === 'portforward') {
    const ports = query.getAll('ports');
    for (const port of ports)
      if (!/^[+-]?\d+$/.test(port))
        throw ApiError.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(port)}: invalid syntax`);
    if (ports.length > 0) out.set('port', ports.join(','));
    return { path: `/portForward/${segments(namespace, name)}`, query: out };
  }
  const container = chosenContainer(pod, name, query.get('container') ?? '');
  for (const [option, parameter] of streamParameters) if (isTrue(query.get(option))) out.set(parameter, '1');
  if (kind === 'exec') for (const word of query.getAll('command')) out.append('command', word);
  return { path: `/${kind}/${segments(namespace, name, container)}`, query: out };
}

/** The API's option and the kubelet's parameter. */
const streamParameters = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
] as const;

const segments = (...parts: readonly string[]): string => parts.map(encodeURIComponent).join('/');

function optionsOf(query: URLSearchParams) {
  const tty = query.has('tty');
  return {
    stdin: query.has('input'),
    stdout: query.has('output'),
    // A terminal has one output.
    stderr: query.has('error') && !tty,
    tty,
  };
}
