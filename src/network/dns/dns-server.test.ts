/** Over real sockets, asked by the resolver inside Node (c-ares): one that is not ours. */
import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createRealClock } from '../../base/real-clock.ts';
import { createRealRandom } from '../../base/real-random.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { createDnsService, type DnsServiceOptions } from './dns-service.ts';
import { exchangeOverSockets } from './exchange.ts';
import { createForwarder } from './forwarder.ts';
import { createRecursionRule } from './recursion.ts';
import { createFrameReader, frame } from './tcp-frames.ts';
import { createSampleCluster, fillSampleCluster, queryBytes, slice } from './testdata/sample-cluster.ts';

const clock = createRealClock();

async function withServer(
  body: (server: DnsServer, resolver: Resolver) => Promise<void>,
  options: Partial<DnsServiceOptions> = {},
): Promise<void> {
  const cluster = createSampleCluster();
  fillSampleCluster(cluster);
  cluster.slices.set(
    slice(
      'idle',
      Array.from({ length: 200 }, (_, i) => ({ addresses: [`10.244.3.${i}`] })),
    ),
  );
  const { handle } = createDnsService({ zone: cluster.zone, isSynced: () => true, ...options });
  const server = await startDnsServer({ address: '127.0.0.1', port: 0, handle, mayRecurse: () => true, clock });
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  try {
    await body(server, resolver);
  } finally {
    resolver.cancel();
    await server.stop();
  }
}

test('dns server: another resolver reads every kind of answer', () =>
  withServer(async (_, resolver) => {
    const s = 'default.svc.cluster.local';
    assert.deepEqual(await resolver.resolve4(`web.${s}`), ['10.96.1.1']);
    assert.deepEqual(await resolver.resolve6(`web.${s}`), ['fd00::1']);
    assert.deepEqual((await resolver.resolveSrv(`_http._tcp.db.${s}`)).map((r) => r.name).sort(), [
      `10-244-0-7.db.${s}`,
      `db-0.db.${s}`,
      `db-1.db.${s}`,
    ]);
    assert.deepEqual(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
    assert.deepEqual(await resolver.reverse('10.96.1.1'), [`web.${s}`]);
    assert.deepEqual(await resolver.resolveCname(`alias.${s}`), [`web.${s}`]);
    assert.deepEqual(await resolver.resolve4(`alias.${s}`), ['10.96.1.1']);
    assert.equal((await resolver.resolveSoa('cluster.local')).minttl, 5);
    await assert.rejects(resolver.resolve4(`nobody.${s}`), { code: 'ENOTFOUND' });
    await assert.rejects(resolver.resolve6('kube-dns.kube-system.svc.cluster.local'), { code: 'ENODATA' });
  }));

test('dns server: what is too long for a datagram comes over TCP', () =>
  withServer(async (_, resolver) => {
    assert.equal((await resolver.resolve4('idle.default.svc.cluster.local')).length, 200);
  }));

test('dns server: many questions on one connection, in pieces of one byte', () =>
  withServer(async ({ port }) => {
    const socket = connect(port, '127.0.0.1');
    const replies: Buffer[] = [];
    const all = Promise.withResolvers<void>();
    const frames = createFrameReader((message) => {
      replies.push(Buffer.from(message));
      if (replies.length === 20) all.resolve();
    });
    socket.on('data', (chunk: Buffer) => frames.push(chunk));
    socket.on('error', all.reject);
    const bytes = Buffer.concat(
      Array.from({ length: 20 }, (_, id) => frame(queryBytes('web.default.svc.cluster.local', 'A', { id }))),
    );
    for (const byte of bytes) socket.write(Buffer.from([byte]));
    await all.promise;
    assert.deepEqual(
      replies.map((r) => r.readUInt16BE(0)),
      Array.from({ length: 20 }, (_, id) => id),
    );
    socket.destroy();
  }));

test('dns server: two of ours in a chain, the second forwards to the first', () =>
  withServer(async (first) => {
    const forwarder = createForwarder({
      upstreams: [{ address: '127.0.0.1', port: first.port }],
      exchange: exchangeOverSockets,
      clock,
      random: createRealRandom(),
    });
    const zone = createSampleCluster().zone;
    await withServer(
      async (_, resolver) => {
        // The first knows the zone cluster.local, the second another.
        assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.96.1.1']);
        assert.equal((await resolver.resolve4('idle.default.svc.cluster.local')).length, 200);
        assert.equal(forwarder.counts.exchanges, 3, 'UDP; UDP and then TCP');
      },
      { zone: { ...zone, labels: ['other', 'zone'] }, forwarder },
    );
    forwarder.close();
  }));

test('dns server: an upstream that is not there is SERVFAIL, at once', async () => {
  let port = 0;
  await withServer(async (server) => {
    port = server.port;
  });
  const forwarder = createForwarder({
    upstreams: [{ address: '127.0.0.1', port }],
    exchange: exchangeOverSockets,
    clock,
    random: createRealRandom(),
  });
  await withServer(
    async (_, resolver) => {
      await assert.rejects(resolver.resolve4('www.example.com'), { code: 'ESERVFAIL' });
    },
    { forwarder },
  );
  forwarder.close();
});

test('dns server: a taken port is said', () =>
  withServer(async ({ port }) => {
    await assert.rejects(
      startDnsServer({ address: '127.0.0.1', port, handle: () => undefined, mayRecurse: () => true, clock }),
      { code: 'EADDRINUSE' },
    );
  }));

test('recursion: for pods, this machine and its segments; for nobody else', () => {
  const eth0 = { address: '192.0.2.5', family: 'IPv4', internal: false, netmask: '', mac: '', cidr: '192.0.2.5/24' };
  const may = createRecursionRule(['10.244.0.0/16'], { eth0: [eth0 as never] });
  const answers = ['10.244.3.4', '127.0.0.53', '::1', '192.0.2.99', '198.51.100.1', '10.245.0.1', ''].map(may);
  assert.deepEqual(answers, [true, true, true, true, false, false, false]);
});
