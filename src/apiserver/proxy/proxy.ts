/**
 * Passing a request on to another server and its answer back: the API server's proxies to pods, services and nodes. Bodies stream both ways at the pace of the slower
 * side; links and redirects are rewritten to lead through the proxy again. Source: apimachinery/pkg/util/proxy (UpgradeAwareHandler), net/http/httputil.ReverseProxy.
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createDeflateRaw, createGunzip, createGzip, createInflateRaw } from 'node:zlib';
import { encode } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { Clock } from '../../base/clock.ts';
import type { HttpAnswer, HttpRequest } from '../../serve/forward/http-client.ts';
import type { UpgradeAnswer } from '../../serve/upgrade/request-upgrade.ts';
import { requestedProtocol, tunnelled } from '../../serve/upgrade/tunnel.ts';
import { escapePath, joinPath, parseLink } from './go-url.ts';
import { answerHeaders, appendForwardedFor, requestHeaders, upgradeHeaders } from './headers.ts';
import { rewriteHtml } from './rewrite-html.ts';
import { type LinkSource, rewriteLink } from './rewrite-link.ts';

/** The server that a request is passed on to. */
export interface ProxyBackend {
  /** As it stands in links: `10.0.0.1:80`, or without the port where none was given. */
  readonly authority: string;
  /** @throws Error in Go's words when it cannot be reached. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** Asks for another protocol. @throws Error likewise. */
  connect(request: ProxyUpgrade): Promise<UpgradeAnswer>;
}

export interface ProxyUpgrade {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly signal: AbortSignal;
}

export const proxyMethods: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);

/**
 * @param path decoded, what stands behind `proxy` in the request's own path; empty or with a slash at its start
 * @throws ApiError 503 when the backend cannot be reached, 500 for what it should not have said
 */
export async function passOn(
  request: ApiRequest,
  backend: ProxyBackend,
  path: string,
  clock: Clock,
): Promise<ApiResponse> {
  const query = request.query === '' ? '' : `?${request.query}`;
  if (requestedProtocol(request) !== undefined) {
    const target = path === '' ? '/' : path;
    return passUpgrade(request, backend, `${escapePath(target)}${query}`, clock);
  }
  const own = decodePath(request.path);
  const target = !path.endsWith('/') && own.endsWith('/') ? `${path}/` : path;
  if (target === '' && (request.method === 'GET' || request.method === 'HEAD'))
    return { status: 301, headers: { location: `${escapePath(own)}/${query}` }, body: { kind: 'empty' } };
  const suffix = own.endsWith('/') && !path.endsWith('/') ? `${path}/` : path;
  const prefix = suffix !== '' && own.endsWith(suffix) ? own.slice(0, own.length - suffix.length) : own;
  const escaped = escapePath(target);
  const forwardedUri = joinPath(prefix, escaped);
  const answer = await ask(backend, {
    method: request.method,
    path: `${escaped === '' ? '/' : escaped}${query}`,
    headers: {
      ...requestHeaders(request),
      'x-forwarded-uri': target.endsWith('/') && !forwardedUri.endsWith('/') ? `${forwardedUri}/` : forwardedUri,
    },
    ...bodyOf(request),
    signal: request.signal,
  });
  return relayed(request.method, answer, {
    backend: backend.authority,
    requested: request.headers.host ?? '',
    prefix,
  });
}

/** The body as the next server gets it: a stream where the port gave one. */
export function bodyOf({ body, bodyStream }: ApiRequest): { readonly body?: Uint8Array | Readable } {
  if (bodyStream) return { body: bodyStream };
  if (!body) return {};
  return { body: 'bytes' in body ? body.bytes : encode(body.value) };
}

async function ask(backend: ProxyBackend, request: HttpRequest): Promise<HttpAnswer> {
  try {
    return await backend.send(request);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw ApiError.serviceUnavailable(`error trying to reach service: ${text}`);
  }
}

/** A backend's answer as ours. @param source absent: links stay as they are */
export function relayed(method: string, answer: HttpAnswer, source: LinkSource | undefined): ApiResponse {
  const { status, cookies } = answer;
  const headers = answerHeaders(answer.headers);
  let { body } = answer;
  if (source) {
    const { location } = headers;
    if (location !== undefined) headers.location = rewriteLocation(location, source);
    else if (method !== 'HEAD' && isHtml(headers['content-type'])) {
      const rewritten = rewrittenBody(body, headers['content-encoding'] ?? '', source);
      if (rewritten) {
        body = rewritten;
        delete headers['content-length'];
      }
    }
  }
  if (method === 'HEAD' || status === 204 || status === 304) {
    body.resume();
    return { status, headers, cookies, body: { kind: 'empty' } };
  }
  return { status, headers, cookies, body: { kind: 'stream', stream: body } };
}

const isHtml = (type: string | undefined): boolean => (type ?? '').split(';', 1)[0]!.trim() === 'text/html';

function rewriteLocation(location: string, source: LinkSource): string {
  const url = parseLink(location);
  if ('error' in url)
    throw ApiError.internal(
      new Error(`error trying to parse Location header: parse ${JSON.stringify(location)}: ${url.error}`),
    );
  return rewriteLink(url, location, source);
}

/** @returns undefined when it is packed in a way nobody here understands */
function rewrittenBody(body: Readable, encoding: string, source: LinkSource): Readable | undefined {
  const rewrite = rewriteHtml((link) => {
    const url = parseLink(link);
    return 'error' in url ? link : rewriteLink(url, link, source);
  });
  const [unpack, pack] =
    encoding === 'gzip'
      ? [createGunzip(), createGzip()]
      : encoding === 'deflate'
        ? [createInflateRaw(), createDeflateRaw()]
        : [undefined, undefined];
  if (encoding !== '' && !unpack) return undefined;
  const last = pack ?? rewrite;
  const done = unpack ? pipeline(body, unpack, rewrite, pack) : pipeline(body, rewrite);
  // A failure on the way destroys the last stream with it, where who reads it hears of it.
  done.catch((error: unknown) => {
    if (!last.destroyed) last.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return last;
}

async function passUpgrade(
  request: ApiRequest,
  backend: ProxyBackend,
  path: string,
  clock: Clock,
): Promise<ApiResponse> {
  let answer: UpgradeAnswer;
  try {
    answer = await backend.connect({
      method: request.method,
      path,
      headers: appendForwardedFor(upgradeHeaders(request), request),
      signal: request.signal,
    });
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw ApiError.internal(new Error(`error dialing backend: ${text}`));
  }
  if (answer.kind === 'refused' && answer.status < 400)
    throw ApiError.internal(new Error(`invalid upgrade response: status code ${answer.status}`));
  return tunnelled(answer, clock);
}

/** Of a raw path; a malformed escape stays as it is. */
export function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return path;
    throw error;
  }
}
