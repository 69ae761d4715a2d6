/** Rolls a Deployment's pods from template to template through ReplicaSets. Source: pkg/controller/deployment. */

import { controllerOf } from '../../api/meta.ts';
import { type LabelMatcher, labelMatcherFrom, matchLabels, SelectorError } from '../../api/selectors/label-selector.ts';
import type { Deployment, ReplicaSet } from '../../api/types/apps-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import { claim } from '../adoption.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { namespaceIndex, ownerIndex } from '../owner-index.ts';
import { DeploymentSync, type SyncResult } from './sync.ts';

export interface DeploymentControllerOptions {
  /** --concurrent-deployment-syncs */
  readonly workers?: number;
}

export function deploymentController({ workers = 5 }: DeploymentControllerOptions = {}): Controller {
  return {
    name: 'deployment-controller',
    run: (context, signal) => new DeploymentRun(context).run(workers, signal),
  };
}

/** A failing Deployment is dropped after so many tries, until something changes. */
const maxRetries = 15;

class DeploymentRun {
  private readonly context: ControllerContext;
  private readonly deployments;
  private readonly replicaSets;
  private readonly pods;
  private readonly replicaSetsOf;
  private readonly podsOf;
  private readonly deploymentsIn;
  private readonly queue;

  constructor(context: ControllerContext) {
    this.context = context;
    this.deployments = context.informers.informer(resources.deployments);
    this.replicaSets = context.informers.informer(resources.replicaSets);
    this.pods = context.informers.informer(resources.pods);
    this.replicaSetsOf = ownerIndex(this.replicaSets);
    this.podsOf = ownerIndex(this.pods);
    this.deploymentsIn = namespaceIndex(this.deployments);
    this.queue = createWorkQueue<string>({
      clock: context.clock,
      metrics: { registry: context.metrics, name: 'deployment' },
    });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    this.watchDeployments(signal);
    this.watchReplicaSets(signal);
    this.watchPods(signal);
    if (!(await untilSynced([this.deployments, this.replicaSets, this.pods], signal))) return;
    const options = { clock, log, kind: 'deployment', maxRetries };
    await runWorkers(this.queue, workers, (key) => this.sync(key, signal), options, signal);
  }

  private watchDeployments(signal: AbortSignal): void {
    observe(
      this.deployments,
      {
        onAdd: (deployment) => this.queue.add(keyOf(deployment)),
        onUpdate: (_, deployment) => this.queue.add(keyOf(deployment)),
        onDelete: (deployment) => this.queue.add(keyOf(deployment)),
      },
      signal,
    );
  }

  private watchReplicaSets(signal: AbortSignal): void {
    const changed = (replicaSet: ReplicaSet): void => {
      const key = ownerKey(replicaSet);
      if (key !== undefined) this.queue.add(key);
      else if (!controllerOf(replicaSet)) this.wakeAdopters(replicaSet);
    };
    observe(
      this.replicaSets,
      {
        onAdd: changed,
        onUpdate: (previous, replicaSet) => {
          const before = ownerKey(previous);
          if (before !== undefined && before !== ownerKey(replicaSet)) this.queue.add(before);
          changed(replicaSet);
        },
        onDelete: changed,
      },
      signal,
    );
  }

  /** Recreate waits for the last old pod: its end is the only pod event that matters. */
  private watchPods(signal: AbortSignal): void {
    observe(
      this.pods,
      {
        onDelete: (pod) => {
          const owner = controllerOf(pod);
          if (owner?.kind !== 'ReplicaSet') return;
          const replicaSet = this.replicaSets.get(`${pod.metadata.namespace}/${owner.name}`);
          const key = replicaSet && ownerKey(replicaSet);
          const deployment = key === undefined ? undefined : this.deployments.get(key);
          if (deployment?.spec?.strategy?.type === 'Recreate') this.queue.add(key!);
        },
      },
      signal,
    );
  }

  private wakeAdopters(replicaSet: ReplicaSet): void {
    for (const deployment of this.deploymentsIn(replicaSet.metadata.namespace ?? '')) {
      const selector = selectorOf(deployment);
      if (selector && matchLabels(selector, replicaSet.metadata.labels)) this.queue.add(keyOf(deployment));
    }
  }

  private async sync(key: string, signal: AbortSignal): Promise<SyncResult> {
    const { client, clock, events, log } = this.context;
    const cached = this.deployments.get(key);
    if (!cached) return undefined;
    const selector = selectorOf(cached);
    if (!selector) {
      log.error('Deployment has an invalid selector', { deployment: key });
      return undefined;
    }
    if (selector.requirements.length === 0) {
      events.event(cached, {
        type: 'Warning',
        reason: 'SelectingAll',
        message: 'This deployment is selecting all pods. A non-empty selector is required.',
      });
      return undefined;
    }
    const owned = await claim(
      client,
      { ref: resources.deployments, object: cached, selector },
      {
        ref: resources.replicaSets,
        candidates: [
          ...this.replicaSetsOf.ownedBy(cached.metadata.uid!),
          ...this.replicaSetsOf.orphansIn(cached.metadata.namespace!),
        ],
      },
      signal,
    );
    const sync = new DeploymentSync(this.context, cached, owned, (uid) => this.podsOf.ownedBy(uid), signal);
    return sync.run(clock.now());
  }
}

function ownerKey(replicaSet: ReplicaSet): string | undefined {
  const owner = controllerOf(replicaSet);
  if (owner?.kind !== 'Deployment' || !owner.apiVersion.startsWith('apps/')) return undefined;
  return `${replicaSet.metadata.namespace}/${owner.name}`;
}

function selectorOf(deployment: Deployment): LabelMatcher | undefined {
  try {
    return labelMatcherFrom(deployment.spec?.selector);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
