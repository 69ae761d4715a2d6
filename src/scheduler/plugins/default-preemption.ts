/**
 * When a pod fits nowhere, finds the node where the least important pods would have to go for it. Pure: it names the node and the victims, the
 * scheduler evicts. Source: plugins/defaultpreemption, framework/preemption.
 */
import type { PodDisruptionBudget } from '../../api/types/policy-v1.ts';
import type { Random } from '../../base/random.ts';
import { fitErrorMessage } from '../core/fit-error.ts';
import type { NodeFilter, Plugin, PostFilterInput, PostFilterResult } from '../core/framework.ts';
import { compileLabelSelector } from '../core/label-matcher.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { type FilterStatus, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const name = PluginName.defaultPreemption;
const noVictims = rejected(name, 'No preemption victims found for incoming pod', { preemptionMayHelp: false });
const notHelpful = rejected(name, 'Preemption is not helpful for scheduling', { preemptionMayHelp: false });

export interface DefaultPreemptionArgs {
  /** How many candidates the dry run looks for, at least: this share of the nodes, and this many. */
  readonly minCandidateNodesPercentage?: number;
  readonly minCandidateNodesAbsolute?: number;
}

export interface Candidate {
  readonly node: NodeInfo;
  /** Most important first; never empty. */
  readonly victims: readonly PodInfo[];
  readonly budgetViolations: number;
}

export function defaultPreemption(
  args: DefaultPreemptionArgs,
  random: Random,
  budgets: () => readonly PodDisruptionBudget[],
): Plugin {
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args;
  return {
    name,
    // It never decides when a pod is tried again: the plugins that rejected the pod do.
    events: [],
    postFilter(input): PostFilterResult {
      const refusal = notEligible(input);
      if (refusal) return { reasons: [`preemption: ${refusal}`] };
      const { nodes } = input.snapshot;
      const potential = nodes.filter((node) => {
        const status = input.statusOf(node.name);
        return status?.kind === 'rejected' && status.preemptionMayHelp;
      });
      const statuses = new Map<string, FilterStatus>();
      const candidates: Candidate[] = [];
      if (potential.length > 0) {
        const share = Math.trunc((potential.length * minCandidateNodesPercentage) / 100);
        const wanted = Math.min(potential.length, Math.max(share, minCandidateNodesAbsolute));
        const offset = random.below(potential.length);
        const disruptionBudgets = budgets();
        let withoutViolation = 0;
        for (let i = 0; i < potential.length; i++) {
          const node = potential[(offset + i) % potential.length]!;
          const found = victimsOn(node, input, disruptionBudgets);
          if ('kind' in found) {
            statuses.set(node.name, found);
            continue;
          }
          candidates.push(found);
          if (found.budgetViolations === 0) withoutViolation++;
          if (withoutViolation > 0 && candidates.length >= wanted) break;
        }
      }
      if (candidates.length === 0) {
        const message = fitErrorMessage({ nodeCount: nodes.length, statuses, absentStatus: notHelpful });
        return { reasons: [`preemption: ${message}`], nominatedNodeName: '' };
      }
      const best = pickCandidate(candidates);
      return { reasons: [], nominatedNodeName: best.node.name, victims: best.victims };
    },
  };
}

function notEligible({ pod, snapshot, statusOf }: PostFilterInput): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = pod.pod.status?.nominatedNodeName;
  if (!nominated) return undefined;
  const status = statusOf(nominated);
  if (status?.kind === 'rejected' && !status.preemptionMayHelp) return undefined;
  const onTheWayOut = snapshot
    .get(nominated)
    ?.pods.some((other) => other.priority < pod.priority && endsByPreemption(other));
  return onTheWayOut ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
}

function endsByPreemption({ terminating, pod }: PodInfo): boolean {
  return (
    terminating &&
    (pod.status?.conditions?.some(
      ({ type, status, reason }) =>
        type === 'DisruptionTarget' && status === 'True' && reason === 'PreemptionByScheduler',
    ) ??
      false)
  );
}

