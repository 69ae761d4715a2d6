/**
 * The scheduler: watches pods and nodes, decides one pod at a time, binds many at once. `core/` decides, `io/` lists, writes and records; this
 * file is the loop between them.
 */
import { isNotFound } from '../api/errors.ts';
import type { KubeObject } from '../api/object.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { createTaskGroup } from '../base/task-group.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { InformerFactory } from '../client/informer.ts';
import { defaultSchedulerName, type SchedulerConfig } from './config.ts';
import { SchedulerCache } from './core/cache.ts';
import { Action } from './core/cluster-events.ts';
import type { EnabledPlugin, Plugin, QueuedPod } from './core/framework.ts';
import { Nominator } from './core/nominator.ts';
import type { PodInfo } from './core/pod-info.ts';
import { SchedulingQueue } from './core/queue.ts';
import { type Decision, SchedulingAlgorithm } from './core/schedule-pod.ts';
import type { Rejected } from './core/status.ts';
import { Background } from './io/background.ts';
import { connectInformers } from './io/events.ts';
import { createListers, watchedResources } from './io/listers.ts';
import { createSchedulerMetrics } from './io/metrics.ts';
import { type PermitWait, waitForPermit } from './io/permit.ts';
import { patchPodStatus } from './io/pod-status.ts';
import { preempt } from './io/preemption.ts';
import { defaultBinder } from './plugins/default-binder.ts';
import { createProfile } from './profile.ts';

export interface SchedulerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly config?: SchedulerConfig;
  /** Plugins beside the built-in ones. */
  readonly plugins?: readonly Plugin[];
}

export interface Scheduler {
  /** Ends, with everything it started, soon after `signal` aborts. Call it once. */
  run(signal: AbortSignal): Promise<void>;
}

/** No stretch of cycles runs longer without a yield (decision 11). */
const sliceMs = 4;
const unschedulableFlushMs = 30_000;
/** events.k8s.io refuses longer notes. */
const noteLengthMax = 1024;

export function createScheduler(options: SchedulerOptions): Scheduler {
  return { run: (signal) => new Run(options).run(signal) };
}

class Run {
  private readonly options: SchedulerOptions;
  private readonly config: SchedulerConfig;
  private readonly schedulerName: string;
  private readonly plugins: readonly EnabledPlugin[];
  private readonly cache: SchedulerCache;
  private readonly queue: SchedulingQueue;
  private readonly nominator = new Nominator();
  private readonly algorithm: SchedulingAlgorithm;
  private readonly metrics: ReturnType<typeof createSchedulerMetrics>;
  private readonly background = new Background();
  private wakeUp: (() => void) | undefined;

