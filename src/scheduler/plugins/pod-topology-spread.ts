/**
 * Spreads pods over topology domains: hard constraints filter, soft ones score; pods without constraints are spread softly by hostname and
 * zone among their Service's or owner's pods. Source: plugins/podtopologyspread.
 */
import type { TopologySpreadConstraint } from '../../api/types/core-v1.ts';
import { Action, type ClusterEvent, type QueueingHint } from '../core/cluster-events.ts';
import type { NodeFilter, Plugin } from '../core/framework.ts';
import type { LabelMatcher } from '../core/label-matcher.ts';
import { NodeInfo } from '../core/node-info.ts';
import { PodInfo } from '../core/pod-info.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { type FilterStatus, fits, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';
import { SpreadScorer } from './pod-topology-spread-score.ts';
import { compileConstraint, hasAllKeys, hostnameLabel, type SpreadConstraint, takesPart } from './spread-constraint.ts';

const name = PluginName.podTopologySpread;
const skewed = rejected(name, "node(s) didn't match pod topology spread constraints", { preemptionMayHelp: true });
const unlabelled = rejected(name, "node(s) didn't match pod topology spread constraints (missing required label)", {
  preemptionMayHelp: false,
});

export interface PodTopologySpreadArgs {
  /** `System`: hostname with skew 3 and zone with skew 5, softly. `List`: what `defaultConstraints` says. */
  readonly defaultingType?: 'System' | 'List';
  readonly defaultConstraints?: readonly TopologySpreadConstraint[];
}

