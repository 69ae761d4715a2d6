/**
 * One look at one Job: counts the pods that have ended, decides whether it is over, makes or deletes pods, and writes the status.
 *
 * Counting must be exact although pods may vanish: each pod carries a finalizer; the uid of one that ended goes to
 * `status.uncountedTerminatedPods`, then its finalizer is taken off, then it moves from there to the counters. Source: KEP-2307,
 * pkg/controller/job/job_controller.go.
 */
import { sameJson } from '../../api/edit.ts';
import { isConflict, isNotFound } from '../../api/errors.ts';
import { isBeingDeleted } from '../../api/meta.ts';
import { isPodActive, isPodReady } from '../../api/pod/conditions.ts';
import { formatTime } from '../../api/time.ts';
import type { Job, JobCondition, JobStatus } from '../../api/types/batch-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Expectations } from '../expectations.ts';
import type { OwnWrites } from '../own-writes.ts';
import { isPodTerminating } from '../pod-state.ts';
import { burstReplicas, createPods, messageOf } from '../pod-writer.ts';
import { type BackoffRecord, finishedMs, nextRecord, noFailures, remainingMs } from './backoff.ts';
import { jobCondition, withCondition } from './conditions.ts';
import type { FinalizerExpectations } from './finalizer-expectations.ts';
import { Indexes } from './indexes.ts';
import {
  allFailuresBefore,
  completionIndex,
  completionsOf,
  hasLimitPerIndex,
  indexesOf,
  isFailed,
  isIndexed,
  isSuspended,
  isTracked,
  jobPod,
  podsToRemove,
  replacesOnlyFailed,
  trackingFinalizer,
  validIndex,
} from './job-pods.ts';
import { judgeFailure } from './policies.ts';
import { deadlineInMs, endOf, failedToReplace, isIndexLost, type JobView } from './verdict.ts';

/** At most so many uids wait in the status: it must not outgrow what can be stored. */
const uncountedMax = 500;

export interface JobSyncContext {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly expectations: Expectations;
  readonly finalizers: FinalizerExpectations;
  readonly ownWrites: OwnWrites;
  readonly backoffs: Map<string, BackoffRecord>;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

type Result = { requeueAfterMs: number } | undefined;

export class JobSync {
  private readonly context: JobSyncContext;
  private readonly key: string;
  /** As the server has it, with the version of our last write. */
  private job: Job;
  private status: JobStatus;
  private readonly pods: readonly Pod[];
  private readonly view: JobView;
  private readonly previousIndexes: Indexes;
  private readonly record: BackoffRecord;
  private readonly replaceable: ReadonlyMap<number, Pod>;
  private succeeded: number;
  private active: number;
  private ready: number;
  private terminating: number;
  private end: JobCondition | undefined;
  private retryMs: number | undefined;

  /** @param pods all that the Job owns. */
  constructor(context: JobSyncContext, key: string, job: Job, pods: readonly Pod[]) {
    const { nowMs } = context;
    this.context = context;
    this.key = key;
    this.job = job;
    this.status = { uncountedTerminatedPods: {}, ...job.status };
    if (!this.status.startTime && !isSuspended(job)) this.status = { ...this.status, startTime: formatTime(nowMs) };
    this.pods = pods;
    const active = pods.filter(isPodActive);
    this.active = active.length;
    this.ready = active.filter(isPodReady).length;
    this.terminating = pods.filter(isPodTerminating).length;
    const { succeeded = [], failed = [] } = this.status.uncountedTerminatedPods ?? {};
    const newSucceeded = this.uncounted(succeeded, ({ status }) => status?.phase === 'Succeeded');
    const newFailed = this.uncounted(failed, (pod) => isFailed(pod, job));
    this.succeeded = (this.status.succeeded ?? 0) + newSucceeded.length + succeeded.length;
    this.record = nextRecord(context.backoffs.get(key) ?? noFailures, newSucceeded, newFailed);
    const counted = newFailed.filter((pod) => judgeFailure(job, pod).counts).length;
    const base = {
      job: { ...job, status: this.status },
      pods,
      active,
      failed: (this.status.failed ?? 0) + counted + failed.length,
      nowMs,
    };
    this.previousIndexes = Indexes.parse(this.status.completedIndexes, completionsOf(job));
    if (!isIndexed(job)) this.view = base;
    else {
      const done = pods.filter((pod) => isTracked(pod) && pod.status?.phase === 'Succeeded');
      const succeededIndexes = this.previousIndexes.union(this.validIndexes(done));
      this.succeeded = succeededIndexes.size;
      this.view = { ...base, succeededIndexes };
      if (hasLimitPerIndex(job)) {
        const lost = pods.filter((pod) => isTracked(pod) && isIndexLost(pod, job));
        const before = Indexes.parse(this.status.failedIndexes, completionsOf(job));
        this.view = { ...this.view, failedIndexes: before.union(this.validIndexes(lost)) };
      }
    }
    const relevant = pods.filter(({ metadata }) => !context.finalizers.has(key, metadata.uid!));
    this.replaceable = failedToReplace(this.view, relevant);
  }

