/**
 * `pods/proxy`, `services/proxy` and `nodes/proxy`: which server a name means (`NAME`, `NAME:PORT`, `SCHEME:NAME:PORT`).
 * Source: registry/core/{pod,node}/strategy.go and service/storage (ResourceLocation), apimachinery util/net.SplitSchemeNamePort.
 */
import { isIP } from 'node:net';
import { ApiError } from '../../../api/errors.ts';
import type { ApiResponse } from '../../../api/exchange.ts';
import type { EndpointAddress, EndpointSubset, Endpoints, Pod, Service } from '../../../api/types/core-v1.ts';
import { anyServer, type Dialer, remoteBackend } from '../../proxy/backend.ts';
import { type ProxyBackend, passOn, proxyMethods } from '../../proxy/proxy.ts';
import { admitConnection } from '../admit.ts';
import { caughtUp, readObject } from '../read.ts';
import type { Registry } from '../registry.ts';
import { methodNotAllowed } from '../resource-handler.ts';
import { objectKey } from '../resources.ts';
import type { SubresourceHandler, SubresourceRequest } from '../subresources.ts';
import type { KubeletClient } from './logs.ts';
import { missing } from './reviews.ts';

export interface ProxyOptions {
  readonly dialer: Dialer;
  readonly kubelet: KubeletClient | undefined;
}

export const podProxy = (options: ProxyOptions): SubresourceHandler => proxy('pod', options, podBackend);
export const serviceProxy = (options: ProxyOptions): SubresourceHandler => proxy('service', options, serviceBackend);
export const nodeProxy = (options: ProxyOptions): SubresourceHandler => proxy('node', options, nodeBackend);

interface Wanted {
  readonly scheme: string;
  readonly name: string;
  /** A number or a name; may be empty. */
  readonly port: string;
}

type FindBackend = (wanted: Wanted, request: SubresourceRequest, options: ProxyOptions) => Promise<ProxyBackend>;

function proxy(kind: string, options: ProxyOptions, find: FindBackend): SubresourceHandler {
  return async (subject): Promise<ApiResponse> => {
    const { context, handler, name, rest } = subject;
    const { request } = context;
    if (!proxyMethods.has(request.method)) throw methodNotAllowed();
    if ((context.query.get('dryRun') ?? '') !== '') throw ApiError.badRequest('dryRun is not supported');
    const path = rest.length === 0 ? '' : `/${rest.join('/')}`;
    await admitConnection(handler.registry.admission, subject, path === '' ? {} : { path });
    const wanted = splitName(name);
    if (!wanted) throw ApiError.badRequest(`invalid ${kind} request ${JSON.stringify(name)}`);
    const backend = await find(wanted, subject, options);
    return passOn(request, backend, path, handler.registry.clock);
  };
}

function splitName(id: string): Wanted | undefined {
  const parts = id.split(':');
  if (parts.length > 3) return undefined;
  const [scheme, name, port] =
    parts.length === 3 ? (parts as [string, string, string]) : (['', parts[0]!, parts[1] ?? ''] as const);
  return name !== '' && (scheme === '' || scheme === 'http' || scheme === 'https') ? { scheme, name, port } : undefined;
}

const podBackend: FindBackend = async (wanted, { context, handler, served, namespace }, { dialer }) => {
  const object = await readObject(handler.registry, context, served, served.stored!, namespace, wanted.name);
  const { spec, status } = handler.registry.cache.valueOf(object) as unknown as Pod;
  let { port } = wanted;
  if (port === '') {
    const first = spec?.containers?.find((container) => (container.ports ?? []).length > 0);
    if (first) port = String(first.ports![0]!.containerPort);
  }
  const address = status?.podIP ?? '';
  if (!isProxyable(address)) throw ApiError.badRequest('address not allowed');
  return at(wanted.scheme, address, port, dialer);
};

