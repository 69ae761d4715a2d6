/**
 * One scheduling cycle: a pod and a snapshot in, a decision out; no I/O, no clock, the only randomness the one handed in (ties).
 * Source: pkg/scheduler/schedule_one.go.
 */
import type { Random } from '../../base/random.ts';
import { fitErrorMessage } from './fit-error.ts';
import type { EnabledPlugin, NodeFilter, NodeScorer, PostFilterResult } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Nominator } from './nominator.ts';
import type { PodInfo } from './pod-info.ts';
import type { Snapshot } from './snapshot.ts';
import { type FilterStatus, fits, type Rejected, rejected } from './status.ts';

export type Decision =
  | {
      readonly kind: 'scheduled';
      readonly nodeName: string;
      readonly evaluatedNodes: number;
      readonly feasibleNodes: number;
    }
  | {
      readonly kind: 'unschedulable';
      /** As users read it in the event and the condition. */
      readonly message: string;
      readonly rejectedBy: ReadonlySet<string>;
      /** `''` clears, undefined leaves. */
      readonly nominatedNodeName?: string;
      readonly victims: readonly PodInfo[];
    };

export interface AlgorithmOptions {
  /** 0: adaptive, by cluster size. */
  readonly percentageOfNodesToScore?: number;
}

const minFeasibleNodesToFind = 100;
const minFeasibleNodesPercentageToFind = 5;

/** Keeps what lives from cycle to cycle: where the last search ended, and buffers. */
export class SchedulingAlgorithm {
  private readonly plugins: readonly EnabledPlugin[];
  private readonly random: Random;
  private readonly nominator: Nominator;
  private readonly percentage: number;
  /** Each search goes on where the last one stopped, so that all nodes get their turn. */
  private nextStart = 0;
  private readonly feasible: NodeInfo[] = [];
  private totals = new Float64Array(0);
  private scores = new Float64Array(0);

  constructor(plugins: readonly EnabledPlugin[], nominator: Nominator, random: Random, options: AlgorithmOptions = {}) {
    this.plugins = plugins;
    this.nominator = nominator;
    this.random = random;
    this.percentage = options.percentageOfNodesToScore ?? 0;
  }

  schedule(pod: PodInfo, snapshot: Snapshot): Decision {
    const { nodes } = snapshot;
    if (nodes.length === 0) {
      // Upstream's text; no plugin is to blame, so any event brings the pod back.
      const message = 'no nodes available to schedule pods';
      return { kind: 'unschedulable', message, rejectedBy: new Set(), nominatedNodeName: '', victims: [] };
    }
    const search = this.findFeasible(pod, snapshot);
    if (this.feasible.length === 0) return this.explain(pod, snapshot, search);
    const nodeName = this.feasible.length === 1 ? this.feasible[0]!.name : this.best(pod, snapshot);
    return {
      kind: 'scheduled',
      nodeName,
      evaluatedNodes: this.feasible.length + search.statuses.size,
      feasibleNodes: this.feasible.length,
    };
  }

  /** Fills `this.feasible`. */
  private findFeasible(pod: PodInfo, snapshot: Snapshot): Search {
    this.feasible.length = 0;
    const statuses = new Map<string, FilterStatus>();
    const rejectedBy = new Set<string>();
    const filters: NodeFilter[] = [];
    let only: ReadonlySet<string> | undefined;
    const narrowing: string[] = [];
    for (const { plugin } of this.plugins) {
      const result = plugin.preFilter?.(pod, snapshot) ?? 'skip';
      if (result === 'skip') continue;
      if ('kind' in result) {
        rejectedBy.add(result.plugin);
        return { statuses, rejectedBy, filters: undefined, preFilter: result, absent: result };
      }
      filters.push(result);
      if (!result.onlyNodes) continue;
      only = only ? only.intersection(result.onlyNodes) : result.onlyNodes;
      narrowing.push(plugin.name);
      if (only.size > 0) continue;
      const conflict = rejected(
        plugin.name,
        `node(s) didn't satisfy plugin(s) [${narrowing.join(' ')}] simultaneously`,
        {
          preemptionMayHelp: false,
        },
      );
      for (const name of narrowing) rejectedBy.add(name);
      return { statuses, rejectedBy, filters: undefined, preFilter: conflict, absent: conflict };
    }

    const nominated = pod.pod.status?.nominatedNodeName;
    const promised = nominated ? snapshot.get(nominated) : undefined;
    if (promised && (!only || only.has(promised.name)) && this.runFilters(pod, filters, promised).kind === 'fits') {
      this.feasible.push(promised);
      return { statuses, rejectedBy, filters };
    }

    const nodes = only ? [...only].flatMap((name) => snapshot.get(name) ?? []) : snapshot.nodes;
    const wanted = this.feasibleNodesToFind(nodes.length);
    const start = nodes.length === 0 ? 0 : this.nextStart % nodes.length;
    const isSimple = this.nominator.isEmpty;
    let looked = 0;
    for (; looked < nodes.length && this.feasible.length < wanted; looked++) {
      const at = start + looked;
      const node = nodes[at < nodes.length ? at : at - nodes.length]!;
      const status = isSimple ? runAll(filters, node) : this.runFilters(pod, filters, node);
      if (status.kind === 'fits') this.feasible.push(node);
      else {
        statuses.set(node.name, status);
        rejectedBy.add(status.plugin);
      }
    }
    this.nextStart = (this.nextStart + looked) % snapshot.nodes.length;
    if (!only) return { statuses, rejectedBy, filters };
    for (const name of narrowing) rejectedBy.add(name);
    const absent = rejected(narrowing[0]!, `node(s) didn't satisfy plugin(s) [${narrowing.join(' ')}]`, {
      preemptionMayHelp: false,
    });
    return { statuses, rejectedBy, filters, absent };
  }

