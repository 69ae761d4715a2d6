import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { before, describe, test } from 'node:test';
import tls from 'node:tls';
import { gunzipSync } from 'node:zlib';
import {
  type ApiHandler,
  type ApiRequest,
  type ApiResponse,
  listPieceBytes,
  type ResponseBody,
  type WatchFrame,
  type WatchStream,
} from '../api/exchange.ts';
import type { Logger } from '../base/log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createRealClock } from '../base/real-clock.ts';
import { type HttpsServer, type HttpsServerOptions, ListenError, startHttpsServer } from './index.ts';
import { type Authority, authority, type Pem } from './testdata/pki.ts';

const clock = createRealClock();
const nothing = (): void => undefined;
const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => quiet };
let ca: Authority;
let otherCa: Authority;
let serverPem: Pem;
before(async () => {
  [ca, otherCa] = await Promise.all([authority('test-ca'), authority('other-ca')]);
  serverPem = await ca.issue('CN=server', { server: true });
});

async function serving(
  handler: ApiHandler,
  use: (server: HttpsServer) => Promise<void>,
  options: Partial<HttpsServerOptions> = {},
): Promise<void> {
  const server = await startHttpsServer({
    handler,
    ...serverPem,
    clientCa: ca.cert,
    host: '127.0.0.1',
    port: 0,
    clock,
    log: quiet,
    metrics: createMetricsRegistry(),
    ...options,
  });
  try {
    await use(server);
  } finally {
    await server.stop({ graceMs: 0 });
  }
}

interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
  readonly client?: Pem;
}
interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}
type Caller = (port: number, call?: Call) => Promise<Answer>;

const http1: Caller = (port, { method = 'GET', path = '/', headers = {}, body, client } = {}) =>
  new Promise((resolve, reject) => {
    const request = https.request(
      { host: '127.0.0.1', port, method, path, headers, ca: ca.cert, agent: false, ...client },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
const h2: Caller = async (port, { method = 'GET', path = '/', headers = {}, body, client } = {}) => {
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca: ca.cert, ...client });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request(
        { ...headers, ':method': method, ':path': path },
        { endStream: body === undefined },
      );
      const pieces: Buffer[] = [];
      let got: Record<string, unknown> = {};
      stream.on('response', (responseHeaders) => {
        got = responseHeaders;
      });
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('error', reject);
      stream.on('end', () => {
        if (got[':status'] === undefined) reject(new Error('The stream ended without an answer'));
        else resolve({ status: Number(got[':status']), headers: got, body: Buffer.concat(pieces) });
      });
      if (body !== undefined) stream.end(body);
    });
  } finally {
    session.close();
  }
};

const lettersLength = 20 * listPieceBytes + 1000;
/** A long list of nothing but one letter. */
const letters = (letter: string): ResponseBody => ({
  kind: 'list',
  byteLength: lettersLength,
  value: () => ({}),
  *chunks(memory = Buffer.allocUnsafe) {
    for (let left = lettersLength; left > 0; left -= listPieceBytes)
      yield memory(listPieceBytes).fill(letter).subarray(0, left);
  },
});

const json = { 'content-type': 'application/json' };
const answer = (body: ResponseBody, status = 200): ApiResponse => ({ status, headers: json, body });
const text = (value: string): ApiResponse => answer({ kind: 'bytes', bytes: Buffer.from(value) });
const frame = (value: string): WatchFrame => ({
  type: 'ADDED',
  bytes: () => Buffer.from(value),
  object: () => ({}),
});

