/** Deployments, ReplicaSets, the scheduler and endpoints together, against the real API server, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../src/api/errors.ts';
import type { ApiRequest } from '../src/api/exchange.ts';
import type { Deployment } from '../src/api/types/apps-v1.ts';
import type { Node } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { createVirtualClock, type VirtualClock } from '../src/base/virtual-clock.ts';
import type { Client } from '../src/client/client.ts';
import { deploymentController } from '../src/controllers/deployment/controller.ts';
import { endpointSliceController } from '../src/controllers/endpoint-slice/controller.ts';
import { endpointsController } from '../src/controllers/endpoints/controller.ts';
import { replicaSetController } from '../src/controllers/replica-set/controller.ts';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './support/control-plane.ts';
import { type StandInKubeletOptions, standInKubelet } from './support/stand-in-kubelet.ts';

const namespace = 'default';

async function withCluster(
  options: Partial<ControlPlaneOptions> & { readonly kubelet?: StandInKubeletOptions; readonly nodes?: number },
  body: (cluster: ControlPlane & { readonly clock: VirtualClock }) => Promise<void>,
): Promise<void> {
  const clock = createVirtualClock();
  const plane = await startControlPlane({
    clock,
    controllers: [
      replicaSetController(),
      deploymentController(),
      endpointSliceController(),
      endpointsController(),
      standInKubelet(options.kubelet),
    ],
    scheduler: {},
    ...options,
  });
  try {
    await plane.client.resource(resources.namespaces).create({ metadata: { name: namespace } });
    for (let i = 0; i < (options.nodes ?? 3); i++) await plane.client.resource(resources.nodes).create(node(`n${i}`));
    await body({ ...plane, clock });
  } finally {
    await plane.stop();
  }
  assert.equal(clock.pendingTimers, 0, 'timers left after the stop');
}

function node(name: string, allocatable: Record<string, string> = { cpu: '4', memory: '8Gi', pods: '110' }): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    status: { allocatable, capacity: allocatable, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

function web(replicas: number, image = 'nginx:1', spec: Partial<Deployment['spec']> = {}): Deployment {
  const labels = { app: 'web' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'web',
              image,
              ports: [{ name: 'http', containerPort: 8080 }],
              resources: { requests: { cpu: '100m', memory: '64Mi' } },
            },
          ],
        },
      },
      ...spec,
    } as Deployment['spec'] & object,
  };
}

const pods = async (client: Client) => (await client.resource(resources.pods).list({ namespace })).items;
const replicaSets = async (client: Client) => (await client.resource(resources.replicaSets).list({ namespace })).items;
const deployment = (client: Client) => client.resource(resources.deployments).get('web', { namespace });
const eventTexts = async (client: Client, reason: string): Promise<string[]> =>
  (await client.resource(resources.events).list({ namespace })).items
    .filter((event) => event.reason === reason)
    .map((event) => event.message ?? '');

test('workloads: a Deployment becomes running pods, spread over the nodes', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(6));
    await clock.advance(5_000);
    const running = await pods(client);
    assert.equal(running.length, 6);
    assert.deepEqual(
      Object.entries(Object.groupBy(running, (pod) => pod.spec?.nodeName ?? ''))
        .map(([name, list]) => [name, list?.length])
        .sort(),
      [
        ['n0', 2],
        ['n1', 2],
        ['n2', 2],
      ],
    );
    const { status, metadata } = await deployment(client);
    assert.equal(metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
    assert.deepEqual(
      {
        ...status,
        conditions: status?.conditions?.map(({ type, status: value, reason }) => `${type}=${value} ${reason}`),
      },
      {
        observedGeneration: 1,
        replicas: 6,
        updatedReplicas: 6,
        readyReplicas: 6,
        availableReplicas: 6,
        terminatingReplicas: 0,
        conditions: ['Available=True MinimumReplicasAvailable', 'Progressing=True NewReplicaSetAvailable'],
      },
    );
    const [replicaSet] = await replicaSets(client);
    assert.deepEqual(await eventTexts(client, 'ScalingReplicaSet'), [
      `Scaled up replica set ${replicaSet!.metadata.name} from 0 to 6`,
    ]);
    assert.match((await eventTexts(client, 'Scheduled'))[0]!, /^Successfully assigned default\/web-\w+-\w{5} to n\d$/);
    assert.equal((await eventTexts(client, 'SuccessfulCreate')).length, 6);
  }));

test('workloads: a new image rolls out within maxSurge and maxUnavailable, and undo brings the old template back', () =>
  withCluster({ kubelet: { endsAfterMs: 1_000 } }, async ({ client, clock }) => {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } };
    await client.resource(resources.deployments).create(web(5, 'nginx:1', { strategy }));
    await clock.advance(10_000);
    const [first] = await replicaSets(client);
    const seen = { most: 0, fewestReady: 99 };
    const off = watchCounts(client, (active, ready) => {
      seen.most = Math.max(seen.most, active);
      seen.fewestReady = Math.min(seen.fewestReady, ready);
    });
    const image = (name: string) => ({
      type: 'strategic' as const,
      patch: { spec: { template: { spec: { containers: [{ name: 'web', image: name }] } } } },
    });
    await client.resource(resources.deployments).patch('web', image('nginx:2'), { namespace });
    for (let i = 0; i < 20; i++) {
      await clock.advance(500);
      await off();
    }
    assert.deepEqual(
      (await pods(client)).map((pod) => pod.spec?.containers[0]?.image),
      Array(5).fill('nginx:2'),
    );
    assert.ok(seen.most <= 6, `${seen.most} pods at once`);
    assert.ok(seen.fewestReady >= 4, `only ${seen.fewestReady} ready`);
    const all = await replicaSets(client);
    assert.deepEqual(
      all
        .map(({ spec, metadata }) => [metadata.annotations?.['deployment.kubernetes.io/revision'], spec?.replicas])
        .sort(),
      [
        ['1', 0],
        ['2', 5],
      ],
    );
    await client.resource(resources.deployments).patch('web', image('nginx:1'), { namespace });
    await clock.advance(20_000);
    const back = (await replicaSets(client)).find(({ metadata }) => metadata.uid === first!.metadata.uid)!;
    assert.equal(back.spec?.replicas, 5);
    assert.equal(back.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
    assert.equal(back.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1');
    assert.equal((await deployment(client)).metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  }));

test('workloads: a rollout that does not become ready times out after its deadline and keeps the old pods', () =>
  withCluster(
    { kubelet: { isReady: (pod) => pod.spec?.containers[0]?.image !== 'broken' } },
    async ({ client, clock }) => {
      await client.resource(resources.deployments).create(web(4, 'nginx:1', { progressDeadlineSeconds: 60 }));
      await clock.advance(5_000);
      await client.resource(resources.deployments).patch(
        'web',
        {
          type: 'strategic',
          patch: { spec: { template: { spec: { containers: [{ name: 'web', image: 'broken' }] } } } },
        },
        { namespace },
      );
      await clock.advance(30_000);
      assert.equal(conditionOf(await deployment(client), 'Progressing'), 'True ReplicaSetUpdated');
      await clock.advance(60_000);
      const stuck = await deployment(client);
      assert.equal(conditionOf(stuck, 'Progressing'), 'False ProgressDeadlineExceeded');
      assert.equal(conditionOf(stuck, 'Available'), 'True MinimumReplicasAvailable');
      assert.deepEqual(
        [
          stuck.status?.replicas,
          stuck.status?.updatedReplicas,
          stuck.status?.availableReplicas,
          stuck.status?.unavailableReplicas,
        ],
        [5, 2, 3, 2],
      );
    },
  ));

test('workloads: Recreate ends all old pods before it starts new ones', () =>
  withCluster({ kubelet: { endsAfterMs: 5_000 } }, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(3, 'nginx:1', { strategy: { type: 'Recreate' } }));
    await clock.advance(5_000);
    await client.resource(resources.deployments).patch(
      'web',
      {
        type: 'strategic',
        patch: { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } },
      },
      { namespace },
    );
    await clock.advance(4_000);
    assert.deepEqual(
      (await pods(client)).map((pod) => pod.spec?.containers[0]?.image),
      Array(3).fill('nginx:1'),
    );
    await clock.advance(4_000);
    assert.deepEqual(
      (await pods(client)).map((pod) => pod.spec?.containers[0]?.image),
      Array(3).fill('nginx:2'),
    );
  }));

test('workloads: a deleted pod is replaced, a pod that loses its label is let go and replaced, an orphan is adopted', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(2));
    await clock.advance(5_000);
    const [first, second] = await pods(client);
    await client.resource(resources.pods).delete(first!.metadata.name!, { namespace });
    await clock.advance(5_000);
    assert.equal((await pods(client)).length, 2);
    await client
      .resource(resources.pods)
      .patch(
        second!.metadata.name!,
        { type: 'merge', patch: { metadata: { labels: { app: 'debug' } } } },
        { namespace },
      );
    await clock.advance(5_000);
    const released = await client.resource(resources.pods).get(second!.metadata.name!, { namespace });
    assert.equal(released.metadata.ownerReferences, undefined);
    assert.equal((await pods(client)).length, 3);
    await client
      .resource(resources.pods)
      .patch(second!.metadata.name!, { type: 'merge', patch: { metadata: { labels: { app: 'web' } } } }, { namespace });
    await clock.advance(5_000);
    assert.equal((await pods(client)).length, 2);
  }));

test('workloads: scaling down takes pods by their deletion cost', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(3));
    await clock.advance(5_000);
    const [cheap, ...rest] = await pods(client);
    await client
      .resource(resources.pods)
      .patch(
        cheap!.metadata.name!,
        { type: 'merge', patch: { metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } } } },
        { namespace },
      );
    await clock.advance(1_000);
    await client
      .resource(resources.deployments)
      .patch('web', { type: 'merge', patch: { spec: { replicas: 2 } } }, { namespace });
    await clock.advance(5_000);
    assert.deepEqual(
      (await pods(client)).map(({ metadata }) => metadata.name).sort(),
      rest.map(({ metadata }) => metadata.name).sort(),
    );
    assert.equal(
      (await eventTexts(client, 'ScalingReplicaSet')).some((text) =>
        /^Scaled down replica set web-\w+ from 3 to 2$/.test(text),
      ),
      true,
    );
  }));

test('workloads: pods that fit nowhere say why, and are placed when a node comes', () =>
  withCluster({ nodes: 1 }, async ({ client, clock }) => {
    const big = web(1);
    await client.resource(resources.deployments).create({
      ...big,
      spec: {
        ...big.spec!,
        template: {
          ...big.spec!.template,
          spec: { containers: [{ name: 'web', image: 'nginx:1', resources: { requests: { cpu: '6' } } }] },
        },
      },
    });
    await clock.advance(3_000);
    const text =
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
    const [waiting] = await pods(client);
    const condition = waiting!.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    assert.deepEqual([condition?.status, condition?.reason, condition?.message], ['False', 'Unschedulable', text]);
    assert.deepEqual(await eventTexts(client, 'FailedScheduling'), [text]);
    await client.resource(resources.nodes).create(node('big', { cpu: '8', memory: '8Gi', pods: '110' }));
    await clock.advance(3_000);
    const [placed] = await pods(client);
    assert.equal(placed!.spec?.nodeName, 'big');
    assert.equal(placed!.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.status, 'True');
  }));

test('workloads: a higher priority preempts, and its victim is told why', () =>
  withCluster({ nodes: 1, kubelet: { endsAfterMs: 2_000 } }, async ({ client, clock }) => {
    const pod = (name: string, priority: number) => ({
      metadata: { name, namespace },
      spec: { priority, containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '3' } } }] },
    });
    await client.resource(resources.pods).create(pod('low', 1));
    await clock.advance(1_000);
    await client.resource(resources.pods).create(pod('high', 100));
    await clock.advance(1_000);
    const victim = await client.resource(resources.pods).get('low', { namespace });
    assert.ok(victim.metadata.deletionTimestamp);
    assert.deepEqual(
      victim.status?.conditions
        ?.filter(({ type }) => type === 'DisruptionTarget')
        .map(({ reason, message }) => [reason, message]),
      [['PreemptionByScheduler', 'default-scheduler: preempting to accommodate a higher priority pod']],
    );
    assert.equal((await client.resource(resources.pods).get('high', { namespace })).status?.nominatedNodeName, 'n0');
    await clock.advance(5_000);
    const high = await client.resource(resources.pods).get('high', { namespace });
    assert.deepEqual([high.spec?.nodeName, high.status?.phase], ['n0', 'Running']);
    assert.deepEqual(await eventTexts(client, 'Preempted'), [`Preempted by pod ${high.metadata.uid} on node n0`]);
  }));

test('workloads: a Service has the addresses of its ready pods in slices and Endpoints', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.services).create({
      metadata: { name: 'web', namespace, labels: { team: 'a' } },
      spec: {
        selector: { app: 'web' },
        ports: [{ name: 'http', port: 80, targetPort: 'http' }],
        clusterIP: 'None',
        ipFamilies: ['IPv4'],
      },
    });
    await clock.advance(1_000);
    const slices = async () => (await client.resource(resources.endpointSlices).list({ namespace })).items;
    assert.deepEqual(
      (await slices()).map(({ endpoints, ports }) => [endpoints ?? [], ports ?? []]),
      [[[], []]],
    );
    await client.resource(resources.deployments).create(web(3));
    await clock.advance(5_000);
    const [slice, ...others] = await slices();
    assert.equal(others.length, 0);
    assert.deepEqual(slice!.metadata.labels, {
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'kubernetes.io/service-name': 'web',
      'service.kubernetes.io/headless': '',
      team: 'a',
    });
    assert.deepEqual(slice!.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
    const running = await pods(client);
    assert.deepEqual(
      slice!.endpoints
        ?.map(({ addresses, conditions, nodeName, targetRef }) => [addresses[0], conditions, nodeName, targetRef?.name])
        .sort(),
      running
        .map((pod) => [
          pod.status?.podIP,
          { ready: true, serving: true, terminating: false },
          pod.spec?.nodeName,
          pod.metadata.name,
        ])
        .sort(),
    );
    const endpoints = await client.resource(resources.endpoints).get('web', { namespace });
    assert.deepEqual(
      endpoints.subsets?.[0]?.addresses?.map(({ ip }) => ip),
      running.map((pod) => pod.status?.podIP).sort(),
    );
    assert.deepEqual(endpoints.subsets?.[0]?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
    await client.resource(resources.services).delete('web', { namespace });
    await clock.advance(1_000);
    assert.deepEqual((await client.resource(resources.endpoints).list({ namespace })).items, []);
  }));

test('workloads: 250 endpoints are in three slices, and one change touches one slice', () =>
  withCluster({ nodes: 5 }, async ({ client, clock }) => {
    await client.resource(resources.services).create({
      metadata: { name: 'web', namespace },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }], clusterIP: 'None', ipFamilies: ['IPv4'] },
    });
    const spec = web(250);
    await client.resource(resources.deployments).create({
      ...spec,
      spec: {
        ...spec.spec!,
        template: { ...spec.spec!.template, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } },
      },
    });
    await clock.advance(60_000);
    const slices = async () => (await client.resource(resources.endpointSlices).list({ namespace })).items;
    const before = await slices();
    const addresses = before.flatMap(({ endpoints = [] }) => endpoints.map((endpoint) => endpoint.addresses[0]));
    assert.deepEqual([before.length, addresses.length, new Set(addresses).size], [3, 250, 250]);
    const [pod] = await pods(client);
    await client.resource(resources.pods).delete(pod!.metadata.name!, { namespace });
    await clock.advance(10_000);
    const after = await slices();
    const changed = after.filter(
      ({ metadata }) =>
        before.find((old) => old.metadata.uid === metadata.uid)?.metadata.resourceVersion !== metadata.resourceVersion,
    );
    assert.deepEqual([after.length, changed.length], [3, 1]);
  }));

function conditionOf({ status }: Deployment, type: string): string | undefined {
  const condition = status?.conditions?.find((candidate) => candidate.type === type);
  return condition && `${condition.status} ${condition.reason}`;
}

/** @returns looks now. */
function watchCounts(client: Client, seen: (active: number, ready: number) => void): () => Promise<void> {
  return async () => {
    const active = (await pods(client)).filter((pod) => !pod.metadata.deletionTimestamp);
    seen(
      active.length,
      active.filter((pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'))
        .length,
    );
  };
}

const newImage = (image: string) => ({
  type: 'strategic' as const,
  patch: { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } },
});

test('workloads: a paused Deployment is resized but not rolled out, until it is resumed', () =>
  withCluster({}, async ({ client, clock }) => {
    const deployments = client.resource(resources.deployments);
    await deployments.create(web(3, 'nginx:1', { progressDeadlineSeconds: 60 }));
    await clock.advance(5_000);
    await deployments.patch('web', { type: 'merge', patch: { spec: { paused: true } } }, { namespace });
    await deployments.patch('web', newImage('nginx:2'), { namespace });
    await deployments.patch('web', { type: 'merge', patch: { spec: { replicas: 4 } } }, { namespace });
    await clock.advance(120_000);
    assert.deepEqual(
      (await pods(client)).map((pod) => pod.spec?.containers[0]?.image),
      Array(4).fill('nginx:1'),
    );
    assert.equal(conditionOf(await deployment(client), 'Progressing'), 'Unknown DeploymentPaused');
    await deployments.patch('web', { type: 'merge', patch: { spec: { paused: false } } }, { namespace });
    await clock.advance(10_000);
    assert.deepEqual(
      (await pods(client)).map((pod) => pod.spec?.containers[0]?.image),
      Array(4).fill('nginx:2'),
    );
    assert.equal(conditionOf(await deployment(client), 'Progressing'), 'True NewReplicaSetAvailable');
  }));

test('workloads: pods are available minReadySeconds after they are ready, without anything else happening', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(2, 'nginx:1', { minReadySeconds: 30 }));
    await clock.advance(20_000);
    const waiting = await deployment(client);
    assert.deepEqual([waiting.status?.readyReplicas, waiting.status?.availableReplicas], [2, undefined]);
    await clock.advance(15_000);
    assert.equal((await deployment(client)).status?.availableReplicas, 2);
  }));

