/** The client's side of an HTTP/1.1 upgrade (RFC 9110, 7.8): asks a server for another protocol on a connection of its own. */
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Clock } from '../../base/clock.ts';

export interface UpgradeTarget {
  readonly host: string;
  readonly port: number;
  /** Absent: plain HTTP. PEM texts. */
  readonly tls?: TlsIdentity;
}

/** Who we are to a server, and whom we take for it. PEM texts. */
export interface TlsIdentity {
  /** Absent: the system's authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name its certificate must carry, when it is not the host. */
  readonly serverName?: string;
  /** Any certificate will do. */
  readonly anyServer?: boolean;
}

/** As Node's TLS takes it. */
export function tlsOptions({ ca, cert, key, serverName, anyServer }: TlsIdentity): TlsOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    // An IP address may not be sent as a server name; it is still checked against the certificate.
    ...(serverName === undefined || isIP(serverName) ? {} : { servername: serverName }),
    ...(anyServer ? { rejectUnauthorized: false } : {}),
  };
}

export interface UpgradeRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Names in lower case; several values are sent as several lines. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
  /** Until the answer's head. */
  readonly timeoutMs: number;
}

export type UpgradeAnswer =
  | {
      readonly kind: 'upgraded';
      /** Names as the server wrote them, alternating with values. */
      readonly rawHeaders: readonly string[];
      /** By lower-case name. */
      readonly headers: Readonly<Record<string, string>>;
      readonly socket: Duplex;
      /** What came behind the answer's head already. */
      readonly head: Uint8Array;
    }
  /** The server said no. */
  | { readonly kind: 'refused'; readonly status: number; readonly contentType: string; readonly body: Buffer };

/** A refusal longer than this is cut off. */
const refusalBytesMax = 64 * 1024;

/** @throws Error when the server cannot be reached or does not answer in time; its message says where. */
export function requestUpgrade(target: UpgradeTarget, ask: UpgradeRequest): Promise<UpgradeAnswer> {
  const { host, port, tls } = target;
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      host,
      port,
      method: ask.method,
      path: ask.path,
      headers: { host: hostHeader(host, port), ...(ask.headers as Record<string, string | string[]>) },
      agent: false,
    };
    const request = tls ? requestTls({ ...options, ...tlsOptions(tls) }) : requestPlain(options);
    const give = (): void => void request.destroy(new Error('the caller went away'));
    const timeout = ask.clock.timer(ask.timeoutMs, () =>
      request.destroy(new Error(`dial tcp ${hostHeader(host, port)}: i/o timeout`)),
    );
    const settled = (): void => {
      timeout.cancel();
      ask.signal?.removeEventListener('abort', give);
    };
    ask.signal?.addEventListener('abort', give, { once: true });
    request.on('error', (error) => {
      settled();
      reject(new Error(dialText(error, hostHeader(host, port)), { cause: error }));
    });
    request.on('upgrade', (answer, socket, head) => {
      settled();
      // The answer's head takes a turn to be written on: an error in between has nobody else to hear it.
      socket.on('error', () => undefined);
      resolve({ kind: 'upgraded', rawHeaders: answer.rawHeaders, headers: joined(answer), socket, head });
    });
    request.on('response', (answer) => {
      const pieces: Buffer[] = [];
      let length = 0;
      answer.on('data', (piece: Buffer) => {
        if (length < refusalBytesMax) pieces.push(piece);
        length += piece.length;
        if (length >= refusalBytesMax) answer.destroy();
      });
      answer.on('error', () => undefined);
      answer.on('close', () => {
        settled();
        request.destroy();
        resolve({
          kind: 'refused',
          status: answer.statusCode ?? 502,
          contentType: answer.headers['content-type'] ?? 'text/plain; charset=utf-8',
          body: Buffer.concat(pieces).subarray(0, refusalBytesMax),
        });
      });
    });
    if (ask.signal?.aborted) give();
    request.end();
  });
}

const joined = (answer: IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );

export const hostHeader = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** As Go words it, because people compare it with upstream's. */
export function dialText(error: Error, address: string): string {
  const code = 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
  };
  return words[code] ? `dial tcp ${address}: ${words[code]}` : error.message;
}
