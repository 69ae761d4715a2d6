/** Disruption budgets with evictions, and ReplicationControllers, on the real API server in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment } from '../src/api/types/apps-v1.ts';
import type { PodDisruptionBudgetSpec } from '../src/api/types/policy-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { daemonSetController } from '../src/controllers/daemon-set/controller.ts';
import { deploymentController } from '../src/controllers/deployment/controller.ts';
import { disruptionController } from '../src/controllers/disruption/controller.ts';
import { replicaSetController, replicationControllerController } from '../src/controllers/replica-set/controller.ts';
import {
  namespace,
  type WorkloadCluster,
  type WorkloadClusterOptions,
  withWorkloads,
} from './support/workload-cluster.ts';

const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };

interface BudgetCluster extends WorkloadCluster {
  deploy(replicas: number): Promise<Deployment>;
  guard(spec: Partial<PodDisruptionBudgetSpec>): Promise<void>;
  /** allowed, healthy, desired, expected, reason. */
  budget(): Promise<readonly unknown[]>;
  evict(name: string): Promise<void>;
}

const cluster = (body: (cluster: BudgetCluster) => Promise<void>, options: Partial<WorkloadClusterOptions> = {}) =>
  withWorkloads(
    {
      controllers: [
        disruptionController(),
        deploymentController(),
        replicaSetController(),
        replicationControllerController(),
        daemonSetController(),
      ],
      ...options,
    },
    (base) => {
      const { client, clock } = base;
      const budgets = client.resource(resources.podDisruptionBudgets);
      return body({
        ...base,
        deploy: (replicas) =>
          client.resource(resources.deployments).create({
            metadata: { name: 'web', namespace },
            spec: { replicas, selector: { matchLabels: labels }, template },
          }),
        async guard(spec) {
          await budgets.create({
            metadata: { name: 'web', namespace },
            spec: { selector: { matchLabels: labels }, ...spec },
          });
          await clock.advance(2_000);
        },
        async budget() {
          const { status } = await budgets.get('web', { namespace });
          const { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods, conditions } = status!;
          return [disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods, conditions?.[0]?.reason];
        },
        async evict(name) {
          await client.resource(resources.pods).createSubresource(name, 'eviction', {
            apiVersion: 'policy/v1',
            kind: 'Eviction',
            metadata: { name, namespace },
          });
        },
      });
    },
  );

for (const [spec, want] of [
  [{ minAvailable: 3 }, [2, 5, 3, 5, 'SufficientPods']],
  [{ minAvailable: '50%' }, [2, 5, 3, 5, 'SufficientPods']],
  [{ maxUnavailable: 1 }, [1, 5, 4, 5, 'SufficientPods']],
  [{ maxUnavailable: '30%' }, [2, 5, 3, 5, 'SufficientPods']],
  [{ minAvailable: 5 }, [0, 5, 5, 5, 'InsufficientPods']],
  [{ minAvailable: 9 }, [0, 5, 9, 5, 'InsufficientPods']],
  [{ maxUnavailable: 9 }, [5, 5, 0, 5, 'SufficientPods']],
] as const)
  test(`disruption: ${JSON.stringify(spec)} of five`, () =>
    cluster(async ({ deploy, guard, budget }) => {
      await deploy(5);
      await guard(spec);
      assert.deepEqual(await budget(), want);
    }));

test('disruption: evictions go as far as the budget, and on when the next pod is ready', () =>
  cluster(async ({ deploy, guard, budget, evict, pods, clock }) => {
    await deploy(3);
    await guard({ maxUnavailable: 1 });
    const [first, second] = await pods();
    await evict(first!.metadata.name!);
    assert.equal((await budget())[0], 0);
    // Without Retry-After: kubectl drain says so and tries again by itself.
    await assert.rejects(evict(second!.metadata.name!), { code: 429 });
    await clock.advance(5_000);
    await evict(second!.metadata.name!);
    await clock.advance(5_000);
    assert.deepEqual(await budget(), [1, 3, 2, 3, 'SufficientPods']);
    const left = (await pods()).map(({ metadata }) => metadata.uid);
    assert.ok(!left.includes(first!.metadata.uid) && !left.includes(second!.metadata.uid));
  }));

test('disruption: pods that are not ready count as unavailable', () =>
  cluster(
    async ({ deploy, guard, budget }) => {
      await deploy(4);
      await guard({ maxUnavailable: 1 });
      assert.deepEqual(await budget(), [0, 0, 3, 4, 'InsufficientPods']);
    },
    { kubelet: { isReady: () => false } },
  ));

