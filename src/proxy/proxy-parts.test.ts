import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../base/console-log.ts';
import { readProxyConfig } from './config.ts';
import { createHealthCheckServers } from './health-check-server.ts';
import { createPace } from './proxy.ts';
import type { ServicePortRules } from './service-map.ts';
import { staleFlows } from './stale-flows.ts';

const rule = (endpoints: readonly string[], more: Partial<ServicePortRules> = {}): ServicePortRules => {
  const list = endpoints.map((ip) => ({ ip, port: 53 }));
  return {
    name: 'a/dns:',
    protocol: 'udp',
    clusterIps: ['10.96.0.10'],
    port: 53,
    nodePort: 0,
    externalIps: [],
    loadBalancerIps: [],
    sourceRanges: [],
    endpoints: list,
    clusterEndpoints: list,
    externalEndpoints: list,
    dropInternal: false,
    dropExternal: false,
    externalPolicyLocal: false,
    affinitySeconds: 0,
    localIps: [],
    ...more,
  };
};
const toCluster = { ip: '10.96.0.10', port: 53 };
const udp = { protocol: 'udp', family: 'ipv4' } as const;

for (const [name, before, after, want] of [
  [
    'an endpoint that is gone',
    [rule(['10.0.0.2', '10.0.0.3'])],
    [rule(['10.0.0.3'])],
    [{ ...udp, originalDestination: toCluster, replySource: { ip: '10.0.0.2', port: 53 } }],
  ],
  [
    'a Service that is gone',
    [rule(['10.0.0.2'])],
    [],
    [{ ...udp, originalDestination: toCluster, replySource: { ip: '10.0.0.2', port: 53 } }],
  ],
  [
    'the first endpoint: what was sent to the address itself',
    [rule([])],
    [rule(['10.0.0.2'])],
    [{ ...udp, originalDestination: toCluster, replySource: { ip: '10.96.0.10' } }],
  ],
  [
    "a node port, whatever the node's address",
    [rule(['10.0.0.2'], { nodePort: 30053, clusterIps: [] })],
    [],
    [{ ...udp, originalDestination: { port: 30053 }, replySource: { ip: '10.0.0.2', port: 53 } }],
  ],
  ['another endpoint beside: nothing', [rule(['10.0.0.2'])], [rule(['10.0.0.2', '10.0.0.3'])], []],
  [
    'another target port of the same pod',
    [rule(['10.0.0.2'])],
    [rule([], { endpoints: [{ ip: '10.0.0.2', port: 54 }] })],
    [{ ...udp, originalDestination: toCluster, replySource: { ip: '10.0.0.2', port: 53 } }],
  ],
  ['TCP: its connections end by themselves', [rule(['10.0.0.2'], { protocol: 'tcp' })], [], []],
] as const)
  test(`stale flows: ${name}`, () => assert.deepEqual(staleFlows(before, after, 'ipv4'), want));

const file = { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration' };
test('proxy configuration: the fields that mean something here are read', () =>
  assert.deepEqual(
    readProxyConfig({
      ...file,
      mode: 'nftables',
      clusterCIDR: '10.0.0.0/8,fd00::/48',
      healthzBindAddress: '0.0.0.0:1',
      metricsBindAddress: '',
      nodePortAddresses: ['192.0.2.0/24'],
      nftables: { masqueradeAll: true, masqueradeBit: 20, minSyncPeriod: '1m30.5s' },
      conntrack: { maxPerCore: 1 },
    }),
    {
      clusterCidr: '10.0.0.0/8,fd00::/48',
      masqueradeAll: true,
      masqueradeBit: 20,
      nodePortAddresses: ['192.0.2.0/24'],
      healthzBindAddress: '0.0.0.0:1',
      metricsBindAddress: '',
      minSyncPeriodMs: 90_500,
    },
  ));
for (const [name, value, message] of [
  [
    'another kind',
    { kind: 'Pod', apiVersion: 'v1' },
    /kubeproxy.config.k8s.io\/v1alpha1 KubeProxyConfiguration is expected/,
  ],
  ['another mode', { ...file, mode: 'ipvs' }, /mode: Unsupported value: "ipvs"/],
  ['a field there is not', { ...file, clusterCidr: 'x' }, /unknown field "clusterCidr"/],
  ['a bit out of range', { ...file, nftables: { masqueradeBit: 32 } }, /must be within the range/],
  ['a duration of another language', { ...file, minSyncPeriod: '1 second' }, /invalid duration/],
] as const)
  test(`proxy configuration: ${name} is refused`, () => assert.throws(() => readProxyConfig(value), message));

test('health checks: a node with an endpoint answers 200, one without 503, and a Service that is gone not at all', async () => {
  const servers = createHealthCheckServers(silentLogger, () => true);
  const port = 40_000 + (process.pid % 20_000);
  const service = { namespace: 'a', name: 'web', port, localEndpoints: 2 };
  const ask = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    return [answer.status, await answer.json()];
  };
  try {
    servers.update([service]);
    // Listening takes a turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await ask(), [
      200,
      { service: { namespace: 'a', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true },
    ]);
    servers.update([{ ...service, localEndpoints: 0 }]);
    assert.equal((await ask())[0], 503);
    servers.update([]);
    await assert.rejects(ask());
  } finally {
    await servers.close();
  }
});

test('proxy: changes one after the other are loaded at once, changes that do not cease ten times a second', () => {
  const pace = createPace(0);
  let nowMs = 0;
  const waits: number[] = [];
  for (let i = 0; i < 60; i++) {
    const waitMs = pace(nowMs);
    waits.push(waitMs);
    nowMs += waitMs + 5;
  }
  assert.deepEqual([waits[0], waits[29], waits.at(-1)], [20, 20, 100]);
  // Some idle seconds later there is room again.
  assert.equal(pace(nowMs + 3000), 20);
});
