/** StatefulSets on the real API server with the scheduler, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatefulSet, StatefulSetSpec } from '../src/api/types/apps-v1.ts';
import type { Pod } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import type { Client } from '../src/client/client.ts';
import { createGarbageCollector } from '../src/controllers/garbage-collector/garbage-collector.ts';
import { statefulSetController } from '../src/controllers/stateful-set/controller.ts';
import {
  namespace,
  type WorkloadCluster,
  type WorkloadClusterOptions,
  withWorkloads,
} from './support/workload-cluster.ts';

const cluster = (
  options: Partial<WorkloadClusterOptions>,
  body: (cluster: WorkloadCluster) => Promise<void>,
): Promise<void> => withWorkloads({ controllers: [statefulSetController()], ...options }, body);

const labels = { app: 'db' };
const db = (replicas: number, more: Partial<StatefulSetSpec> = {}, image = 'i:1'): StatefulSet => ({
  metadata: { name: 'db', namespace },
  spec: {
    replicas,
    serviceName: 'peers',
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } },
    ...more,
  },
});
const sets = (client: Client) => client.resource(resources.statefulSets);
const get = (client: Client): Promise<StatefulSet> => sets(client).get('db', { namespace });
const change = async (client: Client, spec: object): Promise<void> =>
  void (await sets(client).patch('db', { type: 'strategic', patch: { spec: { ...spec } } }, { namespace }));
const setImage = (client: Client, image: string): Promise<void> =>
  change(client, { template: { spec: { containers: [{ name: 'c', image }] } } });
const imageOf = ({ spec }: Pod): string => spec!.containers[0]!.image!;
const names = (pods: readonly Pod[]): readonly string[] => pods.map(({ metadata }) => metadata.name!);
const images = (pods: readonly Pod[]): readonly string[] => pods.map(imageOf);

test('stateful set: pods come one after the other, each with its name, hostname and labels', () =>
  cluster({ kubelet: { isReady: (pod) => pod.metadata.name !== 'db-1' } }, async ({ clock, client, pods, events }) => {
    await sets(client).create(db(3));
    await clock.advance(10_000);
    const [first, ...others] = await pods();
    assert.deepEqual(names([first!, ...others]), ['db-0', 'db-1'], 'db-2 waits for db-1');
    assert.deepEqual([first!.spec!.hostname, first!.spec!.subdomain], ['db-0', 'peers']);
    const { status } = await get(client);
    assert.deepEqual(first!.metadata.labels, {
      ...labels,
      'apps.kubernetes.io/pod-index': '0',
      'statefulset.kubernetes.io/pod-name': 'db-0',
      'controller-revision-hash': status!.updateRevision,
    });
    assert.deepEqual([status?.replicas, status?.readyReplicas, status?.currentReplicas], [2, 1, 2]);
    assert.ok((await events('StatefulSet')).includes('SuccessfulCreate: Create Pod db-0 in StatefulSet db successful'));
  }));

test('stateful set: parallel sets create and delete all at once', () =>
  cluster({ kubelet: { isReady: () => false } }, async ({ clock, client, pods }) => {
    await sets(client).create(db(5, { podManagementPolicy: 'Parallel' }));
    await clock.advance(2_000);
    assert.equal((await pods()).length, 5);
    await change(client, { replicas: 2 });
    await clock.advance(2_000);
    assert.deepEqual(names(await pods()), ['db-0', 'db-1']);
  }));

test('stateful set: shrinks from the highest ordinal, and not while a remaining pod is not ready', () =>
  cluster({}, async ({ clock, client, pods, setPodStatus }) => {
    await sets(client).create(db(4));
    await clock.advance(5_000);
    await setPodStatus('db-0', { conditions: [{ type: 'Ready', status: 'False' }] });
    await change(client, { replicas: 2 });
    await clock.advance(5_000);
    assert.equal((await pods()).length, 4);
    await setPodStatus('db-0', { conditions: [{ type: 'Ready', status: 'True' }] });
    await clock.advance(5_000);
    assert.deepEqual(names(await pods()), ['db-0', 'db-1']);
  }));

test('stateful set: a rolling update goes from the highest ordinal down to the partition', () =>
  cluster({}, async ({ clock, client, pods }) => {
    await sets(client).create(db(3, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } } }));
    await clock.advance(5_000);
    await setImage(client, 'i:2');
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:1', 'i:2', 'i:2']);
    const { status } = await get(client);
    assert.notEqual(status?.currentRevision, status?.updateRevision);
    assert.deepEqual([status?.currentReplicas, status?.updatedReplicas], [1, 2]);
    await client.resource(resources.pods).delete('db-0', { namespace });
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:1', 'i:2', 'i:2'], 'below the partition the old revision comes back');
    await change(client, { updateStrategy: { rollingUpdate: { partition: 0 } } });
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:2', 'i:2', 'i:2']);
    const done = (await get(client)).status;
    assert.equal(done?.currentRevision, done?.updateRevision);
    assert.equal(done?.currentReplicas, 3);
  }));

test('stateful set: maxUnavailable is dropped while its feature is off, as v1.36 has it, and pods are replaced one at a time', () =>
  cluster({ kubelet: { isReady: (pod) => imageOf(pod) !== 'slow' } }, async ({ clock, client, pods }) => {
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '50%' } };
    await sets(client).create(db(4, { updateStrategy, podManagementPolicy: 'Parallel' }));
    await clock.advance(5_000);
    await setImage(client, 'slow');
    await clock.advance(5_000);
    assert.deepEqual((await get(client)).spec?.updateStrategy, {
      type: 'RollingUpdate',
      rollingUpdate: { partition: 0 },
    });
    assert.deepEqual(images(await pods()), ['i:1', 'i:1', 'i:1', 'slow']);
  }));

test('stateful set: a broken roll-out stops at the first pod, and goes on when that is deleted after a rollback', () =>
  cluster({ kubelet: { isReady: (pod) => imageOf(pod) !== 'broken' } }, async ({ clock, client, pods }) => {
    await sets(client).create(db(3));
    await clock.advance(5_000);
    await setImage(client, 'broken');
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:1', 'i:1', 'broken']);
    await setImage(client, 'i:1');
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:1', 'i:1', 'broken'], 'upstream waits for the broken pod (issue 67250)');
    await client.resource(resources.pods).delete('db-2', { namespace });
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:1', 'i:1', 'i:1']);
    const { items } = await client.resource(resources.controllerRevisions).list({ namespace });
    assert.deepEqual(items.map(({ revision }) => revision).sort(), [2, 3], 'the first revision came back as the third');
  }));

test('stateful set: with OnDelete only what the user deletes is replaced', () =>
  cluster({}, async ({ clock, client, pods }) => {
    await sets(client).create(db(2, { updateStrategy: { type: 'OnDelete' } }));
    await clock.advance(5_000);
    await setImage(client, 'i:2');
    await clock.advance(5_000);
    await client.resource(resources.pods).delete('db-0', { namespace });
    await clock.advance(5_000);
    assert.deepEqual(images(await pods()), ['i:2', 'i:1']);
  }));

test('stateful set: ordinals start where the user says, and pods outside the range go', () =>
  cluster({}, async ({ clock, client, pods }) => {
    await sets(client).create(db(2, { ordinals: { start: 5 } }));
    await clock.advance(5_000);
    assert.deepEqual(names(await pods()), ['db-5', 'db-6']);
    await change(client, { ordinals: { start: 6 } });
    await clock.advance(5_000);
    assert.deepEqual(names(await pods()), ['db-6', 'db-7']);
  }));

test('stateful set: the next pod waits until its predecessor was ready for minReadySeconds', () =>
  cluster({}, async ({ clock, client, pods }) => {
    await sets(client).create(db(2, { minReadySeconds: 30 }));
    await clock.advance(20_000);
    assert.deepEqual(names(await pods()), ['db-0']);
    assert.deepEqual(
      [(await get(client)).status?.readyReplicas, (await get(client)).status?.availableReplicas],
      [1, 0],
    );
    await clock.advance(15_000);
    assert.deepEqual(names(await pods()), ['db-0', 'db-1']);
    await clock.advance(40_000);
    assert.equal((await get(client)).status?.availableReplicas, 2);
  }));

test('stateful set: ended pods are made anew under their names, also those that ended well', () =>
  cluster({}, async ({ clock, client, pods, setPodStatus }) => {
    await sets(client).create(db(2));
    await clock.advance(5_000);
    const before = (await pods()).map(({ metadata }) => metadata.uid);
    await setPodStatus('db-0', { phase: 'Succeeded' });
    await setPodStatus('db-1', { phase: 'Failed' });
    await clock.advance(5_000);
    const after = await pods();
    assert.deepEqual(names(after), ['db-0', 'db-1']);
    assert.ok(after.every(({ metadata }) => !before.includes(metadata.uid)));
  }));

for (const [policy, afterScale, afterDelete] of [
  [{}, ['data-db-0', 'data-db-1'], ['data-db-0', 'data-db-1']],
  [{ whenScaled: 'Delete' }, ['data-db-0'], ['data-db-0']],
  [{ whenDeleted: 'Delete' }, ['data-db-0', 'data-db-1'], []],
] as const)
  test(`stateful set: claims with the retention policy ${JSON.stringify(policy)}`, () =>
    cluster(
      { kubelet: false, controllers: [statefulSetController(), createGarbageCollector()] },
      async ({ clock, client, pods, setPodStatus, events }) => {
        const claims = client.resource(resources.persistentVolumeClaims);
        const template = {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        };
        await sets(client).create(
          db(2, {
            volumeClaimTemplates: [template],
            podManagementPolicy: 'Parallel',
            persistentVolumeClaimRetentionPolicy: policy,
          }),
        );
        const settle = async (): Promise<void> => {
          for (let i = 0; i < 20; i++) {
            for (const { metadata, status } of await pods())
              if (metadata.deletionTimestamp)
                await client
                  .resource(resources.pods)
                  .delete(metadata.name!, { namespace, body: { gracePeriodSeconds: 0 } });
              else if (status?.phase !== 'Running')
                await setPodStatus(metadata.name!, {
                  phase: 'Running',
                  conditions: [{ type: 'Ready', status: 'True' }],
                });
            await clock.advance(1_000);
          }
        };
        const claimNames = async () => (await claims.list({ namespace })).items.map(({ metadata }) => metadata.name);
        await settle();
        assert.deepEqual(await claimNames(), ['data-db-0', 'data-db-1']);
        assert.deepEqual((await pods())[0]!.spec!.volumes?.[0], {
          name: 'data',
          persistentVolumeClaim: { claimName: 'data-db-0' },
        });
        assert.deepEqual((await claims.get('data-db-0', { namespace })).metadata.labels, labels);
        await change(client, { replicas: 1 });
        await settle();
        assert.deepEqual(await claimNames(), afterScale);
        await change(client, { replicas: 2 });
        await settle();
        assert.deepEqual(await claimNames(), ['data-db-0', 'data-db-1']);
        await change(client, { replicas: 1 });
        await settle();
        const message = 'SuccessfulCreate: Create Claim data-db-0 Pod db-0 in StatefulSet db success';
        assert.ok((await events('StatefulSet')).includes(message));
        await sets(client).delete('db', { namespace, body: { propagationPolicy: 'Background' } });
        await settle();
        assert.deepEqual(await claimNames(), afterDelete);
      },
    ));
