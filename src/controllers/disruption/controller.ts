/** Says how many pods of a PodDisruptionBudget may be evicted; the eviction subresource spends that. Source: pkg/controller/disruption. */
import { sameJson } from '../../api/edit.ts';
import { isConflict, isNotFound } from '../../api/errors.ts';
import { isBeingDeleted, setCondition } from '../../api/meta.ts';
import { isPodTerminal, podCondition } from '../../api/pod/conditions.ts';
import { labelMatcherFrom, matchLabels } from '../../api/selectors/label-selector.ts';
import { formatTime, parseTime } from '../../api/time.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/types/policy-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { namespaceIndex } from '../owner-index.ts';
import { messageOf } from '../pod-writer.ts';
import { describeSelector, failedStatus, judgeBudget, needsScale } from './budget.ts';
import { Scales } from './scale.ts';

/** A pod that was to be disrupted and is still there was spared. */
const staleDisruptionMs = 2 * 60_000;

export function disruptionController(): Controller {
  return { name: 'disruption-controller', run: (context, signal) => new DisruptionRun(context).run(signal) };
}

type Result = { requeueAfterMs: number } | undefined;

class DisruptionRun {
  private readonly context: ControllerContext;
  private readonly events;
  private readonly budgets;
  private readonly budgetsIn;
  private readonly pods;
  private readonly podsIn;
  private readonly scales: Scales;
  private readonly queue;
  private readonly stalePods;

  constructor(context: ControllerContext) {
    const { client, clock, informers, metrics } = context;
    this.context = context;
    this.events = context.events.withComponent('controllermanager');
    this.budgets = informers.informer(resources.podDisruptionBudgets);
    this.budgetsIn = namespaceIndex(this.budgets);
    this.pods = informers.informer(resources.pods);
    this.podsIn = namespaceIndex(this.pods);
    this.scales = new Scales(client, informers);
    this.queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'disruption' } });
    this.stalePods = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'stale_pod_disruption' } });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    const wake = (budget: PodDisruptionBudget): void => this.queue.add(keyOf(budget));
    observe(this.budgets, { onAdd: wake, onUpdate: (_, budget) => wake(budget), onDelete: wake }, signal);
    observe(
      this.pods,
      {
        onAdd: (pod) => this.podChanged(pod),
        onUpdate: (previous, pod) => {
          if (!sameJson(previous.metadata.labels, pod.metadata.labels)) this.wakeBudgets(previous);
          this.podChanged(pod);
        },
        onDelete: (pod) => this.wakeBudgets(pod),
      },
      signal,
    );
    if (!(await untilSynced([this.budgets, this.pods, ...this.scales.informers], signal))) return;
    const options = { clock, log };
    await Promise.all([
      runWorkers(this.queue, 1, (key) => this.sync(key, signal), { ...options, kind: 'podDisruptionBudget' }, signal),
      runWorkers(this.stalePods, 1, (key) => this.spare(key, signal), { ...options, kind: 'pod' }, signal),
    ]);
  }

  private podChanged(pod: Pod): void {
    this.wakeBudgets(pod);
    if (staleInMs(pod, this.context.clock.now()) !== undefined) this.stalePods.add(keyOf(pod));
  }
  private wakeBudgets(pod: Pod): void {
    for (const budget of this.budgetsIn(pod.metadata.namespace!))
      if (selects(budget, pod)) this.queue.add(keyOf(budget));
  }

  private async sync(key: string, signal: AbortSignal): Promise<Result> {
    const budget = this.budgets.get(key);
    if (!budget) return undefined;
    try {
      return await this.judge(budget, signal);
    } catch (error) {
      if (isConflict(error) || signal.aborted) throw error;
      // Rather too strict than to let evictions go by an old count.
      await this.write(budget, failedStatus(budget, messageOf(error), this.context.clock.now()), signal);
      return undefined;
    }
  }

  private async judge(budget: PodDisruptionBudget, signal: AbortSignal): Promise<Result> {
    const nowMs = this.context.clock.now();
    const tell = (
      type: 'Normal' | 'Warning',
      reason: string,
      message: string,
      about: PodDisruptionBudget | Pod = budget,
    ) => this.events.event(about, { type, reason, message });
    const pods = this.podsIn(budget.metadata.namespace!).filter((pod) => selects(budget, pod));
    if (pods.length === 0) tell('Normal', 'NoPods', 'No matching pods found');
    let scale = 0;
    if (needsScale(budget)) {
      try {
        const { total, unmanaged } = await this.scales.of(pods, signal);
        scale = total;
        if (unmanaged.length > 0)
          tell(
            'Warning',
            'UnmanagedPods',
            `Pods selected by this PodDisruptionBudget (selector: ${describeSelector(budget.spec?.selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`,
          );
      } catch (error) {
        if (!signal.aborted)
          tell(
            'Warning',
            'CalculateExpectedPodCountFailed',
            `Failed to calculate the number of expected pods: ${messageOf(error)}`,
          );
        throw error;
      }
    }
    const { status, recheckMs, notDeleted } = judgeBudget({ budget, pods, scale, nowMs });
    const { namespace, name } = budget.metadata;
    for (const pod of notDeleted)
      tell('Warning', 'NotDeleted', `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`, pod);
    await this.write(budget, status, signal);
    return recheckMs === undefined ? undefined : { requeueAfterMs: recheckMs };
  }

  /** With the version it was computed from: an eviction in between makes it a conflict, and it is computed anew. */
  private async write(
    budget: PodDisruptionBudget,
    status: PodDisruptionBudgetStatus,
    signal: AbortSignal,
  ): Promise<void> {
    if (sameJson(budget.status, status)) return;
    try {
      await this.context.client
        .resource(resources.podDisruptionBudgets)
        .updateStatus({ ...budget, status }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Takes back the condition that a pod is being disrupted. */
  private async spare(key: string, signal: AbortSignal): Promise<Result> {
    const pod = this.pods.get(key);
    const nowMs = this.context.clock.now();
    const waitMs = pod && staleInMs(pod, nowMs);
    if (waitMs === undefined) return undefined;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const { reason: _reason, message: _message, ...condition } = podCondition(pod!, 'DisruptionTarget')!;
    const now = formatTime(nowMs);
    const conditions = setCondition(
      pod!.status?.conditions,
      { ...condition, status: 'False', lastTransitionTime: now },
      now,
    );
    try {
      await this.context.client
        .resource(resources.pods)
        .updateStatus({ ...pod!, status: { ...pod!.status, conditions } }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }
}

/** In policy/v1 an empty selector means every pod, none no pod. */
function selects({ spec }: PodDisruptionBudget, pod: Pod): boolean {
  return spec?.selector !== undefined && matchLabels(labelMatcherFrom(spec.selector), pod.metadata.labels);
}

/** Milliseconds until the pod counts as spared; undefined when nobody wanted to disrupt it, or it is going. */
function staleInMs(pod: Pod, nowMs: number): number | undefined {
  if (isBeingDeleted(pod) || isPodTerminal(pod)) return undefined;
  const condition = podCondition(pod, 'DisruptionTarget');
  if (condition?.status !== 'True' || condition.reason === 'TerminationByKubelet') return undefined;
  const since = condition.lastTransitionTime ? parseTime(condition.lastTransitionTime) : undefined;
  return Math.max(0, (since ?? 0) + staleDisruptionMs - nowMs);
}
