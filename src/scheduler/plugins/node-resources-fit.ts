/** Does the node have what the pod asks for; prefer the node with most left (LeastAllocated). Source: plugins/noderesources. */
import { Action, type ClusterEvent, type QueueingHint } from '../core/cluster-events.ts';
import { maxNodeScore, type NodeFilter, type NodeScorer, type Plugin } from '../core/framework.ts';
import { NodeInfo } from '../core/node-info.ts';
import { PodInfo } from '../core/pod-info.ts';
import type { Resources } from '../core/resources.ts';
import { type FilterStatus, fits, type Rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const name = PluginName.nodeResourcesFit;

export interface ResourceWeight {
  readonly name: string;
  readonly weight: number;
}
export const defaultResourceWeights: readonly ResourceWeight[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];

export interface NodeResourcesFitArgs {
  readonly scoringStrategy?: {
    readonly type: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio';
    readonly resources?: readonly ResourceWeight[];
    readonly requestedToCapacityRatio?: {
      readonly shape: readonly { readonly utilization: number; readonly score: number }[];
    };
  };
  /** Resources that are not looked at. */
  readonly ignoredResources?: readonly string[];
  /** `example.com`: all extended resources of the group. */
  readonly ignoredResourceGroups?: readonly string[];
}

export function nodeResourcesFit(args: NodeResourcesFitArgs = {}): Plugin {
  const ignored = new Set(args.ignoredResources);
  const ignoredGroups = new Set(args.ignoredResourceGroups);
  const isIgnored = (resource: string): boolean =>
    ignored.has(resource) || (ignoredGroups.size > 0 && ignoredGroups.has(resource.split('/')[0]!));
  const strategy = args.scoringStrategy ?? { type: 'LeastAllocated' as const };
  const weights = strategy.resources ?? defaultResourceWeights;
  const rate = rateOf(strategy);
  return {
    name,
    events: [
      { resource: 'AssignedPod', action: Action.delete | Action.updatePodScaleDown, hint: freesWhatIsMissing },
      { resource: 'TargetPod', action: Action.updatePodScaleDown },
      {
        resource: 'Node',
        action: Action.add | Action.updateNodeAllocatable,
        hint: (pod, event) => nodeMightFit(pod, event, isIgnored),
      },
    ],
    preFilter: (pod) => new FitFilter(pod, isIgnored),
    preScore: (pod) => new AllocationScorer(pod, weights, rate),
  };
}

class FitFilter implements NodeFilter {
  private readonly cpuMilli: number;
  private readonly memoryBytes: number;
  private readonly ephemeralBytes: number;
  private readonly scalars: readonly (readonly [string, number])[];
  private readonly asksForNothing: boolean;

  constructor(pod: PodInfo, isIgnored: (resource: string) => boolean) {
    const { cpuMilli, memoryBytes, ephemeralBytes, scalars } = pod.requests;
    this.cpuMilli = cpuMilli;
    this.memoryBytes = memoryBytes;
    this.ephemeralBytes = ephemeralBytes;
    this.scalars = scalars
      ? [...scalars]
          .filter(([resource, amount]) => amount > 0 && !isIgnored(resource))
          .sort(([a], [b]) => (a < b ? -1 : 1))
      : [];
    this.asksForNothing = cpuMilli === 0 && memoryBytes === 0 && ephemeralBytes === 0 && this.scalars.length === 0;
  }

  filter(node: NodeInfo): FilterStatus {
    const have = node.allocatable;
    const used = node.requested;
    const tooManyPods = node.pods.length + 1 > have.pods;
    if (this.asksForNothing) return tooManyPods ? shortage(1, none, false) : fits;
    // A bit for each of the four fixed resources: all 15 answers exist once.
    let short = tooManyPods ? 1 : 0;
    let impossible = false;
    if (this.cpuMilli > 0 && this.cpuMilli > have.cpuMilli - used.cpuMilli) {
      short |= 2;
      impossible ||= this.cpuMilli > have.cpuMilli;
    }
    if (this.memoryBytes > 0 && this.memoryBytes > have.memoryBytes - used.memoryBytes) {
      short |= 4;
      impossible ||= this.memoryBytes > have.memoryBytes;
    }
    if (this.ephemeralBytes > 0 && this.ephemeralBytes > have.ephemeralBytes - used.ephemeralBytes) {
      short |= 8;
      impossible ||= this.ephemeralBytes > have.ephemeralBytes;
    }
    let missing: string[] = none;
    for (let i = 0; i < this.scalars.length; i++) {
      const [resource, amount] = this.scalars[i]!;
      const capacity = have.scalars?.get(resource) ?? 0;
      if (amount <= capacity - (used.scalars?.get(resource) ?? 0)) continue;
      missing = [...missing, resource];
      impossible ||= amount > capacity;
    }
    return short === 0 && missing.length === 0 ? fits : shortage(short, missing, impossible);
  }
}

const none: string[] = [];
const fixedReasons = ['Too many pods', 'Insufficient cpu', 'Insufficient memory', 'Insufficient ephemeral-storage'];
/** [possible once pods are gone, impossible] x bits. Immutable after load. */
const shortages: readonly (readonly Rejected[])[] = [true, false].map((preemptionMayHelp) =>
  Array.from({ length: 16 }, (_, bits) => ({
    kind: 'rejected',
    plugin: name,
    reasons: fixedReasons.filter((_, bit) => bits & (1 << bit)),
    preemptionMayHelp,
  })),
);

function shortage(bits: number, scalars: readonly string[], impossible: boolean): Rejected {
  const fixed = shortages[impossible ? 1 : 0]![bits]!;
  if (scalars.length === 0) return fixed;
  return { ...fixed, reasons: [...fixed.reasons, ...scalars.map((resource) => `Insufficient ${resource}`)] };
}

/** How good it is to have `requested` of `capacity` in use: 0 to 100. */
export type Rate = (requested: number, capacity: number) => number;

const leastAllocated: Rate = (requested, capacity) =>
  capacity === 0 || requested > capacity ? 0 : Math.trunc(((capacity - requested) * maxNodeScore) / capacity);
const mostAllocated: Rate = (requested, capacity) =>
  capacity === 0 ? 0 : Math.trunc((Math.min(requested, capacity) * maxNodeScore) / capacity);

function rateOf(strategy: NonNullable<NodeResourcesFitArgs['scoringStrategy']>): Rate {
  switch (strategy.type) {
    case 'LeastAllocated':
      return leastAllocated;
    case 'MostAllocated':
      return mostAllocated;
    case 'RequestedToCapacityRatio': {
      // The shape's scores are 0 to 10.
      const shape = strategy.requestedToCapacityRatio?.shape ?? [];
      return (requested, capacity) => {
        const utilization = capacity === 0 || requested > capacity ? 100 : Math.trunc((requested * 100) / capacity);
        return Math.round(interpolate(shape, utilization) * 10);
      };
    }
  }
}

function interpolate(shape: readonly { readonly utilization: number; readonly score: number }[], at: number): number {
  const first = shape[0];
  if (!first) return 0;
  if (at <= first.utilization) return first.score;
  for (let i = 1; i < shape.length; i++) {
    const [left, right] = [shape[i - 1]!, shape[i]!];
    if (at <= right.utilization)
      return (
        left.score + ((right.score - left.score) * (at - left.utilization)) / (right.utilization - left.utilization)
      );
  }
  return shape.at(-1)!.score;
}

class AllocationScorer implements NodeScorer {
  private readonly pod: PodInfo;
  private readonly weights: readonly ResourceWeight[];
  private readonly rate: Rate;
  constructor(pod: PodInfo, weights: readonly ResourceWeight[], rate: Rate) {
    this.pod = pod;
    this.weights = weights;
    this.rate = rate;
  }
  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      let sum = 0;
      let weight = 0;
      for (let j = 0; j < this.weights.length; j++) {
        const resource = this.weights[j]!;
        const capacity = capacityOf(node, resource.name);
        if (capacity === 0) continue;
        const requested = requestedWith(node, this.pod, resource.name);
        if (requested < 0) continue;
        sum += this.rate(requested, capacity) * resource.weight;
        weight += resource.weight;
      }
      scores[i] = weight === 0 ? 0 : Math.trunc(sum / weight);
    }
  }
}

