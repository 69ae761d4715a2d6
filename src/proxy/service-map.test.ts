import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../api/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../api/types/discovery-v1.ts';
import { buildServiceRules, type DefaultTrafficDistribution, readyHere } from './service-map.ts';

const service = (spec: Service['spec'], labels?: Record<string, string>): Service => ({
  metadata: { namespace: 'default', name: 'web', ...(labels ? { labels } : {}) },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7'],
    ports: [{ port: 80, protocol: 'TCP' }],
    ...spec,
  },
});
const slice = (endpoints: readonly Endpoint[], extra: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { namespace: 'default', name: 'web-1' },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints,
  ...extra,
});
const endpoint = (
  last: number,
  nodeName: string,
  conditions: Endpoint['conditions'] = { ready: true },
  more: Partial<Endpoint> = {},
): Endpoint => ({ addresses: [`10.244.0.${last}`], nodeName, conditions, ...more });

function rules(
  svc: Service,
  slices: readonly EndpointSlice[],
  options: { distribution?: DefaultTrafficDistribution; zone?: string } = {},
) {
  return buildServiceRules({
    services: [svc],
    slicesOf: () => slices,
    topology: { nodeName: 'n1', zone: options.zone ?? '' },
    defaultTrafficDistribution: options.distribution ?? 'Spread',
    family: 'IPv4',
  });
}
const ips = (
  svc: Service,
  slices: readonly EndpointSlice[],
  options?: { distribution?: DefaultTrafficDistribution; zone?: string },
) => rules(svc, slices, options)[0]?.endpoints.map((e) => e.ip.slice('10.244.0.'.length));
const terminating = { ready: false, serving: true, terminating: true };

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  {
    name: 'a headless Service has no rules',
    got: () => rules(service({ clusterIP: 'None', clusterIPs: ['None'] }), []),
    want: [],
  },
  {
    name: 'an ExternalName Service has no rules',
    got: () => rules(service({ type: 'ExternalName', externalName: 'x.example' }), []),
    want: [],
  },
  {
    name: 'a Service of another proxy is left alone',
    got: () => rules(service({}, { 'service.kubernetes.io/service-proxy-name': 'other' }), []),
    want: [],
  },
  {
    name: 'endpoints that are not ready get no traffic',
    got: () => ips(service({}), [slice([endpoint(2, 'n1'), endpoint(3, 'n2', { ready: false })])]),
    want: ['2'],
  },
  {
    name: 'serving-but-terminating endpoints are used while none is ready',
    got: () => ips(service({}), [slice([endpoint(2, 'n1', terminating), endpoint(3, 'n2', { ready: false })])]),
    want: ['2'],
  },
  {
    name: 'a ready endpoint anywhere beats a terminating one',
    got: () => ips(service({}), [slice([endpoint(2, 'n1', terminating), endpoint(3, 'n2')])]),
    want: ['3'],
  },
  {
    name: 'an endpoint in two slices counts once and the ready entry wins',
    got: () => ips(service({}), [slice([endpoint(2, 'n1', { ready: false })]), slice([endpoint(2, 'n1')])]),
    want: ['2'],
  },
  {
    name: 'spread takes every ready endpoint',
    got: () => ips(service({}), [slice([endpoint(2, 'n1'), endpoint(3, 'n2')])]),
    want: ['2', '3'],
  },
  {
    name: "the client's own node is preferred by default",
    got: () => ips(service({}), [slice([endpoint(2, 'n1'), endpoint(3, 'n2')])], { distribution: 'PreferSameNode' }),
    want: ['2'],
  },
  {
    name: 'without one on the node its zone is preferred',
    got: () =>
      ips(
        service({}),
        [slice([endpoint(2, 'n2', undefined, { zone: 'a' }), endpoint(3, 'n3', undefined, { zone: 'b' })])],
        { distribution: 'PreferSameNode', zone: 'b' },
      ),
    want: ['3'],
  },
  {
    name: 'without one near, anywhere',
    got: () =>
      ips(service({}), [slice([endpoint(2, 'n2'), endpoint(3, 'n3')])], { distribution: 'PreferSameNode', zone: 'b' }),
    want: ['2', '3'],
  },
  {
    name: 'zone hints are followed when every endpoint has them',
    got: () =>
      ips(
        service({}),
        [
          slice([
            endpoint(2, 'n2', undefined, { hints: { forZones: [{ name: 'a' }] } }),
            endpoint(3, 'n3', undefined, { hints: { forZones: [{ name: 'b' }] } }),
          ]),
        ],
        { zone: 'a' },
      ),
    want: ['2'],
  },
  {
    name: 'internalTrafficPolicy Local drops when all endpoints are elsewhere',
    got: () =>
      rules(service({ internalTrafficPolicy: 'Local' }), [slice([endpoint(3, 'n2')])]).map((r) => [
        r.endpoints.length,
        r.dropInternal,
      ]),
    want: [[0, true]],
  },
  {
    name: 'externalTrafficPolicy Local narrows only traffic from outside',
    got: () =>
      rules(service({ type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30080 }] }), [
        slice([endpoint(2, 'n1'), endpoint(3, 'n2')]),
      ]).map((r) => [r.endpoints.length, r.externalEndpoints.length, r.nodePort]),
    want: [[2, 1, 30080]],
  },
  {
    name: 'health checks count the ready endpoints of this node, not those that end',
    got: () =>
      readyHere(service({}), {
        slicesOf: () => [
          slice([
            endpoint(2, 'n1'),
            endpoint(3, 'n1', terminating),
            endpoint(4, 'n2'),
            endpoint(5, 'n1', { ready: false }),
          ]),
        ],
        topology: { nodeName: 'n1', zone: '' },
        defaultTrafficDistribution: 'Spread',
        family: 'IPv4',
      }),
    want: 1,
  },
  {
    name: 'ports are matched by name and protocol',
    got: () =>
      rules(service({ ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }), [
        slice([endpoint(2, 'n1')], {
          ports: [
            { name: 'dns', port: 5353, protocol: 'UDP' },
            { name: 'dns', port: 5354, protocol: 'TCP' },
          ],
        }),
      ]).map((r) => r.endpoints),
    want: [[{ ip: '10.244.0.2', port: 5353 }]],
  },
  {
    name: 'slices of the other family are ignored',
    got: () => ips(service({}), [slice([endpoint(2, 'n1')], { addressType: 'IPv6' })]),
    want: [],
  },
];
for (const c of cases) test(`service map: ${c.name}`, () => assert.deepEqual(c.got(), c.want));
