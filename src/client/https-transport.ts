/** A Transport over HTTPS: HTTP/2 where the server agrees, HTTP/1.1 otherwise; plain HTTP for a local proxy. */
import { isIP } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { encode } from '../api/codec/index.ts';
import type { WatchEventType } from '../api/exchange.ts';
import type { JsonObject } from '../api/json.ts';
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import { type CredentialSource, createTokenReader, readCredential } from './credential-source.ts';
import { decodeObject, errorOf } from './decode.ts';
import { createHttp1Wire } from './http1-wire.ts';
import { createHttp2Wire } from './http2-wire.ts';
import { encodeQuery } from './in-process-transport.ts';
import { createRestMeter, type RestRun } from './rest-metrics.ts';
import { withRetries } from './retry.ts';
import { asRaw, type Transport, TransportError, type TransportRequest, type TransportWatchEvent } from './transport.ts';
import { readAll, toTransportError, type Wire, type WireAnswer } from './wire.ts';

export interface HttpsTransportOptions {
  /** `https://10.0.0.1:6443`; a path is put before every request's. */
  readonly server: string;
  readonly clock: Clock;
  /** PEM. Absent: the system's authorities. */
  readonly ca?: CredentialSource;
  readonly clientCertificate?: { readonly cert: CredentialSource; readonly key: CredentialSource };
  readonly token?: CredentialSource;
  readonly username?: string;
  readonly password?: string;
  /** The name the server's certificate must carry, when it is not the host of `server`. */
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly userAgent?: string;
  /** Absent: nothing is counted. */
  readonly metrics?: MetricsRegistry | undefined;
  /** Act as somebody else, if allowed: `Impersonate-User` and so on. */
  readonly impersonate?: { readonly user: string; readonly groups?: readonly string[]; readonly uid?: string };
}

const connectTimeoutMs = 30_000;

/** Connects with the first request. @throws Error when `server` is no http or https URL. */
export function createHttpsTransport(options: HttpsTransportOptions): Transport {
  const server = parseServer(options.server);
  const prefix = server.pathname.replace(/\/+$/, '');
  const meter = options.metrics && createRestMeter(options.metrics, options.clock, server.host);
  const tokenOf = createTokenReader(options.token, options.clock);
  let wire: Promise<Wire> | undefined;
  let closed = false;

  const getWire = (): Promise<Wire> => {
    wire ??= chooseWire(server, options).catch((error: unknown) => {
      // Nothing is known of the server yet: the next request looks again.
      wire = undefined;
      throw error;
    });
    return wire;
  };
  const send = async (request: TransportRequest): Promise<{ answer: WireAnswer; run: RestRun | undefined }> => {
    const path = `${prefix}${request.path}${request.query ? `?${encodeQuery(request.query)}` : ''}`;
    const body = request.body === undefined ? undefined : encode(request.body);
    let run: RestRun | undefined;
    const { answer } = await withRetries(request, options.clock, async () => {
      if (closed) throw new TransportError('closed', `The transport to ${server.origin} is closed`);
      request.signal?.throwIfAborted();
      const headers = headersOf(request, options, await tokenOf());
      const mine = meter?.start(request.method, body?.byteLength ?? 0);
      run = mine;
      let got: WireAnswer;
      try {
        got = await (await getWire()).send({ method: request.method, path, headers, body, signal: request.signal });
      } catch (error) {
        mine?.answered('<error>');
        throw error;
      }
      mine?.answered(String(got.status));
      const after = got.headers['retry-after'];
      return {
        status: got.status,
        retryAfter: typeof after === 'string' ? after : undefined,
        answer: got,
        discard: () => got.body.resume(),
      };
    });
    if (answer.status >= 400)
      throw errorOf(answer.status, asObject(await text({ answer, run }, request)), what(request));
    return { answer, run };
  };
  const text = async (
    { answer, run }: { answer: WireAnswer; run: RestRun | undefined },
    request: TransportRequest,
  ): Promise<string> => {
    try {
      const bytes = await readAll(answer.body);
      run?.read(bytes.length);
      return bytes.toString('utf8');
    } catch (error) {
      request.signal?.throwIfAborted();
      throw toTransportError(error, server.origin);
    }
  };

  return {
    async request(request) {
      const body = await text(await send(request), request);
      return body === '' ? {} : decodeObject(body, what(request));
    },
    async watch(request) {
      return events((await send(request)).answer, request, server.origin);
    },
    async stream(request) {
      return bytes((await send(asRaw(request))).answer, request, server.origin);
    },
    async close() {
      closed = true;
      (await wire?.catch(() => undefined))?.close();
    },
  };
}

function parseServer(text: string): URL {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new Error(`Not the address of an API server: "${text}" (expected https://HOST:PORT)`);
  return url;
}