export function capacityOf(node: NodeInfo, resource: string): number {
  const { allocatable } = node;
  if (resource === 'cpu') return allocatable.cpuMilli;
  if (resource === 'memory') return allocatable.memoryBytes;
  if (resource === 'ephemeral-storage') return allocatable.ephemeralBytes;
  return allocatable.scalars?.get(resource) ?? 0;
}

/** In use once the pod is there; -1 for an extended resource the pod does not ask for (it is not scored then). */
function requestedWith(node: NodeInfo, pod: PodInfo, resource: string): number {
  if (resource === 'cpu') return node.nonZeroCpuMilli + pod.nonZeroCpuMilli;
  if (resource === 'memory') return node.nonZeroMemoryBytes + pod.nonZeroMemoryBytes;
  if (resource === 'ephemeral-storage') return node.requested.ephemeralBytes + pod.requests.ephemeralBytes;
  const asked = pod.requests.scalars?.get(resource) ?? 0;
  return asked === 0 ? -1 : (node.requested.scalars?.get(resource) ?? 0) + asked;
}

/** A pod that went away helps if it gave back something this one wants (every pod gives back its place). */
function freesWhatIsMissing(pod: PodInfo, event: ClusterEvent): QueueingHint {
  if (event.action & Action.delete) return 'queue';
  const before = event.previous;
  const after = event.object;
  if (!(before instanceof PodInfo) || !(after instanceof PodInfo)) return 'queue';
  const freed = before.requests.clone();
  freed.subtract(after.requests);
  const wants = pod.requests;
  if (freed.cpuMilli > 0 && wants.cpuMilli > 0) return 'queue';
  if (freed.memoryBytes > 0 && wants.memoryBytes > 0) return 'queue';
  return 'skip';
}

