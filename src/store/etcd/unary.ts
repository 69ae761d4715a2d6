/**
 * gRPC's request with one answer over node:http2: most of what an API server says to etcd, at half the CPU time that @grpc/grpc-js takes for it. Streams, and calls
 * that take minutes, are grpc-js's (`wire.ts`). Source: grpc's PROTOCOL-HTTP2.md.
 */
import * as http2 from 'node:http2';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Tls } from './wire.ts';

/** As grpc-js shows a failure: its code by number, and the server's own words. */
export class CallError extends Error {
  readonly code: number;
  readonly details: string;
  constructor(code: number, details: string, options?: ErrorOptions) {
    super(`${code} ${details}`, options);
    this.code = code;
    this.details = details;
  }
}

export interface UnaryCaller {
  /** @param message encoded. @returns the answer's message. @throws CallError; the signal's reason. */
  call(path: string, message: Uint8Array, deadlineMs: number, signal?: AbortSignal): Promise<Buffer>;
  close(): void;
}

const deadlineExceeded = 4;
const internal = 13;
const unavailable = 14;
const connectTimeoutMs = 2000;
/** After a connection that could not be made, calls fail at once for so long, longer each time. */
const firstBackoffMs = 100;
const maxBackoffMs = 3000;
const prefixBytes = 5;
const streamWindow = 4 * 1024 * 1024;
const connectionWindow = 32 * 1024 * 1024;

interface Connection {
  readonly session: http2.ClientHttp2Session;
  /** When something last came, monotonic. */
  heardMs: number;
}

