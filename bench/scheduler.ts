/**
 * CPU time of one scheduling decision, without API server and informers: pods of one Deployment are placed one after the other, each seen again as the
 * informer would bring it. Run: `node bench/scheduler.ts`.
 */

import type { PodSpec } from '../src/api/types/core-v1.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { SchedulerCache } from '../src/scheduler/core/cache.ts';
import { compileLabelMap } from '../src/scheduler/core/label-matcher.ts';
import { Nominator } from '../src/scheduler/core/nominator.ts';
import { PodInfo } from '../src/scheduler/core/pod-info.ts';
import { SchedulingAlgorithm } from '../src/scheduler/core/schedule-pod.ts';
import { createProfile } from '../src/scheduler/profile.ts';

interface Case {
  readonly nodes: number;
  readonly pods: number;
  readonly zones: number;
  readonly spec?: Partial<PodSpec>;
  readonly name: string;
}

const labelSelector = { matchLabels: { app: 'web' } };
const cases: readonly Case[] = [
  { name: 'warm-up', nodes: 50, pods: 3000, zones: 3 },
  { name: 'plain', nodes: 50, pods: 1000, zones: 0 },
  { name: 'plain', nodes: 5000, pods: 2000, zones: 3 },
  {
    name: 'spread over zones',
    nodes: 5000,
    pods: 2000,
    zones: 3,
    spec: {
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector },
      ],
    },
  },
  {
    name: 'one a node',
    nodes: 5000,
    pods: 2000,
    zones: 3,
    spec: {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector }],
        },
      },
    },
  },
];
for (const each of cases) run(each);

function run({ name, nodes, pods, zones, spec = {} }: Case): void {
  const random = createSeededRandom(1);
  const plugins = createProfile(
    {},
    {
      volumes: {
        claim: () => undefined,
        volume: () => undefined,
        volumesOfClass: () => [],
        storageClass: () => undefined,
        csiNode: () => undefined,
        csiDriver: () => undefined,
        storageCapacities: () => [],
        attachmentsOf: () => [],
      },
      namespaceLabels: () => ({}),
      podDisruptionBudgets: () => [],
      defaultSelector: (pod) => compileLabelMap({ app: pod.labels.app! }),
    },
    random,
  );
  const cache = new SchedulerCache();
  for (let i = 0; i < nodes; i++) {
    const zone: Record<string, string> = zones > 0 ? { 'topology.kubernetes.io/zone': `z${i % zones}` } : {};
    cache.setNode({
      metadata: { name: `node-${i}`, labels: { 'kubernetes.io/hostname': `node-${i}`, ...zone } },
      status: { allocatable: { cpu: '32', memory: '256Gi', pods: '110' } },
    });
  }
  const algorithm = new SchedulingAlgorithm(plugins, new Nominator(), random);
  const waiting = Array.from({ length: pods }, (_, i) => ({
    metadata: { name: `p${i}`, namespace: 'default', uid: `u${i}`, labels: { app: 'web' } },
    spec: {
      containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
      ...spec,
    },
  }));
  const start = process.cpuUsage();
  for (const object of waiting) {
    const info = new PodInfo(object);
    const decision = algorithm.schedule(info, cache.snapshot);
    if (decision.kind !== 'scheduled') throw new Error(decision.message);
    const bound = info.on(decision.nodeName);
    cache.assume(bound, decision.nodeName);
    cache.setPod(new PodInfo(bound.pod));
  }
  const { user, system } = process.cpuUsage(start);
  console.log(
    `${name}: ${nodes} nodes, ${zones} zones, ${pods} pods: ${((user + system) / pods).toFixed(0)} us CPU a pod`,
  );
}
