/**
 * A plain HTTP client for servers that call other servers: kept connections, bodies as streams in both directions, errors in Go's words (people compare them with
 * upstream's). What goes out is exactly what the caller says: no header is added but `host` and the body's framing, nothing is followed, unpacked or parsed.
 */
import { type IncomingMessage, Agent as PlainAgent, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { dialText, hostHeader, type TlsIdentity, tlsOptions, type UpgradeTarget } from '../upgrade/request-upgrade.ts';

export interface HttpRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Names in lower case; several values are sent as several lines. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | Readable | undefined;
  /** Ends the request at any time, its answer's body too. */
  readonly signal?: AbortSignal | undefined;
  /** Until the answer's head. Absent: for ever. */
  readonly timeoutMs?: number;
  /** May be sent again when a kept connection turned out to be dead. Default: GET, HEAD and OPTIONS. */
  readonly repeatable?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name; what came several times is joined with `, `. Without `set-cookie`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  /** Fails when the server breaks off. Must be read or destroyed. */
  readonly body: Readable;
}

export interface HttpClient {
  /** @throws Error when the server cannot be reached or does not answer in time. */
  send(target: UpgradeTarget, request: HttpRequest): Promise<HttpAnswer>;
  /** Ends the kept connections of an identity that is used no more. */
  forget(tls: TlsIdentity): void;
  /** Ends kept connections. */
  close(): void;
}

export interface HttpClientOptions {
  readonly clock: Clock;
  /** Kept idle for one target. Default 25, as upstream. */
  readonly idlePerTargetMax?: number;
  /** Where an address is really reached: tests, simulated hosts. Default: where it says. */
  readonly reach?: (host: string, port: number) => { readonly host: string; readonly port: number };
}

/** Upstream's dialer gives a connection so long. */
const connectTimeoutMs = 30_000;
/** Upstream's IdleConnTimeout; our own servers keep theirs as long. */
const idleTimeoutMs = 90_000;

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { clock } = options;
  // The time-out ends idle connections only: a request has no time-out of the socket's.
  const settings = {
    keepAlive: true,
    keepAliveMsecs: 30_000,
    maxFreeSockets: options.idlePerTargetMax ?? 25,
    timeout: idleTimeoutMs,
  };
  const plain = new PlainAgent(settings);
  const secure = new Map<TlsIdentity, TlsAgent>();
  const agentFor = (tls: TlsIdentity): TlsAgent => {
    let agent = secure.get(tls);
    if (!agent) {
      agent = new TlsAgent({ ...settings, ...tlsOptions(tls) });
      secure.set(tls, agent);
    }
    return agent;
  };
  const send = (target: UpgradeTarget, ask: HttpRequest, again: boolean): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const { tls } = target;
      const address = hostHeader(target.host, target.port);
      const reached = options.reach?.(target.host, target.port) ?? target;
      const { body, signal } = ask;
      const request = (tls ? requestTls : requestPlain)({
        host: reached.host,
        port: reached.port,
        method: ask.method,
        path: ask.path,
        headers: { host: address, ...(ask.headers as Record<string, string | string[]>), ...framing(ask) },
        agent: tls ? agentFor(tls) : plain,
        ...(tls && reached !== target && !isIP(target.host) ? { servername: target.host } : {}),
      } as RequestOptions);
      const give = (): void =>
        void request.destroy(signal?.reason instanceof Error ? signal.reason : new Error('context canceled'));
      const timers = [
        ...(ask.timeoutMs === undefined
          ? []
          : [clock.timer(ask.timeoutMs, () => request.destroy(new Error('context deadline exceeded')))]),
      ];
      request.on('socket', (socket) => {
        if (!socket.connecting) return;
        const dialing = clock.timer(connectTimeoutMs, () =>
          request.destroy(new Error(`dial tcp ${address}: i/o timeout`)),
        );
        timers.push(dialing);
        socket.once(tls ? 'secureConnect' : 'connect', () => dialing.cancel());
      });
      const settled = (): void => {
        for (const timer of timers) timer.cancel();
      };
      request.on('error', (error: NodeJS.ErrnoException) => {
        settled();
        signal?.removeEventListener('abort', give);
        const repeatable = ask.repeatable ?? /^(GET|HEAD|OPTIONS)$/.test(ask.method);
        const whole = body === undefined || body instanceof Uint8Array;
        if (again && request.reusedSocket && repeatable && whole && !signal?.aborted && wasStale(error))
          resolve(send(target, ask, false));
        else reject(new Error(failureText(error, address), { cause: error }));
      });
      request.on('response', (answer) => {
        settled();
        answer.on('close', () => signal?.removeEventListener('abort', give));
        // Somebody may take the answer and never look at its body: its failure must not be unheard.
        answer.on('error', () => undefined);
        resolve(answerOf(answer));
      });
      signal?.addEventListener('abort', give, { once: true });
      if (signal?.aborted) give();
      if (body === undefined || body instanceof Uint8Array) request.end(body);
      else {
        body.on('error', () => request.destroy(new Error('context canceled')));
        body.on('close', () => {
          if (!body.readableEnded) request.destroy(new Error('context canceled'));
        });
        body.pipe(request);
      }
    });
  return {
    send: (target, request) => send(target, request, true),
    forget: (tls) => {
      secure.get(tls)?.destroy();
      secure.delete(tls);
    },
    close: () => {
      plain.destroy();
      for (const agent of secure.values()) agent.destroy();
      secure.clear();
    },
  };
}