/** The first connection tells which protocol the server speaks, and is used further when it is HTTP/2. */
async function chooseWire(server: URL, options: HttpsTransportOptions): Promise<Wire> {
  if (server.protocol === 'http:') return createHttp1Wire(server, undefined);
  let first: TLSSocket | undefined = await connectSecurely(server, options, ['h2', 'http/1.1']);
  if (first.alpnProtocol === 'h2') {
    const takeFirst = (): TLSSocket | undefined => {
      const socket = first;
      first = undefined;
      return socket;
    };
    return createHttp2Wire(server, async () => takeFirst() ?? connectSecurely(server, options, ['h2']), options.clock);
  }
  first.destroy();
  return createHttp1Wire(server, { ...(await tlsOptions(server, options)), ALPNProtocols: ['http/1.1'] });
}

async function tlsOptions(server: URL, options: HttpsTransportOptions): Promise<ConnectionOptions> {
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const name = options.tlsServerName ?? host;
  const [ca, cert, key] = await Promise.all([
    readCredential(options.ca, 'certificate authority'),
    readCredential(options.clientCertificate?.cert, 'client certificate'),
    readCredential(options.clientCertificate?.key, 'client key'),
  ]);
  return {
    host,
    port: Number(server.port || 443),
    // An IP address may not be sent as a server name; it is still checked against the certificate.
    ...(isIP(name) ? {} : { servername: name }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    rejectUnauthorized: !options.insecureSkipTlsVerify,
    minVersion: 'TLSv1.2',
  };
}

async function connectSecurely(
  server: URL,
  options: HttpsTransportOptions,
  protocols: readonly string[],
): Promise<TLSSocket> {
  const settings = await tlsOptions(server, options);
  return new Promise((resolve, reject) => {
    let socket: TLSSocket;
    try {
      socket = connectTls({ ...settings, ALPNProtocols: [...protocols] });
    } catch (error) {
      // Bad PEM texts are found before anything is sent.
      reject(
        new TransportError('tls', `Cannot use the credentials for ${server.origin}: ${(error as Error).message}`, {
          cause: error,
        }),
      );
      return;
    }
    const timer = options.clock.timer(connectTimeoutMs, () =>
      socket.destroy(Object.assign(new Error('connecting took too long'), { code: 'ETIMEDOUT' })),
    );
    const fail = (error: unknown): void => {
      timer.cancel();
      reject(toTransportError(error, server.origin));
    };
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      timer.cancel();
      socket.off('error', fail);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 30_000);
      resolve(socket);
    });
  });
}

function headersOf(
  request: TransportRequest,
  options: HttpsTransportOptions,
  token: string | undefined,
): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.userAgent !== undefined) headers['user-agent'] = options.userAgent;
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  else if (options.username !== undefined)
    headers.authorization = `Basic ${Buffer.from(`${options.username}:${options.password ?? ''}`).toString('base64')}`;
  if (options.impersonate) {
    headers['impersonate-user'] = options.impersonate.user;
    if (options.impersonate.uid !== undefined) headers['impersonate-uid'] = options.impersonate.uid;
    if (options.impersonate.groups) headers['impersonate-group'] = options.impersonate.groups.join(', ');
  }
  if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
  for (const name in request.headers) headers[name.toLowerCase()] = request.headers[name]!;
  return headers;
}

const what = (request: TransportRequest): string => `${request.method} ${request.path}`;

function asObject(body: string): JsonObject | string {
  if (!body.startsWith('{')) return body;
  try {
    return decodeObject(body, 'an error');
  } catch (error) {
    if (error instanceof TransportError) return body;
    throw error;
  }
}

async function* bytes(answer: WireAnswer, request: TransportRequest, server: string): AsyncGenerator<Uint8Array> {
  try {
    yield* answer.body;
  } catch (error) {
    if (!request.signal?.aborted) throw toTransportError(error, server);
  }
}

/** Frames are lines. What one read brought is one batch; a line in pieces is put together once. */
async function* events(
  answer: WireAnswer,
  request: TransportRequest,
  server: string,
): AsyncGenerator<readonly TransportWatchEvent[]> {
  let pieces: Buffer[] = [];
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const batch: TransportWatchEvent[] = [];
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        let line: string;
        if (pieces.length === 0) line = chunk.toString('utf8', start, end);
        else {
          pieces.push(chunk.subarray(start, end));
          line = Buffer.concat(pieces).toString('utf8');
          pieces = [];
        }
        start = end + 1;
        if (line !== '') batch.push(decodeEvent(line, request));
      }
      if (start < chunk.length) pieces.push(chunk.subarray(start));
      if (batch.length > 0) yield batch;
    }
  } catch (error) {
    if (!request.signal?.aborted) throw toTransportError(error, server);
  } finally {
    // Leaving the loop early cancels the stream on the server.
    answer.body.destroy();
  }
}

function decodeEvent(line: string, request: TransportRequest): TransportWatchEvent {
  const { type, object } = decodeObject(line, what(request));
  if (typeof type !== 'string' || typeof object !== 'object' || object === null)
    throw new TransportError('protocol', `Cannot read the answer to ${what(request)}: not a watch event`);
  return { type: type as WatchEventType, object: object as JsonObject };
}

const newline = 0x0a;