test('disruption: pods nobody manages are told, and no pods at all allow nothing', () =>
  cluster(async ({ guard, budget, client, clock, events }) => {
    await guard({ maxUnavailable: 1 });
    assert.deepEqual(await budget(), [0, 0, 0, 0, 'InsufficientPods']);
    await client.resource(resources.pods).create({ metadata: { name: 'p', namespace, labels }, spec: template.spec });
    await clock.advance(2_000);
    assert.deepEqual(await budget(), [0, 1, 0, 0, 'InsufficientPods']);
    const told = await events('PodDisruptionBudget');
    assert.ok(told.includes('NoPods: No matching pods found'));
    assert.ok(
      told.some((text) => text.includes('(selector: &LabelSelector{MatchLabels:map[string]string{app: web,},')),
    );
  }));

test('disruption: a controller without a scale makes the budget fail safe', () =>
  cluster(async ({ guard, budget, client, clock, events }) => {
    await client.resource(resources.daemonSets).create({
      metadata: { name: 'agent', namespace },
      spec: { selector: { matchLabels: labels }, template },
    });
    await clock.advance(2_000);
    await guard({ maxUnavailable: 1 });
    assert.equal((await budget()).at(-1), 'SyncFailed');
    const told = await events('PodDisruptionBudget');
    assert.ok(told.some((text) => text.endsWith('daemonsets.apps does not implement the scale subresource')));
  }));

test('disruption: an eviction that deleted nothing is given up after two minutes', () =>
  cluster(async ({ deploy, guard, budget, client, clock, pods }) => {
    await deploy(2);
    await guard({ maxUnavailable: 1 });
    const budgets = client.resource(resources.podDisruptionBudgets);
    const current = await budgets.get('web', { namespace });
    const [pod] = await pods();
    await budgets.updateStatus({
      ...current,
      status: {
        ...current.status!,
        disruptionsAllowed: 0,
        disruptedPods: {
          [pod!.metadata.name!]: new Date(Math.floor(clock.now() / 1000) * 1000).toISOString().replace('.000', ''),
        },
      },
    });
    await clock.advance(60_000);
    assert.equal((await budget())[0], 0);
    await clock.advance(90_000);
    assert.equal((await budget())[0], 1);
    assert.equal((await budgets.get('web', { namespace })).status?.disruptedPods, undefined);
  }));

test('disruption: the condition of a pod that was spared is taken back', () =>
  cluster(async ({ deploy, client, clock, pods }) => {
    await deploy(1);
    await clock.advance(2_000);
    const [pod] = await pods();
    const { name } = pod!.metadata;
    const lastTransitionTime = new Date(Math.floor(clock.now() / 1000) * 1000).toISOString().replace('.000', '');
    const patch = { status: { conditions: [{ type: 'DisruptionTarget', status: 'True', lastTransitionTime }] } };
    await client
      .resource(resources.pods)
      .patch(name!, { type: 'strategic', patch }, { namespace, subresource: 'status' });
    const status = async () =>
      (await pods())[0]?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.status;
    await clock.advance(100_000);
    assert.equal(await status(), 'True');
    await clock.advance(30_000);
    assert.equal(await status(), 'False');
  }));

test('replication controller: keeps its pods, adopts and releases by its selector, and its budget knows its size', () =>
  cluster(async ({ client, clock, pods, guard, budget, events }) => {
    const controllers = client.resource(resources.replicationControllers);
    await client
      .resource(resources.pods)
      .create({ metadata: { name: 'orphan', namespace, labels }, spec: template.spec });
    await controllers.create({
      metadata: { name: 'old', namespace },
      spec: { replicas: 3, selector: labels, template },
    });
    await clock.advance(2_000);
    assert.equal((await pods()).length, 3);
    const owner = (await pods())[0]!.metadata.ownerReferences?.[0];
    assert.deepEqual([owner?.apiVersion, owner?.kind, owner?.name], ['v1', 'ReplicationController', 'old']);
    const { status } = await controllers.get('old', { namespace });
    assert.deepEqual(status, {
      availableReplicas: 3,
      fullyLabeledReplicas: 3,
      observedGeneration: 1,
      readyReplicas: 3,
      replicas: 3,
    });
    await guard({ maxUnavailable: 1 });
    assert.deepEqual(await budget(), [1, 3, 2, 3, 'SufficientPods']);
    const released = { metadata: { labels: { app: 'else' } } };
    await client.resource(resources.pods).patch('orphan', { type: 'merge', patch: released }, { namespace });
    await clock.advance(2_000);
    assert.equal((await pods()).length, 4);
    await controllers.patch('old', { type: 'merge', patch: { spec: { replicas: 0 } } }, { namespace });
    await clock.advance(2_000);
    assert.deepEqual(
      (await pods()).map(({ metadata }) => metadata.name),
      ['orphan'],
    );
    assert.match((await events('ReplicationController')).join('\n'), /SuccessfulCreate: Created pod: old-/);
  }));
