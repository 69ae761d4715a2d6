/** One HTTP exchange below the Transport: HTTP/2 (`http2-wire.ts`) or HTTP/1.1 (`http1-wire.ts`). */
import type { Readable } from 'node:stream';
import { TransportError, type TransportErrorKind } from './transport.ts';

export interface WireRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
}
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Destroyed when the request's signal aborts. */
  readonly body: Readable;
}
export interface Wire {
  /** @throws TransportError; the signal's reason when it aborts first. */
  send(request: WireRequest): Promise<WireAnswer>;
  close(): void;
}

/** What Node's errors mean for who asked. @param server as the user wrote it. */
export function toTransportError(error: unknown, server: string): TransportError {
  if (error instanceof TransportError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const kind = kindOf(code);
  // Happy-eyeballs failures carry no message of their own.
  const inner = (error as AggregateError).errors?.[0] as Error | undefined;
  return new TransportError(kind, `${sentences[kind]} ${server}: ${message || inner?.message || code}`, {
    cause: error,
  });
}

function kindOf(code: string): TransportErrorKind {
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'refused';
  if (['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EADDRNOTAVAIL'].includes(code))
    return 'unreachable';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (/^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|HOSTNAME_MISMATCH)/.test(code))
    return 'tls';
  return 'reset';
}

const sentences: Readonly<Record<TransportErrorKind, string>> = {
  refused: 'Cannot connect to',
  unreachable: 'Cannot reach',
  reset: 'The connection broke to',
  timeout: 'No answer in time from',
  tls: 'Cannot make a secure connection to',
  protocol: 'Cannot talk to',
  closed: 'The transport is closed to',
};

/** The whole body. @throws the stream's error, also when it ends early. */
export function readAll(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let ended = false;
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      ended = true;
      resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (!ended) reject(new TransportError('reset', 'The connection broke in the middle of an answer'));
    });
  });
}
