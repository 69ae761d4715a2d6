import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { ApiRequest, PeerCertificate } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { type Authority, authority, type Pem } from '../../serve/testdata/pki.ts';
import { createRequestHeaderAuthenticator } from '../authentication/request-header.ts';
import { startTestServer, type TestServer } from '../testdata/test-server.ts';

let ca: Authority;
let frontCa: Authority;
let pem: Pem;
let proxyClient: Pem;
before(async () => {
  [ca, frontCa] = await Promise.all([authority('extension-ca'), authority('front-ca')]);
  pem = await ca.issue('CN=extension', { server: true, dnsNames: ['ext.kube-system.svc'] });
  proxyClient = await frontCa.issue('CN=front-proxy-client');
});

interface Extension {
  readonly seen: { readonly url: string; readonly message: IncomingMessage; readonly caller: string }[];
  aggregated: boolean;
  failing: boolean;
}

interface Setting extends TestServer {
  readonly extension: Extension;
  until(what: string, check: () => Promise<boolean>): Promise<void>;
}

const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const base = '/api/v1/namespaces/kube-system';

async function aggregating(use: (setting: Setting) => Promise<void>): Promise<void> {
  const extension: Extension = { seen: [], aggregated: true, failing: false };
  const server = createServer(
    { key: pem.key, cert: pem.cert, ca: frontCa.cert, requestCert: true, rejectUnauthorized: false },
    (message, response) => {
      const socket = message.socket as TLSSocket;
      const caller = socket.authorized ? String(socket.getPeerCertificate().subject.CN) : 'nobody';
      extension.seen.push({ url: message.url!, message, caller });
      if (extension.failing) {
        response.writeHead(500).end('no');
        return;
      }
      const json = (value: object, type = 'application/json'): void => {
        response.writeHead(200, { 'content-type': type }).end(JSON.stringify(value));
      };
      if (message.url === '/apis/wardle.example.com/v1alpha1')
        json({
          kind: 'APIResourceList',
          apiVersion: 'v1',
          groupVersion: 'wardle.example.com/v1alpha1',
          resources: [
            { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: ['get'] },
            { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
          ],
        });
      else if (
        message.url === '/apis' &&
        extension.aggregated &&
        message.headers.accept?.includes('APIGroupDiscoveryList')
      )
        json({
          kind: 'APIGroupDiscoveryList',
          apiVersion: 'apidiscovery.k8s.io/v2',
          items: [
            { metadata: { name: 'other' }, versions: [] },
            {
              metadata: { name: 'wardle.example.com' },
              versions: [
                { version: 'v1alpha1', resources: [{ resource: 'flunders', scope: 'Namespaced', verbs: ['get'] }] },
              ],
            },
          ],
        });
      else if (message.url === '/apis') json({ kind: 'APIGroupList', groups: [] });
      else if (message.url === '/openapi/v3')
        json({
          paths: {
            'apis/wardle.example.com/v1alpha1': {
              serverRelativeURL: '/openapi/v3/apis/wardle.example.com/v1alpha1?hash=1',
            },
            version: { serverRelativeURL: '/openapi/v3/version?hash=2' },
          },
        });
      else if (message.url?.startsWith('/openapi/v3/apis/wardle.example.com/v1alpha1')) json({ openapi: '3.0.0' });
      else message.pipe(response.writeHead(200, { 'x-extension': 'yes', 'content-type': 'text/plain' }));
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clock = createVirtualClock();
  const api = await startTestServer({
    clock,
    proxyClient,
    reach: () => ({ host: '127.0.0.1', port }),
  });
  /** Real sockets need real turns; the clock moves on beside them. */
  const until = async (what: string, check: () => Promise<boolean>): Promise<void> => {
    for (let turn = 0; turn < 2000; turn++) {
      if (await check()) return;
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 50 === 49) await clock.advance(1000);
    }
    throw new Error(`It never came: ${what}`);
  };
  try {
    await api.create('/api/v1/namespaces', { metadata: { name: 'kube-system' } });
    await use({ ...api, extension, until });
  } finally {
    await api.stop();
    server.closeAllConnections();
    server.close();
  }
}

const apiService = (over: object = {}) => ({
  metadata: { name: 'v1alpha1.wardle.example.com' },
  spec: {
    group: 'wardle.example.com',
    version: 'v1alpha1',
    service: { namespace: 'kube-system', name: 'ext', port: 443 },
    caBundle: Buffer.from(ca.cert).toString('base64'),
    groupPriorityMinimum: 2000,
    versionPriority: 200,
    ...over,
  },
});
const service = { metadata: { name: 'ext' }, spec: { clusterIP: 'None', ports: [{ port: 443, targetPort: 8443 }] } };
const slice = (ready: boolean) => ({
  metadata: { name: 'ext-1', labels: { 'kubernetes.io/service-name': 'ext' } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8443 }],
  endpoints: [{ addresses: ['10.0.0.5'], conditions: { ready } }],
});
const slices = '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices';

const condition = async ({ send }: TestServer): Promise<string> => {
  const { body } = await send('GET', `${services}/v1alpha1.wardle.example.com`);
  const [found] = (body.status as { conditions?: readonly JsonObject[] } | undefined)?.conditions ?? [];
  return found ? `${String(found.status)} ${String(found.reason)} ${String(found.message)}` : '';
};
const becomes = (api: Setting, wanted: RegExp): Promise<void> =>
  api.until(String(wanted), async () => wanted.test(await condition(api)));

describe('aggregation: availability', () => {
  test('each step with its reason', () =>
    aggregating(async (api) => {
      await api.create(services, apiService());
      await becomes(api, /^False ServiceNotFound service\/ext in "kube-system" is not present$/);
      assert.equal((await api.send('GET', '/apis/wardle.example.com/v1alpha1')).text, 'service unavailable\n');
      await api.create(`${base}/services`, { ...service, spec: { ...service.spec, ports: [{ port: 80 }] } });
      await becomes(api, /^False ServicePortError service\/ext in "kube-system" is not listening on port 443$/);
      await api.send('DELETE', `${base}/services/ext`);
      await api.create(`${base}/services`, service);
      await becomes(api, /^False EndpointsNotFound cannot find endpointslices for service\/ext in "kube-system"$/);
      await api.create(slices, slice(false));
      await becomes(
        api,
        /^False MissingEndpoints endpointslices for service\/ext in "kube-system" have no addresses with port name ""$/,
      );
      api.extension.failing = true;
      await api.send('PUT', `${slices}/ext-1`, slice(true));
      await becomes(
        api,
        /^False FailedDiscoveryCheck failing or missing response from https:\/\/10\.0\.0\.5:8443\/apis\/wardle\.example\.com\/v1alpha1: bad status from https:.*: 500$/,
      );
      api.extension.failing = false;
      await becomes(api, /^True Passed all checks passed$/);
      assert.ok(api.extension.seen.every(({ caller }) => caller === 'front-proxy-client'));
      const { headers } = api.extension.seen[0]!.message;
      assert.equal(headers['x-remote-user'], 'system:kube-aggregator');
      assert.equal(headers['x-remote-group'], 'system:masters');
    }));
  test('a local group is available at once, and again when its service goes', () =>
    aggregating(async (api) => {
      const { service: _, caBundle: __, ...local } = apiService().spec;
      await api.create(services, { ...apiService(), spec: local });
      assert.equal(await condition(api), 'True Local Local APIServices are always available');
    }));
});

describe('aggregation: requests', () => {
  const available = async (api: Setting): Promise<void> => {
    await api.create(`${base}/services`, service);
    await api.create(slices, slice(true));
    await api.create(services, apiService());
    await becomes(api, /^True/);
  };
  test('go to the extension with the caller as this server knows him', () =>
    aggregating(async (api) => {
      await available(api);
      const path = '/apis/wardle.example.com/v1alpha1/namespaces/d/flunders';
      const answer = await api.send(
        'POST',
        `${path}?b=1&a=2`,
        { kind: 'Flunder' },
        {
          'x-remote-user': 'root',
          'x-remote-group': 'system:masters',
          authorization: 'Bearer x',
        },
      );
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-extension'], 'yes');
      const { url, message } = api.extension.seen.at(-1)!;
      assert.equal(url, `${path}?b=1&a=2`);
      assert.equal(message.method, 'POST');
      assert.equal(message.headers['x-remote-user'], 'tester');
      assert.equal(message.headers['x-remote-group'], 'system:masters');
      assert.equal(message.headers.authorization, undefined);
      assert.equal(message.headers.host, '10.0.0.5:8443');
    }));
  test('stay here for a version that is not registered', () =>
    aggregating(async (api) => {
      await available(api);
      assert.equal((await api.send('GET', '/apis/wardle.example.com/v2/flunders')).status, 404);
    }));
  for (const aggregated of [true, false])
    test(`discovery is merged, from ${aggregated ? 'aggregated' : 'legacy'} discovery`, () =>
      aggregating(async (api) => {
        api.extension.aggregated = aggregated;
        await available(api);
        const accept = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };
        interface Group {
          readonly metadata: { readonly name: string };
          readonly versions: readonly { readonly resources: readonly JsonObject[]; readonly freshness: string }[];
        }
        const find = async (): Promise<Group | undefined> => {
          const { body } = await api.send('GET', '/apis', undefined, accept);
          return (body.items as readonly Group[]).find(({ metadata }) => metadata.name === 'wardle.example.com');
        };
        await api.until('fresh discovery', async () => (await find())?.versions[0]?.freshness === 'Current');
        const [flunders] = (await find())!.versions[0]!.resources;
        assert.equal(flunders!.resource, 'flunders');
        if (!aggregated)
          assert.deepEqual(flunders, {
            resource: 'flunders',
            responseKind: { group: 'wardle.example.com', version: 'v1alpha1', kind: 'Flunder' },
            scope: 'Namespaced',
            singularResource: 'flunder',
            verbs: ['get'],
            subresources: [
              {
                subresource: 'status',
                responseKind: { group: 'wardle.example.com', version: 'v1alpha1', kind: 'Flunder' },
                verbs: ['get'],
              },
            ],
          });
        const legacy = (await api.send('GET', '/apis')).body.groups as readonly { name: string }[];
        assert.ok(legacy.some(({ name }) => name === 'wardle.example.com'));
        const group = await api.send('GET', '/apis/wardle.example.com');
        assert.deepEqual(group.body.preferredVersion, {
          groupVersion: 'wardle.example.com/v1alpha1',
          version: 'v1alpha1',
        });
        await api.send('DELETE', `${services}/v1alpha1.wardle.example.com`);
        await api.until('gone', async () => (await find()) === undefined);
        assert.equal((await api.send('GET', '/apis/wardle.example.com')).status, 404);
      }));
  test('OpenAPI v3 lists the document and passes it on', () =>
    aggregating(async (api) => {
      await available(api);
      const name = 'apis/wardle.example.com/v1alpha1';
      await api.until('the index', async () => {
        // Upstream says text/plain of its index.
        const { text } = await api.send('GET', '/openapi/v3');
        const { paths } = JSON.parse(text) as { paths: Record<string, { serverRelativeURL: string }> };
        return paths[name]?.serverRelativeURL === `/openapi/v3/${name}?hash=1`;
      });
      await api.send('GET', `/openapi/v3/${name}?hash=1`);
      assert.equal(api.extension.seen.at(-1)!.url, `/openapi/v3/${name}?hash=1`);
    }));
});

