/**
 * The scheduling framework: what a plugin can do, extension point by extension point. Names and order are upstream's
 * (k8s.io/kube-scheduler/framework). Two things differ, because a scheduling cycle here is synchronous:
 *
 * - There is no CycleState bag. `preFilter` returns the filter for this pod (a closure over what it computed), or `skip`; `preScore` returns
 *   the scorer. So state is typed and dies with the cycle.
 * - `score` fills one column for all feasible nodes, so that a plugin is one call per pod and not one per node.
 */
import type { ClusterEventRegistration } from './cluster-events.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';
import type { Snapshot } from './snapshot.ts';
import type { FilterStatus, PermitStatus, Rejected } from './status.ts';

export const maxNodeScore = 100;

/** Judges nodes for one pod in one cycle. `filter` must not allocate when the node fits. */
export interface NodeFilter {
  /** When set, no other node can fit (matchFields on metadata.name); names may not exist. */
  readonly onlyNodes?: ReadonlySet<string>;
  filter(node: NodeInfo): FilterStatus;
  /** Preemption's dry run tells that a pod was added to or removed from `node`. Absent: the filter looks at the NodeInfo alone. */
  addPod?(pod: PodInfo, node: NodeInfo): void;
  removePod?(pod: PodInfo, node: NodeInfo): void;
  /** A copy that addPod and removePod may change. Required with addPod. */
  clone?(): NodeFilter;
}

/** Scores the feasible nodes for one pod in one cycle: after `normalize` each in [0, 100]. */
export interface NodeScorer {
  score(nodes: readonly NodeInfo[], scores: Float64Array): void;
  normalize?(nodes: readonly NodeInfo[], scores: Float64Array): void;
}

export type PreFilterResult = 'skip' | Rejected | NodeFilter;
export type PreScoreResult = 'skip' | NodeScorer;

/** What PostFilter may see: the pod, the failed filters and each node's status. */
export interface PostFilterInput {
  readonly pod: PodInfo;
  readonly snapshot: Snapshot;
  /** Absent nodes were not looked at or share `absentStatus`. */
  readonly statusOf: (nodeName: string) => FilterStatus | undefined;
  /** The filters of this cycle; undefined when PreFilter rejected the pod as a whole. */
  readonly filters: readonly NodeFilter[] | undefined;
  /** Runs the filters against a (changed) node, with nominated pods of equal or higher priority counted in. */
  readonly runFilters: (filters: readonly NodeFilter[], node: NodeInfo) => FilterStatus;
}
export interface PostFilterResult {
  /** Texts that follow the filter reasons in the message. */
  readonly reasons: readonly string[];
  /** `''` clears the pod's nominated node, undefined leaves it. */
  readonly nominatedNodeName?: string;
  /** Effects to run after the decision: the core stays pure. */
  readonly victims?: readonly PodInfo[];
}

export interface Plugin {
  readonly name: string;
  /** Events that may make a pod schedulable that this plugin rejected. Absent: any event (upstream's default for unknown plugins). */
  readonly events?: readonly ClusterEventRegistration[];
  /** Before the pod enters the active queue. @returns why it may not. */
  preEnqueue?(pod: PodInfo): Rejected | undefined;
  /** Order of the active queue: negative when `a` goes first. Exactly one plugin has it. */
  less?(a: QueuedPod, b: QueuedPod): boolean;
  preFilter?(pod: PodInfo, snapshot: Snapshot): PreFilterResult;
  postFilter?(input: PostFilterInput): PostFilterResult | undefined;
  preScore?(pod: PodInfo, feasible: readonly NodeInfo[], snapshot: Snapshot): PreScoreResult;
  reserve?(pod: PodInfo, nodeName: string): Rejected | undefined;
  unreserve?(pod: PodInfo, nodeName: string): void;
  permit?(pod: PodInfo, nodeName: string): PermitStatus;
  preBind?(pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<void>;
  /** @returns false when this plugin does not bind this pod. A rejection is a failed binding. */
  bind?(pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<boolean>;
  postBind?(pod: PodInfo, nodeName: string): void;
}

/** A plugin and its weight in the profile; weight counts for scoring only. */
export interface EnabledPlugin {
  readonly plugin: Plugin;
  readonly weight: number;
}

/** A pod's place in the queue. Only the queue changes it. */
export interface QueuedPod {
  pod: PodInfo;
  /** When it was last added to a queue; order within a priority. Milliseconds. */
  timestamp: number;
  /** Order within a millisecond. */
  sequence: number;
  attempts: number;
  /** Attempts that ended unschedulable: decides the back-off. */
  unschedulableCount: number;
  /** Consecutive errors (failed bindings and the like): decides the back-off of the error queue. */
  errorCount: number;
  readonly initialAttemptMs: number | undefined;
  /** Plugins that rejected it in the last attempt. */
  rejectedBy: ReadonlySet<string>;
  /** Set while gated. */
  gatedBy: Rejected | undefined;
}
