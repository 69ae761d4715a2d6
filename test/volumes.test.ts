/** Claims, volumes and pods together: API server, binder, scheduler and the built-in provisioner, on hollow nodes in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import type { StorageClass } from '../src/api/types/storage-v1.ts';
import { startCluster, type TestCluster } from '../src/testing/cluster.ts';

const namespace = 'default';
const provisioner = 'bireme.dev/local-path';

const localPath: StorageClass = {
  metadata: { name: 'local-path', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
};
const claim = (name: string, spec: Partial<PersistentVolumeClaim['spec']> = {}): PersistentVolumeClaim => ({
  metadata: { name, namespace },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const pod = (name: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: 1, ...spec },
});
const using = (claimName: string) => ({ volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] });
const localVolume = (name: string, node: string): PersistentVolume => ({
  metadata: { name },
  spec: {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'disks',
    local: { path: `/mnt/${name}` },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] }],
      },
    },
  },
});

const noFolder = { 'local-path.bireme.dev/folder': null, 'local-path.bireme.dev/hollow': null };

/** @param folders as hollow nodes offer them; else none. */
async function withCluster(
  body: (cluster: TestCluster) => Promise<void>,
  { folders = false }: { readonly folders?: boolean } = {},
): Promise<void> {
  const cluster = await startCluster({ nodes: 3, time: 'virtual' });
  try {
    const nodes = cluster.client.resource(resources.nodes);
    await cluster.until(async () => (await nodes.list()).items.length === 3);
    if (!folders)
      for (const { metadata } of (await nodes.list()).items)
        await nodes.patch(metadata.name!, { type: 'merge', patch: { metadata: { annotations: noFolder } } });
    await body(cluster);
  } finally {
    await cluster.stop();
  }
}

const get = {
  claim: ({ client }: TestCluster, name: string) =>
    client.resource(resources.persistentVolumeClaims).get(name, { namespace }),
  pod: ({ client }: TestCluster, name: string) => client.resource(resources.pods).get(name, { namespace }),
  volumes: async ({ client }: TestCluster) => (await client.resource(resources.persistentVolumes).list()).items,
};
const running = (cluster: TestCluster, name: string) =>
  cluster.until(async () => (await get.pod(cluster, name)).status?.phase === 'Running');
const messages = async ({ client }: TestCluster, reason: string): Promise<string[]> =>
  (await client.resource(resources.events).list({ namespace })).items
    .filter((event) => event.reason === reason)
    .map((event) => event.message ?? '');

test('volumes: a claim of the default class gets a folder on the node of its first pod, and all goes with the claim', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.resource(resources.storageClasses).create(localPath);
    await client.resource(resources.nodes).patch('node-2', {
      type: 'merge',
      patch: { metadata: { annotations: { 'local-path.bireme.dev/folder': '/data' } } },
    });
    await client.resource(resources.persistentVolumeClaims).create(claim('c'));
    await cluster.until(async () => (await messages(cluster, 'WaitForFirstConsumer')).length > 0);
    assert.equal((await get.claim(cluster, 'c')).spec?.storageClassName, 'local-path');

    await client
      .resource(resources.pods)
      .create(pod('p', { ...using('c'), nodeSelector: { 'kubernetes.io/hostname': 'node-2' } }));
    await running(cluster, 'p');
    const bound = await get.claim(cluster, 'c');
    const [volume] = await get.volumes(cluster);
    assert.equal(bound.status?.phase, 'Bound');
    assert.equal(volume?.metadata.name, `pvc-${bound.metadata.uid}`);
    assert.equal(volume?.spec?.local?.path, `/data/pvc-${bound.metadata.uid}_default_c`);
    assert.deepEqual(await messages(cluster, 'ProvisioningSucceeded'), [
      `Successfully provisioned volume pvc-${bound.metadata.uid}`,
    ]);

    // It grows by its figures.
    await client
      .resource(resources.persistentVolumeClaims)
      .patch('c', { type: 'merge', patch: { spec: { resources: { requests: { storage: '2Gi' } } } } }, { namespace });
    await cluster.until(async () => (await get.claim(cluster, 'c')).status?.capacity?.storage === '2Gi');

    // In use: it stays until its pod is gone.
    await client.resource(resources.persistentVolumeClaims).delete('c', { namespace });
    await cluster.advance(30_000);
    assert.ok((await get.claim(cluster, 'c')).metadata.deletionTimestamp);
    await client.resource(resources.pods).delete('p', { namespace });
    await cluster.until(async () => (await get.volumes(cluster))[0]?.metadata.deletionTimestamp !== undefined);
    // The node's agent says that the folder is gone.
    const removed = { 'local-path.bireme.dev/removed': volume!.metadata.name! };
    await client
      .resource(resources.nodes)
      .patch('node-2', { type: 'merge', patch: { metadata: { annotations: removed } } });
    await cluster.until(async () => (await get.volumes(cluster)).length === 0);
  }));

