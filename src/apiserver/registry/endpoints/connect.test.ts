import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { silentLogger } from '../../../base/console-log.ts';
import { createMetricsRegistry } from '../../../base/metrics.ts';
import { createRealClock } from '../../../base/real-clock.ts';
import { startHttpsServer } from '../../../serve/index.ts';
import { openPortForward } from '../../../serve/spdy/port-forward.ts';
import { createSpdySession } from '../../../serve/spdy/session.ts';
import { type Authority, authority, type Pem } from '../../../serve/testdata/pki.ts';
import { webSocketClientBytes } from '../../../serve/testdata/raw-web-socket.ts';
import {
  type BackendOptions,
  type StreamingBackend,
  startStreamingBackend,
} from '../../../serve/testdata/streaming-backend.ts';
import { requestUpgrade, type UpgradeAnswer } from '../../../serve/upgrade/request-upgrade.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import { alwaysAllow } from '../../authorization/union.ts';
import { startTestServer } from '../../testdata/test-server.ts';

const clock = createRealClock();
let ca: Authority;
let pem: Pem;
before(async () => {
  ca = await authority('test-ca');
  pem = await ca.issue('CN=server', { server: true });
});

interface Setting {
  readonly backend: StreamingBackend;
  readonly metrics: () => Promise<string>;
  spdy(path: string, headers?: Record<string, string>, method?: string): Promise<UpgradeAnswer>;
  webSocket(path: string, protocols: string[]): WebSocket;
}

/** The real API server on a port, one pod on one node, and a kubelet of which only its streaming is there. */
async function connecting(
  options: BackendOptions & { readonly authorizer?: Authorizer; readonly away?: boolean },
  use: (setting: Setting) => Promise<void>,
): Promise<void> {
  const backend = await startStreamingBackend(options);
  const metrics = createMetricsRegistry();
  const api = await startTestServer({
    metrics,
    security: () => ({
      authenticate: () => ({ name: 'tester', groups: ['devs'] }),
      authorizer: options.authorizer ?? alwaysAllow,
      admission: [],
    }),
    kubelet: {
      containerLogs: async () => Readable.from([Buffer.from('alive\n'), Buffer.from('still\n')]),
      backend: () => assert.fail('not asked for here'),
      connect: ({ method, path, query, headers, signal }) =>
        requestUpgrade(
          { host: '127.0.0.1', port: options.away ? 1 : backend.port },
          { method, path: `${path}?${query}`, headers, signal, clock, timeoutMs: 5000 },
        ),
    },
  });
  const server = await startHttpsServer({
    handler: api.server.handler,
    ...pem,
    host: '127.0.0.1',
    port: 0,
    clock,
    log: silentLogger,
    metrics,
  });
  try {
    await api.create('/api/v1/namespaces', { metadata: { name: 'd' } });
    const containers = (...names: string[]) => names.map((name) => ({ name, image: 'i' }));
    const pod = (name: string, spec: object) =>
      api.create('/api/v1/namespaces/d/pods', { metadata: { name }, spec: { nodeName: 'n', ...spec } });
    await pod('one', { containers: containers('app') });
    await pod('two', { containers: containers('a', 'b'), initContainers: containers('first') });
    await pod('waits', { containers: containers('app'), nodeName: '' });
    await use({
      backend,
      metrics: () => metrics.text(),
      spdy: (path, headers = {}, method = 'POST') =>
        requestUpgrade(
          { host: 'localhost', port: server.port, tls: { ca: ca.cert, cert: pem.cert, key: pem.key } },
          {
            method,
            path: `/api/v1/namespaces/d/pods/${path}`,
            headers: {
              connection: 'Upgrade',
              upgrade: 'SPDY/3.1',
              'x-stream-protocol-version': ['v4.channel.k8s.io', 'channel.k8s.io'],
              ...headers,
            },
            clock,
            timeoutMs: 5000,
          },
        ),
      webSocket: (path, protocols) =>
        new WebSocket(`wss://localhost:${server.port}/api/v1/namespaces/d/pods/${path}`, protocols, { ca: ca.cert }),
    });
  } finally {
    await server.stop({ graceMs: 0 });
    await api.stop();
    await backend.stop();
  }
}

