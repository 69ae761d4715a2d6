/** Zones' shares, and who is given to whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/types/core-v1.ts';
import type { Endpoint } from '../../api/types/discovery-v1.ts';
import { assignZones, isTopologyAware, zoneShares } from './zone-hints.ts';

const node = (zone: string | undefined, cpu: string, more: { ready?: boolean; role?: string } = {}): Node => ({
  metadata: {
    name: 'n',
    labels: {
      ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }),
      ...(more.role === undefined ? {} : { [`node-role.kubernetes.io/${more.role}`]: '' }),
    },
  },
  status: {
    allocatable: { cpu },
    conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
  },
});
/** `a3 b1`: three endpoints in zone a, one in b. */
const endpoints = (text: string): Endpoint[] =>
  text.split(' ').flatMap((part) =>
    Array.from({ length: Number(part.slice(1)) }, (_, i) => ({
      addresses: [`${part[0]}${i}`],
      ...(part[0] === '?' ? {} : { zone: part[0]! }),
    })),
  );
const counts = (result: ReturnType<typeof assignZones>): unknown => {
  if ('problem' in result) return result.problem;
  const found: Record<string, number> = {};
  for (const zone of result.zones.values()) found[zone] = (found[zone] ?? 0) + 1;
  return Object.entries(found)
    .map(([zone, count]) => `${zone}${count}`)
    .sort()
    .join(' ');
};
const even = new Map([
  ['a', 1 / 3],
  ['b', 1 / 3],
  ['c', 1 / 3],
]);
const never = (): undefined => undefined;

test('zone shares: by CPU of ready nodes that are no control plane', () => {
  const nodes = [
    node('a', '2'),
    node('a', '1'),
    node('b', '1000m'),
    node('c', '8', { ready: false }),
    node('d', '8', { role: 'control-plane' }),
  ];
  assert.deepEqual(
    zoneShares(nodes),
    new Map([
      ['a', 0.75],
      ['b', 0.25],
    ]),
  );
});

test('zone shares: none when a node does not tell its zone or CPU, or all are in one zone', () => {
  assert.equal(zoneShares([node('a', '1'), node('b', '1'), node(undefined, '1')]), undefined);
  assert.equal(zoneShares([node('a', '1'), node('b', '0')]), undefined);
  assert.equal(zoneShares([node('a', '1'), node('a', '1')]), undefined);
  assert.equal(zoneShares([]), undefined);
});

test('zone hints: each endpoint serves its own zone where the zones have their shares', () => {
  assert.equal(counts(assignZones(endpoints('a1 b1 c1'), never, even)), 'a1 b1 c1');
  assert.equal(counts(assignZones(endpoints('a2 b2 c2'), never, even)), 'a2 b2 c2');
});

test('zone hints: a zone that lacks is given by the one with most to spare', () => {
  assert.equal(counts(assignZones(endpoints('a4 b2'), never, even)), 'a2 b2 c2');
  assert.equal(counts(assignZones(endpoints('a6'), never, even)), 'a2 b2 c2');
  const uneven = new Map([
    ['a', 0.75],
    ['b', 0.25],
  ]);
  assert.equal(counts(assignZones(endpoints('a2 b6'), never, uneven)), 'a6 b2');
});

test('zone hints: an endpoint in a zone without ready nodes is given away', () => {
  assert.equal(counts(assignZones(endpoints('a2 b2 c1 x1'), (endpoint) => endpoint.zone, even)), 'a2 b2 c2');
});

test('zone hints: who was given away stays while every zone has its least', () => {
  const all = endpoints('a4 b4 c1');
  const [first] = all;
  const before = (endpoint: Endpoint): string => (endpoint === first ? 'c' : endpoint.zone!);
  // Nine: each zone needs at least three.
  const result = assignZones([...all], before, even);
  assert.equal(counts(result), 'a3 b3 c3');
  assert.ok('zones' in result);
  const again = assignZones(all, (endpoint) => result.zones.get(endpoint), even);
  assert.ok('zones' in again);
  assert.deepEqual([...again.zones], [...result.zones]);
});

test('zone hints: none when there are too few, the shares cannot be met, or a zone is not known', () => {
  assert.equal(
    counts(assignZones(endpoints('a1 b1'), never, even)),
    'Insufficient number of endpoints (2 endpoints, 3 zones)',
  );
  assert.equal(
    counts(assignZones(endpoints('a4'), never, even)),
    'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (4 endpoints, 3 zones)',
  );
  assert.equal(
    counts(assignZones(endpoints('a2 b2 ?2'), never, even)),
    'One or more endpoints do not have a zone specified',
  );
  assert.match(String(counts(assignZones(endpoints('a6'), never, undefined))), /^Insufficient Node information/);
});

test('zone hints: the annotation in both its names, the older first', () => {
  const aware = (annotations: Record<string, string>) => isTopologyAware({ metadata: { annotations } });
  const [now, before] = ['service.kubernetes.io/topology-mode', 'service.kubernetes.io/topology-aware-hints'] as const;
  assert.equal(aware({ [now]: 'Auto' }), true);
  assert.equal(aware({ [now]: 'auto' }), true);
  assert.equal(aware({ [before]: 'Auto' }), true);
  assert.equal(aware({ [before]: 'Disabled', [now]: 'Auto' }), false);
  assert.equal(aware({ [now]: 'PreferZone' }), false);
  assert.equal(aware({}), false);
});
