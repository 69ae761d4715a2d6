/** HTTP/1.1: Node's parser and ServerResponse for headers and small answers; watch frames go straight to the socket. */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import type { Headers, TakeConnection, WatchFrame } from '../api/exchange.ts';
import { BodyCollector } from './body-collector.ts';
import type { Connection } from './connection.ts';
import type { FrameJoiner } from './frame-joiner.ts';
import { headerName } from './header-names.ts';
import { IncomingRequest } from './incoming-request.ts';
import type { Exchange, Serving } from './serving.ts';
import { type Sink, unlessFailed } from './sink.ts';

/**
 * A server that never listens: the TLS server hands it its connections (`emit('connection', socket)`, as Node documents).
 * @param connectionOf the state of a socket handed over
 */
export function createHttp1(serving: Serving, connectionOf: (socket: object) => Connection): Server {
  const { limits } = serving;
  const server = createServer(
    {
      keepAlive: false, // set on the TLS server's sockets
      noDelay: false, // likewise
      keepAliveTimeout: limits.idleTimeoutMs,
      headersTimeout: limits.headersTimeoutMs,
      // Bodies have a timer of their own below: one that is passed on may take as long as it likes.
      requestTimeout: 0,
      // Only what can be asked for here is taken out of Node's hands; `Upgrade: h2c` and the like are ordinary requests.
      shouldUpgradeCallback: ({ headers }) => /^(websocket|spdy\/3\.1)$/i.test(headers.upgrade ?? ''),
      connectionsCheckingInterval: Math.min(5000, Math.ceil(limits.headersTimeoutMs / 2)),
      maxHeaderSize: limits.headerBytesMax,
    },
    (message, response) => {
      const request = incoming(message, connectionOf(message.socket));
      const exchange = new Http1Exchange(serving, message, response);
      response.on('close', () => request.abort());
      if (message.headers['content-length'] === undefined && message.headers['transfer-encoding'] === undefined)
        void serving.answer(request, exchange); // never rejects; the stop waits for it through `drained`
      else if (serving.streamsBody(request.method, request.path)) {
        request.bodyStream = message;
        response.on('finish', () => dropRest(serving, message));
        void serving.answer(request, exchange); // likewise
      } else collect(serving, message, request, exchange);
    },
  );
  server.timeout = 0;
  server.on('upgrade', (message, socket, head) => {
    const request = incoming(message, connectionOf(socket));
    serving.upgraded.add(socket);
    socket.on('close', () => {
      serving.upgraded.delete(socket);
      request.abort();
    });
    // Node has let go of the connection: what is answered with an ordinary answer after all (a refusal) is written by a response of our own.
    const response = new ServerResponse(message);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.on('finish', () => socket.end());
    void serving.answer(request, new Http1Exchange(serving, message, response, { socket, head })); // never rejects
  });
  // Node starts its slow-client checks when a server listens; this one is only ever handed connections.
  server.emit('listening');
  return server;
}

function incoming(message: IncomingMessage, connection: Connection): IncomingRequest {
  return new IncomingRequest(
    message.method ?? 'GET',
    message.url ?? '/',
    message.headers as Headers, // every value is a string except set-cookie, which no client sends
    connection.peer(),
    connection.remoteAddress,
    message.rawHeaders,
  );
}

/** What nobody read, or the connection could not carry the next request; who sends much more than it may is cut off. */
function dropRest({ clock, limits }: Serving, message: IncomingMessage): void {
  if (message.readableEnded || message.destroyed) return;
  let dropped = 0;
  message.unpipe();
  const timer = clock.timer(limits.bodyTimeoutMs, () => message.destroy());
  message.on('close', () => timer.cancel());
  message.on('end', () => timer.cancel());
  message.on('data', (piece: Buffer) => {
    dropped += piece.length;
    if (dropped > limits.bodyBytesMax) message.destroy();
  });
  message.resume();
}

function collect(serving: Serving, message: IncomingMessage, request: IncomingRequest, exchange: Http1Exchange): void {
  const declared = Number(message.headers['content-length'] ?? 0);
  // HTTP/2 has the like. A refused body is read to its end too, and is given no more time.
  const timer = serving.clock.timer(serving.limits.bodyTimeoutMs, () => exchange.refuseSlowBody());
  message.on('close', () => timer.cancel());
  if (declared > serving.limits.bodyBytesMax) {
    exchange.refuseBody(serving.limits.bodyBytesMax);
    message.on('end', () => timer.cancel());
    return;
  }
  const body = new BodyCollector(serving.limits.bodyBytesMax);
  let refused = false;
  message.on('data', (piece: Buffer) => {
    if (refused || body.add(piece)) return;
    refused = true;
    exchange.refuseBody(serving.limits.bodyBytesMax);
  });
  message.on('end', () => {
    timer.cancel();
    if (refused) return;
    const bytes = body.finish();
    if (bytes.length > 0) request.body = { bytes };
    void serving.answer(request, exchange); // never rejects; the stop waits for it through `drained`
  });
}

