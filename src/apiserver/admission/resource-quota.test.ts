import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import type { StatusWriter } from '../registry/status-writer.ts';
import type { AdmissionAttributes } from './admission.ts';
import { createResourceQuotaPlugin } from './resource-quota.ts';
import { unheard } from './testdata/unheard.ts';

const signal = new AbortController().signal;
type Texts = Readonly<Record<string, string>>;

/** A namespace with quotas; `conflicts` makes the writer decide again after somebody else has taken one more of everything. */
function world(...quotas: { name?: string; hard: Texts; used: Texts; spec?: object }[]) {
  const reader = new MapReader();
  const clock = createVirtualClock();
  const put = (name: string, spec: object | undefined, hard: Texts, used: Texts): void => {
    reader.set('', 'resourcequotas', { metadata: { name, namespace: 'ns' }, spec, status: { hard, used } });
  };
  for (const { name = 'q', hard, used, spec } of quotas) put(name, spec, hard, used);
  let writes = 0;
  let conflict: (() => void) | undefined;
  const writer: StatusWriter = {
    async updateStatus(group, resource, namespace, name, decide) {
      const first = decide(reader.get(group, resource, namespace, name));
      await clock.yield();
      let status = first;
      if (conflict) {
        conflict();
        conflict = undefined;
        status = decide(reader.get(group, resource, namespace, name));
      }
      const object = reader.get(group, resource, namespace, name);
      if (!status || !object) return;
      writes++;
      reader.set(group, resource, { ...object, status });
    },
  };
  const plugin = createResourceQuotaPlugin({ reader, writer, clock });
  return {
    put,
    async ask(resource: string, object: object, over: Partial<AdmissionAttributes> = {}): Promise<string | undefined> {
      const [group, plural] = resource.includes(':') ? (resource.split(':') as [string, string]) : ['', resource];
      try {
        await plugin.validate?.(
          {
            operation: 'CREATE',
            kind: { group, version: 'v1', kind: '' },
            resource: { group, version: 'v1', resource: plural },
            subresource: '',
            namespace: 'ns',
            name: 'x',
            object: deepFreeze(object) as JsonObject,
            options: {},
            dryRun: false,
            ...unheard,
            user: { name: 'alice', groups: [] },
            warn: () => undefined,
            ...over,
          },
          signal,
        );
        return undefined;
      } catch (error) {
        assert.ok(error instanceof Error);
        return error.message.replace(/^.* is forbidden: /, '');
      }
    },
    used: (name = 'q') => (reader.get('', 'resourcequotas', 'ns', name)?.status as { used: Texts } | undefined)?.used,
    writes: () => writes,
    onConflict: (act: () => void) => {
      conflict = act;
    },
  };
}

const pod = (resources: object, spec: object = {}, metadata: object = {}): object => ({
  metadata: { name: 'x', ...metadata },
  spec: { containers: [{ name: 'c', resources }], ...spec },
});

test('quota: a pod is charged with what it asks for and may use', async () => {
  const hard = { pods: '2', 'count/pods': '9', 'requests.cpu': '1', memory: '1Gi', 'limits.cpu': '4', secrets: '1' };
  const { ask, used } = world({
    hard,
    used: { pods: '0', 'count/pods': '0', 'requests.cpu': '0', memory: '0', 'limits.cpu': '0', secrets: '0' },
  });
  const one = pod({ requests: { cpu: '600m', memory: '64Mi' }, limits: { cpu: '1' } });
  assert.equal(await ask('pods', one), undefined);
  assert.deepEqual(used(), {
    'count/pods': '1',
    'limits.cpu': '1',
    memory: '64Mi',
    pods: '1',
    'requests.cpu': '600m',
    secrets: '0',
  });
  assert.equal(
    await ask('pods', one),
    'exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1',
  );
  assert.equal(used()?.pods, '1');
});

test('quota: where cpu or memory is limited every container says how much', async () => {
  const { ask } = world({ hard: { 'limits.cpu': '4', memory: '1' }, used: { 'limits.cpu': '0', memory: '0' } });
  const object = pod({}, { initContainers: [{ name: 'a', resources: { requests: { memory: '1' } } }] });
  assert.equal(await ask('pods', object), 'failed quota: q: must specify limits.cpu for: a,c; memory for: c');
});

test('quota: before the controller has counted, nothing passes', async () => {
  const { ask } = world({ hard: { pods: '1', 'requests.cpu': '1' }, used: {} });
  assert.equal(
    await ask('pods', pod({ requests: { cpu: '1' } })),
    'status unknown for quota: q, resources: pods,requests.cpu',
  );
  assert.equal(await ask('configmaps', { metadata: { name: 'x' } }), undefined);
});

