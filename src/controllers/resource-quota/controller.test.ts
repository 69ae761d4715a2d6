import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, ResourceQuota } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createBench } from '../testdata/controller-bench.ts';
import { resourceQuotaController } from './controller.ts';

const quota = (hard: Readonly<Record<string, string>>, over: object = {}) => ({
  metadata: { name: 'q', namespace: 'ns' },
  spec: { hard, ...over },
});
const pod = (name: string, cpu: string, namespace = 'ns', phase = 'Running') =>
  ({
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] },
    status: { phase },
  }) as Partial<Pod> & { metadata: { name: string; namespace: string } };

function world() {
  const bench = createBench();
  const status = (): ResourceQuota['status'] =>
    (bench.get(resources.resourceQuotas, 'ns', 'q') as ResourceQuota).status;
  return { bench, status };
}

test('quota controller: a new quota is counted from what is there, namespace by namespace', async () => {
  const { bench, status } = world();
  bench.put(resources.pods, pod('a', '500m'));
  bench.put(resources.pods, pod('b', '1'));
  bench.put(resources.pods, pod('done', '1', 'ns', 'Succeeded'));
  bench.put(resources.pods, pod('elsewhere', '1', 'other'));
  bench.put(resources.configMaps, { metadata: { name: 'm', namespace: 'ns' } });
  bench.put(resources.resourceQuotas, quota({ 'requests.cpu': '4', pods: '9', 'count/pods': '9', configmaps: '3' }));
  bench.start(resourceQuotaController());
  await bench.clock.settle();
  assert.deepEqual(status(), {
    hard: { configmaps: '3', 'count/pods': '9', pods: '9', 'requests.cpu': '4' },
    used: { configmaps: '1', 'count/pods': '3', pods: '2', 'requests.cpu': '1500m' },
  });
  await bench.stop();
});

test('quota controller: what ends or goes is given back at once', async () => {
  const { bench, status } = world();
  bench.put(resources.pods, pod('a', '500m'));
  bench.put(resources.pods, pod('b', '1'));
  bench.put(resources.resourceQuotas, quota({ 'requests.cpu': '4', pods: '9' }));
  bench.start(resourceQuotaController());
  await bench.clock.settle();
  bench.put(resources.pods, pod('a', '500m', 'ns', 'Failed'));
  await bench.clock.settle();
  assert.deepEqual(status()?.used, { pods: '1', 'requests.cpu': '1' });
  bench.remove(resources.pods, 'ns', 'b');
  await bench.clock.settle();
  assert.deepEqual(status()?.used, { pods: '0', 'requests.cpu': '0' });
  await bench.stop();
});

test('quota controller: scopes choose what is counted, a changed limit is taken over', async () => {
  const { bench, status } = world();
  bench.put(resources.pods, pod('a', '500m'));
  bench.put(resources.resourceQuotas, quota({ pods: '9' }, { scopes: ['BestEffort'] }));
  bench.start(resourceQuotaController());
  await bench.clock.settle();
  assert.deepEqual(status(), { hard: { pods: '9' }, used: { pods: '0' } });
  bench.put(resources.resourceQuotas, { ...quota({ pods: '5' }, { scopes: ['NotBestEffort'] }), status: status() });
  await bench.clock.settle();
  assert.deepEqual(status(), { hard: { pods: '5' }, used: { pods: '1' } });
  await bench.stop();
});
