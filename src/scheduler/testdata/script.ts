/**
 * Golden scripts: commands in, text out. Blocks of commands end with `----`; what follows up to a blank line is what they print.
 * They drive cache, queue, plugins and algorithm as the scheduler does, with a clock that only `advance` moves.
 *
 *     node NAME cpu=4 memory=8Gi pods=110 label=k:v taint=key[:value]:Effect image=name:size cordoned
 *     remove NAME                      a node goes
 *     pod NAME cpu=1 memory=1Gi priority=10 label=k:v ns=x port=80 select=k:v tolerate=key[:value] gpu=1
 *              near=k:v@topology away=k:v@topology (required) prefer=k:v@topology prefer-away=... spread=k:v@topology/skew[/soft]
 *              on=node (runs there already) gate=name claim=name preempt=never image=name where={...JSON of node affinity terms}
 *     budget NAME label=k:v allowed=0
 *     delete NAME                      a pod goes
 *     advance 1s
 *     schedule                         runs cycles until nothing is active
 *     queue                            prints who waits where
 */
import type { Node, NodeSelectorTerm, Pod, PodAffinityTerm } from '../../api/types/core-v1.ts';
import type { PodDisruptionBudget } from '../../api/types/policy-v1.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import type { SchedulerConfig } from '../config.ts';
import { SchedulerCache } from '../core/cache.ts';
import { Action } from '../core/cluster-events.ts';
import { compileLabelMap } from '../core/label-matcher.ts';
import { NodeInfo } from '../core/node-info.ts';
import { Nominator } from '../core/nominator.ts';
import { PodInfo } from '../core/pod-info.ts';
import { SchedulingQueue } from '../core/queue.ts';
import { SchedulingAlgorithm } from '../core/schedule-pod.ts';
import { createProfile } from '../profile.ts';