  private validIndexes(pods: readonly Pod[]): Indexes {
    return Indexes.of(pods.map((pod) => validIndex(pod, this.job)).filter((index) => index !== undefined));
  }

  /** Ended pods that are in no counter yet. */
  private uncounted(known: readonly string[], ended: (pod: Pod) => boolean): readonly Pod[] {
    return this.pods.filter((pod) => {
      const uid = pod.metadata.uid!;
      if (!isTracked(pod) || known.includes(uid) || this.context.finalizers.has(this.key, uid)) return false;
      return (!isIndexed(this.job) || validIndex(pod, this.job) !== undefined) && ended(pod);
    });
  }

  async run(): Promise<Result> {
    const { expectations, nowMs } = this.context;
    const satisfied = expectations.satisfied(this.key);
    let failure: unknown;
    let suspendChanged = false;
    this.end = endOf(this.view);
    if (this.end) failure = await this.deleteActive(satisfied);
    else {
      const deadline = deadlineInMs(this.view.job, nowMs);
      if (deadline !== undefined) this.retryAfter(deadline);
      const manages = satisfied && !isBeingDeleted(this.job);
      if (manages) failure = await this.manage();
      const { completions } = this.job.spec ?? {};
      const done = completions === undefined ? this.succeeded > 0 : this.succeeded >= completions;
      if (done && this.active === 0)
        this.end = jobCondition(
          'SuccessCriteriaMet',
          'True',
          'CompletionsReached',
          'Reached expected number of succeeded pods',
          nowMs,
        );
      else if (manages) suspendChanged = this.noteSuspension();
    }
    const before = this.status;
    this.status = { ...before, active: this.active, ready: this.ready, terminating: this.terminating };
    const changed =
      suspendChanged ||
      this.active !== (before.active ?? 0) ||
      this.ready !== before.ready ||
      this.terminating !== before.terminating;
    await this.track(changed);
    if (failure !== undefined) throw failure;
    return this.retryMs === undefined ? undefined : { requeueAfterMs: this.retryMs };
  }

  private retryAfter(ms: number): void {
    this.retryMs = Math.min(ms, this.retryMs ?? ms);
  }

  /** The Job is over: its pods go. Their finalizers come off when they are counted. */
  private async deleteActive(satisfied: boolean): Promise<unknown> {
    const { active } = this.view;
    const { removed, removedReady, error } = await this.removePods(active, { uncounted: false });
    // Until all are known to be gone the end is not recorded.
    if (removed !== active.length || !satisfied) this.end = undefined;
    this.count(removed, removedReady);
    return error;
  }
  private count(removed: number, removedReady: number): void {
    this.active -= removed;
    this.terminating += removed;
    this.ready -= removedReady;
  }

  private noteSuspension(): boolean {
    const { events, nowMs } = this.context;
    const suspended = isSuspended(this.job);
    const [reason, message, status] = suspended
      ? (['JobSuspended', 'Job suspended', 'True'] as const)
      : (['JobResumed', 'Job resumed', 'False'] as const);
    const conditions = this.status.conditions ?? [];
    const next = withCondition(conditions, jobCondition('Suspended', status, reason, message, nowMs));
    if (next === conditions) return false;
    const { startTime: _before, ...rest } = this.status;
    // The time a Job is suspended does not count towards its deadline.
    this.status = { ...rest, conditions: next, ...(suspended ? {} : { startTime: formatTime(nowMs) }) };
    events.event(this.job, { type: 'Normal', reason: suspended ? 'Suspended' : 'Resumed', message });
    return true;
  }

