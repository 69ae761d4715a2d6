/**
 * One request to the API server and its answer, before any wire form: what a Transport carries (decision 8). The HTTPS server turns bytes
 * into an ApiRequest and an ApiResponse into bytes; the in-process transport hands both over as they are. Authentication, authorization,
 * admission and the codec run the same way in both.
 */
import type { Duplex, Readable } from 'node:stream';
import type { JsonObject, JsonValue } from './json.ts';

/** Names in lower case; a header that came several times is joined with `, `. */
export type Headers = Readonly<Record<string, string>>;

/** The subject of the client certificate that a caller showed. `serve/` (or an in-process caller that holds a certificate's identity) sets it. */
export interface PeerCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** SHA-256 of the DER, hex; upstream puts it into the user's extra as credential-id. */
  readonly fingerprint?: string;
  /** When it ends to be valid, in milliseconds since the epoch. */
  readonly notAfterMs?: number;
  /** Set when a certificate was shown but does not verify (unknown authority, expired, wrong use): the authenticator answers 401. */
  readonly verificationError?: string;
  /** It verifies as a front proxy's: who sends it may say in headers for whom it speaks. */
  readonly frontProxy?: boolean;
}

export interface ApiRequest {
  readonly method: string;
  /** Decoded once by nobody: the raw path, percent-encoding kept, without the query. */
  readonly path: string;
  /** Raw query string without `?`. */
  readonly query: string;
  readonly headers: Headers;
  /** Each line of a header by itself, where that matters: a name may hold commas. Absent: `headers` is all there is. */
  readonly lines?: (name: string) => readonly string[];
  /** `value` comes from in-process callers; the codec copies it into a tree of its own. Bodies above the limit never get here. */
  readonly body?: { readonly bytes: Uint8Array } | { readonly value: JsonValue };
  /**
   * Instead of `body`, for requests that are passed on to another server: not read yet, of any length, and read no faster than the next server takes it.
   * Who does not read it need not care: `serve/` drops the rest after the answer.
   */
  readonly bodyStream?: Readable;
  readonly peer?: PeerCertificate;
  /** Client address, for audit and metrics; `in-process` for direct callers. */
  readonly remoteAddress: string;
  /** Aborts when the caller goes away or the server stops. */
  readonly signal: AbortSignal;
  /** Ends `signal` because the request's time is over; the caller is still there and gets an answer. */
  readonly expire?: () => void;
}

/**
 * An answer whose bytes and value are made on demand and shared: a list over HTTPS never builds values, a list in process never builds
 * bytes. Both forms include kind, apiVersion and resourceVersion.
 */
export interface Encodable {
  /** JSON, UTF-8. Owned by the server; never written to. */
  bytes(): Uint8Array;
  /** Deep-frozen. */
  value(): JsonObject;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

/** One watch event; `bytes()` is the whole frame `{"type":...,"object":...}\n`, encoded once for all watchers that share the form. */
export interface WatchFrame {
  readonly type: WatchEventType;
  bytes(): Uint8Array;
  /** Deep-frozen. */
  object(): JsonObject;
}

/**
 * A watcher's bounded queue. `take` returns what has piled up (so that a server writes several events at once), an empty array when there
 * is nothing now, and `undefined` after the end. `ready` resolves when `take` will return something new or the stream ended.
 */
export interface WatchStream {
  take(): readonly WatchFrame[] | undefined;
  ready(): Promise<void>;
  /** The watcher went away. Idempotent. */
  close(): void;
}

/** One write of a long list: large enough that its fixed cost vanishes, small enough to be in the core's cache still when it is encrypted, and cheap to hold. */
export const listPieceBytes = 64 * 1024;

export type ResponseBody =
  | { readonly kind: 'empty' }
  | { readonly kind: 'object'; readonly object: Encodable }
  /** Already encoded in the negotiated media type, e.g. text, YAML, protobuf, OpenAPI documents. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A list as pieces that are streamed with back-pressure, and lazily as a value. */
  | {
      readonly kind: 'list';
      /**
       * Pieces of about `listPieceBytes`, the last one shorter.
       * @param memory gives the memory of one piece; who knows when a piece is no longer read can give it out again. Default: fresh memory
       */
      readonly chunks: (memory?: (bytes: number) => Buffer) => Iterable<Uint8Array>;
      readonly byteLength: number;
      readonly value: () => JsonObject;
    }
  | { readonly kind: 'watch'; readonly stream: WatchStream }
  /** Anything long and raw: container logs, other servers' answers. A `content-length` among the headers is kept. */
  | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array> }
  /**
   * The connection becomes another protocol's (exec, attach, port-forward). Only for requests that asked for it with an `upgrade` header;
   * status and headers of the answer are not sent.
   */
  | { readonly kind: 'upgrade'; readonly take: TakeConnection };

/**
 * Called once, after everything was allowed. Owns the socket from then on: writes the `101` itself, ends or destroys it, hears its errors.
 * @param head what the client sent behind its request already
 */
export type TakeConnection = (socket: Duplex, head: Uint8Array) => void;

/** A list as pieces. */
export type ListBody = Extract<ResponseBody, { kind: 'list' }>;

export interface ApiResponse {
  readonly status: number;
  /** Includes `content-type`; `content-length` and compression belong to `serve/`. */
  readonly headers: Headers;
  /** `Set-Cookie` lines of a server behind this one: the only header that cannot be joined. */
  readonly cookies?: readonly string[];
  readonly body: ResponseBody;
}

/** The API server's whole handler chain: never rejects; failures are answers with a Status. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;