/** A watch that a test feeds by hand. */
class HandWatch implements WatchStream {
  queue: WatchFrame[] = [];
  closed = false;
  takes = 0;
  #wake: (() => void) | undefined;
  push(...frames: WatchFrame[]): void {
    this.queue.push(...frames);
    this.#wake?.();
  }
  take(): readonly WatchFrame[] | undefined {
    this.takes++;
    if (this.queue.length > 0) return this.queue.splice(0);
    return this.closed ? undefined : [];
  }
  ready(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
  close(): void {
    this.closed = true;
    this.#wake?.();
  }
}

for (const [protocol, call] of [
  ['HTTP/1.1', http1],
  ['HTTP/2', h2],
] as const) {
  describe(`serve: ${protocol}`, () => {
    test('the handler sees method, raw path, query, headers and body', async () => {
      let seen: ApiRequest | undefined;
      const handler: ApiHandler = async (request) => {
        seen = request;
        return text('{}');
      };
      await serving(handler, async ({ port }) => {
        const got = await call(port, {
          method: 'POST',
          path: '/api/v1/x%2Fy?a=b%20c&d',
          headers: { 'X-Thing': 'v' },
          body: Buffer.from('{"a":1}'),
        });
        assert.equal(got.status, 200);
        assert.equal(got.headers['content-length'], '2');
        assert.ok(seen);
        assert.equal(seen.method, 'POST');
        assert.equal(seen.path, '/api/v1/x%2Fy');
        assert.equal(seen.query, 'a=b%20c&d');
        assert.equal(seen.headers['x-thing'], 'v');
        assert.match(seen.headers.host ?? '', /^127\.0\.0\.1:/);
        assert.equal(seen.remoteAddress, '127.0.0.1');
        assert.equal(seen.peer, undefined);
        assert.ok(seen.body && 'bytes' in seen.body);
        assert.equal(Buffer.from(seen.body.bytes).toString(), '{"a":1}');
      });
    });

    for (const declared of [true, false])
      test(`a body above the limit, length ${declared ? 'declared' : 'not declared'}, is answered 413 and never reaches the handler`, async () => {
        let called = false;
        const handler: ApiHandler = async () => {
          called = true;
          return text('{}');
        };
        await serving(
          handler,
          async ({ port }) => {
            const body = Buffer.alloc(5000, 32);
            const got = await call(port, {
              method: 'POST',
              headers: declared
                ? { 'content-length': '5000' }
                : protocol === 'HTTP/2'
                  ? {}
                  : { 'transfer-encoding': 'chunked' },
              body,
            });
            assert.equal(got.status, 413);
            assert.deepEqual(JSON.parse(got.body.toString()), {
              kind: 'Status',
              apiVersion: 'v1',
              metadata: {},
              status: 'Failure',
              message: 'Request entity is too large: limit is 4096',
              reason: 'RequestEntityTooLarge',
              code: 413,
            });
            assert.equal(called, false);
          },
          { limits: { bodyBytesMax: 4096 } },
        );
      });

    test('HEAD answers headers only', async () => {
      await serving(
        async () => text('{"a":1}'),
        async ({ port }) => {
          const got = await call(port, { method: 'HEAD' });
          assert.equal(got.body.length, 0);
          assert.equal(got.headers['content-length'], '7');
        },
      );
    });

    test('a long list is streamed whole and in order, with its length', async () => {
      const chunks = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i}:${'x'.repeat(i % 1000)};`));
      const whole = Buffer.concat(chunks);
      const list: ResponseBody = { kind: 'list', chunks: () => chunks, byteLength: whole.length, value: () => ({}) };
      await serving(
        async () => answer(list),
        async ({ port }) => {
          const plain = await call(port);
          assert.ok(plain.body.equals(whole));
          assert.equal(plain.headers['content-length'], String(whole.length));
          const packed = await call(port, { headers: { 'accept-encoding': 'deflate, gzip' } });
          assert.equal(packed.headers['content-encoding'], 'gzip');
          assert.equal(packed.headers.vary, 'Accept-Encoding');
          assert.ok(gunzipSync(packed.body).equals(whole));
        },
      );
    });

    test('lists at once, which write into the memory that others have left, stay whole', async () => {
      await serving(
        async ({ path }) => answer(letters(path.slice(1))),
        async ({ port }) => {
          const encodings = ['identity', 'gzip'];
          for (let round = 0; round < 3; round++)
            await Promise.all(
              [...'abcdefghijkl'].map(async (letter, i) => {
                const headers = { 'accept-encoding': encodings[(i + round) % 2]! };
                const got = await call(port, { path: `/${letter}`, headers });
                const body = got.headers['content-encoding'] === 'gzip' ? gunzipSync(got.body) : got.body;
                assert.ok(body.equals(Buffer.alloc(lettersLength, letter)), letter);
              }),
            );
        },
      );
    });

    test('an answer up to 128 KiB is not compressed, a longer one is', async () => {
      let size = 128 * 1024;
      await serving(
        async () => text('x'.repeat(size)),
        async ({ port }) => {
          const headers = { 'accept-encoding': 'gzip' };
          assert.equal((await call(port, { headers })).headers['content-encoding'], undefined);
          size++;
          assert.equal((await call(port, { headers })).headers['content-encoding'], 'gzip');
          assert.equal((await call(port)).headers['content-encoding'], undefined);
        },
      );
    });

    test('watch frames arrive as they come, several in one write; the watch ends when its stream ends', async () => {
      const watch = new HandWatch();
      watch.push(frame('a\n'));
      await serving(
        async () => answer({ kind: 'watch', stream: watch }),
        async ({ port }) => {
          const got = call(port, { headers: { 'accept-encoding': 'gzip' } });
          while (watch.takes < 2) await clock.yield();
          watch.push(frame('bb\n'), frame('ccc\n'));
          while (watch.takes < 4) await clock.yield();
          watch.close();
          const { body, headers } = await got;
          assert.equal(body.toString(), 'a\nbb\nccc\n');
          assert.equal(headers['content-encoding'], undefined);
        },
      );
    });

    test('a stop ends watches cleanly, at once', async () => {
      const watch = new HandWatch();
      watch.push(frame('a\n'));
      await serving(
        async () => answer({ kind: 'watch', stream: watch }),
        async (server) => {
          const got = call(server.port);
          while (watch.takes < 2) await clock.yield();
          await server.stop({ graceMs: 60_000 });
          assert.equal((await got).body.toString(), 'a\n');
        },
      );
    });

    test('a stop lets requests under way finish', async () => {
      const started = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const handler: ApiHandler = async () => {
        started.resolve();
        await release.promise;
        return text('done');
      };
      await serving(handler, async (server) => {
        const got = call(server.port);
        await started.promise;
        const stopped = server.stop({ graceMs: 60_000 });
        await assert.rejects(call(server.port), 'it accepts no more');
        release.resolve();
        assert.equal((await got).body.toString(), 'done');
        await stopped;
      });
    });

    test('a stop cuts off what is not done after the grace', async () => {
      const started = Promise.withResolvers<ApiRequest>();
      const handler: ApiHandler = (request) => {
        started.resolve(request);
        return new Promise(nothing);
      };
      await serving(handler, async (server) => {
        const got = assert.rejects(call(server.port));
        const request = await started.promise;
        await server.stop({ graceMs: 10 });
        await got;
        assert.equal(request.signal.aborted, true);
      });
    });

    test('a client that goes away aborts its request and closes its watch', async () => {
      const watch = new HandWatch();
      const started = Promise.withResolvers<ApiRequest>();
      const handler: ApiHandler = async (request) => {
        started.resolve(request);
        return answer({ kind: 'watch', stream: watch });
      };
      await serving(handler, async ({ port }) => {
        const socket = tls.connect({
          port,
          host: '127.0.0.1',
          ca: ca.cert,
          ALPNProtocols: protocol === 'HTTP/2' ? ['h2'] : ['http/1.1'],
        });
        await once(socket, 'secureConnect');
        if (protocol === 'HTTP/2') {
          const session = http2.connect('https://127.0.0.1', { createConnection: () => socket });
          session.on('error', () => undefined);
          session.request({ ':path': '/' }).on('error', () => undefined);
        } else socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        const request = await started.promise;
        const { signal } = request;
        assert.equal(signal.aborted, false);
        socket.destroy();
        await once(signal, 'abort');
        while (!watch.closed) await clock.yield();
      });
    });

    test('a watcher that does not read stops the taking of frames', async () => {
      const big = frame('x'.repeat(256 * 1024));
      const watch = new HandWatch();
      await serving(
        async () => answer({ kind: 'watch', stream: watch }),
        async ({ port }) => {
          const agent = new https.Agent();
          const session =
            protocol === 'HTTP/2' ? http2.connect(`https://127.0.0.1:${port}`, { ca: ca.cert }) : undefined;
          const paused = session
            ? session.request({ ':path': '/' })
            : await new Promise<NodeJS.ReadableStream>((resolve, reject) =>
                https.get({ host: '127.0.0.1', port, ca: ca.cert, agent }, resolve).on('error', reject),
              );
          paused.pause();
          let taken = 0;
          let quietTurns = 0;
          for (let i = 0; i < 2000 && quietTurns < 50; i++) {
            if (watch.queue.length === 0) watch.push(big);
            await clock.yield();
            if (watch.queue.length === 0) {
              taken++;
              quietTurns = 0;
            } else quietTurns++;
          }
          assert.ok(taken < 500, `${taken} frames of 256 KiB were taken for a watcher that reads nothing`);
          session?.destroy();
          agent.destroy();
        },
      );
    });

