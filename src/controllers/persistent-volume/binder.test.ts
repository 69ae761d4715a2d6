import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { StorageClass } from '../../api/types/storage-v1.ts';
import { type Bench, createBench } from '../testdata/controller-bench.ts';
import { persistentVolumeBinder } from './controller.ts';

type Without<T> = Omit<T, 'kind' | 'apiVersion'>;

const volume = (
  name: string,
  spec: Partial<PersistentVolume['spec']> = {},
  more: Partial<PersistentVolume> = {},
): Without<PersistentVolume> => ({
  metadata: { name, ...more.metadata },
  spec: {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce'],
    persistentVolumeReclaimPolicy: 'Retain',
    hostPath: { path: '/tmp/x' },
    ...spec,
  },
  status: { phase: 'Pending', ...more.status },
});
const claim = (
  name: string,
  spec: Partial<PersistentVolumeClaim['spec']> = {},
  more: Partial<PersistentVolumeClaim> = {},
): Without<PersistentVolumeClaim> => ({
  metadata: { name, namespace: 'a', uid: `uid-${name}`, ...more.metadata },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
    storageClassName: '',
    ...spec,
  },
  status: { phase: 'Pending', ...more.status },
});
const storageClass = (name: string, more: Partial<StorageClass> = {}): Without<StorageClass> => ({
  metadata: { name, ...more.metadata },
  provisioner: more.provisioner ?? 'example.com/p',
  volumeBindingMode: more.volumeBindingMode ?? 'Immediate',
});
const pod = (name: string, claimName: string): Without<Pod> => ({
  metadata: { name, namespace: 'a' },
  spec: { containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] },
});

interface World {
  readonly volumes?: readonly Without<PersistentVolume>[];
  readonly claims?: readonly Without<PersistentVolumeClaim>[];
  readonly classes?: readonly Without<StorageClass>[];
  readonly pods?: readonly Without<Pod>[];
}

async function run({ volumes = [], claims = [], classes = [], pods = [] }: World, then?: (bench: Bench) => void) {
  const bench = createBench();
  for (const each of classes) bench.put(resources.storageClasses, each);
  for (const each of volumes) bench.put(resources.persistentVolumes, each);
  for (const each of claims) bench.put(resources.persistentVolumeClaims, each);
  for (const each of pods) bench.put(resources.pods, each);
  bench.start(persistentVolumeBinder());
  await bench.clock.advance(1000);
  if (then) {
    then(bench);
    await bench.clock.advance(1000);
  }
  const shown: string[] = [];
  for (const { metadata } of claims) {
    const now = bench.get(resources.persistentVolumeClaims, 'a', metadata.name!);
    if (now) shown.push(`${metadata.name} ${now.status?.phase} ${now.spec?.volumeName ?? '-'}`);
  }
  for (const { metadata } of volumes) {
    const now = bench.get(resources.persistentVolumes, '', metadata.name!);
    if (now) shown.push(`${metadata.name} ${now.status?.phase} ${now.spec?.claimRef?.name ?? '-'}`);
  }
  const result = { shown, events: [...new Set(bench.events)], bench };
  await bench.stop();
  return result;
}

const bound = { 'pv.kubernetes.io/bind-completed': 'yes' };