const systemConstraints: readonly TopologySpreadConstraint[] = [
  { topologyKey: hostnameLabel, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

/** @param defaultSelector the pods that belong together with this one (same Services, same owner); undefined: none. */
export function podTopologySpread(
  args: PodTopologySpreadArgs,
  defaultSelector: (pod: PodInfo) => LabelMatcher | undefined,
): Plugin {
  const system = (args.defaultingType ?? 'System') === 'System';
  const defaults = system ? systemConstraints : (args.defaultConstraints ?? []);

  const constraintsOf = (pod: PodInfo, when: 'DoNotSchedule' | 'ScheduleAnyway'): SpreadConstraint[] => {
    const own = pod.pod.spec?.topologySpreadConstraints;
    if (own?.length)
      return own.filter((c) => c.whenUnsatisfiable === when).map((c) => compileConstraint(c, pod, undefined));
    if (!defaults.some((c) => c.whenUnsatisfiable === when)) return [];
    const selector = defaultSelector(pod);
    if (!selector || selector.empty) return [];
    return defaults.filter((c) => c.whenUnsatisfiable === when).map((c) => compileConstraint(c, pod, selector));
  };

  return {
    name,
    events: [
      {
        resource: 'AssignedPod',
        action: Action.add | Action.delete | Action.updatePodLabel,
        hint: (pod, event) => podMatters(constraintsOf(pod, 'DoNotSchedule'), pod, event),
      },
      {
        resource: 'Node',
        action: Action.add | Action.delete | Action.updateNodeLabel | Action.updateNodeTaint,
        hint: (pod, event) => nodeMatters(constraintsOf(pod, 'DoNotSchedule'), event),
      },
      { resource: 'TargetPod', action: Action.updatePodLabel },
    ],
    preFilter(pod, snapshot) {
      const constraints = constraintsOf(pod, 'DoNotSchedule');
      return constraints.length === 0 ? 'skip' : SpreadFilter.count(pod, constraints, snapshot);
    },
    preScore(pod, feasible, snapshot) {
      const constraints = constraintsOf(pod, 'ScheduleAnyway');
      if (constraints.length === 0) return 'skip';
      // Nodes without a zone label still get the hostname spreading of the system defaults.
      const requireAllKeys = (pod.pod.spec?.topologySpreadConstraints?.length ?? 0) > 0 || !system;
      return new SpreadScorer(pod, constraints, feasible, snapshot, requireAllKeys);
    },
  };
}

/** Counts per domain; `minimum` is kept with them, since every node asks for it. */
interface Domains {
  readonly counts: Map<string, number>;
  minimum: number;
}

class SpreadFilter implements NodeFilter {
  private readonly pod: PodInfo;
  private readonly constraints: readonly SpreadConstraint[];
  private readonly domains: readonly Domains[];
  /** 1 when the pod itself counts towards the constraint. */
  private readonly self: readonly number[];

  private constructor(pod: PodInfo, constraints: readonly SpreadConstraint[], domains: readonly Domains[]) {
    this.pod = pod;
    this.constraints = constraints;
    this.domains = domains;
    this.self = constraints.map(({ selector }) => (selector.matches(pod.labels) ? 1 : 0));
  }

  static count(pod: PodInfo, constraints: readonly SpreadConstraint[], snapshot: Snapshot): SpreadFilter {
    const domains = constraints.map((): Domains => ({ counts: new Map(), minimum: 0 }));
    const matching = constraints.map(({ selector }) =>
      selector.empty ? undefined : snapshot.matchingPods(pod.namespace, selector, { withTerminating: false }),
    );
    for (const node of snapshot.nodes) {
      if (!hasAllKeys(constraints, node)) continue;
      for (let i = 0; i < constraints.length; i++) {
        const constraint = constraints[i]!;
        if (!takesPart(constraint, pod, node)) continue;
        const domain = node.labels[constraint.topologyKey]!;
        const { counts } = domains[i]!;
        counts.set(domain, (counts.get(domain) ?? 0) + (matching[i]?.[node.slot] ?? 0));
      }
    }
    const filter = new SpreadFilter(pod, constraints, domains);
    filter.findMinima();
    return filter;
  }

  filter(node: NodeInfo): FilterStatus {
    for (let i = 0; i < this.constraints.length; i++) {
      const { topologyKey, maxSkew } = this.constraints[i]!;
      const domain = node.labels[topologyKey];
      if (domain === undefined) return unlabelled;
      const { counts, minimum } = this.domains[i]!;
      if ((counts.get(domain) ?? 0) + this.self[i]! - minimum > maxSkew) return skewed;
    }
    return fits;
  }

  addPod(pod: PodInfo, node: NodeInfo): void {
    this.change(pod, node, 1);
  }
  removePod(pod: PodInfo, node: NodeInfo): void {
    this.change(pod, node, -1);
  }
  clone(): SpreadFilter {
    const domains = this.domains.map(({ counts, minimum }) => ({ counts: new Map(counts), minimum }));
    return new SpreadFilter(this.pod, this.constraints, domains);
  }

  private change(pod: PodInfo, node: NodeInfo, by: 1 | -1): void {
    if (pod.namespace !== this.pod.namespace || !hasAllKeys(this.constraints, node)) return;
    for (let i = 0; i < this.constraints.length; i++) {
      const constraint = this.constraints[i]!;
      if (!constraint.selector.matches(pod.labels) || !takesPart(constraint, this.pod, node)) continue;
      const domain = node.labels[constraint.topologyKey]!;
      const { counts } = this.domains[i]!;
      counts.set(domain, (counts.get(domain) ?? 0) + by);
    }
    this.findMinima();
  }

  /** With fewer domains than minDomains, an imagined empty one counts. */
  private findMinima(): void {
    for (let i = 0; i < this.constraints.length; i++) {
      const domains = this.domains[i]!;
      if (domains.counts.size < this.constraints[i]!.minDomains) domains.minimum = 0;
      else {
        let minimum = Number.POSITIVE_INFINITY;
        for (const count of domains.counts.values()) if (count < minimum) minimum = count;
        domains.minimum = minimum;
      }
    }
  }
}

function podMatters(
  constraints: readonly SpreadConstraint[],
  pod: PodInfo,
  { previous, object }: ClusterEvent,
): QueueingHint {
  const concerns = (other: unknown): boolean =>
    other instanceof PodInfo &&
    other.namespace === pod.namespace &&
    constraints.some(({ selector }) => selector.matches(other.labels));
  return concerns(object) || concerns(previous) ? 'queue' : 'skip';
}

function nodeMatters(constraints: readonly SpreadConstraint[], { previous, object }: ClusterEvent): QueueingHint {
  const has = (node: unknown): boolean => node instanceof NodeInfo && hasAllKeys(constraints, node);
  return has(object) || has(previous) ? 'queue' : 'skip';
}
