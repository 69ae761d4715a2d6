import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { nodeTtlController } from './node-ttl.ts';
import { resourceClaimController } from './resource-claim.ts';
import { createBench } from './testdata/controller-bench.ts';

const pod = (phase = 'Pending', nodeName?: string): Omit<Pod, 'kind' | 'apiVersion'> => ({
  metadata: { name: 'p', namespace: 'a', uid: 'p' },
  spec: {
    containers: [],
    resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }],
    ...(nodeName ? { nodeName } : {}),
  },
  status: { phase },
});
test('resource claims: when the last pod is done the claim is free, and gone when it was made for that pod', async () => {
  const bench = createBench();
  const finalizers = ['resource.kubernetes.io/delete-protection'];
  const reservedFor = [{ resource: 'pods', name: 'p', uid: 'p' }];
  const status = { allocation: {}, reservedFor };
  bench.put(resources.pods, pod('Succeeded', 'n'));
  bench.put(resources.resourceClaims, { metadata: { name: 'shared', namespace: 'a', finalizers }, spec: {}, status });
  bench.put(resources.resourceClaims, {
    metadata: {
      name: 'own',
      namespace: 'a',
      finalizers,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'p', controller: true }],
    },
    spec: {},
    status,
  });
  bench.start(resourceClaimController());
  await bench.clock.advance(10_000);
  const shared = bench.get(resources.resourceClaims, 'a', 'shared');
  assert.deepEqual(
    [shared?.status?.allocation, shared?.status?.reservedFor, shared?.metadata.finalizers],
    [undefined, undefined, undefined],
  );
  assert.equal(bench.get(resources.resourceClaims, 'a', 'own'), undefined);
  await bench.stop();
});

test('node ttl: nodes are told how long copies are good, by the size of the cluster', async () => {
  const bench = createBench();
  for (let i = 0; i < 101; i++) bench.put(resources.nodes, { metadata: { name: `n${i}` } });
  bench.start(nodeTtlController());
  await bench.clock.settle();
  const ttl = () => bench.get(resources.nodes, '', 'n0')?.metadata.annotations?.['node.alpha.kubernetes.io/ttl'];
  assert.equal(ttl(), '15');
  for (let i = 100; i > 88; i--) bench.remove(resources.nodes, '', `n${i}`);
  await bench.clock.settle();
  assert.equal(ttl(), '0');
  await bench.stop();
});
