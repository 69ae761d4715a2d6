/** One step of one Deployment: what `plan.ts` and `status.ts` decide, written. */

import { isAlreadyExists, isNotFound } from '../../api/errors.ts';
import { templateHash } from '../../api/hash.ts';
import type { JsonObject } from '../../api/json.ts';
import { findCondition, isBeingDeleted, isControlledBy, newControllerRef } from '../../api/meta.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/types/apps-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { ControllerContext } from '../controller.ts';
import { isNamespaceTerminating } from '../pod-writer.ts';
import { newReplicaSetAnnotations, revisionAnnotation, revisionOf, sizeAnnotations } from './annotations.ts';
import {
  hasOldPodsRunning,
  isScalingEvent,
  newReplicaSetSize,
  planCleanup,
  planRollingUpdate,
  planScaleDownAll,
  planScaling,
} from './plan.ts';
import { findNewReplicaSet, type Scaling, sizeOf } from './replica-sets.ts';
import {
  deploymentStatus,
  hasProgressDeadline,
  isComplete,
  Reason,
  rolloutStatus,
  sameStatus,
  timeoutCheckAfterMs,
  withCondition,
  withPauseCondition,
} from './status.ts';
import { sameTemplate, templateHashLabel } from './template-hash.ts';

export type SyncResult = { readonly requeueAfterMs: number } | undefined;

/** One look at one Deployment. Holds what it knows and what it has written since. */
export class DeploymentSync {
  private readonly context: ControllerContext;
  private readonly cached: Deployment;
  /** With conditions that this sync has set and not written yet. */
  private deployment: Deployment;
  private owned: readonly ReplicaSet[];
  private readonly podsOf: (uid: string) => readonly Pod[];
  private readonly signal: AbortSignal;

  constructor(
    context: ControllerContext,
    deployment: Deployment,
    owned: readonly ReplicaSet[],
    podsOf: (uid: string) => readonly Pod[],
    signal: AbortSignal,
  ) {
    this.context = context;
    this.cached = deployment;
    this.deployment = deployment;
    this.owned = owned;
    this.podsOf = podsOf;
    this.signal = signal;
  }

  async run(nowMs: number): Promise<SyncResult> {
    if (isBeingDeleted(this.deployment)) return this.writeStatus(this.plainStatus());
    this.setConditions(withPauseCondition(this.deployment, nowMs));
    if (this.deployment.spec?.paused || isScalingEvent(this.deployment, this.owned)) return this.scaleOnly();
    return this.deployment.spec?.strategy?.type === 'Recreate' ? this.recreate() : this.rollingUpdate();
  }

  /** Paused or resized: no new template is rolled out. */
  private async scaleOnly(): Promise<SyncResult> {
    const newReplicaSet = await this.newReplicaSet({ create: false });
    await this.scale(planScaling(this.deployment, newReplicaSet, this.old()), { withAnnotations: true });
    if (this.deployment.spec?.paused) await this.cleanUp();
    return this.writeStatus(this.plainStatus());
  }

  private async rollingUpdate(): Promise<SyncResult> {
    const newReplicaSet = await this.newReplicaSet({ create: true });
    const scalings = planRollingUpdate(this.deployment, newReplicaSet!, this.old());
    await this.scale(scalings, { withAnnotations: false });
    if (scalings.length === 0 && isComplete(this.deployment, this.deployment.status ?? {})) await this.cleanUp();
    return this.writeStatus(this.rolloutStatus());
  }

  private async recreate(): Promise<SyncResult> {
    let newReplicaSet = await this.newReplicaSet({ create: false });
    const down = planScaleDownAll(this.old());
    if (down.length > 0) {
      await this.scale(down, { withAnnotations: false });
      return this.writeStatus(this.rolloutStatus());
    }
    if (hasOldPodsRunning(newReplicaSet, this.old(), this.podsOf)) return this.writeStatus(this.rolloutStatus());
    newReplicaSet ??= await this.newReplicaSet({ create: true });
    const wanted = this.deployment.spec?.replicas ?? 1;
    if (sizeOf(newReplicaSet!) !== wanted)
      await this.scale([{ replicaSet: newReplicaSet!, to: wanted }], { withAnnotations: false });
    if (isComplete(this.deployment, this.deployment.status ?? {})) await this.cleanUp();
    return this.writeStatus(this.rolloutStatus());
  }

