import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import { resources } from '../../api/types/resources.ts';
import { failure } from '../../client/testdata/fake-api-server.ts';
import { createBench } from '../testdata/controller-bench.ts';
import { createCidrSet, parseCidr } from './cidr-set.ts';
import { createNodeIpamController } from './node-ipam.ts';

test('CIDR set: blocks in order, freed ones again after a round', () => {
  const set = createCidrSet('10.244.0.0/22', 24);
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((owner) => set.allocate(owner)),
    ['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24', '10.244.3.0/24', undefined],
  );
  set.release('b');
  assert.equal(set.allocate('f'), '10.244.1.0/24');
});

test('CIDR set: what is taken is not given, parts and ranges over several blocks count, clashes are named', () => {
  const set = createCidrSet('10.0.0.0/22', 24);
  assert.equal(set.occupy('10.0.0.128/25', 'a'), undefined);
  assert.equal(set.occupy('10.0.2.0/23', 'b'), undefined);
  assert.equal(set.occupy('10.0.3.0/24', 'c'), 'b');
  assert.equal(set.occupy('192.168.0.0/24', 'd'), undefined);
  assert.equal(set.free, 1);
  assert.equal(set.allocate('e'), '10.0.1.0/24');
  set.release('c');
  assert.equal(set.free, 0, "another's block is not freed");
});

test('CIDR set: IPv6 blocks are written canonically', () => {
  const set = createCidrSet('fd00:10:244::/56', 64);
  assert.deepEqual([set.allocate('a'), set.allocate('b')], ['fd00:10:244::/64', 'fd00:10:244:1::/64']);
  assert.throws(() => createCidrSet('fd00::/40', 64), /too large/);
  assert.throws(() => createCidrSet('10.0.0.0/24', 16), /cannot be cut/);
});

for (const bad of [
  '10.0.0/8',
  '10.0.0.0',
  '10.0.0.0/33',
  '010.0.0.0/8',
  'x',
  ':::/8',
  '1:2:3:4:5:6:7:8:9/64',
  '10.0.0.0/8/8',
])
  test(`CIDR set: ${bad} is no CIDR`, () => assert.equal(parseCidr(bad), undefined));

const node = (name: string, spec = {}) => ({ metadata: { name }, spec });

test('node IPAM: each node gets its own block; those that have one keep it', async () => {
  const bench = createBench();
  bench.put(resources.nodes, node('old', { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] }));
  bench.put(resources.nodes, node('n1'));
  bench.start(createNodeIpamController());
  await bench.clock.settle();
  bench.put(resources.nodes, node('n2'));
  await bench.clock.settle();
  const cidr = (name: string) => bench.get(resources.nodes, '', name)?.spec;
  assert.deepEqual(cidr('n1'), { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] });
  assert.equal(cidr('n2')?.podCIDR, '10.244.2.0/24');
  assert.equal(cidr('old')?.podCIDR, '10.244.0.0/24');
  await bench.stop();
});

test('node IPAM: a full range is an event and is tried again when a node goes', async () => {
  const bench = createBench();
  bench.start(createNodeIpamController({ clusterCidrs: ['10.0.0.0/24'] }));
  await bench.clock.settle();
  bench.put(resources.nodes, node('a'));
  await bench.clock.settle();
  bench.put(resources.nodes, node('b'));
  await bench.clock.settle();
  assert.deepEqual(bench.events, ['CIDRNotAvailable b: Node b status is now: CIDRNotAvailable']);
  bench.remove(resources.nodes, '', 'a');
  await bench.clock.advance(10_000);
  assert.equal(bench.get(resources.nodes, '', 'b')?.spec?.podCIDR, '10.0.0.0/24');
  await bench.stop();
});

test('node IPAM: two families, and the service range is left out', async () => {
  const bench = createBench();
  bench.put(resources.nodes, node('a'));
  bench.start(
    createNodeIpamController({
      clusterCidrs: ['10.0.0.0/16', 'fd00::/56'],
      serviceCidrs: ['10.0.0.0/20'],
    }),
  );
  await bench.clock.settle();
  assert.deepEqual(bench.get(resources.nodes, '', 'a')?.spec?.podCIDRs, ['10.0.16.0/24', 'fd00::/64']);
  await bench.stop();
});

test('node IPAM: a refused write frees the block, a node made anew gets one', async () => {
  const bench = createBench();
  let refuse = true;
  bench.server.intercept = (request) =>
    request.method === 'PATCH' && refuse ? failure(ApiError.internal(new Error('no'))) : undefined;
  bench.put(resources.nodes, node('a'));
  bench.start(createNodeIpamController());
  await bench.clock.advance(50);
  refuse = false;
  await bench.clock.advance(5000);
  assert.ok(bench.get(resources.nodes, '', 'a')?.spec?.podCIDR);
  bench.remove(resources.nodes, '', 'a');
  bench.put(resources.nodes, node('a'));
  await bench.clock.settle();
  assert.ok(bench.get(resources.nodes, '', 'a')?.spec?.podCIDR);
  await bench.stop();
});
