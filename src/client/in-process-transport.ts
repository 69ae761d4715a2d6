/**
 * A Transport that calls an API server's handler chain in the same process (decision 8): no bytes are made, everything else - authentication,
 * authorization, admission, codec - runs as over the wire.
 */
import type { ApiHandler, ApiRequest, ApiResponse, PeerCertificate, WatchStream } from '../api/exchange.ts';
import type { JsonObject } from '../api/json.ts';
import type { Clock } from '../base/clock.ts';
import { decodeObject, errorOf } from './decode.ts';
import { withRetries } from './retry.ts';
import { asRaw, type Transport, TransportError, type TransportRequest, type TransportWatchEvent } from './transport.ts';

export interface InProcessTransportOptions {
  readonly clock: Clock;
  /** The identity of a client certificate the caller holds. */
  readonly peer?: PeerCertificate;
  /** A bearer token, or a function asked at each request. */
  readonly token?: string | (() => string);
  readonly userAgent?: string;
}

/** How long requests may follow each other before other work of the process gets its turn (decision 11). */
const sliceMs = 1;

/** @param handler the chain of one API server; it never rejects. */
export function createInProcessTransport(handler: ApiHandler, options: InProcessTransportOptions): Transport {
  const { clock, peer, token, userAgent } = options;
  const closing = new AbortController();
  let sliceStart = clock.monotonic();
  let yielding: Promise<void> | undefined;
  /** Everybody waits for the same yield; who comes back first starts a new slice, so a crowd does not run in one go afterwards. */
  const breathe = (): Promise<void> | undefined => {
    if (yielding || clock.monotonic() - sliceStart < sliceMs) return yielding;
    yielding = clock.yield().then(() => {
      yielding = undefined;
      sliceStart = clock.monotonic();
    });
    return yielding;
  };

  const build = (request: TransportRequest, signal: AbortSignal): ApiRequest => {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (userAgent !== undefined) headers['user-agent'] = userAgent;
    if (token !== undefined) headers.authorization = `Bearer ${typeof token === 'function' ? token() : token}`;
    if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
    for (const name in request.headers) headers[name.toLowerCase()] = request.headers[name]!;
    return {
      method: request.method,
      path: request.path,
      query: request.query ? encodeQuery(request.query) : '',
      headers,
      remoteAddress: 'in-process',
      signal,
      ...(request.body === undefined ? {} : { body: { value: request.body } }),
      ...(peer ? { peer } : {}),
    };
  };

  const send = async (request: TransportRequest, signal: AbortSignal): Promise<ApiResponse> => {
    const attempt = await withRetries(request, clock, async () => {
      for (let turn = breathe(); turn; turn = breathe()) await turn;
      if (closing.signal.aborted) throw closed(request);
      request.signal?.throwIfAborted();
      const answer = await untilAborted(handler(build(request, signal)), request.signal);
      return {
        status: answer.status,
        retryAfter: answer.headers['retry-after'],
        answer,
        discard: () => discard(answer),
      };
    });
    if (attempt.status >= 400) throw errorOf(attempt.status, await wholeBody(attempt.answer), describe(request));
    return attempt.answer;
  };

  return {
    async request(request) {
      const answer = await send(request, request.signal ?? closing.signal);
      const body = await wholeBody(answer);
      return typeof body === 'string' ? (body === '' ? {} : decodeObject(body, describe(request))) : body;
    },
    async watch(request) {
      const ended = new AbortController();
      const end = (): void => ended.abort();
      const unlink = (): void => {
        request.signal?.removeEventListener('abort', end);
        closing.signal.removeEventListener('abort', end);
      };
      request.signal?.addEventListener('abort', end);
      closing.signal.addEventListener('abort', end);
      try {
        const answer = await send(request, ended.signal);
        if (answer.body.kind !== 'watch') {
          discard(answer);
          throw new TransportError('protocol', `${describe(request)} was not answered with a watch`);
        }
        return batches(answer.body.stream, ended, unlink, breathe);
      } catch (error) {
        unlink();
        throw error;
      }
    },
    async stream(request) {
      const answer = await send(asRaw(request), request.signal ?? closing.signal);
      return byteStream(answer);
    },
    async close() {
      closing.abort();
    },
  };
}