  /** As many active pods as the Job wants. */
  private async manage(): Promise<unknown> {
    const { job, active } = this.view;
    const { nowMs } = this.context;
    const suspended = isSuspended(job);
    const wanted = suspended ? 0 : this.wantedActive();
    const surplus = podsToRemove(job, active, Math.max(0, active.length - wanted), nowMs);
    if (surplus.length > 0 || suspended) {
      const { removed, removedReady, error } = await this.removePods(surplus.slice(0, burstReplicas), {
        uncounted: true,
      });
      this.count(removed, removedReady);
      return error;
    }
    const missing = wanted - active.length - (replacesOnlyFailed(job) ? this.terminating : 0);
    return missing > 0 ? this.create(Math.min(missing, burstReplicas)) : undefined;
  }

  private wantedActive(): number {
    const { completions, parallelism = 1 } = this.job.spec ?? {};
    // Without completions one success ends it: nothing new is started, what runs may finish.
    if (completions === undefined) return this.succeeded > 0 ? this.view.active.length : parallelism;
    return Math.max(0, Math.min(parallelism, completions - this.succeeded));
  }

  private async create(count: number): Promise<unknown> {
    const { client, events, expectations, nowMs, signal } = this.context;
    const { job } = this.view;
    let pods: readonly Pod[];
    if (!hasLimitPerIndex(job)) {
      const waitMs = remainingMs(this.record, nowMs);
      if (waitMs > 0) {
        this.retryAfter(waitMs);
        return undefined;
      }
    }
    if (isIndexed(job)) {
      const indexes = this.dueIndexes(this.pendingIndexes(count));
      pods = indexes.map((index) => jobPod(job, index, this.replaceable.get(index)));
    } else pods = new Array<Pod>(count).fill(jobPod(job, undefined, undefined));
    if (pods.length === 0) return undefined;
    const end = expectations.begin(this.key);
    let created = 0;
    const writer = { client, events, expectations, owner: this.job, key: this.key, signal };
    try {
      return await createPods({ ...writer, onCreated: () => void created++ }, pods);
    } finally {
      this.active += created;
      end();
    }
  }

  private pendingIndexes(count: number): readonly number[] {
    const { job, active, succeededIndexes = Indexes.none, failedIndexes = Indexes.none } = this.view;
    let taken = succeededIndexes.union(failedIndexes).union(Indexes.of(indexesOf(active)));
    if (replacesOnlyFailed(job)) taken = taken.union(Indexes.of(indexesOf(this.pods.filter(isPodTerminating))));
    return taken.firstMissing(count, completionsOf(job));
  }

  /** With a limit for each index each has a back-off of its own; when none is due, the first one is waited for. */
  private dueIndexes(indexes: readonly number[]): readonly number[] {
    if (!hasLimitPerIndex(this.job)) return indexes;
    const due: number[] = [];
    for (const index of indexes) {
      const last = this.replaceable.get(index);
      const record = last ? { failures: allFailuresBefore(last) + 1, lastFailureMs: finishedMs(last) } : noFailures;
      const waitMs = remainingMs(record, this.context.nowMs);
      if (waitMs === 0) due.push(index);
      else this.retryAfter(waitMs);
    }
    return due;
  }