/** Connects with the first call, and again with the next one after the connection broke. */
export function createUnaryCaller(host: string, port: number, tls: Tls | undefined, clock: Clock): UnaryCaller {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  let connection: Connection | undefined;
  let connecting: Promise<Connection> | undefined;
  let backoffMs = 0;
  let notBefore = 0;
  let why = '';
  let closed = false;

  const failed = (error: unknown): CallError => {
    why = error instanceof Error ? error.message : String(error);
    backoffMs = Math.min(Math.max(backoffMs * 2, firstBackoffMs), maxBackoffMs);
    notBefore = clock.monotonic() + backoffMs;
    return neverSent(why, error);
  };
  const open = async (): Promise<Connection> => {
    let socket: Socket;
    try {
      socket = await dial(host, port, tls, clock);
    } catch (error) {
      throw failed(error);
    }
    if (closed) {
      socket.destroy();
      throw neverSent('it is closed');
    }
    const session = http2.connect(`${tls ? 'https' : 'http'}://${authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: streamWindow },
    });
    const made: Connection = { session, heardMs: clock.monotonic() };
    const drop = (): void => {
      if (connection === made) connection = undefined;
    };
    // Each call under way hears of it too.
    session.on('error', drop);
    session.on('close', drop);
    session.on('goaway', drop);
    session.once('connect', () => {
      if (!session.destroyed && !session.closed) session.setLocalWindowSize(connectionWindow);
    });
    connection = made;
    backoffMs = 0;
    return made;
  };
  const get = (): Connection | Promise<Connection> => {
    if (connection && !connection.session.destroyed && !connection.session.closed) return connection;
    if (connecting) return connecting;
    if (closed) throw neverSent('it is closed');
    if (clock.monotonic() < notBefore) throw neverSent(why);
    connecting = open().finally(() => {
      connecting = undefined;
    });
    return connecting;
  };

  return {
    async call(path, message, deadlineMs, signal) {
      const got = get();
      const used = got instanceof Promise ? await got : got;
      signal?.throwIfAborted();
      return exchange(used, authority, path, message, deadlineMs, clock, signal);
    },
    close() {
      closed = true;
      connection?.session.destroy();
      connection = undefined;
    },
  };
}

const neverSent = (why: string, cause?: unknown): CallError =>
  new CallError(unavailable, `No connection established. Last error: ${why}`, { cause });

function exchange(
  connection: Connection,
  authority: string,
  path: string,
  message: Uint8Array,
  deadlineMs: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const { session } = connection;
    let stream: http2.ClientHttp2Stream;
    try {
      stream = session.request({
        ':method': 'POST',
        ':path': path,
        ':authority': authority,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
    } catch (error) {
      reject(neverSent((error as Error).message, error));
      return;
    }
    const sentMs = clock.monotonic();
    let chunks: Buffer[] = [];
    let status: string | undefined;
    let words = '';
    let httpStatus = 0;
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      timer.cancel();
      signal?.removeEventListener('abort', abort);
      return true;
    };
    const giveUp = (reason: unknown): void => {
      if (!settle()) return;
      chunks = [];
      stream.close(http2.constants.NGHTTP2_CANCEL);
      reject(reason);
    };
    const abort = (): void => giveUp(signal?.reason);
    const timer = clock.timer(deadlineMs, () => {
      giveUp(new CallError(deadlineExceeded, `Deadline exceeded after ${deadlineMs} ms`));
      // Nobody there has said anything meanwhile: the next call makes a connection anew, or hears in time that it cannot.
      if (connection.heardMs < sentMs) session.destroy();
    });
    signal?.addEventListener('abort', abort, { once: true });
    const noteStatus = (headers: http2.IncomingHttpHeaders): void => {
      connection.heardMs = clock.monotonic();
      const given = headers['grpc-status'];
      if (given === undefined) return;
      status = String(given);
      words = String(headers['grpc-message'] ?? '');
    };
    stream.on('response', (headers) => {
      httpStatus = Number(headers[':status']);
      noteStatus(headers);
    });
    stream.on('trailers', noteStatus);
    stream.on('data', (chunk: Buffer) => {
      connection.heardMs = clock.monotonic();
      chunks.push(chunk);
    });
    stream.on('error', (error: Error) => {
      if (settle()) reject(new CallError(unavailable, `Connection dropped: ${error.message}`, { cause: error }));
    });
    stream.on('close', () => {
      if (!settle()) return;
      if (status === undefined) {
        const what = httpStatus !== 0 && httpStatus !== 200 ? `HTTP status ${httpStatus}` : 'the stream ended early';
        reject(new CallError(unavailable, `Connection dropped: ${what}`));
      } else if (status !== '0') reject(new CallError(Number(status), percentDecoded(words)));
      else {
        const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        if (body.length < prefixBytes || body[0] !== 0 || body.readUInt32BE(1) !== body.length - prefixBytes)
          reject(new CallError(internal, 'etcd sent an answer that is no message'));
        else resolve(body.subarray(prefixBytes));
      }
    });
    const frame = Buffer.allocUnsafe(prefixBytes + message.length);
    frame[0] = 0;
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, prefixBytes);
    stream.end(frame);
  });
}

/** A broken escape must not hide what it stands in. Source: PROTOCOL-HTTP2.md, Percent-Encoded. */
function percentDecoded(words: string): string {
  try {
    return decodeURIComponent(words);
  } catch (error) {
    if (error instanceof URIError) return words;
    throw error;
  }
}

/** A host that is gone is not waited for as long as the kernel does; a stopped server accepts, and does not greet. */
function dial(host: string, port: number, tls: Tls | undefined, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const byAddress = isIP(host) !== 0;
    const socket = tls
      ? connectTls({
          ...tls,
          host,
          port,
          ALPNProtocols: ['h2'],
          // An address is no name to ask a server for, yet it is what its certificate must name.
          ...(byAddress
            ? { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) }
            : { servername: host }),
        })
      : connectPlain({ host, port });
    const late = (): void => void socket.destroy(new Error(`Connecting took more than ${connectTimeoutMs} ms`));
    const timer = clock.timer(connectTimeoutMs, late);
    const fail = (error: Error): void => {
      timer.cancel();
      reject(error);
    };
    socket.once('error', fail);
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      timer.cancel();
      socket.off('error', fail);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}