test('workloads: only so many old ReplicaSets are kept as the history limit says', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(1, 'v0', { revisionHistoryLimit: 2 }));
    for (let i = 1; i <= 5; i++) {
      await clock.advance(5_000);
      await client.resource(resources.deployments).patch('web', newImage(`v${i}`), { namespace });
    }
    await clock.advance(5_000);
    const revisions = (await replicaSets(client)).map(
      ({ metadata }) => metadata.annotations?.['deployment.kubernetes.io/revision'],
    );
    assert.deepEqual(revisions.sort(), ['4', '5', '6']);
  }));

test('workloads: a name that another template has taken is counted as a collision and another one is found', () =>
  withCluster({}, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(1));
    await clock.advance(5_000);
    const [taken] = await replicaSets(client);
    // The same name, made by somebody else for other pods.
    await client.resource(resources.deployments).delete('web', { namespace });
    await client.resource(resources.replicaSets).delete(taken!.metadata.name!, { namespace });
    await clock.advance(1_000);
    const labels = { app: 'other' };
    await client.resource(resources.replicaSets).create({
      metadata: { name: taken!.metadata.name!, namespace },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    });
    await client.resource(resources.deployments).create(web(1));
    await clock.advance(10_000);
    const { status } = await deployment(client);
    assert.deepEqual([status?.collisionCount, status?.availableReplicas], [1, 1]);
    assert.equal((await replicaSets(client)).length, 2);
  }));