describe('aggregation: custom groups', () => {
  test('are registered and taken away with their definition', () =>
    aggregating(async (api) => {
      const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      await api.create(crds, {
        metadata: { name: 'things.example.com' },
        spec: {
          group: 'example.com',
          scope: 'Cluster',
          names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
          versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
        },
      });
      const path = `${services}/v1.example.com`;
      await api.until('registered', async () => (await api.send('GET', path)).status === 200);
      const { body } = await api.send('GET', path);
      assert.deepEqual(body.spec, {
        group: 'example.com',
        version: 'v1',
        groupPriorityMinimum: 1000,
        versionPriority: 100,
      });
      assert.deepEqual((body.metadata as { labels: object }).labels, {
        'kube-aggregator.kubernetes.io/automanaged': 'true',
      });
      await api.send('DELETE', `${crds}/things.example.com`);
      await api.until('gone', async () => (await api.send('GET', path)).status === 404);
    }));
});

describe('front proxies', () => {
  const authenticator = createRequestHeaderAuthenticator({ allowedNames: ['front-proxy-client'] });
  const lines: Readonly<Record<string, readonly string[]>> = {
    'x-remote-user': ['jane'],
    'x-remote-uid': ['7'],
    'x-remote-group': ['a, b', 'c'],
    'x-remote-extra-acme.com%2Fproject': ['p'],
  };
  const ask = (peer: PeerCertificate | undefined) =>
    authenticator.authenticate({
      headers: Object.fromEntries(Object.entries(lines).map(([name, values]) => [name, values.join(', ')])),
      lines: (name: string) => lines[name] ?? [],
      peer,
    } as unknown as ApiRequest);
  test('speak for others, line by line', () => {
    const answer = ask({ commonName: 'front-proxy-client', organizations: [], frontProxy: true });
    assert.deepEqual(answer, {
      kind: 'authenticated',
      user: { name: 'jane', uid: '7', groups: ['a, b', 'c'], extra: { 'acme.com/project': ['p'] } },
    });
  });
  test('only under an allowed name', () => {
    const answer = ask({ commonName: 'other', organizations: [], frontProxy: true }) as { error: Error };
    assert.equal(answer.error.message, 'x509: subject with cn=other is not in the allowed list');
  });
  test('nobody else does', () => {
    assert.deepEqual(ask({ commonName: 'front-proxy-client', organizations: [] }), { kind: 'unknown' });
    assert.deepEqual(ask(undefined), { kind: 'unknown' });
  });
});