/** Status code and message of a refusal. */
function refusal(answer: UpgradeAnswer): string {
  if (answer.kind !== 'refused') throw new Error('It was not refused');
  const text = answer.body.toString();
  return `${answer.status} ${text.startsWith('{') ? (JSON.parse(text) as { message: string }).message : text}`;
}
const textOf = async (stream: Readable): Promise<string> => Buffer.concat(await stream.toArray()).toString();
const v5 = ['v5.channel.k8s.io'];

/** What a v5 client got on each channel until the end. */
async function received(client: WebSocket): Promise<Record<'out' | 'err' | 'status', string> & { code: number }> {
  const got = new Map<number, Buffer[]>();
  client.on('message', (data: Buffer) => {
    if (!got.has(data[0]!)) got.set(data[0]!, []);
    got.get(data[0]!)!.push(data.subarray(1));
  });
  const [code] = (await once(client, 'close')) as [number];
  const text = (channel: number): string => Buffer.concat(got.get(channel) ?? []).toString();
  return { out: text(1), err: text(2), status: text(3), code };
}

describe('connect: what is refused before anybody is asked', () => {
  test('in upstream words', () =>
    connecting({}, async ({ spdy, backend }) => {
      for (const [path, wanted] of [
        ['none/exec', '404 pods "none" not found'],
        ['waits/exec', '400 pod waits does not have a host assigned'],
        ['one/exec?container=x', '400 container x is not valid for pod one'],
        [
          'two/attach',
          '400 a container name must be specified for pod two, choose one of: [a b] or one of the init containers: [first]',
        ],
        ['one/portforward?ports=http', '400 strconv.ParseInt: parsing "http": invalid syntax'],
      ] as const)
        assert.equal(refusal(await spdy(path)), wanted);
      assert.match(refusal(await spdy('one/exec', {}, 'PUT')), /^405 the server does not allow this method/);
      assert.equal(refusal(await spdy('one/exec', { connection: 'close' })), '400 Upgrade request required');
      assert.deepEqual(backend.requests, []);
    }));
  test('a caller that may only get: a WebSocket needs create as well', () => {
    const authorizer: Authorizer = {
      authorize: ({ verb, subresource }) =>
        subresource !== '' && verb === 'create'
          ? { kind: 'noOpinion', reason: '' }
          : { kind: 'allow', reason: 'a test' },
    };
    return connecting({ authorizer }, async ({ spdy, backend }) => {
      const wanted =
        '403 pods "one" is forbidden: User "tester" cannot create resource "pods/exec" in API group "" in the namespace "d"';
      assert.equal(refusal(await spdy('one/exec', { upgrade: 'websocket' }, 'GET')), wanted);
      assert.equal(refusal(await spdy('one/exec')), wanted);
      assert.deepEqual(backend.requests, []);
    });
  });
  test('a kubelet that cannot be reached', () =>
    connecting({ away: true }, async ({ spdy, webSocket }) => {
      assert.equal(
        refusal(await spdy('one/exec?stdout=true')),
        '500 error dialing backend: dial tcp 127.0.0.1:1: connect: connection refused',
      );
      const { status } = await received(webSocket('one/exec?stdout=true&command=ls', v5));
      assert.match(
        (JSON.parse(status) as { message: string }).message,
        /^Internal error occurred: error dialing backend: dial tcp .* connection refused$/,
      );
    }));
});

