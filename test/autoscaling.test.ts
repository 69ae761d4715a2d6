/** A HorizontalPodAutoscaler against the real API server, in virtual time; the metrics API is answered by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../src/api/types/resources.ts';
import { startCluster } from '../src/testing/cluster.ts';

test('autoscaling: without a metrics API the autoscaler says so, and keeps the size', async () => {
  const cluster = await startCluster({ nodes: 1, time: 'virtual' });
  const namespace = 'default';
  try {
    const { client } = cluster;
    const labels = { app: 'web' };
    await client.resource(resources.deployments).create({
      metadata: { name: 'web', namespace },
      spec: {
        replicas: 5,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    const scalers = client.resource(resources.horizontalPodAutoscalersV2);
    await scalers.create({
      metadata: { name: 'web', namespace },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        maxReplicas: 3,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
      },
    });
    const deployment = () => client.resource(resources.deployments).get('web', { namespace });
    await cluster.until(async () => (await deployment()).spec?.replicas === 3);
    const conditions = async () =>
      ((await scalers.get('web', { namespace })).status?.conditions ?? []).map(
        (c) => `${c.type}=${c.status} ${c.reason}`,
      );
    await cluster.until(async () => (await conditions()).some((c) => c.startsWith('ScalingActive')));
    assert.deepEqual(await conditions(), [
      'AbleToScale=True SucceededGetScale',
      'ScalingActive=False FailedGetResourceMetric',
    ]);
    await cluster.advance(120_000);
    assert.equal((await deployment()).spec?.replicas, 3);
    await client.resource(resources.deployments).delete('web', { namespace });
    await cluster.until(async () => (await conditions())[0] === 'AbleToScale=False FailedGetScale');
  } finally {
    await cluster.stop();
  }
});