const serviceBackend: FindBackend = async (wanted, { context, handler, served, namespace, name }, options) => {
  const { registry } = handler;
  let { port } = wanted;
  if (/^[+-]?\d+$/.test(port)) {
    const object = await readObject(registry, context, served, served.stored!, namespace, wanted.name);
    const { spec } = registry.cache.valueOf(object) as unknown as Service;
    const found = (spec?.ports ?? []).find((candidate) => candidate.port === Number(port));
    if (!found)
      throw ApiError.serviceUnavailable(
        `no service port ${Number(port)} found for service ${JSON.stringify(wanted.name)}`,
      );
    port = found.name ?? '';
  } else await caughtUp(registry, context.signal);
  const endpoints = lookUp(registry, 'endpoints', namespace, wanted.name) as Endpoints | undefined;
  if (!endpoints) throw ApiError.notFound({ group: '', resource: 'endpoints' }, wanted.name);
  const none = (id: string): ApiError =>
    ApiError.serviceUnavailable(`no endpoints available for service ${JSON.stringify(id)}`);
  const subsets = endpoints.subsets ?? [];
  if (subsets.length === 0) throw none(wanted.name);
  const { random } = registry;
  for (const subset of rotated(subsets, random.below(subsets.length))) {
    const found = portNamed(subset, port);
    const addresses = subset.addresses ?? [];
    if (found === undefined || addresses.length === 0) continue;
    for (const address of rotated(addresses, random.below(addresses.length)))
      if (isPodOf(registry, namespace, address)) return at(wanted.scheme, address.ip, String(found), options.dialer);
  }
  throw none(name);
};

const nodeBackend: FindBackend = async (wanted, { context, handler, served }, { kubelet, dialer }) => {
  await readObject(handler.registry, context, served, served.stored!, '', wanted.name);
  if (!kubelet) throw missing('nodes/proxy', 'a connection to kubelets');
  const { host, port, backend } = kubelet.backend(wanted.name);
  if (isIP(host) && !isProxyable(host)) throw ApiError.badRequest('address not allowed');
  if (wanted.port === '' || wanted.port === String(port)) return backend;
  return at(wanted.scheme, host, wanted.port, dialer);
};

/** @param port empty: the scheme's own */
function at(scheme: string, host: string, port: string, dialer: Dialer): ProxyBackend {
  const authority = `${host.includes(':') ? `[${host}]` : host}${port === '' ? '' : `:${port}`}`;
  const number = port === '' ? (scheme === 'https' ? 443 : 80) : Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535)
    throw ApiError.serviceUnavailable(
      `error trying to reach service: dial tcp: ${/^[+-]?\d+$/.test(port) ? `address ${port}: invalid port` : `lookup tcp/${port}: unknown port`}`,
    );
  return remoteBackend({ host, port: number, ...(scheme === 'https' ? { tls: anyServer } : {}) }, authority, dialer);
}

function lookUp(registry: Registry, resource: string, namespace: string, name: string): unknown {
  const stored = registry.table.storedResource('', resource);
  const object = stored && registry.rounds.cacheOf(stored).get(objectKey(namespace, name));
  return object && registry.cache.valueOf(object);
}

const portNamed = ({ ports }: EndpointSubset, name: string): number | undefined =>
  (ports ?? []).find((candidate) => (candidate.name ?? '') === name)?.port;

/** Only addresses that are pods': an Endpoints object must not let its writer reach what he could not reach himself. */
function isPodOf(registry: Registry, namespace: string, { ip, targetRef }: EndpointAddress): boolean {
  if (!targetRef || (targetRef.namespace ?? '') !== namespace) return false;
  const pod = lookUp(registry, 'pods', namespace, targetRef.name ?? '') as Pod | undefined;
  return (pod?.status?.podIPs ?? []).some((candidate) => candidate.ip === ip);
}

function* rotated<T>(items: readonly T[], start: number): Generator<T> {
  for (let i = 0; i < items.length; i++) yield items[(start + i) % items.length]!;
}

/** Go's IsGlobalUnicast: no loopback, link-local, multicast, broadcast or unspecified address. */
function isProxyable(address: string): boolean {
  if (isIP(address) === 4) {
    const [a, b] = address.split('.').map(Number) as [number, number];
    if (a === 127 || (a === 169 && b === 254) || (a >= 224 && a <= 239)) return false;
    return address !== '0.0.0.0' && address !== '255.255.255.255';
  }
  if (isIP(address) !== 6) return false;
  const text = address.toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped) return isProxyable(mapped[1]!);
  return text !== '::' && text !== '::1' && !text.startsWith('ff') && !/^fe[89ab]/.test(text);
}

/** Requests whose bodies are passed on as they come. */
export const isProxyPath = (path: string): boolean =>
  /^\/+api\/+v1\/+(?:namespaces\/+[^/]+\/+(?:pods|services)|nodes)\/+[^/]+\/+proxy(?:\/|$)/.test(path);
