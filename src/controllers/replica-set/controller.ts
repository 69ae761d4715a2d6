/**
 * Keeps as many pods of a template running as a ReplicaSet (or a ReplicationController, which differs in its selector only) asks for.
 * Source: pkg/controller/replicaset.
 */
import { isConflict, isNotFound } from '../../api/errors.ts';
import { controllerOf, isBeingDeleted } from '../../api/meta.ts';
import type { KubeObject } from '../../api/object.ts';
import { isPodActive } from '../../api/pod/conditions.ts';
import { type LabelMatcher, labelMatcherFrom, matchLabels, SelectorError } from '../../api/selectors/label-selector.ts';
import type { ReplicaSet } from '../../api/types/apps-v1.ts';
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
import { isPodTerminating, nextAvailabilityMs } from '../pod-state.ts';
import { burstReplicas, createPods, deletePods, messageOf, podFromTemplate } from '../pod-writer.ts';
import { podsToDelete } from './ranking.ts';
import { type ReplicaKind, replicaSetKind, replicationControllerKind } from './replica-kind.ts';
import { type ReplicaFailure, replicaSetStatus, sameStatus } from './status.ts';

export interface ReplicaSetControllerOptions {
  /** --concurrent-replicaset-syncs */
  readonly workers?: number;
}

export function replicaSetController({ workers = 5 }: ReplicaSetControllerOptions = {}): Controller {
  return {
    name: 'replicaset-controller',
    run: (context, signal) => new ReplicaSetRun(context, replicaSetKind).run(workers, signal),
  };
}
export function replicationControllerController({ workers = 5 }: ReplicaSetControllerOptions = {}): Controller {
  return {
    name: 'replicationcontroller-controller',
    run: (context, signal) => new ReplicaSetRun(context, replicationControllerKind).run(workers, signal),
  };
}

class ReplicaSetRun<O extends KubeObject> {
  private readonly context: ControllerContext;
  private readonly kind: ReplicaKind<O>;
  private readonly replicaSets;
  private readonly pods;
  private readonly podsOf;
  private readonly replicaSetsIn;
  private readonly siblings;
  private readonly expectations: Expectations;
  private readonly queue;

  constructor(context: ControllerContext, kind: ReplicaKind<O>) {
    this.context = { ...context, events: context.events.withComponent(kind.component) };
    this.kind = kind;
    this.replicaSets = context.informers.informer(kind.ref);
    this.pods = context.informers.informer(resources.pods);
    this.podsOf = ownerIndex(this.pods);
    this.siblings = ownerIndex(this.replicaSets);
    this.replicaSetsIn = namespaceIndex(this.replicaSets);
    this.expectations = new Expectations(context.clock);
    this.queue = createWorkQueue<string>({
      clock: context.clock,
      metrics: { registry: context.metrics, name: kind.queue },
    });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    this.watchReplicaSets(signal);
    observeOwnedPods(
      this.pods,
      {
        kind: this.kind.ref.kind,
        group: this.kind.ref.group,
        expectations: this.expectations,
        wake: (key) => this.queue.add(key),
        wakeAdopters: (pod) => this.wakeAdopters(pod),
      },
      signal,
    );
    if (!(await untilSynced([this.replicaSets, this.pods], signal))) return;
    await runWorkers(this.queue, workers, (key) => this.sync(key, signal), { clock, log, kind: 'replicaSet' }, signal);
  }

  private watchReplicaSets(signal: AbortSignal): void {
    observe(
      this.replicaSets,
      {
        onAdd: (replicaSet) => this.queue.add(keyOf(replicaSet)),
        onUpdate: (previous, replicaSet) => {
          // Another one under the same name: what was expected of the old one will never be seen.
          if (previous.metadata.uid !== replicaSet.metadata.uid) this.expectations.forget(keyOf(previous));
          this.queue.add(keyOf(replicaSet));
        },
        onDelete: (replicaSet) => {
          this.expectations.forget(keyOf(replicaSet));
          this.queue.add(keyOf(replicaSet));
        },
      },
      signal,
    );
  }

  /** Those whose selector an orphan matches. */
  private wakeAdopters(pod: Pod): void {
    for (const replicaSet of this.replicaSetsIn(pod.metadata.namespace ?? '')) {
      const selector = selectorOf(this.kind.view(replicaSet));
      if (selector && matchLabels(selector, pod.metadata.labels)) this.queue.add(keyOf(replicaSet));
    }
  }

