import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import { resources } from '../api/types/resources.ts';
import { failure } from '../client/testdata/fake-api-server.ts';
import { aggregatedRules, createClusterRoleAggregation } from './cluster-role-aggregation.ts';
import { allControllers, runControllerManager } from './index.ts';
import { createRootCaPublisher } from './root-ca-publisher.ts';
import { createServiceAccountController } from './service-accounts.ts';
import { createBench } from './testdata/controller-bench.ts';

const namespace = (name: string, phase = 'Active') => ({
  metadata: { name },
  spec: { finalizers: ['kubernetes'] },
  status: { phase },
});

test('service accounts: every active namespace gets a default account, and gets it again', async () => {
  const bench = createBench();
  bench.put(resources.namespaces, namespace('a'));
  bench.put(resources.namespaces, namespace('ending', 'Terminating'));
  bench.start(createServiceAccountController());
  await bench.clock.settle();
  bench.put(resources.namespaces, namespace('b'));
  await bench.clock.settle();
  const has = (name: string): boolean => bench.get(resources.serviceAccounts, name, 'default') !== undefined;
  assert.deepEqual([has('a'), has('b'), has('ending')], [true, true, false]);
  bench.remove(resources.serviceAccounts, 'a', 'default');
  await bench.clock.settle();
  assert.ok(has('a'));
  await bench.stop();
});

test('service accounts: a namespace that is ending is not an error, another refusal is retried', async () => {
  const bench = createBench();
  bench.put(resources.namespaces, namespace('a'));
  let refusals = 0;
  bench.server.intercept = (request) => {
    if (request.method !== 'POST' || ++refusals > 3) return undefined;
    return refusals === 1
      ? failure(ApiError.internal(new Error('not now')))
      : failure(
          new ApiError({
            code: 403,
            reason: 'Forbidden',
            message: 'ending',
            details: { causes: [{ reason: 'NamespaceTerminating' }] },
          }),
        );
  };
  bench.start(createServiceAccountController());
  await bench.clock.advance(60_000);
  assert.equal(refusals, 2);
  await bench.stop();
});

test('root CA: the ConfigMap is there, is put right when changed, and comes back when deleted', async () => {
  const bench = createBench();
  bench.put(resources.namespaces, namespace('a'));
  bench.start(createRootCaPublisher({ rootCa: 'PEM' }));
  await bench.clock.settle();
  const read = () => bench.get(resources.configMaps, 'a', 'kube-root-ca.crt');
  assert.deepEqual(read()?.data, { 'ca.crt': 'PEM' });
  assert.match(read()?.metadata.annotations?.['kubernetes.io/description'] ?? '', /^Contains a CA bundle/);
  bench.put(resources.configMaps, {
    metadata: { name: 'kube-root-ca.crt', namespace: 'a' },
    data: { 'ca.crt': 'other', more: 'x' },
  });
  await bench.clock.settle();
  assert.deepEqual(read()?.data, { 'ca.crt': 'PEM' });
  bench.remove(resources.configMaps, 'a', 'kube-root-ca.crt');
  await bench.clock.settle();
  assert.deepEqual(read()?.data, { 'ca.crt': 'PEM' });
  await bench.stop();
});

test('cluster roles: an aggregated role has the rules of those it selects, each once, by name', async () => {
  const rule = (verb: string) => ({ verbs: [verb], apiGroups: [''], resources: ['pods'] });
  const role = (name: string, rules: ReturnType<typeof rule>[], labels = { edit: 'true' }) => ({
    metadata: { name, labels },
    rules,
  });
  const bench = createBench();
  const edit = {
    metadata: { name: 'edit' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { edit: 'true' } }] },
    rules: [],
  };
  bench.put(resources.clusterRoles, edit);
  bench.put(resources.clusterRoles, role('z', [rule('get')]));
  bench.start(createClusterRoleAggregation());
  await bench.clock.settle();
  bench.put(resources.clusterRoles, role('b', [rule('list'), rule('get')]));
  await bench.clock.settle();
  assert.deepEqual(bench.get(resources.clusterRoles, '', 'edit')?.rules, [rule('list'), rule('get')]);
  bench.remove(resources.clusterRoles, '', 'b');
  await bench.clock.settle();
  assert.deepEqual(bench.get(resources.clusterRoles, '', 'edit')?.rules, [rule('get')]);
  assert.deepEqual(aggregatedRules({ ...edit, metadata: { name: 'edit', labels: { edit: 'true' } } }, [edit]), []);
  await bench.stop();
});

test('controller manager: names as upstream, `*`, a name and `-name`', () => {
  const names = (enabled?: string[]): string[] =>
    allControllers({ rootCa: 'x', ...(enabled ? { enabled } : {}) }).map(({ name }) => name);
  assert.ok(names().includes('garbage-collector-controller'));
  assert.deepEqual(names(['namespace-controller']), ['namespace-controller']);
  assert.equal(names(['*', '-namespace-controller']).includes('namespace-controller'), false);
  assert.throws(() => names(['nope']), /"nope" is not in the list of known controllers/);
});

test('controller manager: the failure of one controller stops all and is told', async () => {
  const bench = createBench();
  const log: string[] = [];
  const done = runControllerManager(
    {
      context: bench.context,
      controllers: [
        {
          name: 'good',
          run: async (_, signal) => {
            await bench.clock.sleep(1e9, signal);
            log.push('good ended');
          },
        },
        {
          name: 'bad',
          run: async () => {
            await bench.clock.sleep(1000);
            throw new Error('broken');
          },
        },
      ],
    },
    new AbortController().signal,
  );
  done.catch(() => undefined);
  await bench.clock.advance(2000);
  await assert.rejects(done, /Task "bad" failed: broken/);
  assert.deepEqual(log, ['good ended']);
  await bench.stop();
});

test('controller manager: the lease is given up after all controllers ended', async () => {
  const bench = createBench();
  const stop = new AbortController();
  const done = runControllerManager(
    {
      context: bench.context,
      controllers: [
        {
          name: 'slow',
          run: async (_, signal) => {
            await bench.clock.sleep(1e9, signal);
            await bench.clock.sleep(500);
            assert.equal(
              bench.get(resources.leases, 'kube-system', 'kube-controller-manager')?.spec?.holderIdentity,
              'me',
            );
          },
        },
      ],
      leaderElection: { identity: 'me' },
    },
    stop.signal,
  );
  await bench.clock.advance(3000);
  stop.abort();
  await bench.clock.advance(1000);
  await done;
  assert.equal(bench.get(resources.leases, 'kube-system', 'kube-controller-manager')?.spec?.holderIdentity, undefined);
  await bench.stop();
});