  private current(): ReplicaSet | undefined {
    return findNewReplicaSet(this.deployment, this.owned);
  }
  private old(): readonly ReplicaSet[] {
    const current = this.current();
    return this.owned.filter(({ metadata }) => metadata.uid !== current?.metadata.uid);
  }
  private rolloutStatus(): DeploymentStatus {
    return rolloutStatus(this.deployment, this.current(), this.owned, this.context.clock.now());
  }
  private plainStatus(): DeploymentStatus {
    return deploymentStatus(this.deployment, this.current(), this.owned, this.context.clock.now());
  }

  /** The ReplicaSet of the present template with its revision brought up to date; made when it is missing and `create` is set. */
  private async newReplicaSet(options: { readonly create: boolean }): Promise<ReplicaSet | undefined> {
    const revision = this.old().reduce((last, replicaSet) => maxOf(last, revisionOf(replicaSet)), 0n) + 1n;
    const existing = this.current();
    if (!existing) return options.create ? this.createReplicaSet(revision) : undefined;
    const annotations = newReplicaSetAnnotations(this.deployment, existing.metadata.annotations ?? {}, revision, {
      exists: true,
    });
    const minReadySeconds = this.deployment.spec?.minReadySeconds ?? 0;
    const isCurrent =
      (existing.spec?.minReadySeconds ?? 0) === minReadySeconds &&
      sameMap(annotations, existing.metadata.annotations ?? {});
    const next = isCurrent
      ? existing
      : await this.updateReplicaSet({
          ...existing,
          metadata: { ...existing.metadata, annotations },
          spec: { ...existing.spec!, minReadySeconds },
        });
    this.setRevision(next.metadata.annotations?.[revisionAnnotation]);
    if (hasProgressDeadline(this.deployment) && !this.condition('Progressing'))
      this.setProgressing('True', Reason.foundNewReplicaSet, `Found new replica set "${next.metadata.name}"`);
    return next;
  }