  /** @param uncounted they are no failures: their finalizers are taken off first. */
  private async removePods(
    pods: readonly Pod[],
    { uncounted }: { readonly uncounted: boolean },
  ): Promise<{ readonly removed: number; readonly removedReady: number; readonly error?: unknown }> {
    const { client, events, expectations, signal } = this.context;
    let removed = 0;
    let removedReady = 0;
    if (uncounted) for (const { metadata } of pods) expectations.deleting(this.key, metadata.uid!);
    const results = await Promise.allSettled(
      pods.map(async (pod) => {
        const { name, namespace, uid } = pod.metadata;
        try {
          if (uncounted) await this.removeFinalizer(pod);
          const body = { preconditions: { uid: uid! } };
          await client.resource(resources.pods).delete(name!, { namespace: namespace!, body, signal });
          events.event(this.job, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
        } catch (error) {
          expectations.notDeleted(this.key, uid!);
          if (!isNotFound(error) && !isConflict(error)) {
            const message = `Error deleting: ${messageOf(error)}`;
            if (!signal.aborted) events.event(this.job, { type: 'Warning', reason: 'FailedDelete', message });
            throw error;
          }
        }
        removed++;
        if (isPodReady(pod)) removedReady++;
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    return failed ? { removed, removedReady, error: failed.reason } : { removed, removedReady };
  }

  private async removeFinalizer(pod: Pod): Promise<void> {
    if (!isTracked(pod)) return;
    const { name, namespace, uid } = pod.metadata;
    const patch = { metadata: { uid: uid!, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
    try {
      await this.context.client
        .resource(resources.pods)
        .patch(name!, { type: 'strategic', patch }, { namespace: namespace!, signal: this.context.signal });
    } catch (error) {
      // Gone, or another pod under its name.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  /** Counts what has ended, in the three steps above, and ends the Job when nothing is left to count. */
  private async track(needsFlush: boolean): Promise<void> {
    const { finalizers, backoffs, nowMs } = this.context;
    const holding = new Set<string>();
    for (const pod of this.pods) {
      const uid = pod.metadata.uid!;
      if (isTracked(pod) && !finalizers.has(this.key, uid)) holding.add(uid);
    }
    let flush = this.settleUncounted(holding) || needsFlush;
    const { releasable, noted, full } = this.noteEnded(holding);
    if (noted) flush = true;
    if (this.noteIndexes()) flush = true;
    if (this.noteEnd()) flush = true;
    if (flush) {
      await this.writeStatus();
      backoffs.set(this.key, this.record);
      flush = false;
    }
    const failure = await this.release(releasable, holding);
    if (this.settleUncounted(holding)) flush = true;
    if (failure !== undefined) {
      if (flush) await this.writeStatus();
      throw failure;
    }
    const finished = !full && this.finish(nowMs);
    if (flush || finished) await this.writeStatus();
    if (finished) this.tellEnd();
  }

  /** Moves uids whose pods have lost their finalizers to the counters. */
  private settleUncounted(holding: ReadonlySet<string>): boolean {
    const { succeeded = [], failed = [] } = this.status.uncountedTerminatedPods ?? {};
    const stillSucceeded = succeeded.filter((uid) => holding.has(uid));
    const stillFailed = failed.filter((uid) => holding.has(uid));
    if (stillSucceeded.length === succeeded.length && stillFailed.length === failed.length) return false;
    this.status = {
      ...this.status,
      succeeded: (this.status.succeeded ?? 0) + succeeded.length - stillSucceeded.length,
      failed: (this.status.failed ?? 0) + failed.length - stillFailed.length,
      uncountedTerminatedPods: uncountedOf(stillSucceeded, stillFailed),
    };
    return true;
  }

  /** Pods whose finalizer may go; those that count are noted in the status. */
  private noteEnded(holding: ReadonlySet<string>): {
    readonly releasable: readonly Pod[];
    readonly noted: boolean;
    readonly full: boolean;
  } {
    const indexed = isIndexed(this.job);
    const before = this.status.uncountedTerminatedPods ?? {};
    const known = { succeeded: new Set(before.succeeded), failed: new Set(before.failed) };
    const succeeded = [...(before.succeeded ?? [])];
    const failed = [...(before.failed ?? [])];
    const indexes: number[] = [];
    const releasable: Pod[] = [];
    const pods = indexed
      ? [...this.pods].sort((a, b) => (completionIndex(a) ?? -1) - (completionIndex(b) ?? -1))
      : this.pods;
    const endsBadly = this.end !== undefined && this.end.type !== 'SuccessCriteriaMet';
    let full = false;
    for (const pod of pods) {
      const uid = pod.metadata.uid!;
      if (!holding.has(uid)) continue;
      const hasFailed = isFailed(pod, this.job);
      if (!this.mayRelease(pod, hasFailed)) continue;
      releasable.push(pod);
      const index = validIndex(pod, this.job);
      if (pod.status?.phase === 'Succeeded' && !known.failed.has(uid)) {
        if (!indexed) {
          if (!known.succeeded.has(uid)) succeeded.push(uid);
        } else if (index !== undefined && !this.previousIndexes.has(index)) indexes.push(index);
      } else if ((hasFailed || endsBadly) && !known.failed.has(uid) && (!indexed || index !== undefined)) {
        if (judgeFailure(this.job, pod).counts) failed.push(uid);
      }
      if (indexes.length + succeeded.length + failed.length >= uncountedMax) {
        full = true;
        break;
      }
    }
    const noted = succeeded.length > known.succeeded.size || failed.length > known.failed.size || indexes.length > 0;
    this.status = { ...this.status, uncountedTerminatedPods: uncountedOf(succeeded, failed) };
    if (indexed) {
      const completed = this.previousIndexes.union(Indexes.of(indexes));
      const completedIndexes = completed.toString();
      const isNew =
        completedIndexes !== (this.status.completedIndexes ?? '') || completed.size !== (this.status.succeeded ?? 0);
      this.status = { ...this.status, succeeded: completed.size, ...(completedIndexes ? { completedIndexes } : {}) };
      return { releasable, noted: noted || isNew, full };
    }
    return { releasable, noted, full };
  }

  private mayRelease(pod: Pod, hasFailed: boolean): boolean {
    if (isBeingDeleted(this.job) || this.end || pod.status?.phase === 'Succeeded') return true;
    if (!hasFailed) return false;
    const index = validIndex(pod, this.job);
    return index === undefined || this.replaceable.get(index) !== pod;
  }

  private noteIndexes(): boolean {
    const failedIndexes = this.view.failedIndexes?.toString();
    if (failedIndexes === undefined || failedIndexes === this.status.failedIndexes) return false;
    this.status = { ...this.status, failedIndexes };
    return true;
  }

  /** That the Job will end, and how; the terminal condition follows when all its pods have. */
  private noteEnd(): boolean {
    const { end } = this;
    if (!end || (end.type !== 'FailureTarget' && end.type !== 'SuccessCriteriaMet')) return false;
    const conditions = this.status.conditions ?? [];
    const isNew = !conditions.some(({ type, status }) => type === end.type && status === 'True');
    if (isNew) this.status = { ...this.status, conditions: withCondition(conditions, end) };
    const type = end.type === 'FailureTarget' ? 'Failed' : 'Complete';
    this.end = jobCondition(type, 'True', end.reason ?? '', end.message ?? '', this.context.nowMs);
    return isNew;
  }

  /** @returns the first error. */
  private async release(pods: readonly Pod[], holding: Set<string>): Promise<unknown> {
    const { finalizers } = this.context;
    for (const { metadata } of pods) finalizers.removing(this.key, metadata.uid!);
    const results = await Promise.allSettled(
      pods.map(async (pod) => {
        const uid = pod.metadata.uid!;
        try {
          await this.removeFinalizer(pod);
          holding.delete(uid);
        } catch (error) {
          finalizers.observed(this.key, uid);
          throw error;
        }
      }),
    );
    return results.find((result) => result.status === 'rejected')?.reason;
  }

  private finish(nowMs: number): boolean {
    const { end } = this;
    const { succeeded = [], failed = [] } = this.status.uncountedTerminatedPods ?? {};
    if (!end || succeeded.length + failed.length > 0 || this.terminating > 0) return false;
    this.status = {
      ...this.status,
      conditions: withCondition(this.status.conditions ?? [], end),
      ...(end.type === 'Complete' ? { completionTime: formatTime(nowMs) } : {}),
    };
    return true;
  }

  private tellEnd(): void {
    const { events } = this.context;
    const { reason = '', message = '', type } = this.end!;
    if (type !== 'Complete') {
      events.event(this.job, { type: 'Warning', reason, message });
      return;
    }
    const { completions } = this.job.spec ?? {};
    if (completions !== undefined && (this.status.succeeded ?? 0) > completions)
      events.event(this.job, {
        type: 'Warning',
        reason: 'TooManySucceededPods',
        message: 'Too many succeeded pods running after completion count reached',
      });
    events.event(this.job, { type: 'Normal', reason: 'Completed', message: 'Job completed' });
  }

  private async writeStatus(): Promise<void> {
    if (sameJson(this.job.status, this.status)) return;
    const { client, ownWrites, signal } = this.context;
    const replaced = this.job.metadata.resourceVersion!;
    this.job = await client.resource(resources.jobs).updateStatus({ ...this.job, status: this.status }, { signal });
    ownWrites.wrote(this.key, replaced);
  }
}

const uncountedOf = (succeeded: readonly string[], failed: readonly string[]) => ({
  ...(succeeded.length > 0 ? { succeeded } : {}),
  ...(failed.length > 0 ? { failed } : {}),
});