const cases: readonly { name: string; world: World; want: readonly string[]; events?: readonly string[] }[] = [
  {
    name: 'the smallest volume that fits is taken',
    world: {
      volumes: [
        volume('big', { capacity: { storage: '5Gi' } }),
        volume('fit', { capacity: { storage: '2Gi' } }),
        volume('small', { capacity: { storage: '500Mi' } }),
      ],
      claims: [claim('c')],
    },
    want: ['c Bound fit', 'big Available -', 'fit Bound c', 'small Available -'],
  },
  {
    name: 'two claims never get the same volume',
    world: { volumes: [volume('v')], claims: [claim('c1'), claim('c2')] },
    want: ['c1 Bound v', 'c2 Pending -', 'v Bound c1'],
    events: ['FailedBinding c2: no persistent volumes available for this claim and no storage class is set'],
  },
  {
    name: 'a volume kept for a claim is its even when a smaller one is free',
    world: {
      volumes: [
        volume('free'),
        volume('kept', { capacity: { storage: '9Gi' }, claimRef: { namespace: 'a', name: 'c' } }),
      ],
      claims: [claim('c')],
    },
    want: ['c Bound kept', 'free Available -', 'kept Bound c'],
  },
  {
    name: 'a volume kept for another claim is left alone',
    world: { volumes: [volume('v', { claimRef: { namespace: 'a', name: 'other' } })], claims: [claim('c')] },
    want: ['c Pending -', 'v Available other'],
    events: ['FailedBinding c: no persistent volumes available for this claim and no storage class is set'],
  },
  {
    name: 'a claim that names a volume too small says so',
    world: { volumes: [volume('v', { capacity: { storage: '1Mi' } })], claims: [claim('c', { volumeName: 'v' })] },
    want: ['c Pending v', 'v Available -'],
    events: ['VolumeMismatch c: Cannot bind to requested volume "v": requested PV is too small'],
  },
  {
    name: 'a claim that names a volume of another claim says so',
    world: {
      volumes: [volume('v')],
      claims: [claim('c1'), claim('c2', { volumeName: 'v' })],
    },
    want: ['c1 Bound v', 'c2 Pending v', 'v Bound c1'],
    events: ['FailedBinding c2: volume "v" already bound to a different claim.'],
  },
  {
    name: 'a claim that names a volume that is not there waits',
    world: { claims: [claim('c', { volumeName: 'v' })] },
    want: ['c Pending v'],
  },
  {
    name: 'the class must be the same',
    world: { volumes: [volume('v', { storageClassName: 'slow' })], claims: [claim('c')] },
    want: ['c Pending -', 'v Available -'],
    events: ['FailedBinding c: no persistent volumes available for this claim and no storage class is set'],
  },
  {
    name: 'a class that waits leaves the choice to the scheduler',
    world: {
      classes: [storageClass('local', { volumeBindingMode: 'WaitForFirstConsumer' })],
      volumes: [volume('v', { storageClassName: 'local' })],
      claims: [claim('c', { storageClassName: 'local' })],
    },
    want: ['c Pending -', 'v Available -'],
    events: ['WaitForFirstConsumer c: waiting for first consumer to be created before binding'],
  },
  {
    name: 'who is awaited is named',
    world: {
      classes: [storageClass('local', { volumeBindingMode: 'WaitForFirstConsumer' })],
      claims: [claim('c', { storageClassName: 'local' })],
      pods: [pod('p', 'c')],
    },
    want: ['c Pending -'],
    events: ['WaitForPodScheduled c: waiting for pod p to be scheduled'],
  },
  {
    name: 'an unknown class is told',
    world: { claims: [claim('c', { storageClassName: 'none' })] },
    want: ['c Pending -'],
    events: ['ProvisioningFailed c: storageclass.storage.k8s.io "none" not found'],
  },
  {
    name: 'a class without a provisioner is told',
    world: {
      classes: [storageClass('manual', { provisioner: 'kubernetes.io/no-provisioner' })],
      claims: [claim('c', { storageClassName: 'manual' })],
    },
    want: ['c Pending -'],
    events: ['ProvisioningFailed c: no volume plugin matched name: kubernetes.io/no-provisioner'],
  },
  {
    name: 'a bound claim whose volume is gone is lost',
    world: {
      claims: [claim('c', { volumeName: 'v' }, { metadata: { annotations: bound }, status: { phase: 'Bound' } })],
    },
    want: ['c Lost v'],
    events: ['ClaimLost c: Bound claim has lost its PersistentVolume. Data on the volume is lost!'],
  },
  {
    name: 'a bound claim whose volume is of another is lost',
    world: {
      volumes: [
        volume('v', { claimRef: { namespace: 'a', name: 'c', uid: 'older' } }, { status: { phase: 'Released' } }),
      ],
      claims: [claim('c', { volumeName: 'v' }, { metadata: { annotations: bound }, status: { phase: 'Bound' } })],
    },
    want: ['c Lost v', 'v Released c'],
    events: ['ClaimMisbound c: Two claims are bound to the same volume, this one is bound incorrectly'],
  },
  {
    name: 'a volume whose claim is gone and whose policy cannot be followed has failed',
    world: {
      volumes: [
        volume('d', { persistentVolumeReclaimPolicy: 'Delete', claimRef: { namespace: 'a', name: 'x', uid: 'x' } }),
        volume('r', { persistentVolumeReclaimPolicy: 'Recycle', claimRef: { namespace: 'a', name: 'x', uid: 'x' } }),
      ],
    },
    want: ['d Failed x', 'r Failed x'],
    events: [
      'VolumeFailedDelete d: error getting deleter volume plugin for volume "d": no deletable volume plugin matched',
      'VolumeFailedRecycle r: No recycler plugin found for the volume!',
    ],
  },
  {
    name: 'what a provisioner made is left to it',
    world: {
      volumes: [
        volume(
          'd',
          { persistentVolumeReclaimPolicy: 'Delete', claimRef: { namespace: 'a', name: 'x', uid: 'x' } },
          { metadata: { annotations: { 'pv.kubernetes.io/provisioned-by': 'example.com/p' } } },
        ),
      ],
    },
    want: ['d Released x'],
  },
];

