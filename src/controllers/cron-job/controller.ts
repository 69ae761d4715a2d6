/** Makes a Job whenever a schedule says so. Source: pkg/controller/cronjob/cronjob_controllerv2.go. */
import type { CronSchedule } from '../../api/cron-schedule.ts';
import { sameJson } from '../../api/edit.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts';
import { controllerOf, isBeingDeleted, isConditionTrue, isControlledBy } from '../../api/meta.ts';
import { formatTime, parseTime } from '../../api/time.ts';
import { isTimeZone } from '../../api/time-zone.ts';
import type { CronJob, CronJobStatus, Job } from '../../api/types/batch-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import type { EventRecorder } from '../../client/events.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isFinished } from '../job/conditions.ts';
import { observe, untilSynced } from '../observe.ts';
import { OwnWrites } from '../own-writes.ts';
import { ownerIndex } from '../owner-index.ts';
import { isNamespaceTerminating, messageOf } from '../pod-writer.ts';
import { jobFor, jobNameFor } from './cron-job-child.ts';
import { dueStart, nextLookMs, scheduleOf } from './schedule.ts';

/** A timer cannot be set further ahead; looking once more does no harm. */
const longestTimerMs = 24 * 60 * 60_000;

export interface CronJobControllerOptions {
  /** --concurrent-cron-job-syncs */
  readonly workers?: number;
}

export function cronJobController({ workers = 5 }: CronJobControllerOptions = {}): Controller {
  return {
    name: 'cronjob-controller',
    run: (context, signal) => new CronJobRun(context).run(workers, signal),
  };
}

type Result = { requeueAfterMs: number } | undefined;

class CronJobRun {
  private readonly context: ControllerContext;
  private readonly events: EventRecorder;
  private readonly cronJobs;
  private readonly jobs;
  private readonly jobsOf;
  private readonly ownWrites = new OwnWrites();
  private readonly queue;