describe('connect: byte tunnels', () => {
  test("SPDY passes both ways; the kubelet gets its own parameters and nothing of the caller's identity", () =>
    connecting({}, async ({ spdy, backend }) => {
      const answer = await spdy(
        'two/exec?container=b&command=sh&command=-c&command=a%20b&stdin=true&stdout=1&stderr=false&tty=0',
        { authorization: 'Bearer secret', cookie: 'c', 'impersonate-user': '' },
      );
      assert.ok(answer.kind === 'upgraded');
      assert.equal(answer.headers['x-stream-protocol-version'], 'v4.channel.k8s.io');
      const [request] = backend.requests;
      assert.equal(request?.line, 'POST /exec/d/two/b?input=1&output=1&command=sh&command=-c&command=a+b');
      assert.deepEqual(Object.keys(request!.headers).sort(), [
        'connection',
        'content-length',
        'host',
        'upgrade',
        'x-stream-protocol-version',
      ]);
      answer.socket.write('ping');
      const [echo] = (await once(answer.socket, 'data')) as [Buffer];
      assert.equal(echo.toString(), 'ping');
      answer.socket.destroy();
      while (backend.ended() === 0) await clock.sleep(5);
    }));
  test('older WebSocket protocols pass as they are', () =>
    connecting({}, async ({ spdy, backend }) => {
      const answer = await spdy(
        'one/attach?stdout=true',
        { upgrade: 'websocket', 'sec-websocket-protocol': 'v4.channel.k8s.io', 'sec-websocket-key': 'k' },
        'GET',
      );
      assert.ok(answer.kind === 'upgraded');
      assert.equal(backend.requests[0]?.line, 'GET /attach/d/one/app?output=1');
      assert.equal(backend.requests[0]?.headers['sec-websocket-key'], 'k');
      answer.socket.destroy();
    }));
  test("a kubelet's refusal comes back as it is", () =>
    connecting({ refuse: { status: 500, text: 'container not found ("app")' } }, async ({ spdy }) => {
      assert.equal(refusal(await spdy('one/exec?stdout=true')), '500 container not found ("app")');
    }));
  test('what one side does not read is held back at the other', () =>
    connecting({}, async ({ spdy }) => {
      const answer = await spdy('one/exec?stdin=true');
      assert.ok(answer.kind === 'upgraded');
      const { socket } = answer;
      const total = 64 * 1024 * 1024;
      let sent = 0;
      const pump = (): void => {
        while (sent < total) {
          sent += 65_536;
          if (!socket.write(Buffer.alloc(65_536))) {
            socket.once('drain', pump);
            return;
          }
        }
      };
      pump();
      await clock.sleep(200);
      assert.ok(sent < total, 'everything was taken although nobody read');
      let got = 0;
      for await (const piece of socket as AsyncIterable<Buffer>) {
        got += piece.length;
        if (got === total) break;
      }
      assert.equal(got, total);
    }));
  test('port-forward: SPDY inside a WebSocket is taken out of it', () =>
    connecting({ forward: true }, async ({ spdy, backend, metrics }) => {
      const answer = await spdy(
        'one/portforward',
        {
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io',
        },
        'GET',
      );
      assert.ok(answer.kind === 'upgraded');
      assert.equal(answer.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
      assert.equal(answer.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      assert.equal(backend.requests[0]?.line, 'GET /portForward/d/one?');
      assert.equal(backend.requests[0]?.headers['x-stream-protocol-version'], 'portforward.k8s.io');
      assert.equal(backend.requests[0]?.headers['sec-websocket-key'], undefined);
      const session = createSpdySession(webSocketClientBytes(answer.socket), { side: 'client' });
      const good = await openPortForward(session, { port: 80, requestId: 0 });
      const bad = await openPortForward(session, { port: 1, requestId: 1 });
      const big = Buffer.alloc(3_000_000, 'x');
      good.data.end(big);
      assert.equal(await textOf(bad.error), 'connection refused');
      assert.equal((await textOf(good.data)).length, big.length);
      assert.equal(await textOf(good.error), '');
      session.close();
      await session.closed;
      assert.match(await metrics(), /apiserver_stream_tunnel_requests_total{code="101"} 1/);
    }));
});

describe('connect: WebSocket v5 becomes SPDY', () => {
  const options = { stdin: true, stdout: true, stderr: true, tty: false };
  const path = 'one/exec?command=cat&stdin=true&stdout=true&stderr=true';
  const failure = JSON.stringify({
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '7' }] },
  });
  const cat: BackendOptions['command'] = {
    options,
    run: (streams) => {
      streams.stderr?.end('noise');
      streams.stdin?.pipe(streams.stdout!);
      // As upstream's servers: the Status, then everything is reset.
      streams.stdout?.on('finish', () => streams.error.end(failure, () => streams.close()));
    },
  };
  test('half-close, both outputs to their last byte, then the Status of the other end', () =>
    connecting({ command: cat }, async ({ webSocket, backend, metrics }) => {
      const client = webSocket(path, v5);
      const all = received(client);
      await once(client, 'open');
      const piece = Buffer.alloc(32 * 1024, 'x');
      for (let i = 0; i < 200; i++) client.send(Buffer.concat([Buffer.from([0]), piece]));
      client.send(Buffer.from([255, 0]));
      const { out, err, status, code } = await all;
      assert.deepEqual([out.length, err, status, code], [200 * piece.length, 'noise', failure, 1000]);
      assert.equal(backend.requests[0]?.line, 'POST /exec/d/one/app?input=1&output=1&error=1&command=cat');
      assert.match(await metrics(), /apiserver_stream_translator_requests_total{code="200"} 1/);
    }));
  test('a terminal: sizes go through', () => {
    const sized: BackendOptions['command'] = {
      options: { ...options, tty: true },
      run: (streams) => {
        streams.resize?.once('data', (size: Buffer) => {
          streams.stdout?.end(size, () => streams.error.end('{"status":"Success"}', () => streams.close()));
        });
      },
    };
    return connecting({ command: sized }, async ({ webSocket }) => {
      const client = webSocket(`${path}&tty=true`, v5);
      const all = received(client);
      await once(client, 'open');
      client.send(Buffer.concat([Buffer.from([4]), Buffer.from('{"Width":80,"Height":24}')]));
      assert.equal((await all).out, '{"Width":80,"Height":24}');
    });
  });
  test("a kubelet's refusal is a Status on the error channel", () =>
    connecting({ refuse: { status: 500, text: 'container not found ("app")\n' } }, async ({ webSocket }) => {
      const { status, code } = await received(webSocket(path, v5));
      const { message, reason } = JSON.parse(status) as { message: string; reason: string };
      assert.deepEqual(
        [message, reason, code],
        ['Internal error occurred: unable to upgrade connection: container not found ("app")', 'InternalError', 1000],
      );
    }));
  test('an end without a Status is said to be one, not a success', () => {
    const breaks: BackendOptions['command'] = { options, run: (streams) => streams.close() };
    return connecting({ command: breaks }, async ({ webSocket }) => {
      const { status } = await received(webSocket(path, v5));
      assert.match(status, /the connection to the kubelet ended before the command did/);
    });
  });
  test('a client that goes away ends the connection to the kubelet', () => {
    const waits: BackendOptions['command'] = { options, run: (streams) => void streams.stdin?.resume() };
    return connecting({ command: waits }, async ({ webSocket, backend }) => {
      const client = webSocket(path, v5);
      await once(client, 'open');
      while (backend.requests.length === 0) await clock.sleep(5);
      client.terminate();
      while (backend.ended() === 0) await clock.sleep(5);
    });
  });
});

