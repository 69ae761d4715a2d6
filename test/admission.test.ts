/** Limits, quotas and standards in a whole cluster: what admission, the quota controller and the workload controllers do together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceQuota } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { startCluster, type TestCluster } from '../src/testing/index.ts';

const namespace = 'team';

async function cluster(labels: Readonly<Record<string, string>> = {}): Promise<TestCluster> {
  const made = await startCluster({ time: 'virtual', nodes: 2 });
  await made.client.resource(resources.namespaces).create({ metadata: { name: namespace, labels } });
  return made;
}

const deployment = (replicas: number) => ({
  metadata: { name: 'web', namespace },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  },
});
const count = async ({ client }: TestCluster): Promise<number> =>
  (await client.resource(resources.pods).list({ namespace })).items.length;
const quota = ({ client }: TestCluster): Promise<ResourceQuota> =>
  client.resource(resources.resourceQuotas).get('q', { namespace });

test('admission in a cluster: a quota holds a deployment back, says so, and lets go when there is room', async () => {
  const made = await cluster();
  const { client } = made;
  await client.resource(resources.limitRanges).create({
    metadata: { name: 'l', namespace },
    spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '500m' } }] },
  });
  await client.resource(resources.resourceQuotas).create({
    metadata: { name: 'q', namespace },
    spec: { hard: { 'requests.cpu': '1500m', 'count/configmaps': '9' } },
  });
  await made.until(async () => (await quota(made)).status?.used?.['requests.cpu'] === '0');
  await client.resource(resources.deployments).create(deployment(5));
  await made.until(async () => (await count(made)) === 3);
  await made.until(async () => {
    const sets = (await client.resource(resources.replicaSets).list({ namespace })).items;
    return sets.some(({ status }) =>
      status?.conditions?.some(({ message = '' }) =>
        message.includes(
          'exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=1500m, limited: requests.cpu=1500m',
        ),
      ),
    );
  });
  assert.deepEqual((await quota(made)).status?.used, { 'count/configmaps': '0', 'requests.cpu': '1500m' });
  const now = await quota(made);
  await client
    .resource(resources.resourceQuotas)
    .update({ ...now, spec: { hard: { 'requests.cpu': '2', 'count/configmaps': '9' } } });
  await made.until(async () => (await count(made)) === 4);
  await client
    .resource(resources.deployments)
    .patch('web', { type: 'merge', patch: { spec: { replicas: 1 } } }, { namespace });
  await made.until(async () => (await quota(made)).status?.used?.['requests.cpu'] === '500m');
  await made.stop();
});

test('admission in a cluster: a restricted namespace runs no plain pod', async () => {
  const made = await cluster({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  await made.client.resource(resources.deployments).create(deployment(1));
  await made.until(async () => {
    const [found] = (await made.client.resource(resources.deployments).list({ namespace })).items;
    return (
      found?.status?.conditions?.some(
        ({ type, message = '' }) =>
          type === 'ReplicaFailure' && message.includes('violates PodSecurity "restricted:latest"'),
      ) ?? false
    );
  });
  assert.equal(await count(made), 0);
  await made.stop();
});