    test('a handler that rejects is answered 500', async () => {
      await serving(
        async () => {
          throw new Error('broken');
        },
        async ({ port }) => assert.equal((await call(port)).status, 500),
      );
    });

    test('a stream that fails halfway is visibly incomplete', async () => {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('first');
        throw new Error('the container is gone');
      }
      await serving(
        async () => answer({ kind: 'stream', stream: pieces() }),
        async ({ port }) => {
          await assert.rejects(call(port));
        },
      );
    });

    describe('client certificates', () => {
      let seen: ApiRequest | undefined;
      const handler: ApiHandler = async (request) => {
        seen = request;
        return text('{}');
      };
      const peerOf = async (client: Pem): Promise<ApiRequest['peer']> => {
        await serving(handler, async ({ port }) => assert.equal((await call(port, { client })).status, 200));
        return seen?.peer;
      };
      test('a good one gives name, groups and fingerprint', async () => {
        const peer = await peerOf(await ca.issue('CN=admin, O=system:masters, O=devs'));
        assert.equal(peer?.commonName, 'admin');
        assert.deepEqual(peer?.organizations, ['system:masters', 'devs']);
        assert.match(peer?.fingerprint ?? '', /^[0-9a-f]{64}$/);
        assert.equal(peer?.verificationError, undefined);
      });
      test('one of another authority carries its error', async () => {
        const peer = await peerOf(await otherCa.issue('CN=admin, O=system:masters'));
        assert.match(peer?.verificationError ?? '', /UNABLE_TO/);
      });
      test('an expired one carries its error', async () => {
        const peer = await peerOf(await ca.issue('CN=late', { notAfter: new Date(Date.now() - 60_000) }));
        assert.match(peer?.verificationError ?? '', /EXPIRED/);
      });
      test('a server certificate is no client certificate', async () => {
        const peer = await peerOf(await ca.issue('CN=web', { server: true }));
        assert.match(peer?.verificationError ?? '', /PURPOSE/);
      });
    });
  });
}