for (const { name, world, want, events = [] } of cases)
  test(`volume binder: ${name}`, async () => {
    const { shown, events: told } = await run(world);
    assert.deepEqual({ shown, told }, { shown: want, told: events });
  });

test('volume binder: a binding tells who made it, and the claim shows what it got', async () => {
  const { bench } = await run({
    volumes: [volume('v', { capacity: { storage: '2Gi' }, accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] })],
    claims: [claim('c')],
  });
  const c = bench.get(resources.persistentVolumeClaims, 'a', 'c')!;
  const v = bench.get(resources.persistentVolumes, '', 'v')!;
  assert.deepEqual(c.metadata.annotations, { 'pv.kubernetes.io/bound-by-controller': 'yes', ...bound });
  assert.deepEqual(c.status, {
    phase: 'Bound',
    accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
    capacity: { storage: '2Gi' },
  });
  assert.deepEqual(v.metadata.annotations, { 'pv.kubernetes.io/bound-by-controller': 'yes' });
  const { resourceVersion: _, ...reference } = v.spec!.claimRef!;
  assert.deepEqual(reference, {
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    namespace: 'a',
    name: 'c',
    uid: 'uid-c',
  });
});

test('volume binder: a provisioner is told by annotations, and its volume is bound', async () => {
  const { bench, shown } = await run(
    { classes: [storageClass('fast')], claims: [claim('c', { storageClassName: 'fast' })] },
    (b) =>
      b.put(
        resources.persistentVolumes,
        volume('made', { storageClassName: 'fast', claimRef: { namespace: 'a', name: 'c', uid: 'uid-c' } }),
      ),
  );
  const { annotations } = bench.get(resources.persistentVolumeClaims, 'a', 'c')!.metadata;
  assert.equal(annotations?.['volume.kubernetes.io/storage-provisioner'], 'example.com/p');
  assert.equal(annotations?.['volume.beta.kubernetes.io/storage-provisioner'], 'example.com/p');
  assert.deepEqual(shown, ['c Bound made']);
  assert.match(bench.events[0]!, /^ExternalProvisioning c: Waiting for a volume to be created either by the external/);
});

test('volume binder: a volume goes from its claim to Released, and stays when it is to be kept', async () => {
  const { shown } = await run({ volumes: [volume('v')], claims: [claim('c')] }, (b) =>
    b.remove(resources.persistentVolumeClaims, 'a', 'c'),
  );
  assert.deepEqual(shown, ['v Released c']);
});

test('volume binder: a default class that comes later is the class of claims that name none', async () => {
  const { bench } = await run({ claims: [claim('c', { storageClassName: undefined! }), claim('empty')] }, (b) =>
    b.put(
      resources.storageClasses,
      storageClass('std', { metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } }),
    ),
  );
  const classOf = (name: string) => bench.get(resources.persistentVolumeClaims, 'a', name)?.spec?.storageClassName;
  assert.deepEqual([classOf('c'), classOf('empty')], ['std', '']);
});

test('volume binder: nothing is written once all is bound', async () => {
  const bench = createBench();
  bench.put(resources.persistentVolumes, volume('v'));
  bench.put(resources.persistentVolumeClaims, claim('c'));
  bench.start(persistentVolumeBinder());
  await bench.clock.advance(20_000);
  let writes = 0;
  bench.server.intercept = (request) => {
    if (request.method !== 'GET') writes++;
    return undefined;
  };
  await bench.clock.advance(120_000);
  assert.equal(writes, 0);
  await bench.stop();
});