test('volumes: a node without a folder is told, and the pod may go elsewhere', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.resource(resources.storageClasses).create(localPath);
    await client.resource(resources.persistentVolumeClaims).create(claim('c'));
    await client.resource(resources.pods).create(pod('p', using('c')));
    await cluster.until(async () => (await messages(cluster, 'ProvisioningFailed')).length > 0);
    assert.match(
      (await messages(cluster, 'ProvisioningFailed'))[0]!,
      /node "node-\d" offers no folder for local volumes$/,
    );
    for (const name of ['node-1', 'node-2', 'node-3'])
      await client.resource(resources.nodes).patch(name, {
        type: 'merge',
        patch: { metadata: { annotations: { 'local-path.bireme.dev/folder': '/data' } } },
      });
    await running(cluster, 'p');
  }));

test('volumes: a pod follows the local volumes that fit its claims', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.resource(resources.storageClasses).create({
      metadata: { name: 'disks' },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    });
    await client.resource(resources.persistentVolumes).create(localVolume('v1', 'node-1'));
    await client.resource(resources.persistentVolumes).create(localVolume('v3a', 'node-3'));
    await client.resource(resources.persistentVolumes).create(localVolume('v3b', 'node-3'));
    for (const name of ['a', 'b', 'c', 'd'])
      await client.resource(resources.persistentVolumeClaims).create(claim(name, { storageClassName: 'disks' }));
    const two = {
      volumes: ['a', 'b'].map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
    };
    await client.resource(resources.pods).create(pod('both', two));
    await running(cluster, 'both');
    assert.equal((await get.pod(cluster, 'both')).spec?.nodeName, 'node-3');
    await client.resource(resources.pods).create(pod('one', using('c')));
    await running(cluster, 'one');
    assert.equal((await get.pod(cluster, 'one')).spec?.nodeName, 'node-1');
    await client.resource(resources.pods).create(pod('none', using('d')));
    const why = /^0\/3 nodes are available: 3 node\(s\) didn't find available persistent volumes to bind\./;
    await cluster.until(async () => (await messages(cluster, 'FailedScheduling')).some((text) => why.test(text)));
    // A volume that comes later is taken.
    await client.resource(resources.persistentVolumes).create(localVolume('v2', 'node-2'));
    await running(cluster, 'none');
    assert.equal((await get.pod(cluster, 'none')).spec?.nodeName, 'node-2');
  }));

test('volumes: ReadWriteOncePod is one pod at a time', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.resource(resources.persistentVolumes).create({
      metadata: { name: 'v' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOncePod'],
        storageClassName: '',
        hostPath: { path: '/x' },
      },
    });
    await client
      .resource(resources.persistentVolumeClaims)
      .create(claim('c', { accessModes: ['ReadWriteOncePod'], storageClassName: '' }));
    await client.resource(resources.pods).create(pod('p1', using('c')));
    await running(cluster, 'p1');
    await client.resource(resources.pods).create(pod('p2', using('c')));
    await cluster.until(async () =>
      (await messages(cluster, 'FailedScheduling')).some((m) => m.includes('ReadWriteOncePod')),
    );
    await client.resource(resources.pods).delete('p1', { namespace });
    await running(cluster, 'p2');
  }));

test('volumes: an ephemeral volume lives as long as its pod', () =>
  withCluster(async (cluster) => {
    const { client } = cluster;
    await client.resource(resources.persistentVolumes).create({
      metadata: { name: 'v' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: '',
        hostPath: { path: '/x' },
      },
    });
    const { spec } = claim('x', { storageClassName: '' });
    await client
      .resource(resources.pods)
      .create(pod('p', { volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate: { spec: spec! } } }] }));
    await running(cluster, 'p');
    assert.equal((await get.claim(cluster, 'p-data')).status?.phase, 'Bound');
    await client.resource(resources.pods).delete('p', { namespace });
    await cluster.until(async () => (await get.volumes(cluster))[0]?.status?.phase === 'Released');
  }));

test('volumes: hollow nodes offer folders that are words only', () =>
  withCluster(
    async (cluster) => {
      const { client } = cluster;
      await client.resource(resources.storageClasses).create(localPath);
      await client.resource(resources.persistentVolumeClaims).create(claim('c'));
      await client.resource(resources.pods).create(pod('p', using('c')));
      await running(cluster, 'p');
      await client.resource(resources.pods).delete('p', { namespace });
      await client.resource(resources.persistentVolumeClaims).delete('c', { namespace });
      await cluster.until(async () => (await get.volumes(cluster)).length === 0);
    },
    { folders: true },
  ));
