/**
 * How a client reaches an API server (decision 8): over HTTPS (`https-transport.ts`, from a kubeconfig) or by a call into the handler chain
 * of one in the same process (`in-process-transport.ts`). Every client test runs on both.
 */

import type { WatchEventType } from '../api/exchange.ts';
import type { JsonObject, JsonValue } from '../api/json.ts';

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with percent-encoding. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON value; `contentType` defaults to application/json. */
  readonly body?: JsonValue;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface TransportWatchEvent {
  readonly type: WatchEventType;
  /** Deep-frozen. */
  readonly object: JsonObject;
}

export interface Transport {
  /**
   * One request, one JSON answer, deep-frozen. An answer of 400 and above rejects with `ApiError` carrying the Status; when the server
   * cannot be reached, with `TransportError` (whether to retry is a property of the error).
   */
  request(request: TransportRequest): Promise<JsonObject>;
  /**
   * Opens a watch; what has piled up comes as one batch (never empty), so that a burst costs one turn. Rejects like `request` when it
   * cannot be opened; ends when the server closes it or `signal` aborts; throws `TransportError` on a broken connection. An ERROR event
   * is delivered like any other. Iterate it once.
   */
  watch(request: TransportRequest): Promise<AsyncIterable<readonly TransportWatchEvent[]>>;
  /** A raw answer as bytes: logs, metrics, OpenAPI documents. */
  stream(request: TransportRequest): Promise<AsyncIterable<Uint8Array>>;
  /** Ends idle and open connections. Idempotent. */
  close(): Promise<void>;
}

/** Why no answer came. `refused`: nobody listens; `reset`: the connection broke under the request; `closed`: this transport was closed. */
export type TransportErrorKind = 'refused' | 'unreachable' | 'reset' | 'timeout' | 'tls' | 'protocol' | 'closed';

/** No answer came from the API server. The message names the server and the cause. */
export class TransportError extends Error {
  readonly kind: TransportErrorKind;
  /** True when the server cannot have acted on the request, or when asking again may work. Whether a repeat is safe is the caller's to know. */
  readonly retryable: boolean;
  constructor(kind: TransportErrorKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TransportError';
    this.kind = kind;
    this.retryable = kind !== 'tls' && kind !== 'closed' && kind !== 'protocol';
  }
}

/** Text, a log, a metrics page: the server chooses the form, unless the caller does. */
export const asRaw = (request: TransportRequest): TransportRequest => ({
  ...request,
  headers: { accept: '*/*', ...request.headers },
});
