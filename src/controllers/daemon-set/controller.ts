/** Keeps one pod of a template on every node that should have one. Source: pkg/controller/daemon. */
import { sameJson } from '../../api/edit.ts';
import { isConflict, isNotFound } from '../../api/errors.ts';
import { isBeingDeleted } from '../../api/meta.ts';
import { isPodTerminal } from '../../api/pod/conditions.ts';
import { labelMatcherFrom, matchLabels } from '../../api/selectors/label-selector.ts';
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from '../../api/types/apps-v1.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
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
import { burstReplicas, createPods, deletePods } from '../pod-writer.ts';
import {
  createRevision,
  deleteRevision,
  isRevisionOf,
  renumberRevision,
  revisionHashLabel,
  revisionsToDelete,
} from '../revisions.ts';
import { FailedPodBackoff } from './failed-pod-backoff.ts';
import { daemonPod, judgeNode, targetNode } from './nodes.ts';
import { type DaemonPlan, type DaemonView, minReadySeconds, planManage, planRollingUpdate } from './plan.ts';
import { daemonSetStatus } from './status.ts';

export interface DaemonSetControllerOptions {
  /** --concurrent-daemonset-syncs */
  readonly workers?: number;
}

export function daemonSetController({ workers = 2 }: DaemonSetControllerOptions = {}): Controller {
  return {
    name: 'daemonset-controller',
    run: (context, signal) => new DaemonSetRun(context).run(workers, signal),
  };
}

type Result = { requeueAfterMs: number } | undefined;

class DaemonSetRun {
  private readonly context: ControllerContext;
  private readonly events;
  private readonly daemonSets;
  private readonly daemonSetsIn;
  private readonly pods;
  private readonly podsOf;
  private readonly nodes;
  private readonly revisions;
  private readonly revisionsOf;
  private readonly expectations: Expectations;
  private readonly backoff: FailedPodBackoff;
  private readonly queue;

