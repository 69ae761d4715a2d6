/** HTTP/2 on Node's core API: its request and response wrappers would double a request's cost. */
import {
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Headers, WatchFrame } from '../api/exchange.ts';
import { BodyCollector } from './body-collector.ts';
import type { Connection } from './connection.ts';
import type { FrameJoiner } from './frame-joiner.ts';
import { IncomingRequest } from './incoming-request.ts';
import type { Exchange, Serving } from './serving.ts';
import { type Sink, unlessFailed } from './sink.ts';

/** Serves one connection. @returns its session, for the stop. */
export function serveHttp2(serving: Serving, socket: TLSSocket, connection: Connection): ServerHttp2Session {
  const { limits } = serving;
  const session = performServerHandshake(socket, {
    maxSessionMemory: limits.sessionMemoryMiB,
    // Pseudo-headers included; a request of kubectl has 8, of a proxy perhaps 30.
    maxHeaderListPairs: 128,
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streamsPerConnectionMax,
      initialWindowSize: limits.streamWindowBytes,
      maxHeaderListSize: limits.headerBytesMax,
    },
  });
  session.setLocalWindowSize(limits.connectionWindowBytes);
  let open = 0;
  let used = false;
  session.on('stream', (stream, headers, flags, raw) => {
    open++;
    used = true;
    const request = incoming(headers, connection, raw);
    stream.on('close', () => {
      open--;
      request.abort();
    });
    stream.on('error', (error) => {
      serving.log.debug('HTTP/2 stream ended early', { path: request.path, error });
    });
    const exchange = new Http2Exchange(stream, request.method === 'HEAD', serving.joiner);
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
      void serving.answer(request, exchange); // never rejects; the stop waits for it through `drained`
    else if (serving.streamsBody(request.method, request.path)) {
      request.bodyStream = stream;
      // What nobody read: tells the client to stop sending without making the answer an error.
      stream.on('finish', () => {
        if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
      });
      void serving.answer(request, exchange); // likewise
    } else collect(serving, stream, headers, request, exchange);
  });
  session.on('error', (error) => {
    serving.log.debug('HTTP/2 session ended early', { remoteAddress: connection.remoteAddress, error });
  });
  // A quiet watch is not idle: only sessions without streams are closed. One timer a session, none a request; so a session
  // goes after one to two periods of silence.
  const checkIdle = (): void => {
    if (open === 0 && !used) session.close();
    used = false;
    if (!session.closed) idle = serving.clock.timer(limits.idleTimeoutMs, checkIdle);
  };
  let idle = serving.clock.timer(limits.idleTimeoutMs, checkIdle);
  session.on('close', () => idle.cancel());
  return session;
}

function incoming(headers: IncomingHttpHeaders, connection: Connection, raw: readonly string[]): IncomingRequest {
  if (headers.host === undefined && headers[':authority'] !== undefined) headers.host = headers[':authority'];
  return new IncomingRequest(
    headers[':method'] ?? 'GET',
    headers[':path'] ?? '/',
    headers as Headers, // every value is a string except set-cookie, which no client sends
    connection.peer(),
    connection.remoteAddress,
    raw,
  );
}

function collect(
  serving: Serving,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  request: IncomingRequest,
  exchange: Http2Exchange,
): void {
  const refuse = (): void => {
    timer.cancel();
    serving.tooLarge(exchange);
    // Tells the client to stop sending without making the answer an error.
    stream.close(constants.NGHTTP2_NO_ERROR);
  };
  // HTTP/1.1 has Node's requestTimeout for this.
  const timer = serving.clock.timer(serving.limits.bodyTimeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
  if (Number(headers['content-length'] ?? 0) > serving.limits.bodyBytesMax) {
    refuse();
    return;
  }
  const body = new BodyCollector(serving.limits.bodyBytesMax);
  let refused = false;
  stream.on('data', (piece: Buffer) => {
    if (refused || body.add(piece)) return;
    refused = true;
    refuse();
  });
  stream.on('aborted', () => timer.cancel());
  stream.on('end', () => {
    timer.cancel();
    if (refused || stream.aborted) return;
    const bytes = body.finish();
    if (bytes.length > 0) request.body = { bytes };
    void serving.answer(request, exchange); // never rejects; the stop waits for it through `drained`
  });
}

class Http2Exchange implements Exchange {
  readonly #stream: ServerHttp2Stream;
  readonly #head: boolean;
  readonly #joiner: FrameJoiner;
  constructor(stream: ServerHttp2Stream, head: boolean, joiner: FrameJoiner) {
    this.#stream = stream;
    this.#head = head;
    this.#joiner = joiner;
  }

  whole(status: number, headers: Headers, bytes: Uint8Array, cookies?: readonly string[]): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.headersSent) return;
    const endStream = bytes.length === 0 || this.#head;
    stream.respond(
      status === 204 || status === 304 || headers['content-length'] !== undefined
        ? { ...headers, ...cookieHeader(cookies), ':status': status }
        : { ...headers, ...cookieHeader(cookies), ':status': status, 'content-length': bytes.length },
      { endStream },
    );
    if (!endStream) stream.end(bytes);
  }

  open(status: number, headers: Headers, length: number | undefined, cookies?: readonly string[]): Sink {
    if (!this.#stream.destroyed)
      this.#stream.respond(
        length === undefined
          ? { ...headers, ...cookieHeader(cookies), ':status': status }
          : { ...headers, ...cookieHeader(cookies), ':status': status, 'content-length': length },
      );
    return new Http2Sink(this.#stream, this.#joiner);
  }

  openWritable(status: number, headers: Headers): Writable {
    if (!this.#stream.destroyed) this.#stream.respond({ ...headers, ':status': status });
    return this.#stream;
  }

  /** No client of Kubernetes asks for another protocol on HTTP/2 (RFC 8441), and it is not announced. */
  upgrade(): void {
    this.fail();
  }

  fail(): void {
    if (this.#stream.headersSent) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else this.whole(500, { 'content-type': 'text/plain; charset=utf-8' }, Buffer.from('Internal Server Error\n'));
  }
}

const cookieHeader = (cookies: readonly string[] | undefined): OutgoingHttpHeaders =>
  cookies === undefined || cookies.length === 0 ? {} : { 'set-cookie': [...cookies] };

class Http2Sink implements Sink {
  readonly #stream: ServerHttp2Stream;
  readonly #joiner: FrameJoiner;
  constructor(stream: ServerHttp2Stream, joiner: FrameJoiner) {
    this.#stream = stream;
    this.#joiner = joiner;
  }

  get closed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  write(bytes: Uint8Array, left?: () => void): boolean {
    return left ? this.#stream.write(bytes, unlessFailed(left)) : this.#stream.write(bytes);
  }

  writeFrames(frames: readonly WatchFrame[]): boolean {
    return this.#stream.write(this.#joiner.plain(frames));
  }

  drained(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off('drain', done);
        stream.off('close', done);
        resolve();
      };
      if (stream.destroyed || !stream.writableNeedDrain) return resolve();
      stream.on('drain', done);
      stream.on('close', done);
    });
  }

  end(): void {
    this.#stream.end();
  }
  fail(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}

/** GOAWAY: no new streams; ends by itself when the open ones have ended. */
export function closeGracefully(session: Http2Session): void {
  if (!session.closed) session.close();
}
