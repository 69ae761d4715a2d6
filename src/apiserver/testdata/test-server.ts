/** A server for tests: memory store, virtual time, everything allowed, answers as values. */
import type { ApiResponse, WatchFrame, WatchStream } from '../../api/exchange.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { alwaysAllow } from '../authorization/union.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../index.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed from the bytes that would be sent. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface TestServer {
  readonly server: ApiServer;
  readonly store: Store;
  readonly clock: VirtualClock;
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** `send` of a create that must succeed; returns the object. */
  create(path: string, object: object): Promise<Answer['body']>;
  watch(path: string): Promise<WatchStream>;
  stop(): Promise<void>;
}

export async function startTestServer(
  options: Partial<ApiServerOptions> & { readonly store?: Store; readonly clock?: VirtualClock } = {},
): Promise<TestServer> {
  const clock = options.clock ?? createVirtualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const server = createApiServer({
    random: createSeededRandom(7),
    log: silentLogger,
    metrics: createMetricsRegistry(),
    security: () => ({
      authenticate: () => ({ name: 'tester', groups: ['system:masters'] }),
      authorizer: alwaysAllow,
      admission: [],
    }),
    ...options,
    store,
    clock,
  });
  await server.start();
  const leave = new AbortController();
  const call = (method: string, url: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const at = url.indexOf('?');
    return server.handler({
      method,
      path: at < 0 ? url : url.slice(0, at),
      query: at < 0 ? '' : url.slice(at + 1),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        'user-agent': 'test',
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: { bytes: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) } }),
      remoteAddress: 'test',
      signal: leave.signal,
    });
  };
  const send: TestServer['send'] = async (method, url, body, headers) =>
    answerOf(await call(method, url, body, headers));
  return {
    server,
    store,
    clock,
    send,
    async create(path, object) {
      const answer = await send('POST', path, object);
      if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`);
      return answer.body;
    },
    async watch(path) {
      const response = await call('GET', path);
      if (response.body.kind !== 'watch') throw new Error(`GET ${path}: ${answerOf(response).text}`);
      return response.body.stream;
    },
    async stop() {
      leave.abort();
      await server.stop();
      await store.close();
    },
  };
}

function answerOf({ status, headers, body }: ApiResponse): Answer {
  const bytes =
    body.kind === 'object'
      ? Buffer.from(body.object.bytes())
      : body.kind === 'list'
        ? Buffer.concat([...body.chunks()])
        : body.kind === 'bytes'
          ? Buffer.from(body.bytes)
          : Buffer.alloc(0);
  const text = bytes.toString();
  const isJson = headers['content-type']?.startsWith('application/json') && text !== '';
  return { status, headers, text, body: (isJson ? JSON.parse(text) : {}) as Answer['body'] };
}

/** What a watch has to say now: `TYPE name` each, `BOOKMARK` with its revision. */
export function taken(stream: WatchStream): readonly string[] {
  const said: string[] = [];
  for (;;) {
    const frames = stream.take();
    if (frames === undefined) return [...said, 'END'];
    if (frames.length === 0) return said;
    said.push(...frames.map(described));
  }
}

function described(frame: WatchFrame): string {
  const { object } = JSON.parse(Buffer.from(frame.bytes()).toString()) as {
    object: {
      code?: number;
      message?: string;
      metadata: { name?: string; resourceVersion?: string; annotations?: object };
    };
  };
  if (frame.type === 'ERROR') return `ERROR ${object.code} ${object.message}`;
  if (frame.type === 'BOOKMARK') return object.metadata.annotations ? 'BOOKMARK end' : 'BOOKMARK';
  return `${frame.type} ${object.metadata.name}`;
}
