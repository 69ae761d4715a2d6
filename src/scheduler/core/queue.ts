/**
 * Pods that wait for a node. Pure: told the time, it never looks at a clock.
 *
 *      add ------> active --pop--> (a cycle) --unschedulable--> unschedulable --event, 5 minutes--> active | backoff
 *       |            ^                       --error----------> error backoff
 *       v            |<-------- time over, or nothing else to do -------- backoff
 *     gated --gates removed-->
 *
 * A cycle is synchronous, so no event can happen while a pod is in it: upstream's bookkeeping of events in flight is not needed. A pod
 * that fails after waiting for Permit or at its binding goes through the error back-off, which needs no event. Source: pkg/scheduler/backend/queue.
 */
import { type ClusterEvent, matches } from './cluster-events.ts';
import type { Plugin, QueuedPod } from './framework.ts';
import { Heap } from './heap.ts';
import type { PodInfo } from './pod-info.ts';

export interface QueueOptions {
  readonly podInitialBackoffMs?: number;
  readonly podMaxBackoffMs?: number;
  /** How long a pod may lie unschedulable without any event. */
  readonly podMaxInUnschedulablePodsMs?: number;
  /** Told for each pod that enters a queue: `(queue, event)`, for metrics. */
  readonly onIncoming?: (queue: 'active' | 'backoff' | 'unschedulable' | 'gated', event: string) => void;
}

/** Back-off ends are compared in windows of a second, so that within one priority decides. */
const orderingWindowMs = 1000;
const none: ReadonlySet<string> = new Set();

export class SchedulingQueue {
  private readonly less: (a: QueuedPod, b: QueuedPod) => boolean;
  private readonly plugins: readonly Plugin[];
  private readonly initialBackoffMs: number;
  private readonly maxBackoffMs: number;
  private readonly maxUnschedulableMs: number;
  private readonly onIncoming: NonNullable<QueueOptions['onIncoming']>;

  private readonly active: Heap<QueuedPod>;
  private readonly backoff: Heap<QueuedPod>;
  private readonly errorBackoff: Heap<QueuedPod>;
  private readonly unschedulable = new Map<string, QueuedPod>();
  /** Popped, its outcome not yet known. */
  private readonly inFlight = new Map<string, QueuedPod>();
  private sequence = 0;

  constructor(plugins: readonly Plugin[], options: QueueOptions = {}) {
    const sorters = plugins.filter((plugin) => plugin.less);
    if (sorters.length !== 1) throw new Error(`Exactly one plugin orders the queue, got ${sorters.length}`);
    this.plugins = plugins;
    this.less = (a, b) => sorters[0]!.less!(a, b);
    this.initialBackoffMs = options.podInitialBackoffMs ?? 1000;
    this.maxBackoffMs = options.podMaxBackoffMs ?? 10_000;
    this.maxUnschedulableMs = options.podMaxInUnschedulablePodsMs ?? 5 * 60_000;
    this.onIncoming = options.onIncoming ?? (() => undefined);
    const uid = ({ pod }: QueuedPod): string => pod.uid;
    const byBackoff = (a: QueuedPod, b: QueuedPod): boolean => {
      const [endA, endB] = [this.backoffWindow(a), this.backoffWindow(b)];
      return endA !== endB ? endA < endB : this.less(a, b);
    };
    this.active = new Heap(uid, this.less);
    this.backoff = new Heap(uid, byBackoff);
    this.errorBackoff = new Heap(uid, byBackoff);
  }

  /** A pod without a node that this scheduler is responsible for. */
  add(pod: PodInfo, nowMs: number): void {
    if (this.find(pod.uid) || this.inFlight.has(pod.uid)) {
      this.update(pod, nowMs, []);
      return;
    }
    const queued: QueuedPod = {
      pod,
      timestamp: nowMs,
      sequence: this.sequence++,
      attempts: 0,
      unschedulableCount: 0,
      errorCount: 0,
      initialAttemptMs: undefined,
      rejectedBy: none,
      gatedBy: undefined,
    };
    this.toActive(queued, 'PodAdd');
  }

  /**
   * The pod changed. In a queue it keeps its place unless its order changed; unschedulable, it moves when one of `events` (what changed about
   * it) may help.
   */
  update(pod: PodInfo, nowMs: number, events: readonly ClusterEvent[]): void {
    const flying = this.inFlight.get(pod.uid);
    if (flying) {
      flying.pod = pod;
      return;
    }
    for (const heap of [this.active, this.backoff, this.errorBackoff]) {
      const queued = heap.get(pod.uid);
      if (!queued) continue;
      queued.pod = pod;
      heap.push(queued);
      return;
    }
    const queued = this.unschedulable.get(pod.uid);
    if (!queued) {
      this.add(pod, nowMs);
      return;
    }
    queued.pod = pod;
    if (queued.gatedBy) {
      if (this.gate(pod)) return;
      this.unschedulable.delete(pod.uid);
      queued.timestamp = nowMs;
      this.toActive(queued, 'PodUpdateSchedulingGatesEliminated');
      return;
    }
    for (const event of events)
      if (this.mayHelp(queued, event)) {
        this.unschedulable.delete(pod.uid);
        this.toActiveOrBackoff(queued, event.label, nowMs);
        return;
      }
  }

  delete(uid: string): void {
    this.active.remove(uid);
    this.backoff.remove(uid);
    this.errorBackoff.remove(uid);
    this.unschedulable.delete(uid);
    this.inFlight.delete(uid);
  }

  /** The next pod to schedule. When nothing is active, one in back-off goes early rather than the scheduler idling; errors wait their time. */
  pop(nowMs: number): QueuedPod | undefined {
    const queued = this.active.pop() ?? this.backoff.pop();
    if (!queued) return undefined;
    queued.attempts++;
    if (queued.initialAttemptMs === undefined) Object.assign(queued, { initialAttemptMs: nowMs });
    this.inFlight.set(queued.pod.uid, queued);
    return queued;
  }

