/** Runs pods to their end. Source: pkg/controller/job. */
import { isConflict, isNotFound } from '../../api/errors.ts';
import { controllerOf } from '../../api/meta.ts';
import { labelMatcherFrom, matchLabels } from '../../api/selectors/label-selector.ts';
import type { Job } from '../../api/types/batch-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import { claim } from '../adoption.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { Expectations } from '../expectations.ts';
import { observe, untilSynced } from '../observe.ts';
import { OwnWrites } from '../own-writes.ts';
import { observeOwnedPods } from '../owned-pods.ts';
import { namespaceIndex, ownerIndex } from '../owner-index.ts';
import type { BackoffRecord } from './backoff.ts';
import { isFinished } from './conditions.ts';
import { FinalizerExpectations } from './finalizer-expectations.ts';
import { isTracked, trackingFinalizer } from './job-pods.ts';
import { JobSync } from './sync.ts';

/** Pods of a Job tend to end together: they are counted together, with one write. */
const batchMs = 200;

export interface JobControllerOptions {
  /** --concurrent-job-syncs */
  readonly workers?: number;
}

export function jobController({ workers = 5 }: JobControllerOptions = {}): Controller {
  return {
    name: 'job-controller',
    run: (context, signal) => new JobRun(context).run(workers, signal),
  };
}

class JobRun {
  private readonly context: ControllerContext;
  private readonly events;
  private readonly jobs;
  private readonly jobsIn;
  private readonly pods;
  private readonly podsOf;
  private readonly expectations: Expectations;
  private readonly finalizers = new FinalizerExpectations();
  private readonly ownWrites = new OwnWrites();
  private readonly backoffs = new Map<string, BackoffRecord>();
  private readonly queue;
  /** Pods whose finalizer nobody will take off: their Job is gone. */
  private readonly orphans;

  constructor(context: ControllerContext) {
    const { clock, informers, metrics } = context;
    this.context = context;
    this.events = context.events.withComponent('job-controller');
    this.jobs = informers.informer(resources.jobs);
    this.jobsIn = namespaceIndex(this.jobs);
    this.pods = informers.informer(resources.pods);
    this.podsOf = ownerIndex(this.pods);
    this.expectations = new Expectations(clock);
    this.queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'job' } });
    this.orphans = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'job_orphan_pod' } });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    observe(
      this.jobs,
      {
        onAdd: (job) => this.queue.add(keyOf(job)),
        onUpdate: (previous, job) => {
          if (previous.metadata.uid !== job.metadata.uid) this.forget(previous);
          this.queue.add(keyOf(job));
        },
        onDelete: (job) => {
          this.forget(job);
          this.queue.add(keyOf(job));
        },
      },
      signal,
    );
    observeOwnedPods(
      this.pods,
      {
        kind: 'Job',
        group: 'batch',
        expectations: this.expectations,
        wake: (key, pod, { removed }) => {
          const uid = pod.metadata.uid!;
          if (!isTracked(pod) || (removed && this.pods.get(keyOf(pod))?.metadata.uid !== uid))
            this.finalizers.observed(key, uid);
          this.queue.addAfter(key, batchMs);
          if (isTracked(pod) && this.jobs.synced && !this.jobOf(pod)) this.orphans.add(keyOf(pod));
        },
        wakeAdopters: (pod) => {
          if (isTracked(pod)) this.orphans.add(keyOf(pod));
          for (const job of this.jobsIn(pod.metadata.namespace ?? ''))
            if (matchLabels(labelMatcherFrom(job.spec?.selector), pod.metadata.labels)) this.queue.add(keyOf(job));
        },
      },
      signal,
    );
    if (!(await untilSynced([this.jobs, this.pods], signal))) return;
    for (const pod of this.pods.list()) if (isTracked(pod) && !this.jobOf(pod)) this.orphans.add(keyOf(pod));
    const options = { clock, log };
    await Promise.all([
      runWorkers(this.queue, workers, (key) => this.sync(key, signal), { ...options, kind: 'job' }, signal),
      runWorkers(this.orphans, 1, (key) => this.releaseOrphan(key, signal), { ...options, kind: 'pod' }, signal),
    ]);
  }

  private forget(job: Job): void {
    const key = keyOf(job);
    this.expectations.forget(key);
    this.finalizers.forget(key);
    this.ownWrites.forget(key);
    this.backoffs.delete(key);
    for (const pod of this.podsOf.ownedBy(job.metadata.uid!)) if (isTracked(pod)) this.orphans.add(keyOf(pod));
  }

  private jobOf(pod: Pod): Job | undefined {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'Job') return undefined;
    const job = this.jobs.get(`${pod.metadata.namespace}/${owner.name}`);
    return job?.metadata.uid === owner.uid ? job : undefined;
  }

  private async sync(key: string, signal: AbortSignal): Promise<{ requeueAfterMs: number } | undefined> {
    const job = this.jobs.get(key);
    if (!job) return undefined;
    const manager = job.spec?.managedBy;
    if (manager !== undefined && manager !== 'kubernetes.io/job-controller') return undefined;
    if (isFinished(job)) {
      this.backoffs.delete(key);
      return undefined;
    }
    if (this.ownWrites.isBehind(key, job.metadata.resourceVersion!)) return undefined;
    const { client, clock } = this.context;
    const mode = job.spec?.completionMode ?? 'NonIndexed';
    if (mode !== 'NonIndexed' && mode !== 'Indexed') {
      const message = 'Skipped Job sync because completion mode is unknown';
      this.events.event(job, { type: 'Warning', reason: 'UnknownCompletionMode', message });
      return undefined;
    }
    const { uid, namespace } = job.metadata;
    const candidates = [...this.podsOf.ownedBy(uid!), ...this.podsOf.orphansIn(namespace!)];
    const owner = { ref: resources.jobs, object: job, selector: labelMatcherFrom(job.spec?.selector) };
    const pods = await claim(client, owner, { ref: resources.pods, candidates }, signal);
    const { events, expectations, finalizers, ownWrites, backoffs } = this;
    const shared = { client, events, expectations, finalizers, ownWrites, backoffs, nowMs: clock.now(), signal };
    return new JobSync(shared, key, job, pods).run();
  }

  private async releaseOrphan(key: string, signal: AbortSignal): Promise<void> {
    const pod = this.pods.get(key);
    if (!pod || !isTracked(pod)) return;
    const job = this.jobOf(pod);
    if (job && !isFinished(job)) return;
    const { name, namespace, uid } = pod.metadata;
    const patch = { metadata: { uid: uid!, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
    try {
      await this.context.client
        .resource(resources.pods)
        .patch(name!, { type: 'strategic', patch }, { namespace: namespace!, signal });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}
