/** Which headers pass a proxy. Source: net/http/httputil.ReverseProxy; apimachinery/pkg/util/proxy; apiserver's authentication filter. */
import type { ApiRequest, Headers } from '../../api/exchange.ts';

/** They are about one connection. */
const hopByHop = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
] as const;

/** The next server learns nothing that would let it act as the caller. */
const isCredential = (name: string): boolean =>
  name === 'authorization' || name.startsWith('impersonate-') || name.startsWith('x-remote-');

export function requestHeaders(request: ApiRequest): Record<string, string> {
  const out = endToEnd(request.headers);
  if (/\btrailers\b/i.test(request.headers.te ?? '')) out.te = 'trailers';
  return appendForwardedFor(out, request);
}

/** For a request for another protocol, which keeps what asks for it. */
export function upgradeHeaders({ headers }: ApiRequest): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name in headers) if (!name.startsWith(':') && !isCredential(name)) out[name] = headers[name]!;
  return out;
}

export function appendForwardedFor(
  headers: Record<string, string>,
  { remoteAddress }: ApiRequest,
): Record<string, string> {
  const client = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  if (!/^[0-9a-f.:]+$/i.test(client)) return headers;
  const prior = headers['x-forwarded-for'];
  headers['x-forwarded-for'] = prior === undefined ? client : `${prior}, ${client}`;
  return headers;
}

/** Of a backend's answer. What it says about other origins would be said of this server. */
export function answerHeaders(headers: Headers): Record<string, string> {
  const out = endToEnd(headers);
  for (const name of cors) delete out[name];
  delete out['audit-id'];
  if (out['cache-control'] !== undefined) out['cache-control'] = `no-cache, private, ${out['cache-control']}`;
  return out;
}

const cors = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
] as const;

function endToEnd(headers: Headers): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name in headers) if (!name.startsWith(':') && !isCredential(name)) out[name] = headers[name]!;
  for (const name of (headers.connection ?? '').split(',')) delete out[name.trim().toLowerCase()];
  for (const name of hopByHop) delete out[name];
  return out;
}
