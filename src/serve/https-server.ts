/**
 * An ApiHandler on a TLS port, HTTP/2 and HTTP/1.1 side by side (ALPN decides). The API server, the kubelet's server and /metrics ports
 * are all this; what differs is the handler.
 *
 * One TLS server accepts; each connection goes to Node's HTTP/1.1 parser or to an HTTP/2 session of its own. `createSecureServer` with
 * `allowHTTP1` would do the same but puts every HTTP/2 request into wrappers made for its 'request' event.
 */
import { constants, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { ApiHandler } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import { Connection } from './connection.ts';
import { createHttp1 } from './http1.ts';
import { closeGracefully, serveHttp2 } from './http2.ts';
import { defaultServeLimits, type ServeLimits } from './limits.ts';
import { listenError } from './listen-error.ts';
import { peerAuthorities } from './peer.ts';
import { Serving, type StreamsBody } from './serving.ts';

/** The first that the client also speaks; with none in common the handshake ends with `no_application_protocol`. */
const served = ['h2', 'http/1.1'];

/** PEM texts. A chain in `cert` starts with the leaf. */
export interface ServerCertificates {
  readonly key: string;
  readonly cert: string;
  /** With it, clients are asked for a certificate (never required): one that does not verify reaches the handler as `peer.verificationError`. */
  readonly clientCa?: string;
  /** Of front proxies, which say in headers for whom they speak. Its certificates are no users'. */
  readonly frontProxyCa?: string;
}

export interface HttpsServerOptions extends ServerCertificates {
  readonly handler: ApiHandler;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly limits?: Partial<ServeLimits>;
  /** Requests that are passed on to other servers. Default: none. */
  readonly streamsBody?: StreamsBody;
}

export interface HttpsServer {
  readonly address: string;
  readonly port: number;
  /**
   * Stops accepting, waits for requests under way, ends watches, closes. What is still open after `graceMs` is cut off. Idempotent; never
   * rejects. The handler should have said "not ready" before.
   */
  stop(options: { readonly graceMs: number }): Promise<void>;
  /** For new connections; open ones keep theirs. Throws when the PEM texts do not fit together, and then keeps the old ones. */
  reloadCertificates(certificates: ServerCertificates): void;
}

/** Rejects with ListenError when the port cannot be had. */
export async function startHttpsServer(options: HttpsServerOptions): Promise<HttpsServer> {
  const { clock, log, metrics, host } = options;
  const limits: ServeLimits = { ...defaultServeLimits, ...options.limits };
  const serving = new Serving({ handler: options.handler, clock, log, limits, streamsBody: options.streamsBody });
  const connections = new WeakMap<object, Connection>();
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const handshakeErrors = metrics.counter({
    name: 'apiserver_tls_handshake_errors_total',
    help: 'Number of requests dropped with TLS handshake errors',
  });
  const watchGauge = metrics.gauge({
    name: 'bireme_serve_open_watches',
    help: 'Watches being written',
    collect: (gauge) => gauge.set({}, serving.openWatches),
  });
  watchGauge.set({}, 0);

  let authorities = peerAuthorities(options);
  const http1 = createHttp1(serving, (socket) => connections.get(socket)!);
  const server = createServer(
    {
      ...secureContext(options),
      // Not ALPNProtocols: Node copies that list for each connection, into a slice of the 64 KiB pool that the connection then keeps alive.
      ALPNCallback: ({ protocols }) => served.find((protocol) => protocols.includes(protocol)),
      requestCert: options.clientCa !== undefined,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.tlsHandshakeTimeoutMs,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: limits.tcpKeepAliveMs,
    },
    (socket: TLSSocket) => {
      const connection = new Connection(socket, options.clientCa === undefined ? undefined : authorities, clock);
      connections.set(socket, connection);
      socket.on('error', (error) => {
        log.debug('Connection broke', { remoteAddress: connection.remoteAddress, error });
      });
      if (socket.alpnProtocol === 'h2') {
        const session = serveHttp2(serving, socket, connection);
        sessions.add(session);
        session.on('close', () => sessions.delete(session));
        if (serving.stopping) closeGracefully(session);
      } else http1.emit('connection', socket);
    },
  );
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error, socket) => {
    handshakeErrors.increment({});
    log.debug('TLS handshake failed', { remoteAddress: socket.remoteAddress, error });
  });

  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      http1.close();
      reject(listenError(error, host, options.port));
    };
    server.once('error', fail);
    server.listen({ host, port: options.port, backlog: 1024 }, () => {
      server.off('error', fail);
      server.on('error', (error) => log.error('Cannot accept connections', { error }));
      resolve();
    });
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('A TCP server has no address after listening');

  const stop = async (graceMs: number): Promise<void> => {
    serving.stopping = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const cutOff = clock.timer(graceMs, () => {
      serving.abortAll();
      for (const session of sessions) session.destroy(undefined, constants.NGHTTP2_CANCEL);
      for (const socket of sockets) socket.destroy();
    });
    http1.closeIdleConnections();
    for (const session of sessions) closeGracefully(session);
    await Promise.race([serving.drained(), closed]);
    serving.endStreams();
    // Ends the slow-client checks; connections whose last answer is written close by themselves (`Connection: close`).
    http1.close();
    http1.closeIdleConnections();
    await closed;
    cutOff.cancel();
  };
  let stopped: Promise<void> | undefined;
  return {
    address: bound.address,
    port: bound.port,
    stop: ({ graceMs }) => (stopped ??= stop(graceMs)),
    reloadCertificates: (certificates) => {
      server.setSecureContext(secureContext(certificates));
      authorities = peerAuthorities(certificates);
    },
  };
}

function secureContext({ key, cert, clientCa, frontProxyCa }: ServerCertificates): {
  key: string;
  cert: string;
  ca?: string[];
} {
  if (clientCa === undefined) return { key, cert };
  return { key, cert, ca: frontProxyCa === undefined ? [clientCa] : [clientCa, frontProxyCa] };
}
