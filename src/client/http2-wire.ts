/** HTTP/2: all requests and watches of a client on few connections, a further one when a connection's streams are used up. */
import * as http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { TransportError } from './transport.ts';
import { toTransportError, type Wire, type WireAnswer, type WireRequest } from './wire.ts';

/** Until the server has said how many streams it takes. */
const assumedStreamLimit = 100;
/** A dead peer is noticed by a ping, as client-go does: sent while streams are open, answered in time or the connection is given up. */
const pingEveryMs = 30_000;
const pingAnswerMs = 15_000;
/** Large lists arrive faster with a window larger than 64 KiB; the whole connection holds at most this much unread. */
const streamWindow = 1024 * 1024;
const connectionWindow = 16 * 1024 * 1024;
/** A request the server refused before looking at it is sent again this often. */
const maxRefusals = 3;

interface Session {
  readonly session: http2.ClientHttp2Session;
  active: number;
  /** The server takes no new streams on it (GOAWAY); those under way go on. */
  draining: boolean;
}

/** @param connect makes a TLS connection that has agreed on `h2`. */
export function createHttp2Wire(server: URL, connect: () => Promise<TLSSocket>, clock: Clock): Wire {
  const sessions = new Set<Session>();
  let connecting: Promise<Session> | undefined;
  let closed = false;

  const limitOf = ({ session }: Session): number => session.remoteSettings?.maxConcurrentStreams ?? assumedStreamLimit;
  const free = (): Session | undefined => {
    for (const entry of sessions)
      if (!entry.draining && !entry.session.closed && !entry.session.destroyed && entry.active < limitOf(entry))
        return entry;
    return undefined;
  };
  const open = async (): Promise<Session> => {
    const socket = await connect();
    if (closed) {
      socket.destroy();
      throw new TransportError('closed', `The transport to ${server.origin} is closed`);
    }
    const session = http2.connect(server, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: streamWindow },
    });
    const entry: Session = { session, active: 0, draining: false };
    sessions.add(entry);
    session.once('connect', () => {
      // It says that it is connected a moment later, and may be gone by then.
      if (!session.destroyed && !session.closed) session.setLocalWindowSize(connectionWindow);
    });
    // Each stream under way hears of it too, and that is where it is reported.
    session.on('error', () => sessions.delete(entry));
    session.on('goaway', () => {
      entry.draining = true;
    });
    session.on('close', () => sessions.delete(entry));
    watchHealth(entry, clock);
    return entry;
  };
  const acquire = async (): Promise<Session> => {
    for (;;) {
      const entry = free();
      if (entry) return entry;
      connecting ??= open().finally(() => {
        connecting = undefined;
      });
      await connecting;
    }
  };

  return {
    async send(request) {
      for (let refusals = 0; ; refusals++) {
        if (closed) throw new TransportError('closed', `The transport to ${server.origin} is closed`);
        const entry = free() ?? (await acquire());
        request.signal?.throwIfAborted();
        try {
          return await exchange(entry, request, server);
        } catch (error) {
          if (!(error instanceof Refused) || refusals === maxRefusals)
            throw error instanceof Refused ? toTransportError(error.cause, server.origin) : error;
          entry.draining = true;
        }
      }
    },
    close() {
      closed = true;
      for (const { session } of sessions) session.destroy();
      sessions.clear();
    },
  };
}

/** The server has not acted on the request: any method may be sent again. */
class Refused extends Error {}

function exchange(entry: Session, request: WireRequest, server: URL): Promise<WireAnswer> {
  const { signal } = request;
  return new Promise((resolve, reject) => {
    let stream: http2.ClientHttp2Stream;
    try {
      stream = entry.session.request(
        { ':method': request.method, ':path': request.path, ...request.headers },
        { endStream: request.body === undefined },
      );
    } catch (cause) {
      // The session went away between choosing it and using it.
      reject(new Refused('The session is gone', { cause }));
      return;
    }
    entry.active++;
    const abort = (): void => {
      stream.close(http2.constants.NGHTTP2_CANCEL);
      stream.destroy();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    let answered = false;
    stream.on('response', (headers) => {
      answered = true;
      resolve({ status: Number(headers[':status']), headers, body: stream });
    });
    stream.on('error', (error) => {
      if (answered || signal?.aborted) return;
      reject(
        stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM
          ? new Refused('The stream was refused', { cause: error })
          : toTransportError(error, server.origin),
      );
    });
    stream.on('close', () => {
      entry.active--;
      signal?.removeEventListener('abort', abort);
      if (!answered) reject(new TransportError('reset', `The connection broke to ${server.origin} before the answer`));
    });
    if (request.body !== undefined) stream.end(request.body);
  });
}

function watchHealth(entry: Session, clock: Clock): void {
  const { session } = entry;
  const look = (): void => {
    if (session.destroyed || session.closed) return;
    if (entry.active === 0) {
      timer = clock.timer(pingEveryMs, look);
      return;
    }
    timer = clock.timer(pingAnswerMs, () =>
      session.destroy(Object.assign(new Error('The server does not answer pings'), { code: 'ETIMEDOUT' })),
    );
    // `false`: the session cannot take a ping now, so it is closing.
    session.ping(() => {
      timer.cancel();
      if (!session.destroyed && !session.closed) timer = clock.timer(pingEveryMs, look);
    });
  };
  let timer = clock.timer(pingEveryMs, look);
  session.on('close', () => timer.cancel());
}