  /** The pod was bound, or is no longer this scheduler's business. */
  done(uid: string): void {
    this.inFlight.delete(uid);
  }

  /** No node fits; `rejectedBy` decides which events bring it back. */
  addUnschedulable(queued: QueuedPod, rejectedBy: ReadonlySet<string>, nowMs: number): void {
    if (!this.inFlight.delete(queued.pod.uid)) return;
    queued.rejectedBy = rejectedBy;
    queued.unschedulableCount++;
    queued.errorCount = 0;
    queued.timestamp = nowMs;
    queued.sequence = this.sequence++;
    this.unschedulable.set(queued.pod.uid, queued);
    this.onIncoming('unschedulable', 'ScheduleAttemptFailure');
  }

  /** Something went wrong that is not the cluster's state: the pod is tried again after its back-off. */
  addAfterError(queued: QueuedPod, nowMs: number): void {
    if (!this.inFlight.delete(queued.pod.uid)) return;
    queued.rejectedBy = none;
    queued.errorCount++;
    queued.timestamp = nowMs;
    queued.sequence = this.sequence++;
    this.errorBackoff.push(queued);
    this.onIncoming('backoff', 'ScheduleAttemptFailure');
  }

  /** Something happened: every unschedulable pod that it may help moves on. @returns how many moved. */
  onEvent(event: ClusterEvent, nowMs: number): number {
    let moved = 0;
    for (const [uid, queued] of this.unschedulable) {
      if (queued.gatedBy || !this.mayHelp(queued, event)) continue;
      this.unschedulable.delete(uid);
      this.toActiveOrBackoff(queued, event.label, nowMs);
      moved++;
    }
    return moved;
  }

  /** Moves pods whose back-off is over to the active queue. */
  flushBackoff(nowMs: number): void {
    for (const heap of [this.backoff, this.errorBackoff])
      for (let next = heap.peek(); next && this.backoffWindow(next) <= windowOf(nowMs); next = heap.peek()) {
        heap.pop();
        this.toActive(next, 'BackoffComplete');
      }
  }

  /** Moves pods that have been unschedulable for too long: an event may have been missed or misjudged. */
  flushUnschedulable(nowMs: number): void {
    for (const [uid, queued] of this.unschedulable) {
      if (queued.gatedBy || nowMs - queued.timestamp <= this.maxUnschedulableMs) continue;
      this.unschedulable.delete(uid);
      this.toActiveOrBackoff(queued, 'UnschedulableTimeout', nowMs);
    }
  }

  /** When `flushBackoff` next has something to do; undefined when nothing is in back-off. */
  nextBackoffMs(): number | undefined {
    const ends = [this.backoff.peek(), this.errorBackoff.peek()].flatMap((q) => (q ? [this.backoffWindow(q)] : []));
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  get hasNext(): boolean {
    return this.active.size > 0 || this.backoff.size > 0;
  }
  /** Sizes by upstream's queue labels. */
  get sizes(): { active: number; backoff: number; unschedulable: number; gated: number } {
    let gated = 0;
    for (const { gatedBy } of this.unschedulable.values()) if (gatedBy) gated++;
    return {
      active: this.active.size,
      backoff: this.backoff.size + this.errorBackoff.size,
      unschedulable: this.unschedulable.size - gated,
      gated,
    };
  }
  find(uid: string): QueuedPod | undefined {
    return (
      this.active.get(uid) ??
      this.backoff.get(uid) ??
      this.errorBackoff.get(uid) ??
      this.unschedulable.get(uid) ??
      undefined
    );
  }

  /** 1 s doubling to 10 s after the last attempt. */
  private backoffEnd({ errorCount, unschedulableCount, timestamp }: QueuedPod): number {
    const count = errorCount > 0 ? errorCount : unschedulableCount;
    if (count === 0) return timestamp;
    return timestamp + Math.min(this.maxBackoffMs, this.initialBackoffMs * 2 ** Math.min(count - 1, 30));
  }
  private backoffWindow(queued: QueuedPod): number {
    return windowOf(this.backoffEnd(queued));
  }

  private gate(pod: PodInfo): boolean {
    for (const plugin of this.plugins) if (plugin.preEnqueue?.(pod)) return true;
    return false;
  }

  private mayHelp({ pod, rejectedBy }: QueuedPod, event: ClusterEvent): boolean {
    if (event.resource === '*' || rejectedBy.size === 0) return true;
    for (const plugin of this.plugins) {
      if (!rejectedBy.has(plugin.name)) continue;
      if (!plugin.events) return true;
      for (const registration of plugin.events) {
        if (!matches(registration, event)) continue;
        if (!registration.hint || registration.hint(pod, event) === 'queue') return true;
      }
    }
    return false;
  }

  private toActiveOrBackoff(queued: QueuedPod, event: string, nowMs: number): void {
    if (this.backoffWindow(queued) > windowOf(nowMs)) {
      this.backoff.push(queued);
      this.onIncoming('backoff', event);
    } else this.toActive(queued, event);
  }

  private toActive(queued: QueuedPod, event: string): void {
    for (const plugin of this.plugins) {
      queued.gatedBy = plugin.preEnqueue?.(queued.pod);
      if (!queued.gatedBy) continue;
      this.unschedulable.set(queued.pod.uid, queued);
      this.onIncoming('gated', event);
      return;
    }
    this.active.push(queued);
    this.onIncoming('active', event);
  }
}

const windowOf = (ms: number): number => Math.floor(ms / orderingWindowMs) * orderingWindowMs;