  /**
   * With pods nominated to the node, the pod must fit both beside them (they may come) and without them (they may not, and the pod may need
   * one of them through affinity).
   */
  private runFilters(pod: PodInfo, filters: readonly NodeFilter[], node: NodeInfo): FilterStatus {
    const rivals = this.nominator
      .on(node.name)
      .filter((other) => other.uid !== pod.uid && other.priority >= pod.priority);
    if (rivals.length > 0) {
      const copy = node.clone();
      const copies = filters.map((filter) => filter.clone?.() ?? filter);
      for (const rival of rivals) {
        copy.addPod(rival);
        for (const filter of copies) filter.addPod?.(rival, copy);
      }
      const status = runAll(copies, copy);
      if (status.kind === 'rejected') return status;
    }
    return runAll(filters, node);
  }

  private feasibleNodesToFind(nodeCount: number): number {
    if (nodeCount < minFeasibleNodesToFind) return nodeCount;
    const percentage =
      this.percentage > 0
        ? this.percentage
        : Math.max(minFeasibleNodesPercentageToFind, 50 - Math.trunc(nodeCount / 125));
    return Math.max(minFeasibleNodesToFind, Math.trunc((nodeCount * percentage) / 100));
  }

  /** Scores `this.feasible`; among equals each has the same chance (reservoir sampling). */
  private best(pod: PodInfo, snapshot: Snapshot): string {
    const count = this.feasible.length;
    if (this.totals.length < count) {
      this.totals = new Float64Array(count * 2);
      this.scores = new Float64Array(count * 2);
    }
    const totals = this.totals.subarray(0, count).fill(0);
    const scores = this.scores.subarray(0, count);
    for (const { plugin, weight } of this.plugins) {
      if (!plugin.preScore || weight === 0) continue;
      const scorer: NodeScorer | 'skip' = plugin.preScore(pod, this.feasible, snapshot);
      if (scorer === 'skip') continue;
      scorer.score(this.feasible, scores);
      scorer.normalize?.(this.feasible, scores);
      for (let i = 0; i < count; i++) totals[i]! += scores[i]! * weight;
    }
    let best = 0;
    let equals = 1;
    for (let i = 1; i < count; i++) {
      if (totals[i]! > totals[best]!) {
        best = i;
        equals = 1;
      } else if (totals[i] === totals[best]) {
        equals++;
        if (this.random.below(equals) === 0) best = i;
      }
    }
    return this.feasible[best]!.name;
  }

  /** No node fits: PostFilter may still help, and the message says why. */
  private explain(pod: PodInfo, snapshot: Snapshot, search: Search): Decision {
    const reasons: string[] = [];
    let outcome: PostFilterResult | undefined;
    for (const { plugin } of this.plugins) {
      const result = plugin.postFilter?.({
        pod,
        snapshot,
        filters: search.filters,
        statusOf: (name) => search.statuses.get(name) ?? search.absent,
        runFilters: (filters, node) => this.runFilters(pod, filters, node),
      });
      if (!result) continue;
      if (result.nominatedNodeName) {
        // It helps: nobody needs to be told why not.
        outcome = result;
        reasons.length = 0;
        break;
      }
      reasons.push(...result.reasons);
      if (result.nominatedNodeName !== undefined) outcome = result;
    }
    const message = fitErrorMessage({
      nodeCount: snapshot.nodes.length,
      statuses: search.statuses,
      ...(search.absent ? { absentStatus: search.absent } : {}),
      ...(search.preFilter ? { preFilterReasons: search.preFilter.reasons } : {}),
      postFilterReasons: reasons,
    });
    return {
      kind: 'unschedulable',
      message,
      rejectedBy: search.rejectedBy,
      ...(outcome?.nominatedNodeName === undefined ? {} : { nominatedNodeName: outcome.nominatedNodeName }),
      victims: outcome?.victims ?? [],
    };
  }
}

interface Search {
  /** Nodes that were looked at and rejected. */
  readonly statuses: Map<string, FilterStatus>;
  readonly rejectedBy: Set<string>;
  readonly filters: readonly NodeFilter[] | undefined;
  /** Set when the pod as a whole was refused. */
  readonly preFilter?: Rejected;
  /** What all nodes that were not looked at have in common. */
  readonly absent?: Rejected;
}

function runAll(filters: readonly NodeFilter[], node: NodeInfo): FilterStatus {
  for (let i = 0; i < filters.length; i++) {
    const status = filters[i]!.filter(node);
    if (status.kind === 'rejected') return status;
  }
  return fits;
}
