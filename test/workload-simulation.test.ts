/**
 * Seeded histories: Deployments are made, resized, re-imaged and deleted, nodes come, go, shrink, are cordoned and tainted, pods are killed, scheduler and controllers
 * are restarted in the middle of things. Whenever all is quiet again the cluster must be as a naive look at it says: nobody waits who would fit, no node is overfull, every workload and Service is complete.
 * `SIMULATION_SEEDS=100` runs more; the seed is in the test's name.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNotFound } from '../src/api/errors.ts';
import { podRequests } from '../src/api/pod/resources.ts';
import { parseMilli } from '../src/api/quantity.ts';
import type { Node, Pod } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import type { Random } from '../src/base/random.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { createVirtualClock } from '../src/base/virtual-clock.ts';
import type { Client } from '../src/client/client.ts';
import { deploymentController } from '../src/controllers/deployment/controller.ts';
import { endpointSliceController } from '../src/controllers/endpoint-slice/controller.ts';
import { endpointsController } from '../src/controllers/endpoints/controller.ts';
import { replicaSetController } from '../src/controllers/replica-set/controller.ts';
import { type ControlPlane, startControlPlane } from './support/control-plane.ts';
import { standInKubelet } from './support/stand-in-kubelet.ts';

const namespace = 'default';
const seeds = Number(process.env.SIMULATION_SEEDS ?? 4);

for (let seed = 1; seed <= seeds; seed++)
  test(`simulation: after any history nobody waits who would fit (seed ${seed})`, async () => {
    const clock = createVirtualClock();
    const random = createSeededRandom(seed);
    const plane = await startControlPlane({
      clock,
      seed,
      controllers: [
        replicaSetController(),
        deploymentController(),
        endpointSliceController(),
        endpointsController(),
        standInKubelet({ endsAfterMs: 1_000 }),
      ],
      scheduler: {},
    });
    try {
      const world = new World(plane, random);
      await world.start();
      for (let step = 1; step <= 72; step++) {
        await world.act();
        await clock.advance(random.below(2_000));
        if (step % 4 > 0) continue;
        await clock.advance(20_000);
        await world.check();
      }
    } finally {
      await plane.stop();
    }
    assert.equal(clock.pendingTimers, 0);
  });

class World {
  private readonly plane: ControlPlane;
  private readonly client: Client;
  private readonly random: Random;
  private names = 0;

  constructor(plane: ControlPlane, random: Random) {
    this.plane = plane;
    this.client = plane.client;
    this.random = random;
  }

  async start(): Promise<void> {
    await this.client.resource(resources.namespaces).create({ metadata: { name: namespace } });
    for (let i = 0; i < 4; i++) await this.addNode();
    for (let i = 0; i < 3; i++) {
      await this.client.resource(resources.services).create({
        metadata: { name: `app${i}`, namespace },
        spec: { selector: { app: `app${i}` }, ports: [{ port: 80 }], clusterIP: 'None', ipFamilies: ['IPv4'] },
      });
    }
  }

  /** One thing that users, operators or fate do. */
  async act(): Promise<void> {
    const actions = [
      () => this.addNode(),
      () => this.changeNode({ spec: { unschedulable: true } }),
      () => this.changeNode({ spec: { unschedulable: false } }),
      () => this.changeNode({ spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }),
      () => this.changeNode({ spec: { taints: null } }),
      () => this.changeNode({ metadata: { labels: { disk: 'ssd' } } }),
      () => this.changeNode({ metadata: { labels: { disk: null } } }),
      () => this.resizeNode(),
      () => this.addDeployment(),
      () => this.addDeployment(),
      () => this.changeDeployment({ spec: { replicas: this.random.below(8) } }),
      () => this.changeDeployment({ spec: { replicas: this.random.below(8) } }),
      () => this.changeDeployment({ spec: { template: { metadata: { annotations: { v: `${++this.names}` } } } } }),
      () => this.killPod(),
      () => this.killPod(),
      () => this.plane.restart(),
    ];
    try {
      await actions[this.random.below(actions.length)]!();
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private async addNode(): Promise<void> {
    const name = `n${++this.names}`;
    const zone = `z${this.random.below(3)}`;
    await this.client.resource(resources.nodes).create({
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone } },
      status: { allocatable: { cpu: `${1 + this.random.below(4)}`, memory: '8Gi', pods: '10' } },
    });
  }
  private async changeNode(patch: object): Promise<void> {
    const node = this.pick((await this.client.resource(resources.nodes).list()).items);
    if (node)
      await this.client.resource(resources.nodes).patch(node.metadata.name!, { type: 'merge', patch: patch as never });
  }
  private async resizeNode(): Promise<void> {
    const node = this.pick((await this.client.resource(resources.nodes).list()).items);
    if (!node) return;
    const cpu = `${2 + this.random.below(5)}`;
    await this.client
      .resource(resources.nodes)
      .patch(
        node.metadata.name!,
        { type: 'merge', patch: { status: { allocatable: { cpu } } } },
        { subresource: 'status' },
      );
  }
  private async addDeployment(): Promise<void> {
    const app = `app${this.random.below(3)}`;
    const label = { app, deployment: `d${++this.names}` };
    const oneOf = <T>(...choices: T[]): T => choices[this.random.below(choices.length)]!;
    await this.client.resource(resources.deployments).create({
      metadata: { name: label.deployment, namespace },
      spec: {
        replicas: this.random.below(6),
        selector: { matchLabels: label },
        template: {
          metadata: { labels: label },
          spec: {
            containers: [
              { name: 'c', image: 'x', resources: { requests: { cpu: `${100 * (1 + this.random.below(15))}m` } } },
            ],
            ...oneOf({}, { nodeSelector: { disk: 'ssd' } }, { tolerations: [{ key: 'k', operator: 'Exists' }] }),
            ...oneOf<object>(
              {},
              {},
              {
                affinity: {
                  podAntiAffinity: {
                    requiredDuringSchedulingIgnoredDuringExecution: [
                      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: label } },
                    ],
                  },
                },
              },
            ),
          },
        },
      },
    });
  }
  private async changeDeployment(patch: object): Promise<void> {
    const deployment = this.pick((await this.client.resource(resources.deployments).list({ namespace })).items);
    if (deployment)
      await this.client
        .resource(resources.deployments)
        .patch(deployment.metadata.name!, { type: 'merge', patch: patch as never }, { namespace });
  }
  private async killPod(): Promise<void> {
    const pod = this.pick((await this.client.resource(resources.pods).list({ namespace })).items);
    // Nobody else ends a pod that never reached a node.
    const body = pod?.spec?.nodeName ? {} : { gracePeriodSeconds: 0 };
    if (pod) await this.client.resource(resources.pods).delete(pod.metadata.name!, { namespace, body });
  }
  private pick<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.random.below(list.length)];
  }

  async check(): Promise<void> {
    const pods = (await this.client.resource(resources.pods).list({ namespace })).items;
    const nodes = (await this.client.resource(resources.nodes).list()).items;
    const onNode = Map.groupBy(pods, (pod) => pod.spec?.nodeName ?? '');
    for (const pod of onNode.get('') ?? [])
      for (const node of nodes) {
        const there = onNode.get(node.metadata.name!) ?? [];
        assert.ok(!fits(pod, node, there), `${pod.metadata.name} waits though it fits on ${node.metadata.name}`);
      }
    for (const set of (await this.client.resource(resources.replicaSets).list({ namespace })).items) {
      const own = pods.filter((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === set.metadata.uid));
      const ready = own.filter((pod) => pod.spec?.nodeName).length;
      assert.deepEqual(
        [own.length, set.status?.replicas, set.status?.readyReplicas ?? 0, set.status?.observedGeneration],
        [set.spec?.replicas, own.length, ready, set.metadata.generation],
        `ReplicaSet ${set.metadata.name}`,
      );
    }
    for (const { metadata, spec, status } of (await this.client.resource(resources.deployments).list({ namespace }))
      .items)
      assert.equal(status?.observedGeneration, metadata.generation, `Deployment ${metadata.name} of ${spec?.replicas}`);
    const slices = (await this.client.resource(resources.endpointSlices).list({ namespace })).items;
    for (const app of ['app0', 'app1', 'app2']) {
      const placed = pods.filter((pod) => pod.metadata.labels?.app === app && pod.status?.podIP);
      const listed = slices
        .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === app)
        .flatMap(({ endpoints }) => endpoints?.map(({ targetRef }) => targetRef?.name) ?? []);
      assert.deepEqual(listed.sort(), placed.map(({ metadata }) => metadata.name).sort(), `slices of ${app}`);
      const endpoints = await this.client.resource(resources.endpoints).get(app, { namespace });
      const addresses =
        endpoints.subsets?.flatMap(({ addresses: list = [] }) => list.map(({ targetRef }) => targetRef?.name)) ?? [];
      assert.deepEqual(addresses.sort(), listed, `Endpoints of ${app}`);
    }
  }
}

/** A second opinion, as plain as can be. */
function fits(pod: Pod, node: Node, there: readonly Pod[]): boolean {
  if (node.spec?.unschedulable) return false;
  if (node.spec?.taints?.length && !pod.spec?.tolerations?.some(({ key }) => key === 'k')) return false;
  if (pod.spec?.nodeSelector?.disk && node.metadata.labels?.disk !== pod.spec.nodeSelector.disk) return false;
  const { cpu, pods } = node.status!.allocatable!;
  const cpuOf = (one: Pod): number => podRequests(one).cpu ?? 0;
  if (there.length >= Number(pods)) return false;
  if (there.reduce((sum, other) => sum + cpuOf(other), cpuOf(pod)) > parseMilli(cpu!)) return false;
  const apart = (a: Pod, b: Pod): boolean =>
    a.spec?.affinity?.podAntiAffinity !== undefined && a.metadata.labels?.deployment === b.metadata.labels?.deployment;
  return !there.some((other) => apart(pod, other) || apart(other, pod));
}
