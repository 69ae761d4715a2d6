import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import type { AdmissionAttributes } from './admission.ts';
import { createPodSecurity } from './pod-security.ts';
import { unheard } from './testdata/unheard.ts';

const prefix = 'pod-security.kubernetes.io/';
const labelled = (labels: Readonly<Record<string, string>>): JsonObject =>
  ({
    metadata: { name: 'ns', labels: Object.fromEntries(Object.entries(labels).map(([k, v]) => [prefix + k, v])) },
  }) as JsonObject;

function world(labels: Readonly<Record<string, string>> = {}) {
  const reader = new MapReader().set('', 'namespaces', labelled(labels));
  const plugin = createPodSecurity(reader, createVirtualClock());
  return {
    reader,
    /** @returns the refusal, then the warnings. */
    async ask(resource: string, object: object, over: Partial<AdmissionAttributes> = {}): Promise<readonly string[]> {
      const [group, plural] = resource.includes(':') ? (resource.split(':') as [string, string]) : ['', resource];
      const said: string[] = [];
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
            warn: (message) => void said.push(message),
            ...over,
          },
          new AbortController().signal,
        );
        return said;
      } catch (error) {
        assert.ok(error instanceof Error);
        return [error.message, ...said];
      }
    },
  };
}

const pod = (image: string, over: object = {}): JsonObject =>
  ({ metadata: { name: 'x' }, spec: { hostPID: true, containers: [{ name: 'c', image }], ...over } }) as JsonObject;
const detail = 'host namespaces (hostPID=true)';

test('pod security: enforced on pods, warned of in their templates', async () => {
  const { ask } = world({ enforce: 'baseline' });
  assert.deepEqual(await ask('pods', pod('a')), [
    `pods "x" is forbidden: violates PodSecurity "baseline:latest": ${detail}`,
  ]);
  const template = { metadata: {}, spec: pod('a').spec };
  const warning = [`would violate PodSecurity "baseline:latest": ${detail}`];
  assert.deepEqual(await ask('apps:deployments', { metadata: { name: 'x' }, spec: { template } }), warning);
  assert.deepEqual(await ask('batch:cronjobs', { spec: { jobTemplate: { spec: { template } } } }), warning);
  assert.deepEqual(await ask('podtemplates', { template }), warning);
  assert.deepEqual(
    await ask('apps:deployments', { spec: { template } }, { operation: 'UPDATE', subresource: 'status' }),
    [],
  );
});

test('pod security: warn alone lets a pod pass', async () => {
  const { ask } = world({ warn: 'baseline', 'warn-version': 'v1.30' });
  assert.deepEqual(await ask('pods', pod('a')), [`would violate PodSecurity "baseline:v1.30": ${detail}`]);
});

test('pod security: of updates only images and new ephemeral containers are looked at', async () => {
  const { ask } = world({ enforce: 'baseline' });
  const update = (object: JsonObject, subresource = ''): Promise<readonly string[]> =>
    ask('pods', object, { operation: 'UPDATE', subresource, oldObject: pod('a') });
  assert.deepEqual(await update(pod('a', { activeDeadlineSeconds: 1 })), []);
  assert.equal((await update(pod('b'))).length, 1);
  assert.equal(
    (await update(pod('a', { ephemeralContainers: [{ name: 'd', image: 'e' }] }), 'ephemeralcontainers')).length,
    1,
  );
  assert.deepEqual(await update(pod('b'), 'status'), []);
});

test('pod security: wrong labels are refused, unless they were there before', async () => {
  const { ask } = world();
  const bad = labelled({ enforce: 'nope' });
  const message = `Namespace "ns" is invalid: metadata.labels[${prefix}enforce]: Invalid value: "nope": must be one of privileged, baseline, restricted`;
  assert.deepEqual(await ask('namespaces', bad), [message]);
  assert.deepEqual(await ask('namespaces', bad, { operation: 'UPDATE', oldObject: labelled({}) }), [message]);
  assert.deepEqual(await ask('namespaces', bad, { operation: 'UPDATE', oldObject: bad }), []);
});

test('pod security: a namespace that turns stricter names the pods that fall short', async () => {
  const { ask, reader } = world();
  const own = (name: string, over: object = {}): object => ({
    metadata: { name, namespace: 'ns' },
    spec: { containers: [{ name: 'c' }], ...over },
  });
  for (const name of ['b', 'a', 'c']) reader.set('', 'pods', own(name, { hostPID: true }));
  reader.set('', 'pods', own('good'));
  reader.set('', 'pods', own('v', { volumes: [{ name: 'h', hostPath: {} }] }));
  const turn = (
    to: Readonly<Record<string, string>>,
    from: Readonly<Record<string, string>> = {},
  ): Promise<readonly string[]> => ask('namespaces', labelled(to), { operation: 'UPDATE', oldObject: labelled(from) });
  assert.deepEqual(await turn({ enforce: 'baseline' }), [
    'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): host namespaces',
    'v: hostPath volumes',
  ]);
  assert.deepEqual(await turn({ enforce: 'baseline' }, { enforce: 'restricted' }), []);
  assert.deepEqual(await turn({ warn: 'restricted' }), []);
});
