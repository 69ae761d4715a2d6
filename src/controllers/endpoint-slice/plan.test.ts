import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Node, Pod, Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { planSlices, type SlicePlan } from './plan.ts';

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  metadata: { name: 'web', namespace: 'default', uid: 'svc' },
  spec: {
    clusterIP: '10.96.0.1',
    ipFamilies: ['IPv4'],
    selector: { app: 'web' },
    ports: [{ port: 80, targetPort: 8080 }],
    ...spec,
  },
});
interface PodShape {
  readonly ready?: boolean;
  readonly deleting?: boolean;
  readonly phase?: string;
  readonly node?: string;
  readonly ips?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
}
function pod(i: number, shape: PodShape = {}): Pod {
  const {
    ready = true,
    deleting = false,
    phase = 'Running',
    node = 'n1',
    ips = [`10.0.${i >> 8}.${i & 255}`],
    ports = [],
  } = shape;
  return {
    metadata: {
      name: `p${i}`,
      namespace: 'default',
      uid: `uid-${i}`,
      ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { nodeName: node, containers: [{ name: 'c', ports }] },
    status: {
      phase,
      podIPs: ips.map((ip) => ({ ip })),
      ...(ips[0] ? { podIP: ips[0] } : {}),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
}
const range = (from: number, to: number): Pod[] => Array.from({ length: to - from }, (_, i) => pod(from + i));
const node = (name: string): Node | undefined =>
  name === 'gone' ? undefined : { metadata: { name, labels: { 'topology.kubernetes.io/zone': 'z1' } } };

const plan = (pods: readonly Pod[], slices: readonly EndpointSlice[] = [], svc = service()): SlicePlan =>
  planSlices({ service: svc, pods, slices, node, maxEndpointsPerSlice: 100 });

/** What the server would have after the plan. */
let names = 0;
function apply(slices: readonly EndpointSlice[], { create, update, delete: gone }: SlicePlan): EndpointSlice[] {
  const kept = slices
    .filter((slice) => !gone.some(({ metadata }) => metadata.uid === slice.metadata.uid))
    .map((slice) => update.find(({ metadata }) => metadata.uid === slice.metadata.uid) ?? slice);
  return [
    ...kept,
    ...create.map((slice) => ({
      ...slice,
      metadata: { ...slice.metadata, name: `web-${++names}`, uid: `slice-${names}` },
    })),
  ];
}
const writes = ({ create, update, delete: gone }: SlicePlan) => [create.length, update.length, gone.length];
const sizes = (slices: readonly EndpointSlice[]) =>
  slices.map(({ endpoints = [] }) => endpoints.length).sort((a, b) => b - a);

test('endpoint slices: a service without pods has one empty slice, once', () => {
  const slices = apply([], plan([]));
  assert.deepEqual([sizes(slices), slices[0]?.ports], [[0], []]);
  assert.deepEqual(writes(plan([], slices)), [0, 0, 0]);
});

test('endpoint slices: the empty slice becomes the first full one', () => {
  const empty = apply([], plan([]));
  const first = plan(range(0, 3), empty);
  assert.deepEqual(writes(first), [0, 1, 0]);
  assert.deepEqual(sizes(apply(empty, first)), [3]);
});

test('endpoint slices: hold at most a hundred each, and nothing changes when nothing did', () => {
  const slices = apply([], plan(range(0, 250)));
  assert.deepEqual(sizes(slices), [100, 100, 50]);
  assert.deepEqual(writes(plan(range(0, 250), slices)), [0, 0, 0]);
});

test('endpoint slices: what is new goes into the fullest untouched slice that has room for all of it', () => {
  const slices = apply([], plan(range(0, 250)));
  assert.deepEqual(writes(plan(range(0, 260), slices)), [0, 1, 0]);
});

test('endpoint slices: a slice that changes anyway is filled before another is touched', () => {
  const slices = apply([], plan(range(0, 200)));
  const next = plan([...range(1, 200), pod(500)], slices);
  assert.deepEqual(writes(next), [0, 1, 0]);
  assert.deepEqual(sizes(apply(slices, next)), [100, 100]);
});

test('endpoint slices: an emptied slice is deleted, the last one is kept empty', () => {
  const slices = apply([], plan(range(0, 101)));
  const fewer = plan(range(0, 100), slices);
  assert.deepEqual(writes(fewer), [0, 0, 1]);
  const none = plan([], apply(slices, fewer));
  assert.deepEqual(sizes(apply(apply(slices, fewer), none)), [0]);
});

test('endpoint slices: terminating pods serve until they are gone, ended ones do not appear', () => {
  const slices = apply(
    [],
    plan([
      pod(1),
      pod(2, { ready: false }),
      pod(3, { deleting: true }),
      pod(4, { phase: 'Failed' }),
      pod(5, { ips: [] }),
    ]),
  );
  assert.deepEqual(
    slices[0]?.endpoints?.map(({ targetRef, conditions }) => [targetRef?.name, conditions]),
    [
      ['p1', { ready: true, serving: true, terminating: false }],
      ['p2', { ready: false, serving: false, terminating: false }],
      ['p3', { ready: false, serving: true, terminating: true }],
    ],
  );
  const all = apply([], plan([pod(2, { ready: false })], [], service({ publishNotReadyAddresses: true })));
  assert.deepEqual(all[0]?.endpoints?.[0]?.conditions, { ready: true, serving: false, terminating: false });
});

test('endpoint slices: pods whose named port differs are in slices of their own', () => {
  const named = service({ ports: [{ name: 'http', port: 80, targetPort: 'http' }] });
  const ports = (containerPort: number) => ({ ports: [{ name: 'http', containerPort }] });
  const slices = apply([], plan([pod(1, ports(8080)), pod(2, ports(9090)), pod(3, ports(8080))], [], named));
  assert.deepEqual(slices.map(({ ports: list, endpoints }) => [list?.[0]?.port, endpoints?.length]).sort(), [
    [8080, 2],
    [9090, 1],
  ]);
});

test('endpoint slices: a dual-stack service has slices for each family', () => {
  const dual = service({ ipFamilies: ['IPv4', 'IPv6'] });
  const slices = apply([], plan([pod(1, { ips: ['10.0.0.1', 'fd00::1'] }), pod(2)], [], dual));
  assert.deepEqual(
    slices.map(({ addressType, endpoints }) => [addressType, endpoints?.map(({ addresses }) => addresses[0])]),
    [
      ['IPv4', ['10.0.0.1', '10.0.0.2']],
      ['IPv6', ['fd00::1']],
    ],
  );
  assert.deepEqual(writes(plan([pod(1), pod(2)], slices, service())), [0, 0, 1]);
});

test('endpoint slices: a pod on an unknown node is left out and named, unless not-ready addresses are published', () => {
  const result = plan([pod(1, { node: 'gone' })]);
  assert.deepEqual([result.podsWithoutNode, sizes(apply([], result))], [['default/p1'], [0]]);
  assert.deepEqual(
    sizes(apply([], plan([pod(1, { node: 'gone' })], [], service({ publishNotReadyAddresses: true })))),
    [1],
  );
});

test('endpoint slices: traffic distribution becomes hints, and they go with it', () => {
  const hints = (trafficDistribution: string | undefined, slices: readonly EndpointSlice[] = []) =>
    apply(slices, plan([pod(1)], slices, service(trafficDistribution ? { trafficDistribution } : {})));
  const same = hints('PreferSameNode');
  assert.deepEqual(same[0]?.endpoints?.[0]?.hints, { forZones: [{ name: 'z1' }], forNodes: [{ name: 'n1' }] });
  assert.deepEqual(hints('PreferClose')[0]?.endpoints?.[0]?.hints, { forZones: [{ name: 'z1' }] });
  assert.equal(hints(undefined, same)[0]?.endpoints?.[0]?.hints, undefined);
});

test('endpoint slices: a topology aware service spreads zones over its endpoints, and tells why it cannot', () => {
  const aware: Service = {
    ...service({ trafficDistribution: 'PreferSameNode' }),
    metadata: { ...service().metadata, annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } },
  };
  const shares = new Map([
    ['z1', 0.5],
    ['z2', 0.5],
  ]);
  const next = (pods: readonly Pod[], slices: readonly EndpointSlice[]) =>
    planSlices({ service: aware, pods, slices, node, maxEndpointsPerSlice: 100, shares: () => shares });
  // As the API server gives back a slice that has none.
  const empty = apply([], next([], [])).map((slice) => ({ ...slice, endpoints: null }) as unknown as EndpointSlice);
  const first = next(range(0, 4), empty);
  assert.deepEqual([...first.hints], [['IPv4', undefined]]);
  const slices = apply(empty, first);
  const zones = slices[0]?.endpoints?.map(({ hints }) => [hints?.forZones?.[0]?.name, hints?.forNodes]);
  assert.deepEqual(zones?.map(([zone]) => zone).sort(), ['z1', 'z1', 'z2', 'z2']);
  assert.ok(zones?.every(([, nodes]) => nodes === undefined));
  assert.deepEqual(writes(next(range(0, 4), slices)), [0, 0, 0]);
  const few = next(range(0, 1), slices);
  assert.deepEqual([...few.hints], [['IPv4', 'Insufficient number of endpoints (1 endpoints, 2 zones)']]);
  assert.equal(apply(slices, few)[0]?.endpoints?.[0]?.hints, undefined);
});

test('endpoint slices: labels follow the service, and a foreign slice is not kept', () => {
  const slices = apply([], plan([pod(1)]));
  const relabelled: Service = {
    ...service(),
    metadata: { ...service().metadata, labels: { tier: 'gold', 'kubernetes.io/service-name': 'other' } },
  };
  const next = apply(slices, plan([pod(1)], slices, relabelled));
  assert.deepEqual(next[0]?.metadata.labels, {
    tier: 'gold',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  const [slice] = slices;
  const foreign = { ...slice!, metadata: { ...slice!.metadata, ownerReferences: [] } };
  assert.deepEqual(writes(plan([pod(1)], [foreign])), [1, 0, 1]);
});

test('endpoint slices: after any history every pod is in exactly one slice, none is over full, and a second look changes nothing', () => {
  const step = fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { maxLength: 320 });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (history) => {
      let slices: EndpointSlice[] = [];
      for (const ids of history) {
        const pods = ids.map((i) => pod(i));
        slices = apply(slices, plan(pods, slices));
        const placed = slices.flatMap(({ endpoints = [] }) => endpoints.map(({ targetRef }) => targetRef?.name)).sort();
        assert.deepEqual(placed, ids.map((i) => `p${i}`).sort());
        assert.ok(slices.every(({ endpoints = [] }) => endpoints.length <= 100));
        assert.deepEqual(writes(plan(pods, slices)), [0, 0, 0]);
      }
    }),
    { numRuns: 60 },
  );
});
