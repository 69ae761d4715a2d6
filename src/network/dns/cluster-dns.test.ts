/** The whole of it over a real control plane in process and real sockets. */
import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { test } from 'node:test';
import { resources } from '../../api/types/resources.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createRealRandom } from '../../base/real-random.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { startCluster } from '../../testing/index.ts';
import { type ClusterDnsOptions, startClusterDns } from './cluster-dns.ts';
import type { UpstreamAddress } from './resolv-conf.ts';

test('cluster DNS: it follows the API, takes a free port, and refuses a resolver that forwards to it', {
  timeout: 30_000,
}, async (t) => {
  const cluster = await startCluster({ nodes: 0 });
  t.after(() => cluster.stop());
  const { clock, client } = cluster;
  const random = createRealRandom();
  const metrics = createMetricsRegistry();
  const complaints: string[] = [];
  const log = { ...silentLogger, error: (message: string) => void complaints.push(message), with: () => log };
  const informers = createInformerFactory(client, { clock, random, log: silentLogger });
  const upstreams: UpstreamAddress[] = [];
  const options: ClusterDnsOptions = {
    ...{ informers, clock, random, log, metrics },
    address: '127.0.0.1',
    port: 0,
    clusterDomain: 'cluster.local',
    upstreams: () => upstreams,
    ownAddresses: ['127.0.0.2'],
    mayRecurse: () => true,
  };
  const dns = await startClusterDns(options);
  const second = await startClusterDns({ ...options, port: dns.port });
  assert.notEqual(second.port, dns.port);
  upstreams.push({ address: '127.0.0.2', port: 53 }, { address: '127.0.0.1', port: dns.port });
  const life = new AbortController();
  const ends = [dns.run(life.signal), second.run(life.signal)];
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  resolver.setServers([`127.0.0.1:${dns.port}`]);
  const ask = (name: string): Promise<string> =>
    resolver.resolve4(name).then(
      (addresses) => addresses.join(' '),
      (error: NodeJS.ErrnoException) => `${error.code}`,
    );
  try {
    await informers.waitForSync();
    await cluster.until(async () => (await ask('kubernetes.default.svc.cluster.local')) === '10.96.0.1');
    assert.equal(await ask('web.default.svc.cluster.local'), 'ENOTFOUND');
    await client.resource(resources.services).create({
      metadata: { name: 'web', namespace: 'default' },
      spec: { clusterIP: '10.96.0.99', ports: [{ port: 80 }] },
    });
    await cluster.until(async () => (await ask('web.default.svc.cluster.local')) === '10.96.0.99');
    await cluster.until(() => complaints.length > 0);
    assert.deepEqual(complaints, [
      'A resolver forwards to this one: names outside the cluster are refused until that is mended',
    ]);
    assert.equal(await ask('www.example.com'), 'EREFUSED');
  } finally {
    life.abort();
    await Promise.all(ends);
    await informers.stop();
  }
  assert.match(await metrics.text(), /coredns_dns_responses_total\{rcode="NXDOMAIN"\} [1-9]/);
});