test('serve: a certificate that expires while its connection is open is refused from then on', async () => {
  let now = Date.now();
  const peers: ApiRequest['peer'][] = [];
  const client = await ca.issue('CN=short', { notAfter: new Date(now + 60_000) });
  await serving(
    async (request) => {
      peers.push(request.peer);
      return text('{}');
    },
    async ({ port }) => {
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: ca.cert, ...client });
      const get = (): Promise<void> =>
        new Promise((resolve, reject) =>
          https.get({ host: '127.0.0.1', port, agent }, (r) => r.resume().on('end', resolve)).on('error', reject),
        );
      await get();
      now += 120_000;
      await get();
      agent.destroy();
    },
    { clock: { ...clock, now: () => now } },
  );
  assert.deepEqual(
    peers.map((p) => p?.verificationError),
    [undefined, 'certificate has expired'],
  );
});

test('serve: a port in use is one sentence with the remedy', async () => {
  await serving(
    async () => text(''),
    async ({ port }) => {
      const error = await serving(
        async () => text(''),
        async () => undefined,
        { port },
      ).catch((e: unknown) => e);
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, 'EADDRINUSE');
      assert.match(error.message, /^Cannot listen on 127\.0\.0\.1:\d+: another program holds the port; /);
    },
  );
});

test('serve: certificates can be replaced while serving; bad ones leave the old ones in place', async () => {
  await serving(
    async () => text('{}'),
    async (server) => {
      assert.throws(() => server.reloadCertificates({ ...serverPem, cert: 'no certificate' }));
      const next = await ca.issue('CN=next', { server: true });
      const nameOf = async (): Promise<unknown> => {
        const socket = tls.connect({ port: server.port, host: '127.0.0.1', ca: ca.cert });
        await once(socket, 'secureConnect');
        const name = socket.getPeerCertificate().subject.CN;
        socket.destroy();
        return name;
      };
      assert.equal(await nameOf(), 'server');
      server.reloadCertificates({ ...next, clientCa: ca.cert });
      assert.equal(await nameOf(), 'next');
    },
  );
});

