import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import { createHttpClient } from '../../serve/forward/http-client.ts';
import { type Authority, authority, type Pem } from '../../serve/testdata/pki.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import { createWebhookClient, type WebhookClient } from './client.ts';
import { createServiceResolver } from './services.ts';

let ca: Authority;
let pem: Pem;
before(async () => {
  ca = await authority('webhook-ca');
  pem = await ca.issue('CN=hook', { server: true, dnsNames: ['hook.ns.svc', 'localhost'] });
});

const service = { namespace: 'ns', name: 'hook', path: '/mutate' };
const slice = (ready: boolean, ip: string, port = 8443): JsonObject => ({
  metadata: { labels: { 'kubernetes.io/service-name': 'hook' } },
  addressType: 'IPv4',
  ports: [{ name: '', port }],
  endpoints: [{ addresses: [ip], conditions: { ready } }],
});

interface Setting {
  readonly client: WebhookClient;
  readonly clock: VirtualClock;
  readonly caBundle: string;
  readonly seen: { readonly message: IncomingMessage; readonly body: string }[];
  readonly connections: () => number;
}

async function calling(
  listener: RequestListener,
  use: (setting: Setting) => Promise<void>,
  slices: readonly JsonObject[] = [slice(false, '10.0.0.8'), slice(true, '10.0.0.9')],
): Promise<void> {
  const seen: Setting['seen'] = [];
  let connections = 0;
  const server = createServer({ key: pem.key, cert: pem.cert }, (message, response) => {
    void message.toArray().then((pieces) => {
      seen.push({ message, body: Buffer.concat(pieces as Buffer[]).toString() });
      listener(message, response);
    });
  });
  server.on('secureConnection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clock = createVirtualClock();
  const http = createHttpClient({
    clock,
    reach: (host) => ({ host: '127.0.0.1', port: host === '10.0.0.66' ? 1 : port }),
  });
  const reader = {
    get: (_group: string, _resource: string, _namespace: string, name: string) =>
      name === 'hook'
        ? { spec: { ports: [{ port: 443 }, { port: 80, name: 'plain' }], ipFamilies: ['IPv4'] } }
        : undefined,
    list: () => slices,
  } as unknown as ObjectReader;
  const resolve = createServiceResolver(reader, createSeededRandom(1));
  try {
    await use({
      client: createWebhookClient({ http, clock, resolve }),
      clock,
      caBundle: Buffer.from(ca.cert).toString('base64'),
      seen,
      connections: () => connections,
    });
  } finally {
    http.close();
    server.closeAllConnections();
    server.close();
  }
}

const signal = new AbortController().signal;
const ok: RequestListener = (_, response) =>
  response.end('{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}');
const failing = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
  } catch (error) {
    return `${error instanceof ApiError ? `${error.code} ` : ''}${(error as Error).message}`;
  }
  return 'it did not fail';
};

describe('webhook client', () => {
  test('a Service is reached at a ready endpoint, under its own name, with the time it has', () =>
    calling(ok, async ({ client, caBundle, seen, connections }) => {
      for (let i = 0; i < 3; i++)
        assert.deepEqual(
          await client.call({ config: { service, caBundle }, body: { a: i }, timeoutMs: 2500, signal }),
          {
            kind: 'AdmissionReview',
            apiVersion: 'admission.k8s.io/v1',
          },
        );
      const { message, body } = seen[1]!;
      assert.equal(message.url, '/mutate?timeout=3s');
      assert.equal(message.headers.host, 'hook.ns.svc:443');
      assert.equal(message.headers['content-type'], 'application/json');
      assert.equal(body, '{"a":1}');
      assert.equal(connections(), 1);
    }));
  test('a URL', () =>
    calling(ok, async ({ client, caBundle, seen }) => {
      await client.call({ config: { url: 'https://localhost:9443/x/y', caBundle }, body: {}, signal });
      assert.equal(seen[0]?.message.url, '/x/y');
    }));
  test('who is not there, or not who he should be', () =>
    calling(ok, async ({ client, caBundle }) => {
      const call = (config: object): Promise<string> =>
        failing(client.call({ config: config as never, body: {}, signal }));
      assert.equal(
        await call({ service: { ...service, name: 'none' }, caBundle }),
        'Post "https://none.ns.svc:443/mutate": service "none" not found',
      );
      assert.equal(
        await call({ service: { ...service, port: 444 }, caBundle }),
        'Post "https://hook.ns.svc:444/mutate": no service port 444 found for service "hook"',
      );
      assert.equal(
        await call({ service: { ...service, port: 80 }, caBundle }),
        'Post "https://hook.ns.svc:80/mutate": no endpoints available for service "hook"',
      );
      assert.equal(
        await call({ service }),
        'Post "https://hook.ns.svc:443/mutate": tls: failed to verify certificate: x509: certificate signed by unknown authority',
      );
      assert.match(
        await call({ url: 'https://elsewhere:1/', caBundle }),
        /^Post "https:\/\/elsewhere:1\/": tls: failed to verify certificate: x509: .*elsewhere/,
      );
    }));
  test('an endpoint that refuses', () =>
    calling(
      ok,
      async ({ client, caBundle }) => {
        assert.equal(
          await failing(client.call({ config: { service, caBundle }, body: {}, signal })),
          'Post "https://hook.ns.svc:443/mutate": dial tcp 10.0.0.66:8443: connect: connection refused',
        );
      },
      [slice(true, '10.0.0.66')],
    ));
  test('no ready endpoint', () =>
    calling(
      ok,
      async ({ client, caBundle }) => {
        assert.equal(
          await failing(client.call({ config: { service, caBundle }, body: {}, signal })),
          'Post "https://hook.ns.svc:443/mutate": no endpoints available for service "hook"',
        );
      },
      [slice(false, '10.0.0.66')],
    ));
  test('a time-out on the clock that came in', () => {
    const asked = Promise.withResolvers<void>();
    return calling(
      () => asked.resolve(),
      async ({ client, clock, caBundle }) => {
        const call = failing(client.call({ config: { service, caBundle }, body: {}, timeoutMs: 10_000, signal }));
        await asked.promise;
        await clock.advance(10_000);
        assert.equal(await call, 'Post "https://hook.ns.svc:443/mutate?timeout=10s": context deadline exceeded');
      },
    );
  });
  for (const [name, status, text, wanted] of [
    ['a code', 500, 'boom\n', '500 an error on the server ("boom") has prevented the request from succeeding'],
    ['a missing path', 404, '404 page not found', '404 the server could not find the requested resource'],
    ['a Status', 403, '{"kind":"Status","apiVersion":"v1","message":"no","code":403}', '403 no'],
    ['no JSON', 200, 'hello', /^couldn't get version\/kind; json parse error: /],
    ['no kind', 200, '{"a":1}', `Object 'Kind' is missing in '{"a":1}'`],
  ] as const)
    test(`a bad answer: ${name}`, () =>
      calling(
        (_, response) => response.writeHead(status).end(text),
        async ({ client, caBundle }) => {
          const got = await failing(client.call({ config: { service, caBundle }, body: {}, signal }));
          if (typeof wanted === 'string') assert.equal(got, wanted);
          else assert.match(got, wanted);
        },
      ));
});