  private async sync(key: string, signal: AbortSignal): Promise<{ requeueAfterMs: number } | undefined> {
    const { clock, client, log } = this.context;
    const object = this.replicaSets.get(key);
    if (!object) {
      this.expectations.forget(key);
      return undefined;
    }
    const replicaSet = this.kind.view(object);
    const selector = selectorOf(replicaSet);
    if (!selector) {
      // Validation lets none in; trying again would not help.
      log.error('ReplicaSet has an invalid selector', { replicaSet: key });
      return undefined;
    }
    const mayManage = this.expectations.satisfied(key);
    const candidates = [
      ...this.podsOf.ownedBy(replicaSet.metadata.uid!),
      ...this.podsOf.orphansIn(replicaSet.metadata.namespace!),
    ].filter((pod) => isPodActive(pod) || isPodTerminating(pod));
    const owned = await claim(
      client,
      { ref: this.kind.ref, object, selector },
      { ref: resources.pods, candidates },
      signal,
    );
    const active = owned.filter(isPodActive);
    const terminating = this.kind.tellsTerminating ? owned.filter(isPodTerminating) : [];
    let failure: ReplicaFailure | undefined;
    let error: unknown;
    if (mayManage && !isBeingDeleted(replicaSet)) {
      ({ failure, error } = await this.manage(object, key, active, signal));
    }
    const status = replicaSetStatus(replicaSet, { active, terminating }, failure, clock.now());
    if (!sameStatus(replicaSet.status, status)) await this.writeStatus(object, status, signal);
    if (error !== undefined) throw error;
    const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
    const next = nextAvailabilityMs(active, minReadySeconds, clock.now());
    return next === undefined ? undefined : { requeueAfterMs: next };
  }

  private async manage(
    object: O,
    key: string,
    active: readonly Pod[],
    signal: AbortSignal,
  ): Promise<{ failure?: ReplicaFailure; error?: unknown }> {
    const replicaSet = this.kind.view(object);
    const wanted = replicaSet.spec?.replicas ?? 1;
    const { client, events } = this.context;
    const writer = { client, events, expectations: this.expectations, owner: replicaSet, key, signal };
    const end = this.expectations.begin(key);
    try {
      if (active.length < wanted) {
        const pod = podFromTemplate(object, this.kind.ref, replicaSet.spec?.template);
        const count = Math.min(wanted - active.length, burstReplicas);
        const error = await createPods(writer, new Array<Pod>(count).fill(pod));
        return error === undefined ? {} : { error, failure: { reason: 'FailedCreate', message: messageOf(error) } };
      }
      if (active.length > wanted) {
        const count = Math.min(active.length - wanted, burstReplicas);
        const victims = podsToDelete(active, this.related(replicaSet), count, this.context.clock.now());
        const error = await deletePods(writer, victims);
        return error === undefined ? {} : { error, failure: { reason: 'FailedDelete', message: messageOf(error) } };
      }
      return {};
    } finally {
      end();
    }
  }

  /** Active pods of all ReplicaSets with the same owner (a Deployment's old and new ones). */
  private related(replicaSet: ReplicaSet): readonly Pod[] {
    const owner = controllerOf(replicaSet);
    const family = owner ? this.siblings.ownedBy(owner.uid) : [replicaSet];
    return family.flatMap(({ metadata }) => this.podsOf.ownedBy(metadata.uid!).filter(isPodActive));
  }

  /** On a conflict once more with what the server has; the next sync does the rest. */
  private async writeStatus(object: O, status: NonNullable<ReplicaSet['status']>, signal: AbortSignal): Promise<void> {
    const { ref, withStatus } = this.kind;
    const objects = this.context.client.resource(ref);
    const { name, namespace } = object.metadata;
    try {
      await objects.updateStatus(withStatus(object, status), { signal });
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error;
      const current = await objects.get(name!, { namespace: namespace!, signal });
      if (current.metadata.uid === object.metadata.uid)
        await objects.updateStatus(withStatus(current, status), { signal });
    }
  }
}

function selectorOf(replicaSet: ReplicaSet): LabelMatcher | undefined {
  try {
    return labelMatcherFrom(replicaSet.spec?.selector);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