/**
 * The answer, or the signal's reason as soon as it aborts: who gave up does not wait for the server to notice, as over the wire. An answer
 * that comes later is dropped.
 */
function untilAborted(answer: Promise<ApiResponse>, signal: AbortSignal | undefined): Promise<ApiResponse> {
  if (!signal) return answer;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    answer.then(
      (response) => {
        signal.removeEventListener('abort', abort);
        if (signal.aborted) discard(response);
        else resolve(response);
      },
      (error) => {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    );
  });
}

/** An iterator of its own rather than a generator: `return` must work while `next` waits. */
function batches(
  stream: WatchStream,
  ended: AbortController,
  unlink: () => void,
  breathe: () => Promise<void> | undefined,
): AsyncIterable<readonly TransportWatchEvent[]> {
  let wake: (() => void) | undefined;
  let open = true;
  const finish = (): void => {
    if (!open) return;
    open = false;
    unlink();
    stream.close();
    ended.abort();
    wake?.();
  };
  if (ended.signal.aborted) finish();
  else ended.signal.addEventListener('abort', finish, { once: true });
  const iterator: AsyncIterator<readonly TransportWatchEvent[]> = {
    async next() {
      while (open) {
        const frames = stream.take();
        if (frames === undefined) {
          finish();
          break;
        }
        if (frames.length > 0) {
          const events = new Array<TransportWatchEvent>(frames.length);
          for (let i = 0; i < frames.length; i++) {
            const frame = frames[i]!;
            events[i] = { type: frame.type, object: frame.object() };
          }
          const turn = breathe();
          if (turn) await turn;
          return { done: false, value: events };
        }
        // Not a race against one promise of the whole watch's life: that would gather a reaction for each wait.
        await new Promise<void>((resolve, reject) => {
          wake = resolve;
          stream.ready().then(resolve, reject);
        });
      }
      return { done: true, value: undefined };
    },
    async return() {
      finish();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

/** A value where there is one, text where the answer is bytes. */
async function wholeBody({ body }: ApiResponse): Promise<JsonObject | string> {
  switch (body.kind) {
    case 'empty':
      return '';
    case 'object':
      return body.object.value();
    case 'list':
      return body.value();
    case 'bytes':
      return decoder.decode(body.bytes);
    case 'stream': {
      const pieces: Uint8Array[] = [];
      for await (const piece of body.stream) pieces.push(piece);
      return Buffer.concat(pieces).toString('utf8');
    }
    case 'watch':
      body.stream.close();
      throw new TransportError('protocol', 'The request was answered with a watch');
    case 'upgrade':
      throw new TransportError('protocol', 'The request was answered with another protocol');
  }
}

async function* byteStream({ body }: ApiResponse): AsyncGenerator<Uint8Array> {
  switch (body.kind) {
    case 'empty':
      return;
    case 'object':
      yield body.object.bytes();
      return;
    case 'bytes':
      yield body.bytes;
      return;
    case 'list':
      yield* body.chunks();
      return;
    case 'stream':
      yield* body.stream;
      return;
    case 'watch':
      try {
        for (;;) {
          const frames = body.stream.take();
          if (frames === undefined) return;
          for (const frame of frames) yield frame.bytes();
          if (frames.length === 0) await body.stream.ready();
        }
      } finally {
        body.stream.close();
      }
      return;
    case 'upgrade':
      throw new TransportError('protocol', 'The request was answered with another protocol');
  }
}

function discard({ body }: ApiResponse): void {
  if (body.kind === 'watch') body.stream.close();
  // Asking a stream to return before its first `next` runs its clean-up; its failure has nobody left to hear it but must not go unhandled.
  else if (body.kind === 'stream')
    body.stream[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
}

const decoder = new TextDecoder();
const closed = (request: TransportRequest): TransportError =>
  new TransportError('closed', `Cannot send ${describe(request)}: the transport is closed`);
const describe = (request: TransportRequest): string => `${request.method} ${request.path}`;

export function encodeQuery(query: Readonly<Record<string, string>>): string {
  let text = '';
  for (const name in query)
    text += `${text === '' ? '' : '&'}${encodeURIComponent(name)}=${encodeURIComponent(query[name]!)}`;
  return text;
}
