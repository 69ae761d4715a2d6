/** What the library promises: a deployment runs, a node's death is noticed and mended, and many clusters share a process without a trace. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment } from '../api/types/apps-v1.ts';
import type { Pod } from '../api/types/core-v1.ts';
import { resources, startCluster, type TestCluster } from './index.ts';

const deployment = (replicas: number): Deployment => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }] },
    },
  },
});

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
async function pods(cluster: TestCluster): Promise<readonly Pod[]> {
  return (await cluster.client.resource(resources.pods).list({ namespace: 'default' })).items;
}
async function readyNodes(cluster: TestCluster): Promise<number> {
  const { items } = await cluster.client.resource(resources.nodes).list();
  return items.filter((node) => node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True')).length;
}

test('testing: a deployment runs in virtual time, spread over the nodes', async () => {
  const cluster = await startCluster({ nodes: 3, time: 'virtual' });
  try {
    await cluster.until(async () => (await readyNodes(cluster)) === 3);
    await cluster.client.resource(resources.deployments).create(deployment(3));
    await cluster.until(async () => (await pods(cluster)).filter(isReady).length === 3);
    assert.equal(new Set((await pods(cluster)).map((pod) => pod.spec?.nodeName)).size, 3);
    const { status } = await cluster.client.resource(resources.deployments).get('web', { namespace: 'default' });
    assert.equal(status?.readyReplicas, 3);
  } finally {
    await cluster.stop();
  }
});

test('testing: a dead node is noticed, its pods are evicted after five minutes and run elsewhere', async () => {
  const cluster = await startCluster({ nodes: 2, time: 'virtual' });
  try {
    await cluster.until(async () => (await readyNodes(cluster)) === 2);
    await cluster.client.resource(resources.deployments).create(deployment(2));
    await cluster.until(async () => (await pods(cluster)).filter(isReady).length === 2);
    const victim = (await pods(cluster)).find((pod) => pod.spec?.nodeName === 'node-1');
    assert.ok(victim, 'the scheduler spreads the two pods');

    const diedAt = cluster.clock.now();
    await cluster.hollow.nodes.get('node-1')!.kill();
    await cluster.until(async () => (await readyNodes(cluster)) === 1);
    const noticedAfter = (cluster.clock.now() - diedAt) / 1000;
    assert.ok(noticedAfter >= 40 && noticedAfter <= 70, `noticed after ${noticedAfter} s`);
    const taints = async (): Promise<string> => {
      const node = await cluster.client.resource(resources.nodes).get('node-1');
      return (node.spec?.taints ?? [])
        .map((t) => `${t.key}:${t.effect}`)
        .sort()
        .join(' ');
    };
    await cluster.until(
      async () =>
        (await taints()) === 'node.kubernetes.io/unreachable:NoExecute node.kubernetes.io/unreachable:NoSchedule',
      60_000,
    );

    await cluster.until(
      async () => (await pods(cluster)).filter((pod) => pod.spec?.nodeName === 'node-2' && isReady(pod)).length === 2,
    );
    const replacedAfter = (cluster.clock.now() - diedAt) / 1000;
    assert.ok(
      replacedAfter >= 340 && replacedAfter <= 400,
      `replaced after ${replacedAfter} s: the grace period and the toleration of 300 s`,
    );
    const old = (await pods(cluster)).find((pod) => pod.metadata.uid === victim.metadata.uid);
    assert.ok(old?.metadata.deletionTimestamp, 'the old pod waits for its node to confirm');
  } finally {
    await cluster.stop();
  }
});

test('testing: the same seed gives the same run', async () => {
  const names = async (): Promise<string[]> => {
    const cluster = await startCluster({ nodes: 2, time: 'virtual', seed: 42 });
    try {
      await cluster.until(async () => (await readyNodes(cluster)) === 2);
      await cluster.client.resource(resources.deployments).create(deployment(4));
      await cluster.until(async () => (await pods(cluster)).filter(isReady).length === 4);
      return (await pods(cluster)).map(
        (pod) => `${pod.metadata.name} on ${pod.spec?.nodeName} ${pod.metadata.creationTimestamp}`,
      );
    } finally {
      await cluster.stop();
    }
  };
  assert.deepEqual(await names(), await names());
});

test('testing: twenty clusters run in one process at once, share nothing and leave no handle', async () => {
  const before = process.getActiveResourcesInfo().filter(counts).length;
  const clusters = await Promise.all(Array.from({ length: 20 }, () => startCluster({ nodes: 1 })));
  try {
    await Promise.all(clusters.map((cluster) => cluster.until(async () => (await readyNodes(cluster)) === 1)));
    await Promise.all(
      clusters.map((cluster, i) => cluster.client.resource(resources.deployments).create(deployment((i % 3) + 1))),
    );
    await Promise.all(
      clusters.map((cluster, i) =>
        cluster.until(async () => (await pods(cluster)).filter(isReady).length === (i % 3) + 1),
      ),
    );
    const uids = new Set<string>();
    for (const cluster of clusters) for (const pod of await pods(cluster)) uids.add(pod.metadata.uid ?? '');
    assert.equal(uids.size, 39);
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
  assert.equal(process.getActiveResourcesInfo().filter(counts).length, before);
});

/** What the test runner itself holds comes and goes; timers, sockets and threads of ours would be these. */
const counts = (kind: string): boolean =>
  ['Timeout', 'Immediate', 'TCPSocketWrap', 'TLSWrap', 'MessagePort', 'ProcessWrap', 'FSReqCallback'].includes(kind);
