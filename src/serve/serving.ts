/**
 * The part of serving that both protocols share: call the handler, write its answer, know what is under way so that a stop can drain it.
 */
import type { Duplex, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { ApiError } from '../api/errors.ts';
import type { ApiHandler, ApiResponse, Headers, ListBody, TakeConnection, WatchStream } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { FrameJoiner } from './frame-joiner.ts';
import type { IncomingRequest } from './incoming-request.ts';
import type { ServeLimits } from './limits.ts';
import { acceptsGzip } from './negotiate-encoding.ts';
import { PieceMemory } from './piece-memory.ts';
import { pumpList, pumpStream, pumpWatch } from './pump.ts';
import type { Sink } from './sink.ts';

/** One request's way back, in one protocol. Exactly one of these is called, once. */
export interface Exchange {
  /** A whole answer. A HEAD request gets its headers only. */
  whole(status: number, headers: Headers, bytes: Uint8Array, cookies?: readonly string[]): void;
  /** A long answer. `length` in bytes when known. */
  open(status: number, headers: Headers, length: number | undefined, cookies?: readonly string[]): Sink;
  /** A long answer of unknown length as a Node stream. */
  openWritable(status: number, headers: Headers): Writable;
  /** Gives the connection away; the answer is then the taker's. Breaks off where the request did not ask for another protocol. */
  upgrade(take: TakeConnection): void;
  /** Breaks the answer off so that the peer can tell. */
  fail(): void;
}

/** Whether a request's body is handed to the handler as it comes, instead of whole and within the limit. */
export type StreamsBody = (method: string, path: string) => boolean;

const noBytes = new Uint8Array(0);
/** Up to this a list goes out as one write. */
const smallListBytes = 64 * 1024;

export class Serving {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: ServeLimits;
  readonly joiner: FrameJoiner;
  readonly streamsBody: StreamsBody;
  /** Set by the stop: answers tell their peers to go elsewhere. */
  stopping = false;
  /** Connections given away to another protocol. */
  readonly upgraded = new Set<Duplex>();
  readonly #handler: ApiHandler;
  readonly #pieces = new PieceMemory();
  readonly #watches = new Set<WatchStream>();
  readonly #requests = new Set<IncomingRequest>();
  #idle: (() => void) | undefined;

  constructor(options: {
    handler: ApiHandler;
    clock: Clock;
    log: Logger;
    limits: ServeLimits;
    streamsBody?: StreamsBody | undefined;
  }) {
    this.#handler = options.handler;
    this.clock = options.clock;
    this.log = options.log;
    this.limits = options.limits;
    this.streamsBody = options.streamsBody ?? (() => false);
    this.joiner = new FrameJoiner(options.clock);
  }

  /** Never rejects. Ends when the whole answer was handed to the protocol or the peer went away. */
  async answer(request: IncomingRequest, exchange: Exchange): Promise<void> {
    this.#requests.add(request);
    try {
      await this.#write(request, exchange, await this.#handler(request));
      request.answered();
    } catch (error) {
      if (!request.aborted) this.log.error('Answer broke off', { method: request.method, path: request.path, error });
      exchange.fail();
    } finally {
      this.#requests.delete(request);
      if (this.#requests.size <= this.#watches.size) this.#idle?.();
    }
  }

  /** The body is longer than the limit. */
  tooLarge(exchange: Exchange): void {
    const error = ApiError.tooLarge(`limit is ${this.limits.bodyBytesMax}`);
    exchange.whole(413, { 'content-type': 'application/json' }, Buffer.from(`${JSON.stringify(error.status)}\n`));
  }

  /** Resolves when nothing but watches is under way. */
  async drained(): Promise<void> {
    if (this.#requests.size <= this.#watches.size) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Ends what has no end of its own: watches (cleanly) and upgraded connections. */
  endStreams(): void {
    for (const watch of this.#watches) watch.close();
    for (const socket of this.upgraded) socket.destroy();
  }
  /** The grace is over. */
  abortAll(): void {
    for (const request of this.#requests) request.abort();
  }
  get openWatches(): number {
    return this.#watches.size;
  }

  async #write(request: IncomingRequest, exchange: Exchange, response: ApiResponse): Promise<void> {
    const { status, headers, body, cookies } = response;
    switch (body.kind) {
      case 'empty':
        exchange.whole(status, headers, noBytes, cookies);
        return;
      case 'object':
        return this.#bytes(request, exchange, status, headers, body.object.bytes());
      case 'bytes':
        return this.#bytes(request, exchange, status, headers, body.bytes);
      case 'list':
        if (body.byteLength <= smallListBytes) {
          exchange.whole(status, headers, wholeList(body));
          return;
        }
        if (this.#wantsGzip(request, body.byteLength)) return this.#gzip(exchange, status, headers, body);
        return pumpList(body, exchange.open(status, headers, body.byteLength), this.#pieces, this.clock);
      case 'watch':
        return this.#watch(request, exchange.open(status, headers, undefined), body.stream);
      case 'stream':
        return pumpStream(body.stream, exchange.open(status, headers, declaredLength(headers), cookies));
      case 'upgrade':
        exchange.upgrade(body.take);
        return;
      default:
        throw new Error(`Unreachable response body: ${JSON.stringify(body satisfies never)}`);
    }
  }

  #bytes(
    request: IncomingRequest,
    exchange: Exchange,
    status: number,
    headers: Headers,
    bytes: Uint8Array,
  ): Promise<void> | undefined {
    if (this.#wantsGzip(request, bytes.length)) return this.#gzip(exchange, status, headers, { chunks: () => [bytes] });
    exchange.whole(status, headers, bytes);
    return undefined;
  }

  async #watch(request: IncomingRequest, sink: Sink, stream: WatchStream): Promise<void> {
    this.#watches.add(stream);
    // The pump may be waiting for an event that never comes: closing the stream wakes it.
    request.onAbort = () => stream.close();
    if (this.stopping || request.aborted) stream.close();
    this.#idle?.();
    try {
      await pumpWatch(stream, sink);
    } finally {
      this.#watches.delete(stream);
    }
  }

  #wantsGzip(request: IncomingRequest, length: number): boolean {
    return length > this.limits.gzipFromBytes && acceptsGzip(request.headers['accept-encoding']);
  }

  /** Compression runs on the thread pool (decision 11). */
  async #gzip(exchange: Exchange, status: number, headers: Headers, list: Pick<ListBody, 'chunks'>): Promise<void> {
    const target = exchange.openWritable(status, {
      ...headers,
      'content-encoding': 'gzip',
      vary: 'Accept-Encoding',
    });
    const gzip = createGzip({ level: constants.Z_BEST_SPEED });
    // Whichever fails first fails both: the other one's end is heard by nobody.
    await Promise.all([pipeline(gzip, target), this.#feed(gzip, list)]);
  }

  async #feed(gzip: Writable, list: Pick<ListBody, 'chunks'>): Promise<void> {
    for (const piece of list.chunks(this.#pieces.take)) {
      await new Promise<void>((resolve, reject) => {
        gzip.write(piece, (error) => (error ? reject(error) : resolve()));
      });
      this.#pieces.give(piece);
    }
    gzip.end();
  }
}

/** A short list's bytes, which stay in nobody else's memory. */
function wholeList(list: ListBody): Uint8Array {
  const chunks = [...list.chunks()];
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, list.byteLength);
}

function declaredLength(headers: Headers): number | undefined {
  const text = headers['content-length'];
  return text === undefined ? undefined : Number(text);
}
