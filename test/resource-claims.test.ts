/** ResourceClaims from templates, against the real API server, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../src/api/types/resources.ts';
import { startCluster } from '../src/testing/cluster.ts';

test('resource claims: a pod gets one from its template and is told its name; it goes with the pod', async () => {
  const cluster = await startCluster({ nodes: 1, time: 'virtual' });
  const namespace = 'default';
  try {
    const { client } = cluster;
    const pods = client.resource(resources.pods);
    await pods.create({
      metadata: { name: 'p', namespace },
      spec: {
        containers: [{ name: 'c', image: 'i', resources: { claims: [{ name: 'gpu' }] } }],
        resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }],
        terminationGracePeriodSeconds: 0,
      },
    });
    const events = async () =>
      (await client.resource(resources.events).list({ namespace })).items.map(({ message = '' }) => message);
    await cluster.until(async () =>
      (await events()).some((m) => m.startsWith('PodResourceClaim gpu: resource claim template "t"')),
    );
    await client.resource(resources.resourceClaimTemplates).create({
      metadata: { name: 't', namespace },
      spec: {
        metadata: { labels: { x: 'y' } },
        spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu.example.com' } }] } },
      },
    });
    const statuses = async () => (await pods.get('p', { namespace })).status?.resourceClaimStatuses ?? [];
    await cluster.until(async () => (await statuses()).length === 1);
    const [status] = await statuses();
    const claims = client.resource(resources.resourceClaims);
    const claim = await claims.get(status!.resourceClaimName!, { namespace });
    assert.equal(status!.name, 'gpu');
    assert.match(claim.metadata.name!, /^p-gpu-[a-z0-9]{5}$/);
    assert.deepEqual(claim.metadata.labels, { x: 'y' });
    assert.equal(claim.metadata.annotations?.['resource.kubernetes.io/pod-claim-name'], 'gpu');
    // Deleted by mistake: made again.
    await claims.delete(claim.metadata.name!, { namespace });
    await cluster.until(async () => (await statuses())[0]?.resourceClaimName !== claim.metadata.name);
    await pods.delete('p', { namespace });
    await cluster.until(async () => (await claims.list({ namespace })).items.length === 0);
  } finally {
    await cluster.stop();
  }
});
