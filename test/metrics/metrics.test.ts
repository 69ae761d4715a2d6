/**
 * What each component's `/metrics` says, beside what upstream's v1.36.3 said after a like workload (`upstream/`: names, types, labels, buckets). What is
 * missing here stands in `absent.ts` with its reason, and nothing else may be missing; nothing may stand there that is served.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { ApiRequest } from '../../src/api/exchange.ts';
import { resources } from '../../src/api/types/resources.ts';
import { createMetricsRegistry } from '../../src/base/metrics.ts';
import { createVirtualClock } from '../../src/base/virtual-clock.ts';
import { createMeters } from '../../src/proxy/metrics.ts';
import { startCluster, type TestCluster } from '../../src/testing/index.ts';
import { reasonsOf, shownWhenCounted } from './absent.ts';
import { differences, type MetricFact, readPage } from './page.ts';

const factsOf = (component: string): Readonly<Record<string, MetricFact>> =>
  JSON.parse(readFileSync(new URL(`upstream/${component}.json`, import.meta.url), 'utf8'));

let cluster: TestCluster;
let text = '';
const get = async (path: string): Promise<string> => {
  const [at = '', query = ''] = path.split('?');
  const request: ApiRequest = {
    method: 'GET',
    path: at,
    query,
    headers: {},
    remoteAddress: 'in-process',
    peer: { commonName: 'admin', organizations: ['system:masters'], notAfterMs: 4e12 },
    signal: new AbortController().signal,
  };
  const { body } = await cluster.controlPlane.handler(request);
  return body.kind === 'bytes' ? Buffer.from(body.bytes).toString() : '';
};

before(async () => {
  cluster = await startCluster({ time: 'virtual' });
  const { client } = cluster;
  const labels = { app: 'web' };
  const container = { name: 'c', image: 'nginx', resources: { requests: { cpu: '100m' } } };
  await cluster.until(async () => (await client.resource(resources.namespaces).list()).items.length > 0);
  await client.resource(resources.deployments).create({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  });
  await client.resource(resources.services).create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: labels, ports: [{ port: 80 }] },
  });
  await client.resource(resources.jobs).create({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'once', namespace: 'default' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  });
  await client.resource(resources.pods).create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'huge', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: '5000' } } }] },
  });
  await cluster.until(async () => {
    const { items } = await client.resource(resources.pods).list({ namespace: 'default' });
    return items.filter(({ status }) => status?.phase === 'Running').length >= 2;
  });
  await client.resource(resources.deployments).delete('web', { namespace: 'default' });
  await get('/api/v1/endpoints');
  await get('/readyz?verbose');
  text = await get('/metrics');
});
after(() => cluster.stop());

for (const component of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet'] as const)
  test(`metrics: ${component} serves upstream's names with their types, labels and buckets, or the reason is told`, () => {
    const { missing, different } = differences(readPage(text), factsOf(component));
    const reasons = reasonsOf(component);
    assert.deepEqual(different, []);
    assert.deepEqual(
      missing.filter((name) => !(name in reasons)),
      [],
      'missing without a reason',
    );
    assert.deepEqual(
      Object.keys(reasons).filter((name) => !missing.includes(name)),
      [],
      'served, though there is a reason why not',
    );
  });

test("metrics: a name of upstream's means the same here, any other is ours and says so", () => {
  const known = new Set(
    ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'].flatMap((component) =>
      Object.keys(factsOf(component)),
    ),
  );
  const others = [...readPage(text).keys()].filter((name) => !known.has(name) && !name.startsWith('bireme_'));
  // Upstream has these too, but shows them only when there is something to count.
  assert.deepEqual(others.sort(), [...shownWhenCounted.components].sort());
});

test('metrics: /metrics/slis tells what each health check said', async () => {
  const slis = await get('/metrics/slis');
  assert.match(slis, /kubernetes_healthcheck\{name="etcd",type="readyz"\} 1\n/);
  assert.match(slis, /kubernetes_healthchecks_total\{name="ping",type="readyz",status="success"\} 1\n/);
  assert.doesNotMatch(slis, /livez/);
});

test("metrics: the proxy's own, by upstream's names, types, labels and buckets", async () => {
  const metrics = createMetricsRegistry();
  const clock = createVirtualClock();
  const meters = createMeters(metrics, clock);
  const stamp = new Date(clock.now()).toISOString();
  const slice = {
    addressType: 'IPv4',
    endpoints: [],
    metadata: { name: 's', annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': stamp } },
  };
  meters.serviceChanged();
  meters.sliceChanged(slice);
  meters.queued();
  await clock.advance(2000);
  meters.taken();
  meters.synced(3, ['IPv4'], true);
  meters.sliceChanged(slice);
  meters.taken();
  meters.synced(3, ['IPv4'], false);
  const shown = await metrics.text();
  const own = Object.fromEntries(
    Object.entries(factsOf('kube-proxy')).filter(([name]) => name.startsWith('kubeproxy_')),
  );
  assert.deepEqual(differences(readPage(shown), own), {
    // How many Services have no endpoint on this node for a policy that wants one is not counted yet.
    missing: ['kubeproxy_sync_proxy_rules_no_local_endpoints_total'],
    different: [],
  });
  assert.match(shown, /network_programming_duration_seconds_sum\{ip_family="IPv4"\} 4\n/);
  assert.match(shown, /sync_proxy_rules_endpoint_changes_total 2\n/);
});
