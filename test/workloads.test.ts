/** Deployments, ReplicaSets, the scheduler and endpoints together, against the real API server, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
    console.log(
      JSON.stringify(running[0]?.spec),
      JSON.stringify(running[0]?.status),
      JSON.stringify((await client.resource(resources.nodes).list()).items[0]),
    );
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
