import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../api/types/core-v1.ts';
import type { EndpointSlice } from '../api/types/discovery-v1.ts';
import { resources } from '../api/types/resources.ts';
import { startCluster, type TestCluster } from '../testing/index.ts';
import { clusterDnsAddress, clusterDnsLabel, clusterDnsService, clusterDnsSlices } from './cluster-dns-objects.ts';

const namespace = 'kube-system';
const kubeDns = { namespace, name: 'kube-dns' };

const addresses: readonly [string, string][] = [
  ['10.96.0.0/12', '10.96.0.10'],
  ['192.168.7.16/28', '192.168.7.26'],
  ['10.99.3.4/12', '10.96.0.10'],
];
for (const [range, want] of addresses)
  test(`cluster DNS: the address in ${range}`, () => assert.equal(clusterDnsAddress(range), want));
test('cluster DNS: a range without room is refused', () => {
  for (const range of ['10.0.0.0/29', 'fd00::/108', 'x']) assert.throws(() => clusterDnsAddress(range), /no address/);
});

function node(name: string, { port = '10053', ip = '192.0.2.1', ready = 'True', zone = '' } = {}): Node {
  return {
    metadata: { name, labels: { [clusterDnsLabel]: port, ...(zone ? { 'topology.kubernetes.io/zone': zone } : {}) } },
    status: {
      addresses: [{ type: 'InternalIP', address: ip }],
      conditions: [{ type: 'Ready', status: ready }],
    },
  };
}

test('cluster DNS: slices by port and hundreds, in the order of names, without what cannot be reached', () => {
  const service = clusterDnsService('10.96.0.10');
  const many = Array.from({ length: 150 }, (_, i) =>
    node(`n${String(i).padStart(3, '0')}`, { ip: `192.0.2.${i + 1}` }),
  );
  const others = [
    node('other', { port: '4000', ready: 'Unknown', zone: 'z1' }),
    node('alone', { ip: '127.0.0.1' }),
    node('wrong', { port: 'x' }),
    node('six', { ip: 'fd00::1' }),
  ];
  const slices = clusterDnsSlices([...many, ...others].reverse(), service);
  assert.deepEqual(
    slices.map((s) => [s.metadata.name, s.endpoints?.length, s.ports?.map((p) => `${p.name} ${p.protocol} ${p.port}`)]),
    [
      ['kube-dns-10053-0', 100, ['dns UDP 10053', 'dns-tcp TCP 10053']],
      ['kube-dns-10053-1', 50, ['dns UDP 10053', 'dns-tcp TCP 10053']],
      ['kube-dns-4000-0', 1, ['dns UDP 4000', 'dns-tcp TCP 4000']],
    ],
  );
  assert.deepEqual(slices[2]!.endpoints, [
    {
      addresses: ['192.0.2.1'],
      conditions: { ready: false, serving: false, terminating: false },
      nodeName: 'other',
      zone: 'z1',
    },
  ]);
});

async function slices(cluster: TestCluster): Promise<readonly EndpointSlice[]> {
  return (
    await cluster.client
      .resource(resources.endpointSlices)
      .list({ namespace, labelSelector: 'kubernetes.io/service-name=kube-dns' })
  ).items;
}

test('cluster DNS: Service and slices follow the nodes that answer, and are mended when somebody changes them', async () => {
  const cluster = await startCluster({
    nodes: 2,
    node: { labels: { [clusterDnsLabel]: '10053' } },
    time: 'virtual',
    controlPlane: { clusterDns: true },
  });
  try {
    const services = cluster.client.resource(resources.services);
    const api = cluster.client.resource(resources.endpointSlices);
    const readyCount = async (): Promise<number> =>
      (await slices(cluster)).flatMap((s) => s.endpoints ?? []).filter((e) => e.conditions?.ready).length;
    await cluster.until(async () => (await readyCount()) === 2);
    const service = await services.get('kube-dns', { namespace });
    assert.equal(service.spec?.clusterIP, '10.96.0.10');
    assert.equal((await cluster.client.resource(resources.clusterRoles).get('bireme:cluster-dns')).rules?.length, 1);

    const [slice] = await slices(cluster);
    await api.update({ ...slice!, endpoints: [] });
    await cluster.until(async () => (await readyCount()) === 2);
    await api.delete(slice!.metadata.name!, { namespace });
    await cluster.until(async () => (await readyCount()) === 2);
    await services.update({ ...service, spec: { ...service.spec!, selector: { a: 'b' }, ports: [{ port: 53 }] } });
    await cluster.until(async () => {
      const { spec } = await services.get('kube-dns', { namespace });
      return spec?.ports?.length === 2 && spec.selector === undefined;
    });
    await services.delete('kube-dns', { namespace });
    await cluster.until(async () => {
      const { items } = await services.list({ namespace });
      const uid = items[0]?.metadata.uid;
      const [found] = await slices(cluster);
      return uid !== undefined && uid !== service.metadata.uid && found?.metadata.ownerReferences?.[0]?.uid === uid;
    });

    await cluster.hollow.nodes.get('node-1')!.kill();
    await cluster.until(async () => (await readyCount()) === 1);
    await cluster.client.resource(resources.nodes).delete('node-1');
    await cluster.until(async () => (await slices(cluster)).flatMap((s) => s.endpoints ?? []).length === 1);
  } finally {
    await cluster.stop();
  }
});

test('cluster DNS: without a node that answers there is no Service', async () => {
  const cluster = await startCluster({ time: 'virtual', controlPlane: { clusterDns: true } });
  try {
    await cluster.advance(60_000);
    assert.deepEqual((await cluster.client.resource(resources.services).list({ namespace })).items, []);
  } finally {
    await cluster.stop();
  }
});

test("cluster DNS: somebody else's kube-dns is left alone", async () => {
  const cluster = await startCluster({ nodes: 0, time: 'virtual', controlPlane: { clusterDns: true } });
  try {
    const services = cluster.client.resource(resources.services);
    const made = await services.create({
      metadata: kubeDns,
      spec: { selector: { 'k8s-app': 'kube-dns' }, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] },
    });
    cluster.hollow.add('node-1', { labels: { [clusterDnsLabel]: '10053' } });
    await cluster.advance(60_000);
    assert.deepEqual((await services.get('kube-dns', { namespace })).spec, made.spec);
    assert.deepEqual(
      (await slices(cluster)).filter((s) => s.metadata.name?.startsWith('kube-dns-10053')),
      [],
    );
  } finally {
    await cluster.stop();
  }
});
