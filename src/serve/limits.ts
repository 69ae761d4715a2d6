/** The bounds of a server, each set on purpose: what a client may make the server hold, wait for or compute. */
export interface ServeLimits {
  /** A longer body is answered 413. Upstream's MaxRequestBodyBytes. */
  readonly bodyBytesMax: number;
  /**
   * Request line and headers together; beyond it 431. Tokens are a few KiB, but selectors travel in the URL, so Node's own 16 KiB is too
   * little; Go's 1 MiB would let one connection hold a megabyte before it is authenticated.
   */
  readonly headerBytesMax: number;
  /** From a connection's first byte (or from its opening) to the end of the headers: upstream's ReadHeaderTimeout. */
  readonly headersTimeoutMs: number;
  /** From a request's first byte to the end of its body: a client that drips bytes does not hold a slot for ever. */
  readonly bodyTimeoutMs: number;
  /** A connection without a request is closed after this. Upstream's IdleTimeout. */
  readonly idleTimeoutMs: number;
  readonly tlsHandshakeTimeoutMs: number;
  /** TCP keep-alive probes start after this much silence, so that the watch of a vanished host ends. */
  readonly tcpKeepAliveMs: number;
  /**
   * Open streams on one HTTP/2 connection, advertised in SETTINGS. A kubelet watches each of its pods' ConfigMaps and Secrets on one
   * connection, so Go's 250 runs out on a full node; a client that needs more opens a second connection.
   */
  readonly streamsPerConnectionMax: number;
  /**
   * What one HTTP/2 session may hold in buffers, MiB. Node refuses new streams beyond it (ENHANCE_YOUR_CALM), so it must cover the
   * high-water mark of every open stream (1,000 watches x 16 KiB) and some lists in flight; Node's 10 is too little for both.
   */
  readonly sessionMemoryMiB: number;
  /** Upload window of one HTTP/2 stream. Nearly all bodies are below 24 KiB (upstream's 99th percentile); 64 KiB saves a round trip on CRDs. */
  readonly streamWindowBytes: number;
  /** Upload window of a whole HTTP/2 connection: the bytes that one connection can make the server hold before handlers read them. */
  readonly connectionWindowBytes: number;
  /** Answers longer than this are compressed for clients that accept gzip; at gzip's fastest level, as upstream. */
  readonly gzipFromBytes: number;
}

export const defaultServeLimits: ServeLimits = Object.freeze({
  bodyBytesMax: 3 * 1024 * 1024,
  headerBytesMax: 128 * 1024,
  headersTimeoutMs: 32_000,
  bodyTimeoutMs: 60_000,
  idleTimeoutMs: 90_000,
  tlsHandshakeTimeoutMs: 10_000,
  tcpKeepAliveMs: 30_000,
  streamsPerConnectionMax: 1000,
  sessionMemoryMiB: 64,
  streamWindowBytes: 64 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  gzipFromBytes: 128 * 1024,
});