/**
 * Takes every less important pod off a copy of the node; when the pod fits then, puts back as many as possible, those whose disruption budget
 * would be violated first, the most important first.
 */
function victimsOn(
  node: NodeInfo,
  input: PostFilterInput,
  budgets: readonly PodDisruptionBudget[],
): Candidate | FilterStatus {
  const { pod } = input;
  const potential = node.pods.filter((other) => other.priority < pod.priority).sort(byImportance);
  if (potential.length === 0 || !input.filters) return noVictims;
  const copy = node.clone();
  const filters: NodeFilter[] = input.filters.map((filter) => filter.clone?.() ?? filter);
  const remove = (victim: PodInfo): void => {
    copy.removePod(victim.uid);
    for (const filter of filters) filter.removePod?.(victim, copy);
  };
  const add = (victim: PodInfo): void => {
    copy.addPod(victim);
    for (const filter of filters) filter.addPod?.(victim, copy);
  };
  for (const victim of potential) remove(victim);
  const status = input.runFilters(filters, copy);
  if (status.kind === 'rejected') return status;

  const { violating, others } = splitByBudget(potential, budgets);
  const victims: PodInfo[] = [];
  const reprieve = (victim: PodInfo): boolean => {
    add(victim);
    if (input.runFilters(filters, copy).kind === 'fits') return true;
    remove(victim);
    victims.push(victim);
    return false;
  };
  let budgetViolations = 0;
  for (const victim of violating) if (!reprieve(victim)) budgetViolations++;
  for (const victim of others) reprieve(victim);
  return victims.length === 0 ? noVictims : { node, victims: victims.sort(byImportance), budgetViolations };
}

function splitByBudget(
  pods: readonly PodInfo[],
  budgets: readonly PodDisruptionBudget[],
): { violating: PodInfo[]; others: PodInfo[] } {
  const allowed = budgets.map(({ status }) => status?.disruptionsAllowed ?? 0);
  const selectors = budgets.map(({ spec }) => compileLabelSelector(spec?.selector));
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const pod of pods) {
    let violates = false;
    for (let i = 0; i < budgets.length; i++) {
      const budget = budgets[i]!;
      if (budget.metadata.namespace !== pod.namespace || selectors[i]!.empty) continue;
      if (Object.keys(pod.labels).length === 0 || !selectors[i]!.matches(pod.labels)) continue;
      // An eviction that the API server has admitted already is counted there.
      if (budget.status?.disruptedPods?.[pod.name] !== undefined) continue;
      allowed[i] = allowed[i]! - 1;
      if (allowed[i]! < 0) violates = true;
    }
    (violates ? violating : others).push(pod);
  }
  return { violating, others };
}

/** Higher priority first, then who has run longer. */
function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  const [started, other] = [startTime(a), startTime(b)];
  return started < other ? -1 : started > other ? 1 : 0;
}

/** RFC 3339 in UTC, so text order is time order; a pod that has not started counts as latest. */
const startTime = ({ pod }: PodInfo): string => pod.status?.startTime ?? '~';

/**
 * In this order: fewest budget violations, lowest highest priority among the victims, lowest sum of priorities, fewest victims, the victims of
 * highest priority started latest, first found.
 */
export function pickCandidate(candidates: readonly Candidate[]): Candidate {
  const criteria: readonly ((candidate: Candidate) => number | string)[] = [
    ({ budgetViolations }) => -budgetViolations,
    ({ victims }) => -victims[0]!.priority,
    // Shifted so that a negative priority still costs something.
    ({ victims }) => -victims.reduce((sum, { priority }) => sum + priority + 2 ** 31, 0),
    ({ victims }) => -victims.length,
    ({ victims }) => {
      const [first] = victims;
      return victims
        .filter(({ priority }) => priority === first!.priority)
        .map(startTime)
        .sort()[0]!;
    },
  ];
  let left = candidates;
  for (const criterion of criteria) {
    if (left.length === 1) break;
    const scores = left.map(criterion);
    let best = scores[0]!;
    for (const score of scores) if (score > best) best = score;
    left = left.filter((_, i) => scores[i] === best);
  }
  return left[0]!;
}
