import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, createServer as createTlsServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { WebSocket, WebSocketServer } from 'ws';
import { silentLogger } from '../../../base/console-log.ts';
import { createMetricsRegistry } from '../../../base/metrics.ts';
import { createRealClock } from '../../../base/real-clock.ts';
import { type HttpsServer, startHttpsServer } from '../../../serve/index.ts';
import { type Authority, authority, type Pem } from '../../../serve/testdata/pki.ts';
import { inProcessBackend } from '../../proxy/backend.ts';
import { startTestServer, type TestServer } from '../../testdata/test-server.ts';

const clock = createRealClock();
let ca: Authority;
let pem: Pem;
before(async () => {
  ca = await authority('test-ca');
  pem = await ca.issue('CN=server', { server: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly bytes: Buffer;
}

interface Setting {
  readonly api: TestServer;
  readonly server: HttpsServer;
  /** What the backend saw, without bodies. */
  readonly seen: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[];
  ask(method: string, path: string, headers?: Record<string, string>, body?: Buffer): Promise<Answer>;
}

const podPath = '/api/v1/namespaces/d/pods';
const servicePath = '/api/v1/namespaces/d/services';

/** The real API server on a port; every address of a pod leads to one backend in this process. */
async function proxying(backend: RequestListener, use: (setting: Setting) => Promise<void>): Promise<void> {
  const seen: Setting['seen'] = [];
  const listener: RequestListener = (message, response) => {
    seen.push({ method: message.method!, url: message.url!, headers: message.headers });
    backend(message, response);
  };
  const plain = createServer(listener);
  const secure = createTlsServer({ key: pem.key, cert: pem.cert }, listener);
  const sockets = new WebSocketServer({ server: plain });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${String(data)}`)));
  await Promise.all([listening(plain), listening(secure)]);
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
  const api = await startTestServer({
    reach: (host, port) =>
      host === '10.0.0.9'
        ? { host: '127.0.0.1', port: 1 }
        : { host: '127.0.0.1', port: portOf(port === 443 || port === 8443 ? secure : plain) },
    kubelet: {
      containerLogs: () => assert.fail('not asked for here'),
      connect: () => assert.fail('not asked for here'),
      backend: () => ({
        host: '10.0.0.50',
        port: 10250,
        backend: inProcessBackend(
          async ({ method, path, query, peer }) => ({
            status: 200,
            headers: { 'content-type': 'text/plain' },
            body: { kind: 'bytes', bytes: Buffer.from(`${method} ${path}?${query} as ${peer?.commonName}`) },
          }),
          '10.0.0.50:10250',
          { commonName: 'kubelet-client', organizations: [] },
        ),
      }),
    },
  });
  const server = await startHttpsServer({
    handler: api.server.handler,
    streamsBody: api.server.streamsBody,
    ...pem,
    host: '127.0.0.1',
    port: 0,
    clock,
    log: silentLogger,
    metrics: createMetricsRegistry(),
  });
  const agent = new Agent({ keepAlive: true, ca: ca.cert });
  try {
    await seed(api);
    await use({
      api,
      server,
      seen,
      ask: (method, path, headers = {}, body) =>
        new Promise((resolve, reject) => {
          const exchange = request({ host: 'localhost', port: server.port, method, path, headers, agent }, (answer) => {
            answer.toArray().then((pieces) => {
              const bytes = Buffer.concat(pieces as Buffer[]);
              resolve({ status: answer.statusCode!, headers: answer.headers, bytes, text: bytes.toString() });
            }, reject);
          });
          exchange.on('error', reject);
          exchange.end(body);
        }),
    });
  } finally {
    agent.destroy();
    await server.stop({ graceMs: 0 });
    await api.stop();
    for (const client of sockets.clients) client.terminate();
    for (const one of [plain, secure]) {
      one.closeAllConnections();
      one.close();
    }
  }
}

async function listening(server: Server | ReturnType<typeof createTlsServer>): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

async function seed({ create, send }: TestServer): Promise<void> {
  await create('/api/v1/namespaces', { metadata: { name: 'd' } });
  await create('/api/v1/nodes', { metadata: { name: 'n' } });
  const pod = async (name: string, ip: string, ports: object[] = []): Promise<void> => {
    const containers = [{ name: 'c', image: 'i', ports }];
    await create(podPath, { metadata: { name }, spec: { containers } });
    const status = { status: { podIP: ip, podIPs: [{ ip }] } };
    const answer = await send('PATCH', `${podPath}/${name}/status`, status, {
      'content-type': 'application/merge-patch+json',
    });
    assert.equal(answer.status, 200, answer.text);
  };
  await pod('one', '10.0.0.1', [{ containerPort: 8080 }]);
  await pod('bare', '10.0.0.1');
  await pod('away', '10.0.0.9');
  await pod('loop', '127.0.0.1');
  const service = async (name: string, ports: object[], subsets: object[]): Promise<void> => {
    await create(servicePath, { metadata: { name }, spec: { clusterIP: 'None', ports } });
    await create('/api/v1/namespaces/d/endpoints', { metadata: { name }, subsets });
  };
  const targetRef = { kind: 'Pod', namespace: 'd', name: 'one' };
  await service(
    'web',
    [
      { name: 'http', port: 80 },
      { name: 'tls', port: 443 },
    ],
    [
      {
        addresses: [{ ip: '10.0.0.1', targetRef }],
        ports: [
          { name: 'http', port: 8080 },
          { name: 'tls', port: 8443 },
        ],
      },
    ],
  );
  await service('none', [{ port: 80 }], []);
  await service('forged', [{ port: 80 }], [{ addresses: [{ ip: '10.0.0.66', targetRef }], ports: [{ port: 80 }] }]);
}

const echo: RequestListener = (message, response) => {
  response.setHeader('content-type', 'text/plain');
  message.pipe(response);
};
const messageOf = ({ status, text }: Answer): string =>
  `${status} ${text.startsWith('{') ? (JSON.parse(text) as { message: string }).message : text}`;

describe('proxy: where a name leads', () => {
  test('to pods, by port, by scheme', () =>
    proxying(echo, async ({ ask, seen }) => {
      for (const [path, host] of [
        [`${podPath}/one/proxy/x`, 'localhost'],
        [`${podPath}/http:one:9000/proxy/x`, 'localhost'],
        [`${podPath}/https:one:8443/proxy/x`, 'localhost'],
        [`${podPath}/bare/proxy/x`, 'localhost'],
        [`${servicePath}/web:http/proxy/x`, 'localhost'],
        [`${servicePath}/web:80/proxy/x`, 'localhost'],
        [`${servicePath}/https:web:tls/proxy/x`, 'localhost'],
        [`${servicePath}/https:web:443/proxy/x`, 'localhost'],
        ['/api/v1/nodes/n:9100/proxy/x', 'localhost'],
      ] as const) {
        const answer = await ask('GET', path);
        assert.equal(answer.status, 200, `${path}: ${answer.text}`);
        assert.match(seen.at(-1)!.headers.host!, new RegExp(host));
      }
      assert.ok(seen.every(({ url }) => url === '/x'));
    }));
  test("to the node's kubelet as the API server itself", () =>
    proxying(echo, async ({ ask }) => {
      for (const name of ['n', 'n:10250', 'https:n:10250'])
        assert.equal(
          (await ask('GET', `/api/v1/nodes/${name}/proxy/pods/?a=b`)).text,
          'GET /pods/?a=b as kubelet-client',
        );
    }));
  test('nowhere, in upstream words', () =>
    proxying(echo, async ({ ask, seen }) => {
      for (const [method, path, wanted] of [
        ['GET', `${podPath}/gone/proxy/`, '404 pods "gone" not found'],
        ['GET', `${podPath}/ftp:one:1/proxy/`, '400 invalid pod request "ftp:one:1"'],
        ['GET', `${podPath}/a:b:c:d/proxy/`, '400 invalid pod request "a:b:c:d"'],
        ['GET', `${podPath}/loop/proxy/`, '400 address not allowed'],
        ['GET', `${servicePath}/gone/proxy/`, '404 endpoints "gone" not found'],
        ['GET', `${servicePath}/gone:80/proxy/`, '404 services "gone" not found'],
        ['GET', `${servicePath}/web:81/proxy/`, '503 no service port 81 found for service "web"'],
        ['GET', `${servicePath}/none/proxy/`, '503 no endpoints available for service "none"'],
        ['GET', `${servicePath}/web:no/proxy/`, '503 no endpoints available for service "web:no"'],
        ['GET', `${servicePath}/forged/proxy/`, '503 no endpoints available for service "forged"'],
        ['GET', '/api/v1/nodes/gone/proxy/', '404 nodes "gone" not found'],
        ['GET', `${podPath}/one/proxy/?dryRun=All`, '400 dryRun is not supported'],
        [
          'GET',
          `${podPath}/away:80/proxy/`,
          '503 error trying to reach service: dial tcp 10.0.0.9:80: connect: connection refused',
        ],
        [
          'GET',
          `${podPath}/https:one:8080/proxy/`,
          '503 error trying to reach service: http: server gave HTTP response to HTTPS client',
        ],
        ['TRACE', `${podPath}/one/proxy/`, '405 the server does not allow this method on the requested resource'],
      ] as const)
        assert.equal(messageOf(await ask(method, path)), wanted, path);
      assert.equal(seen.length, 0);
    }));
});

describe('proxy: what passes', () => {
  test('every method with its body, its query and its path as upstream encodes it', () =>
    proxying(echo, async ({ ask, seen }) => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const body = method === 'GET' || method === 'HEAD' ? undefined : Buffer.from(`body of ${method}`);
        const headers: Record<string, string> = body ? { 'content-length': String(body.length) } : {};
        const answer = await ask(method, `${podPath}/one/proxy/a%20b//c%2Fd/%C3%BC/?x=%20y&z`, headers, body);
        assert.equal(answer.status, 200);
        assert.equal(answer.text, body?.toString() ?? '');
        assert.equal(seen.at(-1)!.method, method);
        assert.equal(seen.at(-1)!.url, '/a%20b//c/d/%C3%BC/?x=%20y&z');
      }
    }));
  test("headers go through, the caller's credentials and the connection's own do not", () =>
    proxying(
      (_, response) => {
        response.writeHead(218, 'This is fine', [
          'X-Own',
          'v',
          'Set-Cookie',
          'a=1; Path=/',
          'Set-Cookie',
          'b=2',
          'Access-Control-Allow-Origin',
          '*',
          'Cache-Control',
          'max-age=60',
          'Connection',
          'X-Hop, close',
          'X-Hop',
          'h',
          'Content-Length',
          '2',
        ]);
        response.end('ok');
      },
      async ({ ask, seen }) => {
        const answer = await ask('GET', `${podPath}/one/proxy/`, {
          authorization: 'Bearer secret',
          'x-remote-user': 'root',
          'x-forwarded-for': '1.2.3.4',
          accept: 'x/y',
          te: 'trailers',
          'x-mine': '1',
          connection: 'keep-alive, X-Mine-Too',
          'x-mine-too': '1',
          cookie: 'c=1',
        });
        const { host, connection, ...sent } = seen[0]!.headers;
        assert.equal(connection, 'keep-alive');
        assert.match(host!, /^localhost:/);
        assert.deepEqual(sent, {
          accept: 'x/y',
          cookie: 'c=1',
          te: 'trailers',
          'x-forwarded-for': '1.2.3.4, 127.0.0.1',
          'x-forwarded-uri': `${podPath}/one/proxy/`,
          'x-mine': '1',
        });
        assert.equal(answer.status, 218);
        assert.equal(answer.headers['x-own'], 'v');
        assert.deepEqual(answer.headers['set-cookie'], ['a=1; Path=/', 'b=2']);
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.equal(answer.headers['x-hop'], undefined);
        assert.equal(answer.headers['cache-control'], 'no-cache, private, max-age=60');
        assert.equal(answer.headers['content-length'], '2');
      },
    ));
  test('a request without a slash behind `proxy` is sent to the one with it', () =>
    proxying(echo, async ({ ask, seen }) => {
      const answer = await ask('GET', `${servicePath}/web:http/proxy?a=b`);
      assert.equal(answer.status, 301);
      assert.equal(answer.headers.location, `${servicePath}/web:http/proxy/?a=b`);
      assert.equal((await ask('POST', `${servicePath}/web:http/proxy?a=b`)).status, 200);
      assert.deepEqual(
        seen.map(({ url }) => url),
        ['/?a=b'],
      );
    }));
  test('redirects and links lead through the proxy again', () =>
    proxying(
      (message, response) => {
        if (message.url === '/go') response.writeHead(302, { location: '/there?x' }).end();
        else if (message.url === '/packed')
          response
            .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-encoding': 'gzip' })
            .end(gzipSync('<a href="/rewriteme">x</a>'));
        else
          response
            .writeHead(200, { 'content-type': 'text/html', 'content-length': '26' })
            .end('<a href="/rewriteme">x</a>');
      },
      async ({ ask }) => {
        const prefix = `${podPath}/one:8080/proxy`;
        const wanted = `<a href="${prefix}/rewriteme">x</a>`;
        assert.equal((await ask('GET', `${prefix}/go`)).headers.location, `${prefix}/there?x`);
        assert.equal((await ask('GET', `${prefix}/a/b/`)).text, wanted);
        assert.equal((await ask('GET', `${prefix}/`)).text, wanted);
        assert.equal(gunzipSync((await ask('GET', `${prefix}/packed`)).bytes).toString(), wanted);
      },
    ));
  test('a WebSocket', () =>
    proxying(echo, async ({ server }) => {
      const client = new WebSocket(`wss://localhost:${server.port}${podPath}/one/proxy/ws`, { ca: ca.cert });
      await once(client, 'open');
      client.send('hello');
      const [data] = (await once(client, 'message')) as [Buffer];
      assert.equal(data.toString(), 'echo hello');
      client.terminate();
    }));
  test('a backend that breaks off breaks the answer off', () =>
    proxying(
      (_, response) => {
        response.writeHead(200, { 'content-length': '10' });
        response.write('12345');
        setImmediate(() => response.destroy());
      },
      async ({ ask }) => {
        await assert.rejects(ask('GET', `${podPath}/one/proxy/x`), /aborted|hang up|reset/i);
      },
    ));
});

