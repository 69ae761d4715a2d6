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
  /** Opens a watch. Rejects like `request` when it cannot be opened; ends when the server closes it; throws on a broken connection. */
  watch(request: TransportRequest): Promise<AsyncIterable<TransportWatchEvent>>;
  /** A raw answer as bytes: logs, metrics, OpenAPI documents. */
  stream(request: TransportRequest): Promise<AsyncIterable<Uint8Array>>;
  /** Ends idle and open connections. Idempotent. */
  close(): Promise<void>;
}
