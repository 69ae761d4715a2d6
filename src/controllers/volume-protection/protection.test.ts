import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { ephemeralVolumeController } from '../ephemeral-volume.ts';
import { createBench } from '../testdata/controller-bench.ts';
import { attributesClassProtectionController } from './attributes-class-protection.ts';
import { claimProtectionController } from './claim-protection.ts';
import { volumeProtectionController } from './volume-protection.ts';

const going = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 };
const finalizers = ['kubernetes.io/pvc-protection'];
const pod = (name: string, nodeName?: string, phase = 'Running'): Omit<Pod, 'kind' | 'apiVersion'> => ({
  metadata: { name, namespace: 'a', uid: name },
  spec: {
    containers: [],
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }],
    ...(nodeName ? { nodeName } : {}),
  },
  status: { phase },
});

test('claim protection: a claim goes when the last pod with a node that uses it is gone, not when it has ended', async () => {
  const bench = createBench();
  bench.put(resources.pods, pod('p', 'n', 'Succeeded'));
  bench.put(resources.pods, pod('waiting'));
  bench.put(resources.persistentVolumeClaims, { metadata: { name: 'c', namespace: 'a', finalizers, ...going } });
  bench.start(claimProtectionController());
  await bench.clock.settle();
  const left = () => bench.get(resources.persistentVolumeClaims, 'a', 'c')?.metadata.finalizers;
  assert.deepEqual(left(), finalizers);
  bench.remove(resources.pods, 'a', 'p');
  await bench.clock.settle();
  assert.equal(left(), undefined);
  await bench.stop();
});

test('claim protection: a claim without the finalizer gets it', async () => {
  const bench = createBench();
  bench.put(resources.persistentVolumeClaims, { metadata: { name: 'c', namespace: 'a' } });
  bench.start(claimProtectionController());
  await bench.clock.settle();
  assert.deepEqual(bench.get(resources.persistentVolumeClaims, 'a', 'c')?.metadata.finalizers, finalizers);
  await bench.stop();
});

test('volume protection: a bound volume stays until it is bound no more', async () => {
  const bench = createBench();
  const metadata = { name: 'v', finalizers: ['kubernetes.io/pv-protection'], ...going };
  bench.put(resources.persistentVolumes, { metadata, status: { phase: 'Bound' } });
  bench.start(volumeProtectionController());
  await bench.clock.settle();
  const left = () => bench.get(resources.persistentVolumes, '', 'v')?.metadata.finalizers;
  assert.deepEqual(left(), ['kubernetes.io/pv-protection']);
  bench.put(resources.persistentVolumes, { metadata, status: { phase: 'Released' } });
  await bench.clock.settle();
  assert.equal(left(), undefined);
  await bench.stop();
});

test('attributes class protection: a class stays while a claim or a volume names it', async () => {
  const bench = createBench();
  const metadata = { name: 'gold', finalizers: ['kubernetes.io/vac-protection'], ...going };
  bench.put(resources.volumeAttributesClasses, { metadata, driverName: 'x' });
  bench.put(resources.persistentVolumeClaims, {
    metadata: { name: 'c', namespace: 'a' },
    spec: { volumeAttributesClassName: 'gold' },
  });
  bench.put(resources.persistentVolumes, { metadata: { name: 'v' }, spec: { volumeAttributesClassName: 'gold' } });
  bench.start(attributesClassProtectionController());
  await bench.clock.settle();
  const left = () => bench.get(resources.volumeAttributesClasses, '', 'gold')?.metadata.finalizers;
  bench.remove(resources.persistentVolumeClaims, 'a', 'c');
  await bench.clock.settle();
  assert.equal(left()?.length, 1);
  bench.remove(resources.persistentVolumes, '', 'v');
  await bench.clock.settle();
  assert.equal(left(), undefined);
  await bench.stop();
});

const withEphemeral: Omit<Pod, 'kind' | 'apiVersion'> = {
  metadata: { name: 'p', namespace: 'a', uid: 'p' },
  spec: {
    containers: [],
    volumes: [
      {
        name: 'v',
        ephemeral: { volumeClaimTemplate: { metadata: { labels: { x: 'y' } }, spec: { volumeName: 'k' } } },
      },
    ],
  },
};

test('ephemeral volumes: the claim is made for the pod, and made again when it was deleted', async () => {
  const bench = createBench();
  bench.put(resources.pods, withEphemeral);
  bench.start(ephemeralVolumeController());
  await bench.clock.settle();
  const found = bench.get(resources.persistentVolumeClaims, 'a', 'p-v');
  assert.deepEqual(found?.spec, { volumeName: 'k' });
  assert.deepEqual(found?.metadata.labels, { x: 'y' });
  assert.deepEqual(found?.metadata.ownerReferences, [
    { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'p', controller: true, blockOwnerDeletion: true },
  ]);
  bench.remove(resources.persistentVolumeClaims, 'a', 'p-v');
  await bench.clock.settle();
  assert.ok(bench.get(resources.persistentVolumeClaims, 'a', 'p-v'));
  await bench.stop();
});

test("ephemeral volumes: somebody else's claim of that name is not used", async () => {
  const bench = createBench();
  bench.put(resources.persistentVolumeClaims, { metadata: { name: 'p-v', namespace: 'a' } });
  bench.put(resources.pods, withEphemeral);
  bench.start(ephemeralVolumeController());
  await bench.clock.settle();
  assert.deepEqual(bench.events, [
    'FailedBinding p: ephemeral volume v: PVC a/p-v was not created for pod a/p (pod is not owner)',
  ]);
  await bench.stop();
});