  constructor(options: SchedulerOptions) {
    this.options = options;
    this.config = options.config ?? {};
    this.schedulerName = this.config.schedulerName ?? defaultSchedulerName;
    const listers = createListers(options.informers, options.client, options.clock);
    this.plugins = createProfile(this.config, listers, options.random, [
      ...(options.plugins ?? []),
      defaultBinder(options.client),
    ]);
    this.cache = new SchedulerCache({ namespaceLabels: (namespace) => listers.namespaceLabels(namespace) });
    this.metrics = createSchedulerMetrics(options.metrics, this.schedulerName, {
      queue: () => this.queue,
      cacheSize: () => ({ nodes: this.cache.nodeCount, pods: this.cache.podCount, assumed: this.cache.assumedCount }),
    });
    this.queue = new SchedulingQueue(
      this.plugins.map(({ plugin }) => plugin),
      {
        podInitialBackoffMs: (this.config.podInitialBackoffSeconds ?? 1) * 1000,
        podMaxBackoffMs: (this.config.podMaxBackoffSeconds ?? 10) * 1000,
        onIncoming: (queue, event) => this.metrics.incoming(queue, event),
      },
    );
    this.algorithm = new SchedulingAlgorithm(this.plugins, this.nominator, options.random, {
      percentageOfNodesToScore: this.config.percentageOfNodesToScore ?? 0,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { informers, clock } = this.options;
    const disconnect = connectInformers(informers, {
      cache: this.cache,
      queue: this.queue,
      nominator: this.nominator,
      schedulerName: this.schedulerName,
      now: () => clock.monotonic(),
      wake: () => this.wake(),
    });
    const tasks = createTaskGroup(signal);
    try {
      await Promise.all(watchedResources.map((ref) => informers.informer<KubeObject>(ref).waitForSync(signal)));
    } catch (error) {
      disconnect();
      if (signal.aborted) return;
      throw error;
    }
    tasks.run('scheduling', (taskSignal) => this.loop(taskSignal));
    tasks.run('unschedulable pods', async (taskSignal) => {
      while (!taskSignal.aborted) {
        await clock.sleep(unschedulableFlushMs, taskSignal);
        this.queue.flushUnschedulable(clock.monotonic());
        for (const pod of this.cache.expire(clock.monotonic()))
          this.options.log.warn('Assumed pod expired', { pod: pod.key });
        if (this.queue.hasNext) this.wake();
      }
    });
    try {
      await tasks.done;
    } finally {
      disconnect();
      await this.background.drain();
    }
  }

  private wake(): void {
    const wakeUp = this.wakeUp;
    this.wakeUp = undefined;
    wakeUp?.();
  }

  private async loop(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const bindingsMax = this.config.bindingsInFlightMax ?? 1000;
    let sliceStart = clock.monotonic();
    while (!signal.aborted) {
      const now = clock.monotonic();
      this.queue.flushBackoff(now);
      if (now - sliceStart > sliceMs) {
        await clock.yield();
        sliceStart = clock.monotonic();
        continue;
      }
      if (this.background.size >= bindingsMax) {
        await this.background.next();
        continue;
      }
      const queued = this.queue.pop(now);
      if (queued) this.scheduleOne(queued, signal);
      else {
        await this.idle(signal);
        sliceStart = clock.monotonic();
      }
    }
  }

  /** Until something wakes the loop or the next back-off is over. */
  private idle(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    return new Promise((resolve) => {
      const next = this.queue.nextBackoffMs();
      const timer =
        next === undefined ? undefined : clock.timer(Math.max(1, next - clock.monotonic()), () => this.wake());
      const wake = (): void => this.wake();
      signal.addEventListener('abort', wake);
      this.wakeUp = () => {
        timer?.cancel();
        signal.removeEventListener('abort', wake);
        resolve();
      };
      if (signal.aborted) this.wake();
    });
  }

  /** Decides, and starts what follows from it. Synchronous: nothing can change under a cycle. */
  private scheduleOne(queued: QueuedPod, signal: AbortSignal): void {
    const { clock, log } = this.options;
    const { pod } = queued;
    if (pod.terminating || this.cache.has(pod.uid)) {
      this.queue.done(pod.uid);
      return;
    }
    const startMs = clock.monotonic();
    let decision: Decision;
    try {
      decision = this.algorithm.schedule(pod, this.cache.snapshot);
    } catch (error) {
      log.error('Error selecting node for pod', { pod: pod.key, error });
      this.retry({ queued, pod, nodeName: '', startMs }, 'error', messageOf(error), signal);
      return;
    }
    this.metrics.algorithm((clock.monotonic() - startMs) / 1000);
    if (decision.kind === 'unschedulable') {
      this.unschedulable(queued, decision, startMs, signal);
      return;
    }
    const placed = this.reserve(
      { queued, pod: pod.on(decision.nodeName), nodeName: decision.nodeName, startMs },
      signal,
    );
    if (!placed) return;
    this.background.add(this.bindingCycle(placed, signal));
  }

  /** Assumes the pod on the node and asks Reserve and Permit. @returns undefined when one refused; the pod is back in the queue then. */
  private reserve(placement: Placement, signal: AbortSignal): Permitted | undefined {
    const { pod, nodeName } = placement;
    this.cache.assume(pod, nodeName);
    this.nominator.delete(pod.uid);
    for (const { plugin } of this.plugins) {
      const refusal = plugin.reserve?.(pod, nodeName);
      if (refusal) return this.refused(placement, refusal, signal);
    }
    const waits: PermitWait[] = [];
    for (const { plugin } of this.plugins) {
      const status = plugin.permit?.(pod, nodeName);
      if (status?.kind === 'rejected') return this.refused(placement, status, signal);
      if (status?.kind === 'wait') waits.push({ plugin: plugin.name, ...status });
    }
    return { ...placement, waits };
  }

  private refused({ queued, pod, nodeName, startMs }: Placement, refusal: Rejected, signal: AbortSignal): undefined {
    this.unreserve(pod, nodeName);
    const message = refusalMessage(refusal);
    const rejectedBy = new Set([refusal.plugin]);
    this.unschedulable(queued, { kind: 'unschedulable', message, rejectedBy, victims: [] }, startMs, signal);
  }

  private unreserve(pod: PodInfo, nodeName: string): void {
    for (const { plugin } of this.plugins.toReversed()) plugin.unreserve?.(pod, nodeName);
    this.cache.forget(pod.uid);
  }

  /** Runs beside later cycles. Never rejects. */
  private async bindingCycle(placement: Permitted, signal: AbortSignal): Promise<void> {
    const { clock, events, log } = this.options;
    const { queued, pod, nodeName, startMs } = placement;
    try {
      if (placement.waits.length > 0) {
        const refusal = await waitForPermit(clock, placement.waits, signal);
        signal.throwIfAborted();
        if (refusal) {
          this.bindingEnded(placement);
          this.retry(placement, 'unschedulable', refusalMessage(refusal), signal);
          return;
        }
      }
      for (const { plugin } of this.plugins) if (plugin.preBind) await plugin.preBind(pod, nodeName, signal);
      await this.bind(pod, nodeName, signal);
    } catch (error) {
      this.bindingEnded(placement);
      if (signal.aborted) return;
      // The pod was deleted meanwhile.
      if (isNotFound(error)) this.queue.done(pod.uid);
      else {
        log.warn('Binding failed', { pod: pod.key, node: nodeName, error });
        this.retry(placement, 'error', `binding rejected: ${messageOf(error)}`, signal);
      }
      this.wake();
      return;
    }
    const now = clock.monotonic();
    this.cache.bindingFinished(pod.uid, now);
    this.queue.done(pod.uid);
    log.debug('Bound pod to node', { pod: pod.key, node: nodeName });
    this.metrics.attempt('scheduled', (now - startMs) / 1000);
    this.metrics.bound(queued.attempts, (now - (queued.initialAttemptMs ?? startMs)) / 1000);
    events.event(pod.pod, {
      type: 'Normal',
      reason: 'Scheduled',
      action: 'Binding',
      message: `Successfully assigned ${pod.key} to ${nodeName}`,
    });
    for (const { plugin } of this.plugins) plugin.postBind?.(pod, nodeName);
  }

  /** The first plugin that binds, binds. */
  private async bind(pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<void> {
    for (const { plugin } of this.plugins) if (plugin.bind && (await plugin.bind(pod, nodeName, signal))) return;
    throw new Error('no plugin bound the pod');
  }

  /** What the pod would have taken is free: as if a pod had been deleted. */
  private bindingEnded({ pod, nodeName }: Placement): void {
    this.unreserve(pod, nodeName);
    const event = { resource: 'AssignedPod', action: Action.delete, label: 'AssignedPodDelete', object: pod } as const;
    this.queue.onEvent(event, this.options.clock.monotonic());
  }

  private unschedulable(
    queued: QueuedPod,
    decision: Extract<Decision, { kind: 'unschedulable' }>,
    startMs: number,
    signal: AbortSignal,
  ): void {
    const { clock, log } = this.options;
    const { pod } = queued;
    const now = clock.monotonic();
    log.debug('Unable to schedule pod; no fit; waiting', { pod: pod.key, reason: decision.message });
    if (decision.nominatedNodeName) this.nominator.set(pod, decision.nominatedNodeName);
    else if (decision.nominatedNodeName === '') this.nominator.delete(pod.uid);
    this.queue.addUnschedulable(queued, decision.rejectedBy, now);
    this.metrics.attempt('unschedulable', (now - startMs) / 1000);
    this.report(pod, 'Unschedulable', decision.message, decision.nominatedNodeName, signal);
    if (decision.victims.length > 0) {
      this.metrics.preemption(decision.victims.length);
      const preemption = { pod, nodeName: decision.nominatedNodeName!, victims: decision.victims };
      const context = { ...this.options, nominator: this.nominator, schedulerName: this.schedulerName };
      this.inBackground(pod, preempt(context, preemption, signal), signal);
    }
  }

  /**
   * Back-off, then again, without waiting for an event: something went wrong that the cluster's state does not explain, or a refusal came so late
   * that events may have passed meanwhile.
   */
  private retry(placement: Placement, result: 'error' | 'unschedulable', message: string, signal: AbortSignal): void {
    const { queued, startMs } = placement;
    const now = this.options.clock.monotonic();
    this.nominator.delete(queued.pod.uid);
    this.queue.addAfterError(queued, now);
    this.metrics.attempt(result, (now - startMs) / 1000);
    const reason = result === 'error' ? 'SchedulerError' : 'Unschedulable';
    this.report(queued.pod, reason, message, undefined, signal);
    this.wake();
  }

  private report(
    pod: PodInfo,
    reason: 'Unschedulable' | 'SchedulerError',
    message: string,
    nominatedNodeName: string | undefined,
    signal: AbortSignal,
  ): void {
    const { client, clock, events } = this.options;
    const note = message.length > noteLengthMax ? `${message.slice(0, noteLengthMax - 4)} ...` : message;
    events.event(pod.pod, { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling', message: note });
    const change = {
      condition: { type: 'PodScheduled', status: 'False', reason, message },
      ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }),
    };
    this.inBackground(pod, patchPodStatus(client, pod.pod, change, clock.now(), signal), signal);
  }

  private inBackground(pod: PodInfo, work: Promise<void>, signal: AbortSignal): void {
    this.background.add(
      work.catch((error: unknown) => {
        if (!signal.aborted) this.options.log.warn('Updating a pod failed', { pod: pod.key, error });
      }),
    );
  }
}

/** A decision being carried out. */
interface Placement {
  readonly queued: QueuedPod;
  /** As it will be once bound. */
  readonly pod: PodInfo;
  readonly nodeName: string;
  readonly startMs: number;
}
interface Permitted extends Placement {
  readonly waits: readonly PermitWait[];
}

const refusalMessage = ({ reasons }: Rejected): string =>
  `0/1 nodes are available: ${reasons.map((reason) => `1 ${reason}`).join(', ')}.`;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
