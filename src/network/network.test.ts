import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { renderCniConfig, renderMasquerade } from './pod-network.ts';
import { primaryAddress } from './primary-address.ts';

const options = {
  podCidr: '10.244.1.0/24',
  clusterCidr: '10.244.0.0/16',
  bridgeName: 'bireme0',
  cniConfDir: '/c',
  leaseDir: '/l',
};
const at = (address: string, internal = false): readonly NetworkInterfaceInfo[] => [
  { address, family: 'IPv4', internal, netmask: '255.255.255.0', mac: '', cidr: null },
];
const header = 'Iface\tDestination\tGateway\n';

test("pod network: the CNI list hands out the node's range on one bridge", () => {
  const config = JSON.parse(renderCniConfig(options)) as {
    plugins: { type: string; bridge: string; ipam: { ranges: unknown } }[];
  };
  assert.deepEqual(
    config.plugins.map((p) => [p.type, p.bridge, p.ipam.ranges]),
    [['bridge', 'bireme0', [[{ subnet: '10.244.1.0/24' }]]]],
  );
});

test('pod network: only what leaves the cluster is masqueraded', () => {
  assert.match(
    renderMasquerade(options),
    /ip saddr 10\.244\.1\.0\/24 ip daddr != 10\.244\.0\.0\/16 ip daddr != 224\.0\.0\.0\/4 oifname != "bireme0" masquerade/,
  );
});

const cases: readonly {
  name: string;
  interfaces: Parameters<typeof primaryAddress>[0];
  routes: string;
  want: string | undefined;
}[] = [
  {
    name: "the default route's interface wins",
    interfaces: { a0: at('192.0.2.1'), b0: at('198.51.100.1') },
    routes: `${header}a0\t0002C0\t0\nb0\t00000000\t1\n`,
    want: '198.51.100.1',
  },
  {
    name: 'without a default route the first global address',
    interfaces: { lo: at('127.0.0.1', true), b0: at('198.51.100.1') },
    routes: header,
    want: '198.51.100.1',
  },
  { name: 'link-local addresses do not count', interfaces: { b0: at('169.254.3.4') }, routes: header, want: undefined },
  {
    name: 'none on a machine without a network',
    interfaces: { lo: at('127.0.0.1', true) },
    routes: '',
    want: undefined,
  },
];
for (const c of cases)
  test(`primary address: ${c.name}`, () => assert.equal(primaryAddress(c.interfaces, c.routes), c.want));
