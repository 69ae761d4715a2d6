/** Servers at an address, and those in this process, as a proxy sees them. */
import { Readable } from 'node:stream';
import type { ApiHandler, PeerCertificate, ResponseBody } from '../../api/exchange.ts';
import type { Clock } from '../../base/clock.ts';
import type { HttpClient } from '../../serve/forward/http-client.ts';
import { requestUpgrade, type TlsIdentity, type UpgradeTarget } from '../../serve/upgrade/request-upgrade.ts';
import type { ProxyBackend } from './proxy.ts';

/** Until a backend has answered a request for another protocol. */
const upgradeTimeoutMs = 30_000;

/** Whoever serves pods, services and nodes has any certificate: upstream asks no questions either. */
export const anyServer: TlsIdentity = Object.freeze({ anyServer: true });

export interface Dialer {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly reach?: ((host: string, port: number) => { readonly host: string; readonly port: number }) | undefined;
}

/** @param target `tls` present: HTTPS */
export function remoteBackend(target: UpgradeTarget, authority: string, { http, clock, reach }: Dialer): ProxyBackend {
  return {
    authority,
    send: (request) => http.send(target, request),
    connect: (request) =>
      requestUpgrade(
        { ...target, ...reach?.(target.host, target.port) },
        { ...request, clock, timeoutMs: upgradeTimeoutMs },
      ),
  };
}

/** A server that is a handler in this process. @param peer as whom the API server comes */
export function inProcessBackend(handler: ApiHandler, authority: string, peer: PeerCertificate): ProxyBackend {
  return {
    authority,
    async send({ method, path, headers, body, signal }) {
      const url = splitPath(path);
      const answer = await handler({
        method,
        ...url,
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
        ),
        ...(body instanceof Uint8Array ? { body: { bytes: body } } : {}),
        ...(body instanceof Readable ? { bodyStream: body } : {}),
        peer,
        remoteAddress: 'in-process',
        signal: signal ?? never,
      });
      const { status, cookies = [] } = answer;
      return { status, headers: answer.headers, cookies, body: Readable.from(piecesOf(answer.body)) };
    },
    connect: () => Promise.reject(new Error('a server in this process cannot take a connection over')),
  };
}

const never = new AbortController().signal;

function splitPath(path: string): { readonly path: string; readonly query: string } {
  const mark = path.indexOf('?');
  return mark < 0 ? { path, query: '' } : { path: path.slice(0, mark), query: path.slice(mark + 1) };
}

function piecesOf(body: ResponseBody): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  switch (body.kind) {
    case 'empty':
      return [];
    case 'object':
      return [body.object.bytes()];
    case 'bytes':
      return [body.bytes];
    case 'list':
      return body.chunks();
    case 'stream':
      return body.stream;
    default:
      throw new Error(
        `A server in this process answered with a body of kind "${body.kind}", which cannot be passed on`,
      );
  }
}