  private async createReplicaSet(revision: bigint): Promise<ReplicaSet> {
    const { client, events } = this.context;
    const { deployment } = this;
    const hash = templateHash(deployment.spec!.template as JsonObject, deployment.status?.collisionCount);
    const name = `${deployment.metadata.name}-${hash}`;
    const template = deployment.spec!.template;
    const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
    const { selector } = deployment.spec!;
    const draft: ReplicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name,
        namespace: deployment.metadata.namespace!,
        labels,
        ownerReferences: [newControllerRef(deployment, resources.deployments)],
        annotations: newReplicaSetAnnotations(deployment, {}, revision, { exists: false }),
      },
      spec: {
        replicas: newReplicaSetSize(deployment, this.owned, undefined),
        ...(deployment.spec?.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [templateHashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    let created: ReplicaSet;
    try {
      created = await client.resource(resources.replicaSets).create(draft, { signal: this.signal });
    } catch (error) {
      created = await this.afterFailedCreate(name, error);
      this.keep(created);
      return created;
    }
    this.keep(created);
    if (sizeOf(created) > 0)
      events.event(deployment, {
        type: 'Normal',
        reason: 'ScalingReplicaSet',
        message: `Scaled up replica set ${created.metadata.name} from 0 to ${sizeOf(created)}`,
      });
    this.setRevision(created.metadata.annotations?.[revisionAnnotation]);
    if (hasProgressDeadline(deployment))
      this.setProgressing('True', Reason.newReplicaSet, `Created new replica set "${created.metadata.name}"`);
    return created;
  }

  /** The name is taken: by ourselves (our cache is behind), or by another template with the same hash, which is counted and tried anew. */
  private async afterFailedCreate(name: string, error: unknown): Promise<ReplicaSet> {
    const { client } = this.context;
    const { deployment } = this;
    if (isAlreadyExists(error)) {
      const other = await client
        .resource(resources.replicaSets)
        .get(name, { namespace: deployment.metadata.namespace!, signal: this.signal });
      if (isControlledBy(other, deployment) && sameTemplate(other.spec?.template, deployment.spec?.template))
        return other;
      const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
      await this.writeStatus({ ...deployment.status, collisionCount });
      throw error;
    }
    if (isNamespaceTerminating(error)) throw error;
    const message = `Failed to create new replica set "${name}": ${error instanceof Error ? error.message : String(error)}`;
    this.setProgressing('False', Reason.failedCreate, message);
    await this.writeStatus(this.deployment.status ?? {});
    throw error;
  }

  /**
   * Writes sizes, with the annotations that remember them. @param withAnnotations also where the size stays but the annotations are stale
   * (proportional scaling).
   */
  private async scale(scalings: readonly Scaling[], options: { readonly withAnnotations: boolean }): Promise<void> {
    const sizes = sizeAnnotations(this.deployment);
    for (const { replicaSet, to } of scalings) {
      const from = sizeOf(replicaSet);
      const stale = Object.entries(sizes).some(([key, value]) => replicaSet.metadata.annotations?.[key] !== value);
      if (from === to && !(stale && options.withAnnotations)) continue;
      const written = await this.updateReplicaSet({
        ...replicaSet,
        metadata: { ...replicaSet.metadata, annotations: { ...replicaSet.metadata.annotations, ...sizes } },
        spec: { ...replicaSet.spec!, replicas: to },
      });
      if (from === to) continue;
      this.context.events.event(this.deployment, {
        type: 'Normal',
        reason: 'ScalingReplicaSet',
        message: `Scaled ${from < to ? 'up' : 'down'} replica set ${written.metadata.name} from ${from} to ${to}`,
      });
    }
  }

  private async cleanUp(): Promise<void> {
    for (const { metadata } of planCleanup(this.deployment, this.old())) {
      try {
        await this.context.client.resource(resources.replicaSets).delete(metadata.name!, {
          namespace: metadata.namespace!,
          body: { preconditions: { uid: metadata.uid! } },
          signal: this.signal,
        });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private async updateReplicaSet(replicaSet: ReplicaSet): Promise<ReplicaSet> {
    const written = await this.context.client
      .resource(resources.replicaSets)
      .update(replicaSet, { signal: this.signal });
    this.keep(written);
    return written;
  }

  private keep(replicaSet: ReplicaSet): void {
    const rest = this.owned.filter(({ metadata }) => metadata.uid !== replicaSet.metadata.uid);
    this.owned = [...rest, replicaSet];
  }

  /**
   * The Deployment shows its new ReplicaSet's revision. It is written with the status, which does not count as a change by the user: any other
   * write of an annotation would raise the generation.
   */
  private setRevision(revision: string | undefined): void {
    const { metadata } = this.deployment;
    if (revision === undefined || metadata.annotations?.[revisionAnnotation] === revision) return;
    const annotations = { ...metadata.annotations, [revisionAnnotation]: revision };
    this.deployment = { ...this.deployment, metadata: { ...metadata, annotations } };
  }

  private condition(type: string) {
    return findCondition(this.deployment.status?.conditions, type);
  }
  private setConditions(conditions: readonly DeploymentCondition[]): void {
    const before = this.deployment.status?.conditions ?? [];
    if (conditions === before || (conditions.length === 0 && before.length === 0)) return;
    this.deployment = { ...this.deployment, status: { ...this.deployment.status, conditions } };
  }
  private setProgressing(status: 'True' | 'False', reason: string, message: string): void {
    const conditions = this.deployment.status?.conditions ?? [];
    this.setConditions(withCondition(conditions, 'Progressing', status, reason, message, this.context.clock.now()));
  }

  private async writeStatus(status: DeploymentStatus): Promise<SyncResult> {
    const after = timeoutCheckAfterMs(this.deployment, status, this.context.clock.now());
    const result = after === undefined ? undefined : { requeueAfterMs: after };
    const annotations = this.deployment.metadata.annotations ?? {};
    if (sameStatus(this.cached.status, status) && sameMap(annotations, this.cached.metadata.annotations ?? {}))
      return result;
    try {
      await this.context.client
        .resource(resources.deployments)
        .updateStatus({ ...this.deployment, status }, { signal: this.signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return result;
  }
}

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function sameMap(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