class Http1Exchange implements Exchange {
  readonly #serving: Serving;
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #connection: { readonly socket: Duplex; readonly head: Buffer } | undefined;
  /** @param connection of a request that asked for another protocol */
  constructor(
    serving: Serving,
    message: IncomingMessage,
    response: ServerResponse,
    connection?: { readonly socket: Duplex; readonly head: Buffer },
  ) {
    this.#connection = connection;
    this.#serving = serving;
    this.#message = message;
    this.#response = response;
  }

  /**
   * 413. What is still on its way is read and dropped, or the client would see its write fail before it reads the answer; who sends much more
   * than it may is cut off.
   */
  refuseBody(droppedBytesMax: number): void {
    let dropped = 0;
    this.#message.on('data', (piece: Buffer) => {
      dropped += piece.length;
      if (dropped > 2 * droppedBytesMax) this.#message.destroy();
    });
    // Also when the client asked to close: it does so itself once it has read the answer.
    this.#response.shouldKeepAlive = true;
    this.#serving.tooLarge(this);
  }

  /** 408, as Node says it to who drips bytes; the connection is of no more use. */
  refuseSlowBody(): void {
    if (this.#response.headersSent) {
      this.#message.destroy();
      return;
    }
    this.#response.shouldKeepAlive = false;
    this.#response.on('finish', () => this.#message.destroy());
    this.whole(408, {}, Buffer.alloc(0));
  }

  whole(status: number, headers: Headers, bytes: Uint8Array, cookies?: readonly string[]): void {
    const response = this.#response;
    if (response.destroyed || response.headersSent) return;
    const raw = rawHeaders(headers, cookies);
    if (status !== 204 && status !== 304 && headers['content-length'] === undefined)
      raw.push('Content-Length', String(bytes.length));
    this.#head(status, raw);
    // `end` without data for HEAD: Node would drop the body anyway, after copying it.
    if (bytes.length === 0 || this.#message.method === 'HEAD') response.end();
    else response.end(bytes);
  }

  open(status: number, headers: Headers, length: number | undefined, cookies?: readonly string[]): Sink {
    const raw = rawHeaders(headers, cookies);
    if (length === undefined) raw.push('Transfer-Encoding', 'chunked');
    else if (headers['content-length'] === undefined) raw.push('Content-Length', String(length));
    this.#head(status, raw);
    this.#response.flushHeaders();
    return new Http1Sink(this.#response, this.#serving.joiner);
  }

  openWritable(status: number, headers: Headers): Writable {
    this.#head(status, [...rawHeaders(headers), 'Transfer-Encoding', 'chunked']);
    return this.#response;
  }

  upgrade(take: TakeConnection): void {
    if (!this.#connection) {
      this.fail();
      return;
    }
    const { socket, head } = this.#connection;
    this.#response.detachSocket(socket as Socket);
    take(socket, head);
  }

  fail(): void {
    if (this.#response.headersSent) this.#response.destroy();
    else this.whole(500, { 'content-type': 'text/plain; charset=utf-8' }, Buffer.from('Internal Server Error\n'));
  }

  #head(status: number, raw: string[]): void {
    if (this.#serving.stopping) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(status, raw);
  }
}

/** A flat array takes Node's short way to the header text; an object is first copied into its header map. */
function rawHeaders(headers: Headers, cookies?: readonly string[]): string[] {
  const raw: string[] = [];
  for (const name in headers) raw.push(headerName(name), headers[name]!);
  if (cookies) for (const cookie of cookies) raw.push('Set-Cookie', cookie);
  return raw;
}

class Http1Sink implements Sink {
  readonly #response: ServerResponse;
  readonly #joiner: FrameJoiner;
  constructor(response: ServerResponse, joiner: FrameJoiner) {
    this.#response = response;
    this.#joiner = joiner;
  }

  get closed(): boolean {
    return this.#response.destroyed;
  }

  write(bytes: Uint8Array, left?: () => void): boolean {
    return left ? this.#response.write(bytes, unlessFailed(left)) : this.#response.write(bytes);
  }

  /**
   * One chunk, one write: ServerResponse would make three of it (length, bytes, end of line). The headers are flushed and the response is
   * the socket's current one (it has a socket), so nothing else can be written in between; `end` then writes the last chunk.
   */
  writeFrames(frames: readonly WatchFrame[]): boolean {
    const { socket } = this.#response;
    if (socket === null || this.#response.writableLength > 0) return this.#response.write(this.#joiner.plain(frames));
    return socket.write(this.#joiner.chunk(frames));
  }

  drained(): Promise<void> {
    const response = this.#response;
    const { socket } = response;
    return new Promise((resolve) => {
      const done = (): void => {
        socket?.off('drain', check);
        response.off('drain', check);
        response.off('close', done);
        resolve();
      };
      const check = (): void => {
        if (!response.writableNeedDrain) done();
      };
      if (response.destroyed) return resolve();
      socket?.on('drain', check);
      response.on('drain', check);
      response.on('close', done);
    });
  }

  end(): void {
    this.#response.end();
  }
  fail(): void {
    this.#response.destroy();
  }
}