  constructor(context: ControllerContext) {
    const { clock, informers, metrics } = context;
    this.context = context;
    this.events = context.events.withComponent('cronjob-controller');
    this.cronJobs = informers.informer(resources.cronJobs);
    this.jobs = informers.informer(resources.jobs);
    this.jobsOf = ownerIndex(this.jobs);
    this.queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'cronjob' } });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    const { queue, ownWrites } = this;
    observe(
      this.cronJobs,
      {
        onAdd: (cronJob) => queue.add(keyOf(cronJob)),
        onUpdate: (previous, cronJob) => this.changed(previous, cronJob),
        onDelete: (cronJob) => ownWrites.forget(keyOf(cronJob)),
      },
      signal,
    );
    const wakeOwner = (job: Job): void => {
      const owner = controllerOf(job);
      if (owner?.kind === 'CronJob') queue.add(`${job.metadata.namespace}/${owner.name}`);
    };
    observe(this.jobs, { onAdd: wakeOwner, onUpdate: (_, job) => wakeOwner(job), onDelete: wakeOwner }, signal);
    if (!(await untilSynced([this.cronJobs, this.jobs], signal))) return;
    await runWorkers(queue, workers, (key) => this.sync(key, signal), { clock, log, kind: 'cronJob' }, signal);
  }

  private changed(previous: CronJob, cronJob: CronJob): void {
    const key = keyOf(cronJob);
    const moved =
      previous.metadata.uid === cronJob.metadata.uid &&
      (previous.spec?.schedule !== cronJob.spec?.schedule || previous.spec?.timeZone !== cronJob.spec?.timeZone);
    if (!moved) {
      this.queue.add(key);
      return;
    }
    const schedule = this.readSchedule(cronJob, 'UnParseableCronJobSchedule');
    if (!schedule) return;
    // A new schedule starts with its next time: what it would have missed does not count.
    this.queue.addAfter(key, Math.min(nextLookMs(cronJob, schedule, this.context.clock.now()), longestTimerMs));
  }

  private readSchedule(cronJob: CronJob, reason: string): CronSchedule | undefined {
    try {
      return scheduleOf(cronJob);
    } catch (error) {
      const message = `unparseable schedule: ${JSON.stringify(cronJob.spec?.schedule)} : ${messageOf(error)}`;
      this.events.event(cronJob, { type: 'Warning', reason, message });
      return undefined;
    }
  }

  private async sync(key: string, signal: AbortSignal): Promise<Result> {
    const cronJob = this.cronJobs.get(key);
    if (!cronJob || this.ownWrites.isBehind(key, cronJob.metadata.resourceVersion!)) return undefined;
    const jobs = this.jobsOf.ownedBy(cronJob.metadata.uid!);
    const round = new Round(this.context, this.events, cronJob, signal);
    await round.removeOldJobs(jobs);
    let failure: unknown;
    let result: Result;
    try {
      await round.reviewJobs(jobs);
      result = isBeingDeleted(cronJob) ? undefined : await this.start(cronJob, round);
    } catch (error) {
      failure = error;
    }
    if (!sameJson(round.status, cronJob.status ?? {})) {
      await this.context.client
        .resource(resources.cronJobs)
        .updateStatus({ ...cronJob, status: round.status }, { signal });
      this.ownWrites.wrote(key, cronJob.metadata.resourceVersion!);
    }
    if (failure !== undefined) throw failure;
    return result;
  }

  private async start(cronJob: CronJob, round: Round): Promise<Result> {
    const { spec, status } = cronJob;
    const warn = (reason: string, message: string) => this.events.event(cronJob, { type: 'Warning', reason, message });
    const zone = spec?.timeZone;
    if (zone !== undefined && !isTimeZone(zone)) {
      warn('UnknownTimeZone', `invalid timeZone: ${JSON.stringify(zone)}: unknown time zone ${zone}`);
      return undefined;
    }
    if (spec?.suspend) return undefined;
    if (spec?.schedule.includes('TZ'))
      warn(
        'UnsupportedSchedule',
        `CRON_TZ or TZ used in schedule ${JSON.stringify(spec.schedule)} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details`,
      );
    const schedule = this.readSchedule(cronJob, 'UnparseableSchedule');
    if (!schedule) return undefined;
    const nowMs = this.context.clock.now();
    const later = (of: CronJob): Result => ({
      requeueAfterMs: Math.min(Math.max(0, nextLookMs(of, schedule, nowMs)), longestTimerMs),
    });
    let due: ReturnType<typeof dueStart>;
    try {
      due = dueStart(cronJob, schedule, nowMs);
    } catch (error) {
      warn('InvalidSchedule', `invalid schedule: ${spec?.schedule} : ${messageOf(error)}`);
      return undefined;
    }
    if (due.tooManyMissed && due.at !== undefined)
      warn(
        'TooManyMissedTimes',
        'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
      );
    const { at } = due;
    if (at === undefined) return later(cronJob);
    const deadline = spec?.startingDeadlineSeconds;
    if (deadline !== undefined && at + Number(deadline) * 1000 < nowMs) {
      warn(
        'MissSchedule',
        `Missed scheduled time to start a job: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
      );
      return later(cronJob);
    }
    const name = jobNameFor(cronJob, at);
    const started = status?.lastScheduleTime ? parseTime(status.lastScheduleTime) === at : false;
    if (started || round.active.some((job) => job.name === name)) return later(cronJob);
    if (spec?.concurrencyPolicy === 'Forbid' && round.active.length > 0) {
      this.events.event(cronJob, {
        type: 'Normal',
        reason: 'JobAlreadyActive',
        message: 'Not starting job because prior execution is running and concurrency policy is Forbid',
      });
      return later(cronJob);
    }
    if (spec?.concurrencyPolicy === 'Replace') await round.removeActive();
    const startedNow = await round.create(at);
    return startedNow ? later({ ...cronJob, status: round.status }) : undefined;
  }
}

type ActiveJob = NonNullable<CronJobStatus['active']>[number];

/** What one look at a CronJob does to its Jobs, and the status that follows. */
class Round {
  status: CronJobStatus;
  private readonly context: ControllerContext;
  private readonly events: EventRecorder;
  private readonly cronJob: CronJob;
  private readonly signal: AbortSignal;

  constructor(context: ControllerContext, events: EventRecorder, cronJob: CronJob, signal: AbortSignal) {
    this.context = context;
    this.events = events;
    this.cronJob = cronJob;
    this.signal = signal;
    this.status = cronJob.status ?? {};
  }

  get active(): readonly ActiveJob[] {
    return this.status.active ?? [];
  }
  private setActive(active: readonly ActiveJob[]): void {
    const { active: _before, ...rest } = this.status;
    this.status = active.length > 0 ? { ...rest, active } : rest;
  }
  private isActive = (uid: string | undefined): boolean => this.active.some((job) => job.uid === uid);
  private tell(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.events.event(this.cronJob, { type, reason, message });
  }

  /** The oldest of the finished Jobs beyond the limits. */
  async removeOldJobs(jobs: readonly Job[]): Promise<void> {
    const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = this.cronJob.spec ?? {};
    const beyond = (condition: string, limit: number | undefined): readonly Job[] => {
      if (limit === undefined) return [];
      const ended = jobs.filter((job) => !isBeingDeleted(job) && isConditionTrue(job.status?.conditions, condition));
      return ended.sort(byStart).slice(0, Math.max(0, ended.length - limit));
    };
    const surplus = [...beyond('Complete', successfulJobsHistoryLimit), ...beyond('Failed', failedJobsHistoryLimit)];
    for (const { metadata } of surplus)
      await this.remove({ name: metadata.name!, uid: metadata.uid! }).catch((error: unknown) => {
        // Told as an event; the next round tries again.
        if (this.signal.aborted) throw error;
      });
  }

  /** Which of the active Jobs have ended or vanished, and whether there are others. */
  async reviewJobs(jobs: readonly Job[]): Promise<void> {
    const { cronJob } = this;
    for (const job of jobs) {
      const { name, uid } = job.metadata;
      if (!isFinished(job)) {
        if (!this.isActive(uid))
          this.tell('Warning', 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${name}`);
        continue;
      }
      const succeeded = isConditionTrue(job.status?.conditions, 'Complete');
      if (this.isActive(uid)) {
        this.setActive(this.active.filter((active) => active.uid !== uid));
        this.tell(
          'Normal',
          'SawCompletedJob',
          `Saw completed job: ${name}, condition: ${succeeded ? 'Complete' : 'Failed'}`,
        );
      }
      const ended = job.status?.completionTime;
      if (succeeded && ended && (parseTime(ended) ?? 0) > (parseTime(this.status.lastSuccessfulTime ?? '') ?? 0))
        this.status = { ...this.status, lastSuccessfulTime: ended };
    }
    const known = new Set(jobs.map(({ metadata }) => metadata.uid));
    for (const { name, uid } of this.active) {
      if (known.has(uid)) continue;
      try {
        await this.context.client
          .resource(resources.jobs)
          .get(name!, { namespace: cronJob.metadata.namespace!, signal: this.signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        this.tell('Normal', 'MissingJob', `Active job went missing: ${name}`);
        this.setActive(this.active.filter((active) => active.uid !== uid));
      }
    }
  }

  async removeActive(): Promise<void> {
    for (const { name, uid } of this.active) await this.remove({ name: name!, uid: uid! });
  }

  private async remove({ name, uid }: { readonly name: string; readonly uid: string }): Promise<void> {
    const namespace = this.cronJob.metadata.namespace!;
    try {
      const body = { propagationPolicy: 'Background', preconditions: { uid } };
      await this.context.client.resource(resources.jobs).delete(name, { namespace, body, signal: this.signal });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) {
        if (!this.signal.aborted) this.tell('Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
        throw error;
      }
    }
    this.setActive(this.active.filter((active) => active.uid !== uid));
    this.tell('Normal', 'SuccessfulDelete', `Deleted job ${name}`);
  }

  /** @returns false when another's Job has the name. */
  async create(startMs: number): Promise<boolean> {
    const jobs = this.context.client.resource(resources.jobs);
    const draft = jobFor(this.cronJob, startMs);
    let job: Job;
    try {
      job = await jobs.create(draft, { signal: this.signal });
      this.tell('Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`);
    } catch (error) {
      if (!isAlreadyExists(error)) {
        if (!isNamespaceTerminating(error) && !this.signal.aborted)
          this.tell('Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
        throw error;
      }
      // Made in a round whose status was not written: it counts.
      const { name, namespace } = draft.metadata;
      job = await jobs.get(name!, { namespace: namespace!, signal: this.signal });
      if (!isControlledBy(job, this.cronJob)) return false;
    }
    const { name, namespace, uid, resourceVersion } = job.metadata;
    const reference: ActiveJob = {
      kind: 'Job',
      namespace: namespace!,
      name: name!,
      uid: uid!,
      apiVersion: 'batch/v1',
      resourceVersion: resourceVersion!,
    };
    if (!this.isActive(uid) && !isFinished(job)) this.setActive([...this.active, reference]);
    this.status = { ...this.status, lastScheduleTime: formatTime(startMs) };
    return true;
  }
}

/** Oldest start first, those that never started last. */
function byStart(a: Job, b: Job): number {
  const [first, second] = [a.status?.startTime, b.status?.startTime];
  if (first === second) return a.metadata.name! < b.metadata.name! ? -1 : 1;
  if (first === undefined) return 1;
  return second === undefined || first < second ? -1 : 1;
}
