import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../api/types/resources.ts';
import { serviceCidrController } from './service-cidrs.ts';
import { type Bench, createBench } from './testdata/controller-bench.ts';

const range = (name: string, cidr: string, going = false) => ({
  metadata: {
    name,
    finalizers: going ? ['networking.k8s.io/service-cidr-finalizer'] : [],
    ...(going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  spec: { cidrs: [cidr] },
});
const address = (name: string) => ({
  metadata: { name, labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
  spec: { parentRef: { resource: 'services', name: 's' } },
});
const show = (bench: Bench, name: string): string => {
  const found = bench.get(resources.serviceCidrs, '', name);
  const ready = found?.status?.conditions?.find(({ type }) => type === 'Ready');
  return `${found?.metadata.finalizers?.length ?? 0} ${ready?.status} ${ready?.reason ?? ''}`.trim();
};

for (const [name, cidr, others, addresses, want] of [
  ['with nothing in it goes', '10.1.0.0/16', [], [], '0 undefined'],
  ['with an address that no other holds stays', '10.1.0.0/16', [], ['10.1.0.5'], '1 False Terminating'],
  ['inside another goes', '10.1.0.0/16', ['10.0.0.0/8'], ['10.1.0.5'], '0 undefined'],
  ['whose addresses another holds goes', '10.1.0.0/16', ['10.1.0.0/24'], ['10.1.0.5'], '0 undefined'],
  ['of the other family is not asked', 'fd00::/112', ['10.1.0.0/16'], ['10.1.0.5'], '0 undefined'],
] as const)
  test(`service ranges: one ${name}`, async () => {
    const bench = createBench();
    for (const [i, other] of others.entries()) bench.put(resources.serviceCidrs, range(`other-${i}`, other));
    for (const ip of addresses) bench.put(resources.ipAddresses, address(ip));
    bench.put(resources.serviceCidrs, range('r', cidr, true));
    bench.start(serviceCidrController());
    await bench.clock.advance(60_000);
    assert.equal(show(bench, 'r'), want);
    await bench.stop();
  });

test('service ranges: a new one is kept from vanishing and is ready; what held a range back frees it', async () => {
  const bench = createBench();
  bench.put(resources.serviceCidrs, range('new', '10.2.0.0/16'));
  bench.put(resources.serviceCidrs, range('going', '10.1.0.0/16', true));
  bench.put(resources.ipAddresses, address('10.1.0.5'));
  bench.start(serviceCidrController());
  await bench.clock.advance(60_000);
  assert.deepEqual([show(bench, 'new'), show(bench, 'going')], ['1 True', '1 False Terminating']);
  bench.remove(resources.ipAddresses, '', '10.1.0.5');
  await bench.clock.advance(60_000);
  assert.match(show(bench, 'going'), /^0 /);
  await bench.stop();
});
