/** Deletes what is in a namespace, pods first (KEP-5080). Source: pkg/controller/namespace/deletion/namespaced_resources_deleter.go. */
import { ApiError, isNotFound } from '../../api/errors.ts';
import type { KubeObject } from '../../api/object.ts';
import { parseTime } from '../../api/time.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import { type DiscoveredResource, discoverResources } from '../../client/discovery.ts';
import type { DeletionProgress } from './deletion-conditions.ts';

/** Objects whose finalizers somebody still has to work off are looked at again after half of this. */
const finalizerSeconds = 15;

export interface ContentPass {
  readonly progress: DeletionProgress;
  /** About how long until what is left is gone; 0 when nothing is left. */
  readonly estimateSeconds: number;
}

/** One pass over everything in the namespace. Errors of single resources are part of the answer. @throws when discovery fails entirely. */
export async function deleteContent(
  client: Client,
  namespace: string,
  deletedAtMs: number,
  nowMs: number,
  signal: AbortSignal,
): Promise<ContentPass> {
  const discovery = await discoverResources(client.transport, signal);
  const contentErrors: string[] = [];
  const remaining = new Map<string, number>();
  const finalizers = new Map<string, number>();
  let estimateSeconds = 0;

  const empty = async (resource: DiscoveredResource): Promise<void> => {
    try {
      estimateSeconds = Math.max(
        estimateSeconds,
        await deleteResource(client, resource, namespace, deletedAtMs, nowMs, remaining, finalizers, signal),
      );
    } catch (error) {
      signal.throwIfAborted();
      contentErrors.push(error instanceof Error ? error.message : String(error));
    }
  };
  const deletable = discovery.resources.filter((r) => r.namespaced && r.preferred && r.verbs.includes('delete'));
  const isPods = (r: DiscoveredResource): boolean => r.group === '' && r.resource === 'pods';
  const pods = deletable.find(isPods);
  if (pods) await empty(pods);
  // While pods run, what they rely on (network policies above all) stays.
  if (estimateSeconds === 0 && contentErrors.length === 0)
    for (const resource of deletable) if (!isPods(resource)) await empty(resource);
  return {
    progress: {
      discoveryErrors: discovery.failures.map(({ groupVersion, message }) => `${groupVersion}: ${message}`),
      contentErrors,
      remaining,
      finalizers,
    },
    estimateSeconds,
  };
}

/** @returns the estimate in seconds until its objects are gone. @throws when a request fails, or objects stay for no visible reason. */
async function deleteResource(
  client: Client,
  resource: DiscoveredResource,
  namespace: string,
  deletedAtMs: number,
  nowMs: number,
  remaining: Map<string, number>,
  finalizers: Map<string, number>,
  signal: AbortSignal,
): Promise<number> {
  const objects = client.resource<KubeObject>(resource);
  const supports = (verb: string): boolean => resource.verbs.includes(verb);
  const list = async (): Promise<readonly KubeObject[]> => (await objects.list({ namespace, signal })).items;

  // The grace of pods is estimated before they are told to go, as long as their specs are there.
  const podEstimate =
    resource.group === '' && resource.resource === 'pods'
      ? await estimatePods(client, namespace, deletedAtMs, nowMs, signal)
      : 0;
  const body = { propagationPolicy: 'Background' };
  if (supports('deletecollection'))
    await unlessUnsupported(() => objects.deleteCollection({ namespace, body, signal }));
  else if (supports('list'))
    for (const object of await list())
      await unlessUnsupported(() => objects.delete(object.metadata.name ?? '', { namespace, body, signal }));
  if (!supports('list')) return 0;

  let left: readonly KubeObject[] = [];
  await unlessUnsupported(async () => {
    left = await list();
  });
  if (left.length === 0) return 0;
  const name = `${resource.resource}.${resource.group}`;
  remaining.set(name, left.length);
  let held = false;
  for (const object of left)
    for (const finalizer of object.metadata.finalizers ?? []) {
      held = true;
      finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
    }
  if (podEstimate > 0) return podEstimate;
  if (held) return finalizerSeconds;
  throw new Error(
    `unexpected items still remain in namespace: ${namespace} for gvr: ${resource.group}/${resource.version}, Resource=${resource.resource}`,
  );
}

/** Some resources are listed but answer no collection request; that is not an error. */
async function unlessUnsupported(send: () => Promise<void>): Promise<void> {
  try {
    await send();
  } catch (error) {
    if (!isNotFound(error) && !(error instanceof ApiError && error.reason === 'MethodNotAllowed')) throw error;
  }
}

async function estimatePods(
  client: Client,
  namespace: string,
  deletedAtMs: number,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { items } = await client.resource(resources.pods).list({ namespace, signal });
  let seconds = 0;
  for (const { spec, status } of items as readonly Pod[]) {
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
    seconds = Math.max(seconds, spec?.terminationGracePeriodSeconds ?? 0);
  }
  // What is left of the longest grace period, if all pods were told to go when the namespace was.
  return Math.max(0, seconds - Math.floor((nowMs - deletedAtMs) / 1000));
}

export const deletionTime = (object: KubeObject): number | undefined =>
  object.metadata.deletionTimestamp === undefined ? undefined : parseTime(object.metadata.deletionTimestamp);