test('workloads: refused pods are told in events and a condition, asked for a few at a time, and made when they may be', () => {
  let quota = 3;
  let refused = 0;
  const refuse = (request: ApiRequest): ApiError | undefined => {
    if (request.method !== 'POST' || !request.path.endsWith('/pods') || quota-- > 0) return undefined;
    refused++;
    return ApiError.forbidden({ group: '', resource: 'pods' }, 'web', 'exceeded quota: small');
  };
  return withCluster({ refuse }, async ({ client, clock }) => {
    await client.resource(resources.deployments).create(web(20));
    await clock.settle();
    // 1, then 2, then 4 of which all fail: the other 13 are not even tried. Later syncs, woken by the three pods, try one each.
    assert.ok(refused >= 4 && refused < 10, `${refused} refused`);
    const [replicaSet] = await replicaSets(client);
    const failure = replicaSet!.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    assert.deepEqual(
      [failure?.status, failure?.reason, failure?.message],
      ['True', 'FailedCreate', 'pods "web" is forbidden: exceeded quota: small'],
    );
    assert.equal(conditionOf(await deployment(client), 'ReplicaFailure'), 'True FailedCreate');
    assert.deepEqual(
      [...new Set(await eventTexts(client, 'FailedCreate'))],
      ['Error creating: pods "web" is forbidden: exceeded quota: small'],
    );
    quota = 1000;
    await clock.advance(60_000);
    assert.equal((await pods(client)).length, 20);
    assert.equal(conditionOf(await deployment(client), 'ReplicaFailure'), undefined);
  });
});
