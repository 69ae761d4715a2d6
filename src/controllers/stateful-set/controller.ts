/** Keeps pods with a name and storage of their own. Source: pkg/controller/statefulset. */
import { sameJson } from '../../api/edit.ts';
import { isConflict, isNotFound } from '../../api/errors.ts';
import { type LabelMatcher, labelMatcherFrom, matchLabels } from '../../api/selectors/label-selector.ts';
import type { ControllerRevision, StatefulSet, StatefulSetStatus } from '../../api/types/apps-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import { claim } from '../adoption.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { Expectations } from '../expectations.ts';
import { observe, untilSynced } from '../observe.ts';
import { observeOwnedPods } from '../owned-pods.ts';
import { namespaceIndex, ownerIndex } from '../owner-index.ts';
import { nextAvailabilityMs } from '../pod-state.ts';
import { burstReplicas } from '../pod-writer.ts';
import {
  byRevision,
  createRevision,
  deleteRevision,
  isRevisionOf,
  renumberRevision,
  revisionsToDelete,
  templateOf,
} from '../revisions.ts';
import { isStaleClaim, judgeClaimOwners } from './claim-owners.ts';
import { claimsOf, ordinalOf, podName, revisionOf } from './identity.ts';
import { planStatefulSet, type StatefulStep, type StatefulView } from './plan.ts';
import { statefulSetStatus } from './status.ts';
import { type StepContext, takeStep } from './steps.ts';

const revisionHashLabel = 'controller.kubernetes.io/hash';
/** A former pod's claim goes with the garbage collector; nobody tells us when. */
const staleClaimRetryMs = 2_000;

export interface StatefulSetControllerOptions {
  /** --concurrent-statefulset-syncs */
  readonly workers?: number;
}

export function statefulSetController({ workers = 5 }: StatefulSetControllerOptions = {}): Controller {
  return {
    name: 'statefulset-controller',
    run: (context, signal) => new StatefulSetRun(context).run(workers, signal),
  };
}

interface History {
  readonly all: readonly ControllerRevision[];
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
  readonly collisionCount: number;
}

class StatefulSetRun {
  private readonly context: ControllerContext;
  private readonly events;
  private readonly sets;
  private readonly setsIn;
  private readonly pods;
  private readonly podsOf;
  private readonly claims;
  private readonly revisions;
  private readonly revisionsOf;
  private readonly expectations: Expectations;
  private readonly queue;