test('serve: an upgrade gets the request and the socket', async () => {
  await serving(
    async (request) => ({
      status: 101,
      headers: {},
      body: {
        kind: 'upgrade',
        take: (socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.path} ${request.query}`),
      },
    }),
    async ({ port }) => {
      const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert, ALPNProtocols: ['http/1.1'] });
      socket.write('GET /exec?x=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      assert.match(data.toString(), /^HTTP\/1\.1 101 .*\/exec x=1/s);
      socket.destroy();
    },
  );
});

test('serve: a client that sends no headers is cut off', async () => {
  await serving(
    async () => text('{}'),
    async ({ port }) => {
      const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert });
      await once(socket, 'secureConnect');
      socket.write('GET / HTTP/1.1\r\nHost:');
      socket.on('error', () => undefined);
      socket.resume();
      await once(socket, 'close');
    },
    { limits: { headersTimeoutMs: 20 } },
  );
});

test('serve: pipelined requests are answered in order', async () => {
  await serving(
    async (request) => {
      if (request.path === '/1') for (let i = 0; i < 5; i++) await clock.yield();
      return text(request.path);
    },
    async ({ port }) => {
      const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert });
      socket.write('GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
      let all = '';
      socket.on('data', (data: Buffer) => {
        all += data.toString();
      });
      await once(socket, 'end');
      assert.ok(all.indexOf('/1') > 0 && all.indexOf('/2') > all.indexOf('/1'), all);
      socket.destroy();
    },
  );
});

test('serve: an HTTP/2 connection without streams is closed after a while, one with a quiet watch is not', async () => {
  const watch = new HandWatch();
  watch.push(frame('a\n'));
  await serving(
    async () => answer({ kind: 'watch', stream: watch }),
    async ({ port }) => {
      const idle = http2.connect(`https://127.0.0.1:${port}`, { ca: ca.cert });
      const busy = http2.connect(`https://127.0.0.1:${port}`, { ca: ca.cert });
      await once(busy.request({ ':path': '/' }), 'response');
      await once(idle, 'close');
      assert.equal(busy.closed, false);
      busy.destroy();
    },
    { limits: { idleTimeoutMs: 30 } },
  );
});

test('serve: lists of one HTTP/2 connection stay whole while others on it are given up half-way', async () => {
  await serving(
    async ({ path }) => answer(letters(path.slice(1))),
    async ({ port }) => {
      const session = http2.connect(`https://127.0.0.1:${port}`, { ca: ca.cert });
      try {
        for (let round = 0; round < 3; round++)
          await Promise.all(
            [...'abcdefghijklmnopqrstuvwxyz'].map(async (letter, i) => {
              const stream = session.request({ ':path': `/${letter}` });
              const givenUp = i % 3 === 0;
              let length = 0;
              stream.on('data', (piece: Buffer) => {
                length += piece.length;
                assert.ok(piece.equals(Buffer.alloc(piece.length, letter)), letter);
                if (givenUp) stream.close(http2.constants.NGHTTP2_CANCEL);
              });
              await once(stream, 'close');
              if (!givenUp) assert.equal(length, lettersLength);
            }),
          );
      } finally {
        session.destroy();
      }
    },
  );
});