/**
 * Where the body ends is told for every method: Node frames none of DELETE, GET and OPTIONS by itself, and the body would be read as the connection's next request.
 * RFC 9112, section 6.
 */
function framing({ body, headers }: HttpRequest): Readonly<Record<string, string>> {
  if (body === undefined) return {};
  if (body instanceof Uint8Array) return { 'content-length': String(body.byteLength) };
  return headers['content-length'] === undefined ? { 'transfer-encoding': 'chunked' } : {};
}

const wasStale = ({ code }: NodeJS.ErrnoException): boolean => code === 'ECONNRESET' || code === 'EPIPE';

function answerOf(answer: IncomingMessage): HttpAnswer {
  const headers: Record<string, string> = {};
  for (const name in answer.headers) {
    const value = answer.headers[name];
    if (name !== 'set-cookie' && value !== undefined)
      headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return { status: answer.statusCode ?? 502, headers, cookies: answer.headers['set-cookie'] ?? [], body: answer };
}

function failureText(error: NodeJS.ErrnoException, address: string): string {
  if (error.code === 'ECONNRESET') {
    return error.message === 'socket hang up' ? 'EOF' : `read tcp ${address}: read: connection reset by peer`;
  }
  if (error.code === 'EPIPE') return `write tcp ${address}: write: broken pipe`;
  // What answers the handshake without TLS nearly always answers in HTTP.
  if (error.code === 'EPROTO' && error.message.includes('wrong version number'))
    return 'http: server gave HTTP response to HTTPS client';
  if (error.code === 'EPROTO') return 'tls: first record does not look like a TLS handshake';
  return tlsText(error) ?? dialText(error, address);
}

/** Why a server's certificate is refused. Source: crypto/x509's errors. */
function tlsText({ code = '', message }: NodeJS.ErrnoException): string | undefined {
  const known: Readonly<Record<string, string>> = {
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate signed by unknown authority',
    SELF_SIGNED_CERT_IN_CHAIN: 'certificate signed by unknown authority',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate signed by unknown authority',
    UNABLE_TO_GET_ISSUER_CERT: 'certificate signed by unknown authority',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate signed by unknown authority',
    CERT_SIGNATURE_FAILURE: 'certificate signed by unknown authority',
    CERT_HAS_EXPIRED: 'certificate has expired or is not yet valid',
    CERT_NOT_YET_VALID: 'certificate has expired or is not yet valid',
  };
  if (known[code]) return `tls: failed to verify certificate: x509: ${known[code]}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `tls: failed to verify certificate: x509: ${message}`;
  return undefined;
}