test('quota: scopes choose the pods', async () => {
  const { ask, used } = world(
    { name: 'ends', spec: { scopes: ['Terminating'] }, hard: { pods: '1' }, used: { pods: '0' } },
    { name: 'poor', spec: { scopes: ['BestEffort'] }, hard: { pods: '1' }, used: { pods: '0' } },
    {
      name: 'high',
      spec: { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] } },
      hard: { pods: '1' },
      used: { pods: '0' },
    },
  );
  const counts = (): readonly unknown[] => ['ends', 'poor', 'high'].map((name) => used(name)?.pods);
  assert.equal(await ask('pods', pod({}, { activeDeadlineSeconds: 5 })), undefined);
  assert.deepEqual(counts(), ['1', '1', '0']);
  assert.equal(await ask('pods', pod({ requests: { cpu: '1' } }, { priorityClassName: 'high' })), undefined);
  assert.deepEqual(counts(), ['1', '1', '1']);
  assert.equal(await ask('pods', pod({})), 'exceeded quota: poor, requested: pods=1, used: pods=1, limited: pods=1');
});

test('quota: what one quota refuses no other is charged for', async () => {
  const { ask, used } = world(
    { name: 'a', hard: { pods: '5' }, used: { pods: '0' } },
    { name: 'b', hard: { 'count/pods': '0' }, used: { 'count/pods': '0' } },
  );
  assert.match((await ask('pods', pod({}))) ?? '', /^exceeded quota: b,/);
  assert.deepEqual(used('a'), { pods: '0' });
});

test('quota: objects of any kind are counted, the oldest under two names', async () => {
  const { ask, used } = world({
    hard: { secrets: '1', 'count/secrets': '1', 'count/deployments.apps': '1' },
    used: { secrets: '0', 'count/secrets': '0', 'count/deployments.apps': '1' },
  });
  assert.equal(await ask('secrets', { metadata: {} }), undefined);
  assert.deepEqual(used(), { 'count/deployments.apps': '1', 'count/secrets': '1', secrets: '1' });
  assert.match(
    (await ask('apps:deployments', { metadata: {} })) ?? '',
    /^exceeded quota: q, requested: count\/deployments.apps=1/,
  );
  assert.equal(await ask('apps:deployments', { metadata: {} }, { operation: 'UPDATE' }), undefined);
});

test('quota: claims count by storage and by class, and as they grow', async () => {
  const hard = { 'requests.storage': '10Gi', 'gold.storageclass.storage.k8s.io/requests.storage': '3Gi' };
  const { ask, used } = world({
    hard,
    used: { 'requests.storage': '1Gi', 'gold.storageclass.storage.k8s.io/requests.storage': '0' },
  });
  const claim = (storage: string): JsonObject =>
    ({
      metadata: { name: 'x', resourceVersion: '1' },
      spec: { storageClassName: 'gold', resources: { requests: { storage } } },
    }) as JsonObject;
  assert.equal(await ask('persistentvolumeclaims', claim('2Gi')), undefined);
  assert.deepEqual(used(), { 'gold.storageclass.storage.k8s.io/requests.storage': '2Gi', 'requests.storage': '3Gi' });
  const grow = (to: string): Promise<string | undefined> =>
    ask('persistentvolumeclaims', claim(to), { operation: 'UPDATE', oldObject: claim('2Gi') });
  assert.equal(await grow('3Gi'), undefined);
  assert.equal(used()?.['requests.storage'], '4Gi');
  assert.match((await grow('4Gi')) ?? '', /requested: gold.storageclass.storage.k8s.io\/requests.storage=2Gi/);
});

test('quota: a service that turns into a load balancer is charged for that', async () => {
  const { ask, used } = world({
    hard: { services: '1', 'services.nodeports': '2', 'services.loadbalancers': '1' },
    used: { services: '1', 'services.nodeports': '0', 'services.loadbalancers': '0' },
  });
  const service = (type: string): JsonObject =>
    ({ metadata: { name: 'x' }, spec: { type, ports: [{ port: 1 }, { port: 2 }] } }) as JsonObject;
  assert.equal(
    await ask('services', service('LoadBalancer'), { operation: 'UPDATE', oldObject: service('ClusterIP') }),
    undefined,
  );
  assert.deepEqual(used(), { services: '1', 'services.loadbalancers': '1', 'services.nodeports': '2' });
});

test('quota: a dry run is judged, not charged', async () => {
  const { ask, used } = world({ hard: { pods: '1' }, used: { pods: '0' } });
  assert.equal(await ask('pods', pod({}), { dryRun: true }), undefined);
  assert.deepEqual(used(), { pods: '0' });
});

test('quota: a burst is charged together and exactly', async () => {
  const { ask, used, writes } = world({ hard: { pods: '7' }, used: { pods: '0' } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask('pods', pod({}))));
  assert.equal(answers.filter((answer) => answer === undefined).length, 7);
  assert.deepEqual(used(), { pods: '7' });
  assert.equal(writes(), 2);
});

test('quota: who loses the race for the last one is refused', async () => {
  const { ask, used, put, onConflict } = world({ hard: { pods: '1' }, used: { pods: '0' } });
  onConflict(() => put('q', undefined, { pods: '1' }, { pods: '1' }));
  assert.equal(await ask('pods', pod({})), 'exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1');
  assert.deepEqual(used(), { pods: '1' });
});
