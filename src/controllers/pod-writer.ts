/** Makes and deletes the pods of a workload, and tells the user and the expectations about each. Source: pkg/controller/controller_utils.go. */
import { isApiError, isConflict, isNotFound } from '../api/errors.ts';
import { newControllerRef } from '../api/meta.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { Pod, PodTemplateSpec } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Expectations } from './expectations.ts';

const slowStartInitialBatchSize = 1;
/** At most so many pods are created or deleted in one sync, so that one big workload cannot keep a worker for ever. */
export const burstReplicas = 500;

/** Whose pods, and who is told. */
export interface PodWriter {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly expectations: Expectations;
  readonly owner: KubeObject;
  /** The owner's key. */
  readonly key: string;
  readonly signal: AbortSignal;
  readonly onCreated?: () => void;
}

/**
 * In batches of 1, 2, 4, ...: when the quota is used up or a webhook refuses, only as many requests fail as have succeeded before.
 * @returns the first error of the batch that failed.
 */
export async function createPods(writer: PodWriter, pods: readonly Pod[]): Promise<unknown> {
  for (let from = 0, batch = slowStartInitialBatchSize; from < pods.length; batch *= 2) {
    const results = await Promise.allSettled(pods.slice(from, from + batch).map((pod) => createPod(writer, pod)));
    from += batch;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) return failed.reason;
  }
  return undefined;
}

async function createPod(writer: PodWriter, pod: Pod): Promise<void> {
  const { client, events, expectations, owner, key, signal } = writer;
  try {
    const created = await client.resource(resources.pods).create(pod, { signal });
    expectations.created(key, created.metadata.uid!);
    writer.onCreated?.();
    events.event(owner, {
      type: 'Normal',
      reason: 'SuccessfulCreate',
      message: `Created pod: ${created.metadata.name}`,
    });
  } catch (error) {
    // Nothing can be created in a namespace that goes away: not a failure of the workload.
    if (isNamespaceTerminating(error)) return;
    if (!signal.aborted)
      events.event(owner, { type: 'Warning', reason: 'FailedCreate', message: `Error creating: ${messageOf(error)}` });
    throw error;
  }
}

/** @returns the first error. */
export async function deletePods(writer: PodWriter, victims: readonly Pod[]): Promise<unknown> {
  const { client, events, expectations, owner, key, signal } = writer;
  const pods = client.resource(resources.pods);
  for (const { metadata } of victims) expectations.deleting(key, metadata.uid!);
  const results = await Promise.allSettled(
    victims.map(async ({ metadata }) => {
      try {
        await pods.delete(metadata.name!, {
          namespace: metadata.namespace!,
          body: { preconditions: { uid: metadata.uid! } },
          signal,
        });
        events.event(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${metadata.name}` });
      } catch (error) {
        // It is not coming back, and no event may follow: do not wait for one.
        expectations.notDeleted(key, metadata.uid!);
        // Gone, or another pod under its name.
        if (isNotFound(error) || isConflict(error)) return;
        if (!signal.aborted)
          events.event(owner, {
            type: 'Warning',
            reason: 'FailedDelete',
            message: `Error deleting: ${messageOf(error)}`,
          });
        throw error;
      }
    }),
  );
  return results.find((result) => result.status === 'rejected')?.reason;
}

/** The pod a template asks for, owned by `owner`. The server makes up the name. */
export function podFromTemplate<O extends KubeObject>(
  owner: O,
  ref: ResourceRef<O>,
  template: PodTemplateSpec | undefined,
): Pod {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace!,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [newControllerRef(owner, ref)],
    },
    spec: template!.spec!,
  };
}

export const isNamespaceTerminating = (error: unknown): boolean =>
  isApiError(error) && (error.status.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') ?? false);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