/** A node that is too small even when empty, or that grew in nothing this pod wants, does not help. */
function nodeMightFit(pod: PodInfo, event: ClusterEvent, isIgnored: (resource: string) => boolean): QueueingHint {
  if (!(event.object instanceof NodeInfo)) return 'queue';
  const have = event.object.allocatable;
  if (have.pods < 1 || !covers(have, pod.requests, isIgnored)) return 'skip';
  if (!(event.previous instanceof NodeInfo)) return 'queue';
  const had = event.previous.allocatable;
  const wants = pod.requests;
  const grew =
    have.pods > had.pods ||
    (wants.cpuMilli > 0 && have.cpuMilli > had.cpuMilli) ||
    (wants.memoryBytes > 0 && have.memoryBytes > had.memoryBytes) ||
    (wants.ephemeralBytes > 0 && have.ephemeralBytes > had.ephemeralBytes) ||
    [...(wants.scalars?.keys() ?? [])].some((key) => (have.scalars?.get(key) ?? 0) > (had.scalars?.get(key) ?? 0));
  return grew ? 'queue' : 'skip';
}

function covers(have: Resources, wants: Resources, isIgnored: (resource: string) => boolean): boolean {
  if (wants.cpuMilli > have.cpuMilli || wants.memoryBytes > have.memoryBytes) return false;
  if (wants.ephemeralBytes > have.ephemeralBytes) return false;
  for (const [resource, amount] of wants.scalars ?? [])
    if (!isIgnored(resource) && amount > (have.scalars?.get(resource) ?? 0)) return false;
  return true;
}