  constructor(context: ControllerContext) {
    const { clock, informers, metrics } = context;
    this.context = context;
    this.events = context.events.withComponent('daemonset-controller');
    this.daemonSets = informers.informer(resources.daemonSets);
    this.daemonSetsIn = namespaceIndex(this.daemonSets);
    this.pods = informers.informer(resources.pods);
    this.podsOf = ownerIndex(this.pods);
    this.nodes = informers.informer(resources.nodes);
    this.revisions = informers.informer(resources.controllerRevisions);
    this.revisionsOf = ownerIndex(this.revisions);
    this.expectations = new Expectations(clock);
    this.backoff = new FailedPodBackoff(clock);
    this.queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'daemonset' } });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    const { queue, expectations } = this;
    observe(
      this.daemonSets,
      {
        onAdd: (daemonSet) => queue.add(keyOf(daemonSet)),
        onUpdate: (previous, daemonSet) => {
          if (previous.metadata.uid !== daemonSet.metadata.uid) expectations.forget(keyOf(previous));
          queue.add(keyOf(daemonSet));
        },
        onDelete: (daemonSet) => {
          expectations.forget(keyOf(daemonSet));
          queue.add(keyOf(daemonSet));
        },
      },
      signal,
    );
    observeOwnedPods(
      this.pods,
      {
        kind: 'DaemonSet',
        group: 'apps',
        expectations,
        wake: (key, pod, { removed }) => {
          queue.add(key);
          const seconds = removed ? 0 : (this.daemonSets.get(key)?.spec?.minReadySeconds ?? 0);
          // It may become available by time alone.
          if (seconds > 0 && pod.status?.phase === 'Running') queue.addAfter(key, seconds * 1000 + 1000);
        },
        wakeAdopters: (pod) => {
          for (const daemonSet of this.daemonSetsIn(pod.metadata.namespace ?? ''))
            if (matchLabels(labelMatcherFrom(daemonSet.spec?.selector), pod.metadata.labels))
              queue.add(keyOf(daemonSet));
        },
      },
      signal,
    );
    this.watchNodes(signal);
    if (!(await untilSynced([this.daemonSets, this.pods, this.nodes, this.revisions], signal))) return;
    await runWorkers(queue, workers, (key) => this.sync(key, signal), { clock, log, kind: 'daemonSet' }, signal);
  }

  /** A heartbeat wakes nobody: only what changes the verdict on a node does. */
  private watchNodes(signal: AbortSignal): void {
    const wake = (isConcerned: (daemonSet: DaemonSet) => boolean): void => {
      for (const daemonSet of this.daemonSets.list()) if (isConcerned(daemonSet)) this.queue.add(keyOf(daemonSet));
    };
    observe(
      this.nodes,
      {
        onAdd: (node) => wake((daemonSet) => judgeNode(node, daemonSet).mayContinue),
        onUpdate: (previous, node) => {
          const [before, after] = [previous, node];
          if (
            sameJson(before.metadata.labels, after.metadata.labels) &&
            sameJson(before.spec?.taints, after.spec?.taints)
          )
            return;
          wake((daemonSet) => !sameJson(judgeNode(before, daemonSet), judgeNode(after, daemonSet)));
        },
        // Pods that were never bound must go, and the counts are others.
        onDelete: () => wake(() => true),
      },
      signal,
    );
  }

  private async sync(key: string, signal: AbortSignal): Promise<Result> {
    const daemonSet = this.daemonSets.get(key);
    if (!daemonSet) {
      this.expectations.forget(key);
      return undefined;
    }
    const { matchLabels: labels, matchExpressions } = daemonSet.spec?.selector ?? {};
    if (Object.keys(labels ?? {}).length === 0 && (matchExpressions ?? []).length === 0) {
      this.events.event(daemonSet, {
        type: 'Warning',
        reason: 'SelectingAll',
        message: 'This daemon set is selecting all pods. A non-empty selector is required.',
      });
      return undefined;
    }
    // Its history may be gone already, and without it nothing can be said about its pods.
    if (isBeingDeleted(daemonSet)) return undefined;
    const { current, old } = await this.history(daemonSet, signal);
    const hash = current.metadata.labels?.[revisionHashLabel] ?? '';
    if (!this.expectations.satisfied(key)) return this.writeStatus(daemonSet, hash, { observed: false }, signal);
    let failure: unknown;
    let retryMs: number | undefined;
    try {
      retryMs = await this.act(daemonSet, key, hash, signal);
      await this.cleanUpHistory(daemonSet, old, signal);
    } catch (error) {
      failure = error;
    }
    const result = await this.writeStatus(daemonSet, hash, { observed: true }, signal);
    if (failure !== undefined) throw failure;
    return retryMs === undefined ? result : { requeueAfterMs: Math.min(retryMs, result?.requeueAfterMs ?? retryMs) };
  }

  private async act(daemonSet: DaemonSet, key: string, hash: string, signal: AbortSignal): Promise<number | undefined> {
    const view = await this.look(daemonSet, hash, signal);
    const { create, remove, ended } = planManage(view);
    const replaced: Pod[] = [...remove];
    let retryMs: number | undefined;
    for (const { node, pod } of ended) {
      const failed = pod.status?.phase === 'Failed';
      const waitMs = failed
        ? this.backoff.attempt(`${daemonSet.metadata.uid}/${daemonSet.status?.observedGeneration ?? 0}/${node}`)
        : 0;
      if (waitMs > 0) {
        retryMs = Math.min(waitMs, retryMs ?? waitMs);
        continue;
      }
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
      this.events.event(
        daemonSet,
        failed
          ? {
              type: 'Warning',
              reason: 'FailedDaemonPod',
              message: `Found failed daemon pod ${name} on node ${node}, will try to kill it`,
            }
          : {
              type: 'Normal',
              reason: 'SucceededDaemonPod',
              message: `Found succeeded daemon pod ${name} on node ${node}, will try to delete it`,
            },
      );
      replaced.push(pod);
    }
    await this.apply(daemonSet, key, { create, remove: replaced }, hash, signal);
    const isRolling = daemonSet.spec?.updateStrategy?.type === 'RollingUpdate';
    if (isRolling && this.expectations.satisfied(key)) {
      const now = await this.look(daemonSet, hash, signal);
      await this.apply(daemonSet, key, planRollingUpdate(now), hash, signal);
    }
    return retryMs;
  }

  private async apply(
    daemonSet: DaemonSet,
    key: string,
    { create, remove }: DaemonPlan,
    hash: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (create.length === 0 && remove.length === 0) return;
    const { client } = this.context;
    const writer = { client, events: this.events, expectations: this.expectations, owner: daemonSet, key, signal };
    const end = this.expectations.begin(key);
    try {
      const pods = create.slice(0, burstReplicas).map((node) => daemonPod(daemonSet, node, hash));
      const failedCreate = await createPods(writer, pods);
      const failedDelete = await deletePods(writer, remove.slice(0, burstReplicas));
      const error = failedCreate ?? failedDelete;
      if (error !== undefined) throw error;
    } finally {
      end();
    }
  }

  private async look(daemonSet: DaemonSet, hash: string, signal: AbortSignal): Promise<DaemonView> {
    const pods = new Map<string, Pod[]>();
    for (const pod of await this.claimPods(daemonSet, signal)) {
      // It has a finalizer or waits for the kubelet: nothing of ours.
      if (isPodTerminal(pod) && isBeingDeleted(pod)) continue;
      const node = targetNode(pod);
      if (node === undefined) continue;
      const others = pods.get(node);
      if (others) others.push(pod);
      else pods.set(node, [pod]);
    }
    return { daemonSet, nodes: this.nodes.list() as readonly Node[], pods, hash, nowMs: this.context.clock.now() };
  }

  private claimPods(daemonSet: DaemonSet, signal: AbortSignal): Promise<Pod[]> {
    const selector = labelMatcherFrom(daemonSet.spec?.selector);
    const { uid, namespace } = daemonSet.metadata;
    const candidates = [...this.podsOf.ownedBy(uid!), ...this.podsOf.orphansIn(namespace!)];
    const owner = { ref: resources.daemonSets, object: daemonSet, selector };
    return claim(this.context.client, owner, { ref: resources.pods, candidates }, signal);
  }

  /** The revision of the present template (made when missing, renumbered when it came back) and all others. */
  private async history(
    daemonSet: DaemonSet,
    signal: AbortSignal,
  ): Promise<{ readonly current: ControllerRevision; readonly old: readonly ControllerRevision[] }> {
    const { client } = this.context;
    const { uid, namespace } = daemonSet.metadata;
    const template = daemonSet.spec!.template;
    const owner = {
      ref: resources.daemonSets,
      object: daemonSet,
      selector: labelMatcherFrom(daemonSet.spec?.selector),
    };
    const candidates = [...this.revisionsOf.ownedBy(uid!), ...this.revisionsOf.orphansIn(namespace!)];
    const owned = await claim(client, owner, { ref: resources.controllerRevisions, candidates }, signal);
    const same: ControllerRevision[] = [];
    const old: ControllerRevision[] = [];
    for (const revision of owned) (isRevisionOf(revision, template) ? same : old).push(revision);
    const number = old.reduce((max, { revision }) => Math.max(max, revision), 0) + 1;
    if (same.length === 0) return { current: await this.newRevision(daemonSet, number, signal), old };
    const current = same.length === 1 ? same[0]! : await this.mergeDuplicates(daemonSet, same, signal);
    if (current.revision >= number) return { current, old };
    return { current: await renumberRevision(client, current, number, signal), old };
  }

  private async newRevision(daemonSet: DaemonSet, number: number, signal: AbortSignal): Promise<ControllerRevision> {
    const { client } = this.context;
    const { name, namespace } = daemonSet.metadata;
    const collisionCount = daemonSet.status?.collisionCount;
    const owner = {
      ref: resources.daemonSets,
      object: daemonSet,
      template: daemonSet.spec!.template,
      collisionCount,
      hashLabel: revisionHashLabel,
    };
    const created = await createRevision(client, owner, number, signal);
    if (created.kind === 'created') return created.revision;
    const daemonSets = client.resource(resources.daemonSets);
    const fresh = await daemonSets.get(name!, { namespace: namespace!, signal });
    // Counted only once for each collision: the cache may be behind our own last count.
    if ((fresh.status?.collisionCount ?? 0) === (collisionCount ?? 0)) {
      const status = { ...emptyStatus, ...fresh.status, collisionCount: (collisionCount ?? 0) + 1 };
      await daemonSets.updateStatus({ ...fresh, status }, { signal });
    }
    throw new Error(`The name of a new revision of DaemonSet ${namespace}/${name} is taken, will try another`);
  }

  /** Two revisions of one template: the pods get the newest one's label, the others go. */
  private async mergeDuplicates(
    daemonSet: DaemonSet,
    same: readonly ControllerRevision[],
    signal: AbortSignal,
  ): Promise<ControllerRevision> {
    const { client } = this.context;
    const kept = same.reduce((best, revision) => (revision.revision >= best.revision ? revision : best));
    const hash = kept.metadata.labels?.[revisionHashLabel] ?? '';
    for (const { metadata } of await this.claimPods(daemonSet, signal)) {
      if (metadata.labels?.[revisionHashLabel] === hash) continue;
      const patch = { metadata: { labels: { [revisionHashLabel]: hash } } };
      await client
        .resource(resources.pods)
        .patch(metadata.name!, { type: 'merge', patch }, { namespace: metadata.namespace!, signal });
    }
    for (const revision of same) if (revision !== kept) await deleteRevision(client, revision, signal);
    return kept;
  }

  private async cleanUpHistory(
    daemonSet: DaemonSet,
    old: readonly ControllerRevision[],
    signal: AbortSignal,
  ): Promise<void> {
    const limit = daemonSet.spec?.revisionHistoryLimit ?? 10;
    if (old.length <= limit) return;
    const live = new Set<string>();
    for (const { metadata } of this.podsOf.ownedBy(daemonSet.metadata.uid!)) {
      const hash = metadata.labels?.[revisionHashLabel];
      if (hash) live.add(hash);
    }
    const isLive = ({ metadata }: ControllerRevision) => live.has(metadata.labels?.[revisionHashLabel] ?? '');
    for (const revision of revisionsToDelete(old, limit, isLive))
      await deleteRevision(this.context.client, revision, signal);
  }

  private async writeStatus(
    daemonSet: DaemonSet,
    hash: string,
    options: { readonly observed: boolean },
    signal: AbortSignal,
  ): Promise<Result> {
    const status = daemonSetStatus(await this.look(daemonSet, hash, signal), options.observed);
    if (!sameJson({ ...emptyStatus, ...daemonSet.status }, { ...emptyStatus, ...status }))
      await this.updateStatus(daemonSet, status, signal);
    const seconds = minReadySeconds(daemonSet);
    const pending = seconds > 0 && status.numberReady !== (status.numberAvailable ?? 0);
    return pending ? { requeueAfterMs: seconds * 1000 } : undefined;
  }

  /** On a conflict once more with what the server has; the next sync does the rest. */
  private async updateStatus(daemonSet: DaemonSet, status: DaemonSetStatus, signal: AbortSignal): Promise<void> {
    const daemonSets = this.context.client.resource(resources.daemonSets);
    const { name, namespace, uid } = daemonSet.metadata;
    try {
      await daemonSets.updateStatus({ ...daemonSet, status }, { signal });
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error;
      const current = await daemonSets.get(name!, { namespace: namespace!, signal });
      if (current.metadata.uid !== uid) return;
      const { collisionCount } = current.status ?? {};
      const next = collisionCount === undefined ? status : { ...status, collisionCount };
      await daemonSets.updateStatus({ ...current, status: next }, { signal });
    }
  }
}

const emptyStatus: DaemonSetStatus = Object.freeze({
  currentNumberScheduled: 0,
  numberMisscheduled: 0,
  desiredNumberScheduled: 0,
  numberReady: 0,
  updatedNumberScheduled: 0,
  numberAvailable: 0,
  numberUnavailable: 0,
});