export function runScript(text: string, config: SchedulerConfig = {}): string {
  const world = new World(config);
  const out: string[] = [];
  let printed: string[] = [];
  let skipping = false;
  for (const line of text.split('\n')) {
    if (line === '----') {
      out.push(line, ...printed, '');
      printed = [];
      skipping = true;
    } else if (skipping) {
      if (line === '') skipping = false;
    } else {
      out.push(line);
      const command = line.replace(/(^|\s)#.*$/, '').trim();
      if (command !== '') printed.push(...world.run(command));
    }
  }
  return `${out.join('\n').trimEnd()}\n`;
}

interface Options {
  readonly flags: ReadonlySet<string>;
  one(key: string): string | undefined;
  all(key: string): readonly string[];
}

class World {
  private readonly cache: SchedulerCache;
  private readonly queue: SchedulingQueue;
  private readonly nominator = new Nominator();
  private readonly algorithm: SchedulingAlgorithm;
  private readonly pods = new Map<string, PodInfo>();
  private readonly budgets: PodDisruptionBudget[] = [];
  private nowMs = 0;
  private uids = 0;

  constructor(config: SchedulerConfig) {
    const random = createSeededRandom(1);
    const listers = {
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
      namespaceLabels: (namespace: string) => ({ 'kubernetes.io/metadata.name': namespace }),
      podDisruptionBudgets: () => this.budgets,
      defaultSelector: (pod: PodInfo) => (pod.labels.app ? compileLabelMap({ app: pod.labels.app }) : undefined),
    };
    const plugins = createProfile(config, listers, random);
    this.cache = new SchedulerCache({ namespaceLabels: listers.namespaceLabels });
    this.queue = new SchedulingQueue(plugins.map(({ plugin }) => plugin));
    this.algorithm = new SchedulingAlgorithm(plugins, this.nominator, random);
  }

  run(line: string): string[] {
    const [command, ...words] = line.split(/\s+/);
    const name = words[0] ?? '';
    const options = parse(words.slice(1));
    switch (command) {
      case 'node':
        this.node(name, options);
        return [];
      case 'remove':
        this.cache.removeNode(name);
        return [];
      case 'pod':
        this.pod(name, options);
        return [];
      case 'budget':
        this.budgets.push({
          metadata: { name, namespace: 'default' },
          spec: { selector: { matchLabels: map(options.all('label')) } },
          status: { disruptionsAllowed: Number(options.one('allowed') ?? 0) } as PodDisruptionBudget['status'] & object,
        });
        return [];
      case 'delete':
        this.delete(name);
        return [];
      case 'advance':
        this.nowMs += Number(name.replace(/s$/, '')) * 1000;
        this.queue.flushBackoff(this.nowMs);
        this.queue.flushUnschedulable(this.nowMs);
        return [];
      case 'schedule':
        return this.schedule();
      case 'queue': {
        const { active, backoff, unschedulable, gated } = this.queue.sizes;
        return [`active=${active} backoff=${backoff} unschedulable=${unschedulable} gated=${gated}`];
      }
      default:
        throw new Error(`Unknown command "${line}"`);
    }
  }

  private node(name: string, options: Options): void {
    const before = this.cache.snapshot.get(name)?.node;
    const node: Node = {
      metadata: { name, labels: { 'kubernetes.io/hostname': name, ...map(options.all('label')) } },
      spec: {
        ...(options.flags.has('cordoned') ? { unschedulable: true } : {}),
        taints: options.all('taint').map((taint) => {
          const [key, ...rest] = taint.split(':');
          return { key: key!, ...(rest.length > 1 ? { value: rest[0]! } : {}), effect: rest.at(-1)! };
        }),
      },
      status: {
        allocatable: {
          cpu: options.one('cpu') ?? '4',
          memory: options.one('memory') ?? '8Gi',
          pods: options.one('pods') ?? '110',
          'ephemeral-storage': '100Gi',
          ...(options.one('gpu') ? { 'nvidia.com/gpu': options.one('gpu')! } : {}),
        },
        images: options.all('image').map((image) => {
          const [imageName, size] = image.split('=');
          return { names: [`${imageName}`], sizeBytes: Number(size) };
        }),
      },
    };
    this.cache.setNode(node);
    const view = (of: Node): NodeInfo => {
      const info = new NodeInfo(0, name);
      info.setNode(of);
      return info;
    };
    const action = before ? Action.updateNodeAllocatable | Action.updateNodeLabel | Action.updateNodeTaint : Action.add;
    this.queue.onEvent(
      {
        resource: 'Node',
        action,
        label: before ? 'NodeUpdate' : 'NodeAdd',
        object: view(node),
        ...(before ? { previous: view(before) } : {}),
      },
      this.nowMs,
    );
  }

  private pod(name: string, options: Options): void {
    const term = (text: string): PodAffinityTerm => {
      const [labels, topologyKey] = text.split('@');
      return { labelSelector: { matchLabels: map([labels!]) }, topologyKey: topologyKey! };
    };
    const weighted = (text: string) => ({ weight: 10, podAffinityTerm: term(text) });
    const where = options.one('where');
    const pod: Pod = {
      metadata: {
        name,
        namespace: options.one('ns') ?? 'default',
        uid: this.pods.get(name)?.uid ?? `uid-${++this.uids}`,
        labels: map(options.all('label')),
      },
      spec: {
        containers: [
          {
            name: 'c',
            image: options.one('image') ?? 'app:1',
            ports: options.all('port').map((port) => ({ containerPort: 80, hostPort: Number(port) })),
            resources: {
              requests: {
                ...(options.one('cpu') ? { cpu: options.one('cpu')! } : {}),
                ...(options.one('memory') ? { memory: options.one('memory')! } : {}),
                ...(options.one('gpu') ? { 'nvidia.com/gpu': options.one('gpu')! } : {}),
              },
            },
          },
        ],
        priority: Number(options.one('priority') ?? 0),
        ...(options.one('preempt') === 'never' ? { preemptionPolicy: 'Never' } : {}),
        ...(options.one('on') ? { nodeName: options.one('on')! } : {}),
        nodeSelector: map(options.all('select')),
        tolerations: options.all('tolerate').map((toleration) => {
          const [key, value] = toleration.split(':');
          return value === undefined ? { key: key!, operator: 'Exists' } : { key: key!, value };
        }),
        schedulingGates: options.all('gate').map((gate) => ({ name: gate })),
        volumes: options.all('claim').map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
        affinity: {
          ...(where
            ? {
                nodeAffinity: {
                  requiredDuringSchedulingIgnoredDuringExecution: {
                    nodeSelectorTerms: JSON.parse(where) as NodeSelectorTerm[],
                  },
                },
              }
            : {}),
          podAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: options.all('near').map(term),
            preferredDuringSchedulingIgnoredDuringExecution: options.all('prefer').map(weighted),
          },
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: options.all('away').map(term),
            preferredDuringSchedulingIgnoredDuringExecution: options.all('prefer-away').map(weighted),
          },
        },
        topologySpreadConstraints: options.all('spread').map((text) => {
          const [what, skew, soft] = text.split('/');
          const { labelSelector, topologyKey } = term(what!);
          return {
            maxSkew: Number(skew),
            topologyKey,
            labelSelector: labelSelector!,
            whenUnsatisfiable: soft ? 'ScheduleAnyway' : 'DoNotSchedule',
          };
        }),
      },
    };
    const info = new PodInfo(pod);
    this.pods.set(name, info);
    if (pod.spec?.nodeName) {
      this.cache.setPod(info);
      this.queue.onEvent(
        { resource: 'AssignedPod', action: Action.add, label: 'AssignedPodAdd', object: info },
        this.nowMs,
      );
    } else this.queue.add(info, this.nowMs);
  }

  private delete(name: string): void {
    const info = this.pods.get(name)!;
    this.pods.delete(name);
    this.queue.delete(info.uid);
    this.nominator.delete(info.uid);
    if (!this.cache.has(info.uid)) return;
    this.cache.removePod(info.uid);
    this.queue.onEvent(
      { resource: 'AssignedPod', action: Action.delete, label: 'AssignedPodDelete', object: info },
      this.nowMs,
    );
  }

  private schedule(): string[] {
    const lines: string[] = [];
    for (let queued = this.queue.pop(this.nowMs); queued; queued = this.queue.pop(this.nowMs)) {
      const { pod } = queued;
      const decision = this.algorithm.schedule(pod, this.cache.snapshot);
      if (decision.kind === 'scheduled') {
        const bound = pod.on(decision.nodeName);
        this.nominator.delete(pod.uid);
        this.queue.done(pod.uid);
        this.cache.assume(bound, decision.nodeName);
        this.cache.setPod(bound);
        this.pods.set(pod.name, bound);
        lines.push(`${pod.name} -> ${decision.nodeName}`);
        continue;
      }
      this.queue.addUnschedulable(queued, decision.rejectedBy, this.nowMs);
      lines.push(`${pod.name}: ${decision.message}`);
      if (!decision.nominatedNodeName) continue;
      this.nominator.set(pod, decision.nominatedNodeName);
      const victims = decision.victims.map(({ name }) => name);
      lines.push(`  preempts ${victims.join(', ')} on ${decision.nominatedNodeName}`);
      for (const victim of victims) this.delete(victim);
    }
    return lines;
  }
}

function parse(words: readonly string[]): Options {
  const pairs = words.map((word) => {
    const at = word.indexOf('=');
    return at < 0 ? ([word, ''] as const) : ([word.slice(0, at), word.slice(at + 1)] as const);
  });
  const all = (key: string) => pairs.filter(([k]) => k === key).map(([, value]) => value);
  return { flags: new Set(pairs.map(([key]) => key)), all, one: (key) => all(key)[0] };
}

function map(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf(':');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
