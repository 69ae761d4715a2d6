/** A control plane with nodes and stand-in kubelets in virtual time, and short words for what tests of workloads ask and do. */
import assert from 'node:assert/strict';
import type { Node, Pod } from '../../src/api/types/core-v1.ts';
import { resources } from '../../src/api/types/resources.ts';
import { createVirtualClock, type VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Controller } from '../../src/controllers/controller.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { type StandInKubeletOptions, standInKubelet } from './stand-in-kubelet.ts';

export const namespace = 'default';

export interface WorkloadCluster extends ControlPlane {
  readonly clock: VirtualClock;
  /** By name. */
  pods(): Promise<readonly Pod[]>;
  /** `reason: message` of each event about a kind, by time. */
  events(kind: string): Promise<readonly string[]>;
  /** What a kubelet would say of a pod. */
  /** Ends pods that are being deleted, as their kubelets would. */
  reap(): Promise<void>;
  setPodStatus(name: string, status: NonNullable<Pod['status']>): Promise<void>;
}

export interface WorkloadClusterOptions {
  readonly controllers: readonly Controller[];
  /** `false`: nobody runs pods; the test says what becomes of them. */
  readonly kubelet?: StandInKubeletOptions | false;
  readonly nodes?: number;
}

export async function withWorkloads(
  options: WorkloadClusterOptions,
  body: (cluster: WorkloadCluster) => Promise<void>,
): Promise<void> {
  const clock = createVirtualClock();
  const plane = await startControlPlane({
    clock,
    controllers: [...options.controllers, ...(options.kubelet === false ? [] : [standInKubelet(options.kubelet)])],
    scheduler: {},
  });
  const { client } = plane;
  try {
    await client.resource(resources.namespaces).create({ metadata: { name: namespace } });
    for (let i = 0; i < (options.nodes ?? 3); i++) await client.resource(resources.nodes).create(node(`n${i}`));
    await clock.advance(100);
    await body({
      ...plane,
      clock,
      async pods() {
        const { items } = await client.resource(resources.pods).list({ namespace });
        return [...items].sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
      },
      async events(kind) {
        await clock.advance(1_000);
        const { items } = await client.resource(resources.events).list({ namespace });
        return items
          .filter(({ involvedObject }) => involvedObject.kind === kind)
          .map(({ reason, message }) => `${reason}: ${message}`);
      },
      async reap() {
        const { items } = await client.resource(resources.pods).list({ namespace });
        for (const { metadata } of items)
          if (metadata.deletionTimestamp && metadata.deletionGracePeriodSeconds !== 0)
            await client
              .resource(resources.pods)
              .delete(metadata.name!, { namespace, body: { gracePeriodSeconds: 0 } });
      },
      async setPodStatus(name, status) {
        const patch = JSON.parse(JSON.stringify({ status }));
        await client
          .resource(resources.pods)
          .patch(name, { type: 'strategic', patch }, { namespace, subresource: 'status' });
      },
    });
  } finally {
    await plane.stop();
  }
  assert.equal(clock.pendingTimers, 0, 'timers left after the stop');
}

export function node(name: string, more: { labels?: Record<string, string>; spec?: Node['spec'] } = {}): Node {
  const allocatable = { cpu: '4', memory: '8Gi', pods: '110' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...more.labels } },
    ...(more.spec ? { spec: more.spec } : {}),
    status: { allocatable, capacity: allocatable, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}
