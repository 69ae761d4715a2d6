/**
 * Removes pods nobody else will: of nodes that are gone, terminated ones beyond a threshold, those that were told to go before they had a
 * node, and those on nodes declared out of service. Source: pkg/controller/podgc/gc_controller.go.
 */
import { isNotFound } from '../api/errors.ts';
import { findCondition, setCondition } from '../api/meta.ts';
import { formatTime } from '../api/time.ts';
import type { Node, Pod, PodCondition } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { keyOf } from '../client/informer.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { untilSynced } from './observe.ts';

export interface PodGarbageCollectorOptions {
  /** Terminated pods kept; 0 or less: all. Default 12,500. */
  readonly terminatedPodThreshold?: number;
}

const periodMs = 20_000;
/** A node that is missing may only be missing from the cache: it must have been so for this long, and be unknown to the server. */
const quarantineMs = 40_000;
const outOfService = 'node.kubernetes.io/out-of-service';

export function createPodGarbageCollector({
  terminatedPodThreshold = 12_500,
}: PodGarbageCollectorOptions = {}): Controller {
  return {
    name: 'pod-garbage-collector-controller',
    async run(context, signal) {
      const { client, informers, clock, log } = context;
      const pods = informers.informer(resources.pods);
      const nodes = informers.informer(resources.nodes);
      if (!(await untilSynced([pods, nodes], signal))) return;
      const missingSince = new Map<string, number>();
      while (!signal.aborted) {
        const all = pods.list();
        if (terminatedPodThreshold > 0)
          await collect(context, terminatedBeyond(all, terminatedPodThreshold), 'terminated pods', undefined, signal);
        await collect(
          context,
          outOfServicePods(all, (name) => nodes.get(name)),
          'pods of nodes out of service',
          undefined,
          signal,
        );
        const gone = new Set<string>();
        for (const name of quarantine(all, (node) => nodes.get(node) !== undefined, missingSince, clock.monotonic())) {
          try {
            await client.resource(resources.nodes).get(name, { signal });
          } catch (error) {
            if (signal.aborted) return;
            if (isNotFound(error)) gone.add(name);
            else log.warn('Cannot look for the node of orphaned pods', { node: name, error });
          }
        }
        const orphaned = all.filter((pod) => gone.has(pod.spec?.nodeName ?? ''));
        await collect(context, orphaned, 'orphaned pods', 'PodGC: node no longer exists', signal);
        const unscheduled = all.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !pod.spec?.nodeName);
        await collect(context, unscheduled, 'unscheduled pods that are being deleted', undefined, signal);
        await clock.sleep(periodMs, signal);
      }
    },
  };
}

const isTerminated = ({ status }: Pod): boolean =>
  status?.phase !== undefined && status.phase !== 'Pending' && status.phase !== 'Running' && status.phase !== 'Unknown';

/** The oldest of the terminated pods that are too many; evicted ones first, because nobody owns them any more. */
export function terminatedBeyond(pods: readonly Pod[], threshold: number): readonly Pod[] {
  const terminated = pods.filter(isTerminated);
  if (terminated.length <= threshold) return [];
  const evicted = (pod: Pod): number => (pod.status?.reason === 'Evicted' ? 0 : 1);
  const created = (pod: Pod): string => pod.metadata.creationTimestamp ?? '';
  return terminated
    .sort(
      (a, b) =>
        evicted(a) - evicted(b) ||
        (created(a) < created(b)
          ? -1
          : created(a) > created(b)
            ? 1
            : (a.metadata.name ?? '') < (b.metadata.name ?? '')
              ? -1
              : 1),
    )
    .slice(0, terminated.length - threshold);
}

/** Nodes that pods name and that have been missing long enough. Notes since when in `since`. */
export function quarantine(
  pods: readonly Pod[],
  exists: (node: string) => boolean,
  since: Map<string, number>,
  now: number,
): readonly string[] {
  const missing = new Set<string>();
  for (const { spec } of pods) if (spec?.nodeName && !exists(spec.nodeName)) missing.add(spec.nodeName);
  for (const name of since.keys()) if (!missing.has(name)) since.delete(name);
  const ripe: string[] = [];
  for (const name of missing) {
    const at = since.get(name);
    if (at === undefined) since.set(name, now);
    else if (now - at >= quarantineMs) ripe.push(name);
  }
  return ripe;
}

/** Only of nodes that are not ready as well: a running kubelet ends its pods itself. */
export function outOfServicePods(pods: readonly Pod[], nodeOf: (name: string) => Node | undefined): readonly Pod[] {
  return pods.filter((pod) => {
    if (pod.metadata.deletionTimestamp === undefined || !pod.spec?.nodeName) return false;
    const node = nodeOf(pod.spec.nodeName);
    return (
      node !== undefined &&
      findCondition(node.status?.conditions, 'Ready')?.status !== 'True' &&
      node.spec?.taints?.some((taint) => taint.key === outOfService) === true
    );
  });
}

async function collect(
  { client, clock, log }: ControllerContext,
  pods: readonly Pod[],
  why: string,
  disruption: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (pods.length === 0) return;
  log.info('Removing pods', { count: pods.length, why });
  const api = client.resource(resources.pods);
  for (const pod of pods) {
    if (signal.aborted) return;
    const { name = '', namespace = '', uid } = pod.metadata;
    try {
      if (pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed') await markFailed(pod);
      const body = { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) };
      await api.delete(name, { namespace, body, signal });
    } catch (error) {
      if (signal.aborted) return;
      if (!isNotFound(error)) log.warn('Cannot remove pod', { pod: keyOf(pod), why, error });
    }
  }
  /** A pod that is removed without its kubelet's word has failed, and whoever counts failures must learn it. */
  async function markFailed(pod: Pod): Promise<void> {
    const condition: PodCondition | undefined =
      disruption === undefined
        ? undefined
        : { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: disruption };
    const changed = condition && setCondition(pod.status?.conditions, condition, formatTime(clock.now()));
    const patch = {
      metadata: { uid: pod.metadata.uid ?? '' },
      status: {
        phase: 'Failed',
        ...(changed ? { conditions: changed.filter((c) => c.type === 'DisruptionTarget').map((c) => ({ ...c })) } : {}),
      },
    };
    const { name = '', namespace = '' } = pod.metadata;
    await api.patch(name, { type: 'strategic', patch }, { namespace, subresource: 'status', signal });
  }
}
