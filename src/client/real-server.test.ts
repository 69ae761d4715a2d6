/** The client against the real API server, in process and over HTTPS. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { ConfigMap } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createRealClock } from '../base/real-clock.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { startHttpsServer } from '../serve/index.ts';
import { type Authority, authority, type Pem } from '../serve/testdata/pki.ts';
import type { Client } from './client.ts';
import { createClient } from './create-client.ts';
import { discoverResources } from './discovery.ts';
import { createEventRecorder } from './event-recorder.ts';
import { createHttpsTransport } from './https-transport.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { createInformerFactory } from './informer-factory.ts';
import { runLeaderElection } from './leader-election.ts';
import { startRealApiServer } from './testdata/real-api-server.ts';
import type { Transport } from './transport.ts';
import { waitFor, waitForDeletion, waitForObject } from './wait-for.ts';

const clock = createRealClock();
let ca: Authority;
let pem: Pem;
before(async () => {
  ca = await authority('test-ca');
  pem = await ca.issue('CN=server', { server: true });
});

async function inProcess(use: (transport: Transport) => Promise<void>): Promise<void> {
  const api = await startRealApiServer(clock);
  const transport = createInProcessTransport(api.server.handler, { clock });
  await use(transport);
  await transport.close();
  await api.stop();
}
async function overHttps(use: (transport: Transport) => Promise<void>): Promise<void> {
  const api = await startRealApiServer(clock);
  const server = await startHttpsServer({
    handler: api.server.handler,
    ...pem,
    host: '127.0.0.1',
    port: 0,
    clock,
    log: silentLogger,
    metrics: createMetricsRegistry(),
  });
  const transport = createHttpsTransport({
    server: `https://127.0.0.1:${server.port}`,
    tlsServerName: 'localhost',
    ca: ca.cert,
    clock,
  });
  await use(transport);
  await transport.close();
  await api.stop();
  await server.stop({ graceMs: 0 });
}
const random = createSeededRandom(5);
const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace: 'default' },
  data,
});
const factoryFor = (client: Client) => createInformerFactory(client, { clock, random, log: silentLogger });

for (const [name, over] of [
  ['in process', inProcess],
  ['HTTPS', overHttps],
] as const)
  describe(`client on the real API server (${name})`, () => {
    test('objects come back complete, with hostile keys and characters', () =>
      over(async (transport) => {
        const maps = createClient(transport, { fieldManager: 'me' }).resource(resources.configMaps);
        const data = { constructor: 'x', 'a.b': '</script>\u2028', z: '😀' };
        const created = await maps.create(map('a', data));
        assert.deepEqual(created.data, data);
        assert.equal(created.metadata.managedFields?.[0]?.manager, 'me');
        assert.deepEqual((await maps.get('a', { namespace: 'default' })).data, data);
        assert.ok(Object.isFrozen(created.data));
        await assert.rejects(maps.create(map('a')), { code: 409, reason: 'AlreadyExists' });
        await assert.rejects(maps.create(map('Not Valid')), { code: 422, reason: 'Invalid' });
      }));

    test('the three kinds of patch', () =>
      over(async (transport) => {
        const maps = createClient(transport).resource(resources.configMaps);
        await maps.create(map('a', { k: '1' }));
        const at = { namespace: 'default' };
        await maps.patch('a', { type: 'merge', patch: { data: { l: '2' } } }, at);
        await maps.patch('a', { type: 'strategic', patch: { data: { k: null } } }, at);
        const last = await maps.patch('a', { type: 'json', patch: [{ op: 'add', path: '/data/m', value: '3' }] }, at);
        assert.deepEqual(last.data, { l: '2', m: '3' });
      }));

    test('an informer sees what is there, what comes, changes and goes; selectors hold', () =>
      over(async (transport) => {
        const client = createClient(transport);
        const maps = client.resource(resources.configMaps);
        for (let i = 0; i < 20; i++) await maps.create(map(`m${i}`));
        const factory = factoryFor(client);
        const all = factory.informer(resources.configMaps);
        const one = factory.informer(resources.configMaps, { fieldSelector: 'metadata.name=m3' });
        const labelled = factory.informer(resources.configMaps, { labelSelector: 'app in (x)' });
        const metadata = factory.informer(resources.configMaps, { metadataOnly: true });
        await factory.waitForSync();
        assert.deepEqual(
          [all, one, labelled, metadata].map((informer) => informer.list().length),
          [20, 1, 0, 20],
        );
        assert.equal(metadata.get('default/m0')?.data, undefined);
        const m3 = all.get('default/m3')!;
        await maps.update({ ...m3, metadata: { ...m3.metadata, labels: { app: 'x' } } });
        await waitForObject(labelled, 'default/m3', () => true);
        await maps.patch('m3', { type: 'merge', patch: { metadata: { labels: null } } }, { namespace: 'default' });
        await waitForDeletion(labelled, 'default/m3');
        await maps.deleteCollection({ namespace: 'default' });
        await waitFor(all, (informer) => (informer.list().length === 0 ? true : undefined));
        await factory.stop();
      }));

    test('lists in pages are whole', () =>
      over(async (transport) => {
        const maps = createClient(transport).resource(resources.configMaps);
        for (let i = 0; i < 25; i++) await maps.create(map(`m${String(i).padStart(2, '0')}`));
        const names: string[] = [];
        let next: string | undefined;
        do {
          const page = await maps.list({ limit: 10, ...(next ? { continue: next } : {}) });
          for (const item of page.items) names.push(item.metadata.name ?? '');
          next = page.metadata.continue;
        } while (next);
        assert.equal(names.length, 25);
        assert.deepEqual(names, [...names].sort());
      }));

    test('a lease has one leader, and events are written', () =>
      over(async (transport) => {
        const client = createClient(transport);
        const events = createEventRecorder(client, { clock, random, log: silentLogger, component: 'kube-scheduler' });
        const leaders: string[] = [];
        const stop = new AbortController();
        const candidate = (identity: string): Promise<void> =>
          runLeaderElection(
            { client, clock, random, log: silentLogger, events, namespace: 'kube-system', name: 'lock', identity },
            async (signal) => {
              leaders.push(identity);
              await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
            },
            stop.signal,
          );
        const running = [candidate('a'), candidate('b')];
        const factory = factoryFor(client);
        const informer = factory.informer(resources.events);
        const event = await waitFor(informer, () => informer.list()[0]);
        assert.deepEqual(
          [event.reason, event.message, event.source?.component, event.count, event.involvedObject.kind],
          ['LeaderElection', `${leaders[0]} became leader`, 'kube-scheduler', 1, 'Lease'],
        );
        assert.equal(leaders.length, 1);
        stop.abort();
        await Promise.all(running);
        await events.stop();
        await factory.stop();
      }));

    test('discovery, aggregated and legacy, names the same resources', () =>
      over(async (transport) => {
        const text = ({ resources: list }: Awaited<ReturnType<typeof discoverResources>>): string[] =>
          list.map(
            (r) => `${r.group}/${r.version}/${r.resource} ${r.kind} ${r.namespaced} ${r.verbs.join()} ${r.preferred}`,
          );
        const aggregated = await discoverResources(transport);
        const legacy = await discoverResources({
          ...transport,
          request: ({ headers: _, ...request }) => transport.request(request),
        });
        assert.deepEqual(text(aggregated).sort(), text(legacy).sort());
        assert.ok(aggregated.resources.some((r) => r.resource === 'deployments' && r.group === 'apps' && r.preferred));
      }));
  });