  constructor(context: ControllerContext) {
    const { clock, informers, metrics } = context;
    this.context = context;
    this.events = context.events.withComponent('statefulset-controller');
    this.sets = informers.informer(resources.statefulSets);
    this.setsIn = namespaceIndex(this.sets);
    this.pods = informers.informer(resources.pods);
    this.podsOf = ownerIndex(this.pods);
    this.claims = informers.informer(resources.persistentVolumeClaims);
    this.revisions = informers.informer(resources.controllerRevisions);
    this.revisionsOf = ownerIndex(this.revisions);
    this.expectations = new Expectations(clock);
    this.queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'statefulset' } });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    const { queue, expectations } = this;
    const forget = (set: StatefulSet): void => expectations.forget(keyOf(set));
    observe(
      this.sets,
      {
        onAdd: (set) => queue.add(keyOf(set)),
        onUpdate: (previous, set) => {
          if (previous.metadata.uid !== set.metadata.uid) forget(previous);
          queue.add(keyOf(set));
        },
        onDelete: forget,
      },
      signal,
    );
    observeOwnedPods(
      this.pods,
      {
        kind: 'StatefulSet',
        group: 'apps',
        expectations,
        wake: (key) => queue.add(key),
        wakeAdopters: (pod) => {
          for (const set of this.setsIn(pod.metadata.namespace ?? ''))
            if (matchLabels(labelMatcherFrom(set.spec?.selector), pod.metadata.labels)) queue.add(keyOf(set));
        },
      },
      signal,
    );
    if (!(await untilSynced([this.sets, this.pods, this.claims, this.revisions], signal))) return;
    await runWorkers(queue, workers, (key) => this.sync(key, signal), { clock, log, kind: 'statefulSet' }, signal);
  }

  private async sync(key: string, signal: AbortSignal): Promise<{ requeueAfterMs: number } | undefined> {
    const set = this.sets.get(key);
    if (!set) {
      this.expectations.forget(key);
      return undefined;
    }
    const nowMs = this.context.clock.now();
    const selector = labelMatcherFrom(set.spec?.selector);
    const history = await this.history(set, selector, signal);
    const pods = await this.claimPods(set, selector, signal);
    const view: StatefulView = {
      set,
      pods,
      currentRevision: history.current.metadata.name!,
      updateRevision: history.update.metadata.name!,
      nowMs,
      claimsMatch: (pod) => this.claimsMatch(set, pod),
      hasStaleClaim: (ordinal) => this.hasStaleClaim(set, ordinal),
    };
    const satisfied = this.expectations.satisfied(key);
    const plan = satisfied ? planStatefulSet(view) : { steps: [], waitsForClaim: false };
    let failure: unknown;
    try {
      await this.take(plan.steps, set, key, history, signal);
    } catch (error) {
      failure = error;
    }
    const status = statefulSetStatus(
      view,
      failure === undefined ? plan : { ...plan, steps: [] },
      history.collisionCount,
    );
    await this.writeStatus(set, status, signal);
    await this.cleanUpHistory(set, pods, history, signal);
    if (failure !== undefined) throw failure;
    if (plan.waitsForClaim) return { requeueAfterMs: staleClaimRetryMs };
    const next = nextAvailabilityMs(pods, set.spec?.minReadySeconds ?? 0, nowMs);
    return next === undefined ? undefined : { requeueAfterMs: next };
  }

  private async take(
    steps: readonly StatefulStep[],
    set: StatefulSet,
    key: string,
    history: History,
    signal: AbortSignal,
  ): Promise<void> {
    if (steps.length === 0) return;
    const { client } = this.context;
    const { claims, events, expectations } = this;
    const revision = (of: ControllerRevision) => ({ name: of.metadata.name!, template: templateOf(of) });
    const revisions = { current: revision(history.current), update: revision(history.update) };
    const context: StepContext = { client, events, claims, expectations, set, key, revisions, signal };
    const end = expectations.begin(key);
    try {
      // Claims get their owners before the pods that own them go.
      await inBatches(
        context,
        steps.filter(({ kind }) => kind !== 'delete'),
      );
      await inBatches(
        context,
        steps.filter(({ kind }) => kind === 'delete'),
      );
    } finally {
      end();
    }
  }

  private claimPods(set: StatefulSet, selector: LabelMatcher, signal: AbortSignal): Promise<Pod[]> {
    const { uid, namespace } = set.metadata;
    // Only pods with a member's name are its own, whatever their labels.
    const candidates = [...this.podsOf.ownedBy(uid!), ...this.podsOf.orphansIn(namespace!)].filter(
      (pod) => ordinalOf(set, pod) >= 0,
    );
    const owner = { ref: resources.statefulSets, object: set, selector };
    return claim(this.context.client, owner, { ref: resources.pods, candidates }, signal);
  }

  private claimsMatch(set: StatefulSet, pod: Pod): boolean {
    return claimsOf(set, ordinalOf(set, pod)).every(({ metadata }) => {
      const present = this.claims.get(`${metadata.namespace}/${metadata.name}`);
      return !present || judgeClaimOwners(present, set, pod).upToDate;
    });
  }
  private hasStaleClaim(set: StatefulSet, ordinal: number): boolean {
    const pod: Pod = { metadata: { name: podName(set, ordinal), namespace: set.metadata.namespace! } };
    return claimsOf(set, ordinal).some(({ metadata }) => {
      const present = this.claims.get(`${metadata.namespace}/${metadata.name}`);
      return present !== undefined && isStaleClaim(present, set, pod);
    });
  }

  /** The revision pods are rolled out from and the one they are rolled out to. */
  private async history(set: StatefulSet, selector: LabelMatcher, signal: AbortSignal): Promise<History> {
    const { client } = this.context;
    const { uid, namespace } = set.metadata;
    const candidates = [
      ...this.revisionsOf.ownedBy(uid!),
      ...this.revisionsOf.orphansIn(namespace!).filter(({ metadata }) => matchLabels(selector, metadata.labels)),
    ];
    const owner = { ref: resources.statefulSets, object: set, selector };
    const all = await claim(client, owner, { ref: resources.controllerRevisions, candidates }, signal);
    all.sort(byRevision);
    const template = set.spec!.template;
    let collisionCount = set.status?.collisionCount ?? 0;
    const newest = all.at(-1);
    const number = (newest?.revision ?? 0) + 1;
    let update = all.findLast((revision) => isRevisionOf(revision, template));
    if (update && update !== newest) update = await renumberRevision(client, update, number, signal);
    while (!update) {
      const draft = {
        ref: resources.statefulSets,
        object: set,
        template,
        collisionCount,
        hashLabel: revisionHashLabel,
      };
      const created = await createRevision(client, draft, number, signal);
      if (created.kind === 'created') update = created.revision;
      else collisionCount++;
    }
    const current = all.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
    return { all, current, update, collisionCount };
  }

  private async cleanUpHistory(
    set: StatefulSet,
    pods: readonly Pod[],
    { all, current, update }: History,
    signal: AbortSignal,
  ): Promise<void> {
    const limit = set.spec?.revisionHistoryLimit ?? 10;
    if (all.length <= limit) return;
    const live = new Set([current.metadata.name, update.metadata.name, ...pods.map(revisionOf)]);
    const unused = all.filter(({ metadata }) => !live.has(metadata.name));
    for (const revision of revisionsToDelete(unused, limit, () => false))
      await deleteRevision(this.context.client, revision, signal);
  }

  /** On a conflict once more with what the server has; the next sync does the rest. */
  private async writeStatus(set: StatefulSet, status: StatefulSetStatus, signal: AbortSignal): Promise<void> {
    const zero = { readyReplicas: 0, currentReplicas: 0, updatedReplicas: 0, availableReplicas: 0 };
    if (sameJson({ ...zero, ...set.status }, { ...zero, ...status })) return;
    const sets = this.context.client.resource(resources.statefulSets);
    const { name, namespace, uid } = set.metadata;
    try {
      await sets.updateStatus({ ...set, status }, { signal });
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error;
      const fresh = await sets.get(name!, { namespace: namespace!, signal });
      if (fresh.metadata.uid === uid) await sets.updateStatus({ ...fresh, status }, { signal });
    }
  }
}

/** Batches of 1, 2, 4, ...: a parallel set does not run against a quota with all its pods at once. */
async function inBatches(context: StepContext, steps: readonly StatefulStep[]): Promise<void> {
  for (let from = 0, batch = 1; from < steps.length; batch = Math.min(batch * 2, burstReplicas)) {
    const results = await Promise.allSettled(steps.slice(from, from + batch).map((step) => takeStep(context, step)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    from += batch;
  }
}
