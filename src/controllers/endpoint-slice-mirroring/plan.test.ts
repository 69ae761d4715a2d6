import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSubset, Endpoints } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { planMirror } from './plan.ts';

const endpoints = (subsets: readonly EndpointSubset[], metadata: Partial<Endpoints['metadata']> = {}): Endpoints => ({
  metadata: { name: 'db', namespace: 'ns', uid: 'e', ...metadata },
  subsets,
});
const show = ({ addressType, ports, endpoints: list }: EndpointSlice): string =>
  `${addressType} ${(ports ?? []).map(({ port }) => port).join('+')}: ${(list ?? [])
    .map(({ addresses, conditions }) => `${addresses[0]}${conditions?.ready ? '' : '!'}`)
    .join(' ')}`;
const p = (port: number) => ({ name: `p${port}`, port, protocol: 'TCP' });
const a = (...ips: string[]) => ips.map((ip) => ({ ip }));
const stored = (slice: EndpointSlice, name: string): EndpointSlice => {
  const { generateName: _none, ...metadata } = slice.metadata;
  return { ...slice, metadata: { ...metadata, name, uid: name, resourceVersion: '1' } };
};

for (const [why, subsets, want] of [
  [
    'one subset is one slice',
    [{ addresses: a('10.0.0.1', '10.0.0.2'), ports: [p(80), p(90)] }],
    ['IPv4 80+90: 10.0.0.1 10.0.0.2'],
  ],
  [
    'both families are two',
    [{ addresses: a('10.0.0.1', 'fd00::1'), ports: [p(80)] }],
    ['IPv4 80: 10.0.0.1', 'IPv6 80: fd00::1'],
  ],
  [
    'ports of the same addresses belong together',
    [
      { addresses: a('10.0.0.1'), ports: [p(80)] },
      { addresses: a('10.0.0.1'), ports: [p(90)] },
    ],
    ['IPv4 80+90: 10.0.0.1'],
  ],
  [
    'ports of other addresses do not',
    [
      { addresses: a('10.0.0.1', '10.0.0.2'), ports: [p(80)] },
      { addresses: a('10.0.0.1'), ports: [p(90)] },
    ],
    ['IPv4 80: 10.0.0.1 10.0.0.2', 'IPv4 90: 10.0.0.1'],
  ],
  [
    'what is not ready is said',
    [{ addresses: a('10.0.0.1'), notReadyAddresses: a('10.0.0.2'), ports: [p(80)] }],
    ['IPv4 80: 10.0.0.1 10.0.0.2!'],
  ],
  ['no ports at all', [{ addresses: a('10.0.0.1') }], ['IPv4 : 10.0.0.1']],
  ['no addresses, no slices', [{ ports: [p(80)] }], []],
] as const)
  test(`endpoint slice mirroring: ${why}`, () =>
    assert.deepEqual(planMirror(endpoints(subsets as readonly EndpointSubset[]), [], 1000).create.map(show), want));

test('endpoint slice mirroring: what is no address, and what is too many, is left out and counted', () => {
  const plan = planMirror(
    endpoints([{ addresses: a('0.x', '10.0.0.1', '10.0.0.2', '10.0.0.3'), ports: [p(80)] }]),
    [],
    2,
  );
  assert.deepEqual([plan.create.map(show), plan.invalid], [['IPv4 80: 10.0.0.1 10.0.0.2'], 1]);
  assert.equal(plan.skipped, 2);
});

test('endpoint slice mirroring: labels and annotations are copied, but not those of kubectl and the trigger time', () => {
  const [slice] = planMirror(
    endpoints([{ addresses: a('10.0.0.1'), ports: [p(80)] }], {
      labels: { team: 'a' },
      annotations: {
        mine: '1',
        'kubectl.kubernetes.io/last-applied-configuration': '{}',
        'endpoints.kubernetes.io/last-change-trigger-time': 'x',
      },
    }),
    [],
    10,
  ).create;
  assert.deepEqual(slice!.metadata.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'db',
    'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
  });
  assert.deepEqual(slice!.metadata.annotations, { mine: '1' });
});

test('endpoint slice mirroring: nothing is written when nothing changed, and a slice that would go is filled anew', () => {
  const before = endpoints([{ addresses: a('10.0.0.1', '10.0.0.2'), ports: [p(80)] }]);
  const slice = stored(planMirror(before, [], 10).create[0]!, 'db-1');
  const same = endpoints([{ addresses: a('10.0.0.2', '10.0.0.1'), ports: [p(80)] }]);
  const still = planMirror(same, [slice], 10);
  assert.deepEqual([still.create, still.update, still.remove], [[], [], []]);
  const moved = planMirror(endpoints([{ addresses: a('10.0.0.1'), ports: [p(81)] }]), [slice], 10);
  assert.deepEqual([moved.create, moved.update.map(show), moved.remove], [[], ['IPv4 81: 10.0.0.1'], []]);
  assert.deepEqual(planMirror(endpoints([]), [slice], 10).remove, [slice]);
  const double = stored(slice, 'db-2');
  assert.deepEqual(planMirror(before, [slice, double], 10).remove, [double]);
});
