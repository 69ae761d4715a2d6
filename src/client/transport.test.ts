import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createRealClock } from '../base/real-clock.ts';
import { startHttpsServer } from '../serve/index.ts';
import { type Authority, authority, type Pem } from '../serve/testdata/pki.ts';
import { createClient } from './create-client.ts';
import { createHttpsTransport, type HttpsTransportOptions } from './https-transport.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { answer, createFakeApiServer, type FakeApiServer, failure } from './testdata/fake-api-server.ts';
import { type Transport, TransportError } from './transport.ts';

const clock = createRealClock();
let ca: Authority;
let serverPem: Pem;
let clientPem: Pem;
before(async () => {
  ca = await authority('test-ca');
  [serverPem, clientPem] = await Promise.all([ca.issue('CN=server', { server: true }), ca.issue('CN=alice')]);
});

const startServer = (fake: FakeApiServer, port = 0) =>
  startHttpsServer({
    handler: fake.handler,
    ...serverPem,
    clientCa: ca.cert,
    host: '127.0.0.1',
    port,
    clock,
    log: silentLogger,
    metrics: createMetricsRegistry(),
  });
async function overHttps(
  options: Partial<HttpsTransportOptions>,
  use: (transport: Transport, fake: FakeApiServer) => Promise<void>,
): Promise<void> {
  const fake = createFakeApiServer();
  const server = await startServer(fake);
  const transport = createHttpsTransport({
    server: `https://127.0.0.1:${server.port}`,
    tlsServerName: 'localhost',
    ca: ca.cert,
    clock,
    ...options,
  });
  try {
    await use(transport, fake);
  } finally {
    await transport.close();
    await server.stop({ graceMs: 0 });
  }
}
async function overPlainHttp(
  _options: Partial<HttpsTransportOptions>,
  use: (transport: Transport, fake: FakeApiServer) => Promise<void>,
): Promise<void> {
  const fake = createFakeApiServer();
  const server = http.createServer((request, response) => {
    const ended = new AbortController();
    response.on('close', () => ended.abort());
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', async () => {
      const [path = '', query = ''] = request.url!.split('?');
      const text = Buffer.concat(pieces).toString();
      const { status, headers, body } = await fake.handler({
        method: request.method!,
        path,
        query,
        headers: request.headers as Record<string, string>,
        remoteAddress: '',
        signal: ended.signal,
        ...(text === '' ? {} : { body: { value: JSON.parse(text) } }),
      });
      response.writeHead(status, headers);
      if (body.kind === 'object') response.end(body.object.bytes());
      if (body.kind !== 'watch') return;
      for (let frames = body.stream.take(); frames !== undefined; frames = body.stream.take()) {
        for (const frame of frames) response.write(frame.bytes());
        if (frames.length === 0) await body.stream.ready();
      }
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const transport = createHttpsTransport({ server: `http://127.0.0.1:${port}`, clock });
  try {
    await use(transport, fake);
  } finally {
    await transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
async function inProcess(
  options: Partial<HttpsTransportOptions>,
  use: (transport: Transport, fake: FakeApiServer) => Promise<void>,
): Promise<void> {
  const fake = createFakeApiServer();
  const transport = createInProcessTransport(fake.handler, {
    clock,
    ...(typeof options.token === 'string' ? { token: options.token } : {}),
    ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
  });
  await use(transport, fake);
  await transport.close();
}

const pod = (name: string): JsonObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'ns' } });
const podPath = (name: string): string => `/api/v1/namespaces/ns/pods/${name}`;

for (const [name, over] of [
  ['in process', inProcess],
  ['HTTP/2', overHttps],
  ['HTTP/1.1', overPlainHttp],
] as const)
  describe(`transport (${name})`, () => {
    test('create, get, update, patch, list and delete an object; everything that comes out is frozen', () =>
      over({}, async (transport) => {
        const pods = createClient(transport, { fieldManager: 'test' }).resource(resources.pods);
        const created = await pods.create({ metadata: { name: 'a' }, spec: { containers: [] } }, { namespace: 'ns' });
        assert.ok(Object.isFrozen(created.metadata));
        assert.equal((await pods.get('a', { namespace: 'ns' })).metadata.uid, created.metadata.uid);
        const updated = await pods.update({ ...created, spec: { containers: [], nodeName: 'n' } });
        await assert.rejects(pods.update(created), { code: 409, reason: 'Conflict' });
        const patched = await pods.patch(
          'a',
          { type: 'merge', patch: { metadata: { labels: { é: '✓' } } } },
          { namespace: 'ns' },
        );
        assert.deepEqual(patched.metadata.labels, { é: '✓' });
        assert.equal(updated.spec?.nodeName, 'n');
        const list = await pods.list();
        assert.deepEqual(
          list.items.map((item) => [item.kind, item.metadata.name]),
          [['Pod', 'a']],
        );
        await pods.delete('a', { namespace: 'ns', body: { gracePeriodSeconds: 0 } });
        await assert.rejects(pods.get('a', { namespace: 'ns' }), { code: 404, reason: 'NotFound' });
      }));

    test('a request carries query, user agent and content type', () =>
      over({ userAgent: 'tester' }, async (transport, fake) => {
        const client = createClient(transport, { fieldManager: 'me & you' });
        await client.resource(resources.pods).create({ metadata: { name: 'a', namespace: 'ns' } }, { dryRun: true });
        assert.deepEqual(fake.requests, ['POST /api/v1/namespaces/ns/pods?fieldManager=me%20%26%20you&dryRun=All']);
        assert.equal(fake.seen[0]!.headers['content-type'], 'application/json');
        if (name !== 'HTTP/1.1') assert.equal(fake.seen[0]!.headers['user-agent'], 'tester');
      }));

    test('a watch delivers events in order, bursts as batches, until its signal aborts', () =>
      over({}, async (transport, fake) => {
        fake.put(podPath('a'), pod('a'));
        const stop = new AbortController();
        const seen: string[] = [];
        const watch = await transport.watch({
          method: 'GET',
          path: '/api/v1/pods',
          query: { watch: 'true', sendInitialEvents: 'true', allowWatchBookmarks: 'true' },
          signal: stop.signal,
        });
        for await (const batch of watch)
          for (const event of batch) {
            assert.ok(Object.isFrozen(event.object.metadata));
            seen.push(`${event.type} ${(event.object.metadata as JsonObject).name ?? ''}`);
            if (event.type === 'BOOKMARK') for (let i = 0; i < 300; i++) fake.put(podPath(`p${i}`), pod(`p${i}`));
            if (seen.length === 302) stop.abort();
          }
        assert.deepEqual(seen.slice(0, 3), ['ADDED a', 'BOOKMARK ', 'ADDED p0']);
        assert.equal(seen.length, 302);
        await clock.sleep(20);
        assert.equal(fake.openWatches, 0);
      }));

    test('a watch that the server ends, ends; leaving the loop ends it on the server', () =>
      over({}, async (transport, fake) => {
        const pods = createClient(transport).resource(resources.pods);
        fake.put(podPath('a'), pod('a'));
        const watch = await pods.watch({ sendInitialEvents: true, allowWatchBookmarks: true });
        let count = 0;
        for await (const event of watch) if (++count === 2 && event) fake.endWatches();
        assert.equal(count, 2);
        for await (const _ of await pods.watch({ sendInitialEvents: true })) break;
        await clock.sleep(20);
        assert.equal(fake.openWatches, 0);
      }));

    test('an ERROR event comes out of the typed watch as its Status', () =>
      over({}, async (transport, fake) => {
        fake.compact();
        const watch = await createClient(transport).resource(resources.pods).watch({ resourceVersion: '1' });
        await assert.rejects(
          async () => {
            for await (const _ of watch) assert.fail('no event expected');
          },
          { code: 410, reason: 'Expired' },
        );
      }));

    test('429 with Retry-After is sent again, without it is an error', () =>
      over({}, async (transport, fake) => {
        const pods = createClient(transport).resource(resources.pods);
        fake.put(podPath('a'), pod('a'));
        let refusals = 2;
        fake.intercept = () =>
          refusals-- > 0 ? failure(ApiError.tooManyRequests('later', 0), { 'retry-after': '0' }) : undefined;
        assert.equal((await pods.get('a', { namespace: 'ns' })).metadata.name, 'a');
        assert.equal(fake.requests.length, 3);
        fake.intercept = () => failure(ApiError.tooManyRequests('no', 1));
        await assert.rejects(pods.get('a', { namespace: 'ns' }), { code: 429 });
      }));

    test('an aborted request rejects with the reason and aborts on the server', () =>
      over({}, async (transport, fake) => {
        const stop = new AbortController();
        let aborted: () => void;
        const serverSaw = new Promise<void>((resolve) => {
          aborted = resolve;
        });
        let arrived: () => void;
        const there = new Promise<void>((resolve) => {
          arrived = resolve;
        });
        fake.intercept = (request) =>
          new Promise((resolve) => {
            request.signal.addEventListener('abort', () => {
              aborted();
              resolve(failure(ApiError.timeout('gone', 1)));
            });
            arrived();
          });
        const asking = transport.request({ method: 'GET', path: '/api/v1/pods', signal: stop.signal });
        await there;
        stop.abort(new Error('enough'));
        await assert.rejects(asking, /enough/);
        await serverSaw;
      }));

    test('an answer that is no Status still becomes an error with its code', () =>
      over({}, async (transport, fake) => {
        fake.intercept = () => answer(503, { hello: 'I am a proxy' });
        await assert.rejects(transport.request({ method: 'POST', path: '/api/v1/pods' }), {
          code: 503,
          reason: 'ServiceUnavailable',
        });
      }));

    test('nothing is sent after close', () =>
      over({}, async (transport) => {
        await transport.close();
        await assert.rejects(transport.request({ method: 'GET', path: '/api' }), { kind: 'closed', retryable: false });
      }));
  });

test('transport: a client certificate is the identity over HTTPS', () =>
  overHttps({ clientCertificate: clientPem }, async (transport, fake) => {
    await transport.request({ method: 'GET', path: '/api/v1/pods' });
    assert.equal(fake.seen[0]!.peer?.commonName, 'alice');
  }));

test('transport: a token file is read, and its newlines are not sent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-'));
  try {
    writeFileSync(join(folder, 'token'), 'secret\n');
    await overHttps({ token: { file: join(folder, 'token') } }, async (transport, fake) => {
      await transport.request({ method: 'GET', path: '/api/v1/pods' });
      assert.equal(fake.seen[0]!.headers.authorization, 'Bearer secret');
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('transport: nobody listens', async () => {
  const transport = createHttpsTransport({ server: 'https://127.0.0.1:1', clock });
  await assert.rejects(
    transport.request({ method: 'GET', path: '/version' }),
    (error) => error instanceof TransportError && error.kind === 'refused' && /127\.0\.0\.1:1/.test(error.message),
  );
});

test('transport: a server whose certificate does not verify is refused', () =>
  overHttps({ ca: clientPem.cert }, async (transport) => {
    await assert.rejects(transport.request({ method: 'GET', path: '/version' }), { kind: 'tls', retryable: false });
  }));

test('transport: a server that comes back is used again', async () => {
  const fake = createFakeApiServer();
  const first = await startServer(fake);
  const { port } = first;
  const transport = createHttpsTransport({
    server: `https://127.0.0.1:${port}`,
    tlsServerName: 'localhost',
    ca: ca.cert,
    clock,
  });
  await transport.request({ method: 'GET', path: '/api/v1/pods' });
  await first.stop({ graceMs: 0 });
  await assert.rejects(transport.request({ method: 'POST', path: '/api/v1/pods', body: {} }), TransportError);
  const second = await startServer(fake, port);
  await transport.request({ method: 'GET', path: '/api/v1/pods' });
  await transport.close();
  await second.stop({ graceMs: 0 });
});

test('transport: more streams than one connection takes go over a second one', async () => {
  const fake = createFakeApiServer();
  const server = await startHttpsServer({
    handler: fake.handler,
    ...serverPem,
    host: '127.0.0.1',
    port: 0,
    clock,
    log: silentLogger,
    metrics: createMetricsRegistry(),
    limits: { streamsPerConnectionMax: 4 },
  });
  const transport = createHttpsTransport({
    server: `https://127.0.0.1:${server.port}`,
    tlsServerName: 'localhost',
    ca: ca.cert,
    clock,
  });
  const stop = new AbortController();
  const watch = () =>
    transport.watch({ method: 'GET', path: '/api/v1/pods', query: { watch: 'true' }, signal: stop.signal });
  await watch();
  await Promise.all(Array.from({ length: 9 }, watch));
  assert.equal(fake.openWatches, 10);
  stop.abort();
  await transport.close();
  await server.stop({ graceMs: 0 });
});
