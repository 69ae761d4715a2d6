import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/types/core-v1.ts';
import type { Link } from '../host/network-links.ts';
import { hostPortsOf, renderHostPorts } from './host-ports.ts';
import { type PodRouting, planPodRoutes, tunnelMac } from './pod-routes.ts';

const link = (name: string, address: string, prefixLength: number, up = true): Link => ({
  index: 1,
  name,
  up,
  mtu: 1500,
  mac: '',
  addresses: [{ address, prefixLength, scope: 'global' }],
});
const node = (name: string, address: string | undefined, cidr: string | undefined): Node => ({
  metadata: { name },
  spec: cidr === undefined ? {} : { podCIDR: cidr, podCIDRs: [cidr] },
  status: address === undefined ? {} : { addresses: [{ type: 'InternalIP', address }] },
});
const links = [link('lo', '127.0.0.1', 8), link('eth0', '10.190.0.11', 24)];
const far = {
  kind: 'tunnel',
  cidr: '10.244.2.0/24',
  via: '10.244.2.0',
  remote: '192.0.2.7',
  mac: '0a:58:c0:00:02:07',
};
const near = { kind: 'direct', cidr: '10.244.1.0/24', via: '10.190.0.12', dev: 'eth0' };

const routes: readonly {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly links?: readonly Link[];
  readonly routing?: PodRouting;
  readonly want: readonly unknown[];
}[] = [
  { name: 'its own range is no route', nodes: [node('me', '10.190.0.11', '10.244.0.0/24')], want: [] },
  { name: 'a node on the segment: a route', nodes: [node('a', '10.190.0.12', '10.244.1.0/24')], want: [near] },
  { name: 'a node elsewhere: the tunnel', nodes: [node('b', '192.0.2.7', '10.244.2.0/24')], want: [far] },
  {
    name: 'both at once, in the order of their ranges',
    nodes: [node('b', '192.0.2.7', '10.244.2.0/24'), node('a', '10.190.0.12', '10.244.1.0/24')],
    want: [near, far],
  },
  { name: 'a node without a range yet', nodes: [node('a', '10.190.0.12', undefined)], want: [] },
  { name: 'a node without an address yet', nodes: [node('a', undefined, '10.244.1.0/24')], want: [] },
  {
    name: 'vxlan by flag, on one segment too',
    nodes: [node('a', '10.190.0.12', '10.244.1.0/24')],
    routing: 'vxlan',
    want: [
      { ...near, kind: 'tunnel', via: '10.244.1.0', remote: '10.190.0.12', mac: '0a:58:0a:be:00:0c', dev: undefined },
    ],
  },
  {
    name: 'routes by flag: nothing elsewhere',
    nodes: [node('b', '192.0.2.7', '10.244.2.0/24')],
    routing: 'routes',
    want: [],
  },
  {
    name: 'a link that is down leads nowhere',
    nodes: [node('a', '10.190.0.12', '10.244.1.0/24')],
    links: [link('eth0', '10.190.0.11', 24, false)],
    want: [
      { kind: 'tunnel', cidr: '10.244.1.0/24', via: '10.244.1.0', remote: '10.190.0.12', mac: '0a:58:0a:be:00:0c' },
    ],
  },
  {
    name: 'an address without a segment (/32, as clouds give) is reached by the tunnel',
    nodes: [node('b', '192.0.2.7', '10.244.2.0/24')],
    links: [link('eth0', '192.0.2.6', 32)],
    want: [far],
  },
];
for (const c of routes)
  test(`pod routes: ${c.name}`, () => {
    const plan = planPodRoutes({
      nodes: c.nodes,
      ownName: 'me',
      links: c.links ?? links,
      routing: c.routing ?? 'auto',
    });
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), JSON.parse(JSON.stringify(c.want)));
  });

test('pod routes: the hardware address of a tunnel end follows from the host address, and is locally administered', () => {
  assert.equal(tunnelMac('10.190.0.255'), '0a:58:0a:be:00:ff');
  assert.equal(Number.parseInt(tunnelMac('1.2.3.4').slice(0, 2), 16) & 3, 2);
});

const pod = (ports: readonly object[], more: Partial<Pod['spec']> = {}, status: Pod['status'] = {}): Pod =>
  ({
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', ports }], ...more },
    status: { podIP: '10.244.0.5', phase: 'Running', ...status },
  }) as Pod;
const entry = { hostIp: '', protocol: 'tcp', hostPort: 80, podIp: '10.244.0.5', containerPort: 8080 };

const ports: readonly { readonly name: string; readonly pods: readonly Pod[]; readonly want: readonly unknown[] }[] = [
  { name: 'a port', pods: [pod([{ hostPort: 80, containerPort: 8080 }])], want: [entry] },
  { name: 'a container port alone is none', pods: [pod([{ containerPort: 8080 }])], want: [] },
  {
    name: 'one address and UDP',
    pods: [pod([{ hostPort: 80, containerPort: 8080, hostIP: '127.0.0.1', protocol: 'UDP' }])],
    want: [{ ...entry, hostIp: '127.0.0.1', protocol: 'udp' }],
  },
  { name: '0.0.0.0 is any', pods: [pod([{ hostPort: 80, containerPort: 8080, hostIP: '0.0.0.0' }])], want: [entry] },
  {
    name: 'pods of the host network need none',
    pods: [pod([{ hostPort: 80, containerPort: 80 }], { hostNetwork: true })],
    want: [],
  },
  { name: 'a pod without an address', pods: [pod([{ hostPort: 80, containerPort: 80 }], {}, { podIP: '' })], want: [] },
  {
    name: 'a pod that has ended',
    pods: [pod([{ hostPort: 80, containerPort: 80 }], {}, { phase: 'Succeeded' })],
    want: [],
  },
  {
    name: 'sidecars have ports, init containers have not',
    pods: [
      pod([], {
        initContainers: [
          { name: 'i', ports: [{ hostPort: 81, containerPort: 1 }] },
          { name: 's', restartPolicy: 'Always', ports: [{ hostPort: 80, containerPort: 8080 }] },
        ],
      } as Partial<Pod['spec']>),
    ],
    want: [entry],
  },
  {
    name: 'the same port on two addresses and for two protocols',
    pods: [
      pod([
        { hostPort: 80, containerPort: 8080, hostIP: '127.0.0.1' },
        { hostPort: 80, containerPort: 8080, hostIP: '10.190.0.11' },
        { hostPort: 80, containerPort: 8080, protocol: 'UDP', hostIP: '10.190.0.11' },
      ]),
    ],
    want: [
      { ...entry, hostIp: '10.190.0.11' },
      { ...entry, hostIp: '10.190.0.11', protocol: 'udp' },
      { ...entry, hostIp: '127.0.0.1' },
    ],
  },
];
for (const c of ports) test(`host ports: ${c.name}`, () => assert.deepEqual(hostPortsOf(c.pods), c.want));

test('host ports: a table with a map for each kind of address', () => {
  const text = renderHostPorts(hostPortsOf([pod([{ hostPort: 80, containerPort: 8080 }])]), 'bireme0');
  assert.match(text, /add element ip bireme-hostports any-address \{ tcp \. 80 : 10\.244\.0\.5 \. 8080 \}/);
  assert.doesNotMatch(text, /add element ip bireme-hostports one-address/);
});