describe('streams outwards on a WebSocket', () => {
  /** The messages after the first empty one, until the end or as many as are asked for. */
  async function messages(client: WebSocket, count = Number.POSITIVE_INFINITY): Promise<readonly string[]> {
    const got: string[] = [];
    client.on('message', (data: Buffer) => {
      if (data.length > 0) got.push(data.toString());
      if (got.length === count) client.close();
    });
    await once(client, 'close');
    return got;
  }

  test('a log comes as messages, or in base64', () =>
    connecting({}, async ({ webSocket }) => {
      assert.deepEqual(await messages(webSocket('one/log', ['binary.k8s.io'])), ['alive\n', 'still\n']);
      assert.deepEqual(await messages(webSocket('one/log', [])), ['alive\n', 'still\n']);
      assert.deepEqual(await messages(webSocket('one/log', ['base64.binary.k8s.io'])), ['YWxpdmUK', 'c3RpbGwK']);
      assert.deepEqual(await messages(webSocket('waits/log', ['binary.k8s.io'])), []);
    }));

  test('a protocol that is none of these is refused', () =>
    connecting({}, async ({ webSocket }) => {
      const client = webSocket('one/log', ['v4.channel.k8s.io']);
      const [error] = (await once(client, 'error')) as [Error];
      assert.match(error.message, /403/);
    }));

  test('a watch comes as one event a message', () =>
    connecting({}, async ({ webSocket }) => {
      const events = await messages(webSocket('?watch=true&fieldSelector=metadata.name%3Done', []), 1);
      const { type, object } = JSON.parse(events[0]!) as { type: string; object: { metadata: { name: string } } };
      assert.deepEqual([type, object.metadata.name], ['ADDED', 'one']);
    }));
});