describe('proxy: streams', () => {
  test('what one side does not read is held back at the other, up and down', () =>
    proxying(echo, async ({ server }) => {
      const total = 32 * 1024 * 1024;
      const exchange = request({
        host: 'localhost',
        port: server.port,
        method: 'POST',
        path: `${podPath}/one/proxy/echo`,
        ca: ca.cert,
        agent: false,
      });
      let sent = 0;
      const piece = Buffer.alloc(64 * 1024);
      const pump = (): void => {
        while (sent < total) {
          sent += piece.length;
          if (!exchange.write(piece)) {
            exchange.once('drain', pump);
            return;
          }
        }
        exchange.end();
      };
      pump();
      const [answer] = (await once(exchange, 'response')) as [IncomingMessage];
      await clock.sleep(200);
      assert.ok(sent < total, 'everything was taken although nobody read');
      let got = 0;
      for await (const data of answer) got += (data as Buffer).length;
      assert.equal(got, total);
    }));
  test('over HTTP/2 too', () =>
    proxying(echo, async ({ server }) => {
      const session = connectHttp2(`https://localhost:${server.port}`, { ca: ca.cert });
      const total = 8 * 1024 * 1024;
      const stream = session.request({ ':method': 'PUT', ':path': `${podPath}/one/proxy/echo` });
      stream.end(Buffer.alloc(total));
      let got = 0;
      for await (const data of stream) got += (data as Buffer).length;
      assert.equal(got, total);
      session.close();
    }));
  test('a body that nobody reads does not spoil the connection', () =>
    proxying(echo, async ({ ask }) => {
      const body = Buffer.alloc(1024 * 1024);
      const headers = { 'content-length': String(body.length) };
      for (let i = 0; i < 3; i++) {
        const answer = await ask('POST', `${podPath}/gone/proxy/`, headers, body);
        assert.equal(messageOf(answer), '404 pods "gone" not found');
      }
    }));
  test('each piece comes through at once', () =>
    proxying(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.write('first');
      },
      async ({ server }) => {
        const exchange = request({
          host: 'localhost',
          port: server.port,
          path: `${podPath}/one/proxy/x`,
          ca: ca.cert,
          agent: false,
        });
        exchange.on('error', () => undefined);
        exchange.end();
        const [answer] = (await once(exchange, 'response')) as [IncomingMessage];
        const [piece] = (await once(answer, 'data')) as [Buffer];
        assert.equal(piece.toString(), 'first');
        exchange.destroy();
      },
    ));
  test('a caller that goes away ends the request to the backend', () => {
    const gone = Promise.withResolvers<void>();
    return proxying(
      (message, response) => {
        response.writeHead(200).write('x');
        message.socket.on('close', () => gone.resolve());
      },
      async ({ server }) => {
        const exchange = request({
          host: 'localhost',
          port: server.port,
          path: `${podPath}/one/proxy/x`,
          ca: ca.cert,
          agent: false,
        });
        exchange.on('error', () => undefined);
        exchange.end();
        await once(exchange, 'response');
        exchange.destroy();
        await gone.promise;
      },
    );
  });
  test('a kept connection that died is no failure', () =>
    proxying(
      (message, response) => {
        response.end('ok');
        setImmediate(() => message.socket.destroy());
      },
      async ({ ask }) => {
        for (let i = 0; i < 20; i++) assert.equal((await ask('GET', `${podPath}/one/proxy/x`)).text, 'ok');
      },
    ));
});
