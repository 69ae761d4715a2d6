/** Makes and deletes a ReplicaSet's pods, and tells the user and the expectations about each. */
import { isApiError, isConflict, isNotFound } from '../../api/errors.ts';
import { newControllerRef } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/object.ts';
import type { ReplicaSet } from '../../api/types/apps-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Expectations } from '../expectations.ts';

const slowStartInitialBatchSize = 1;

/** Whose pods, and who is told. */
export interface PodWriter {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly expectations: Expectations;
  readonly replicaSet: ReplicaSet;
  /** The ReplicaSet's key. */
  readonly key: string;
  readonly signal: AbortSignal;
}

/**
 * In batches of 1, 2, 4, ...: when the quota is used up or a webhook refuses, only as many requests fail as have succeeded before.
 * @returns the first error of the batch that failed.
 */
export async function createPods(writer: PodWriter, count: number): Promise<unknown> {
  const { client, events, expectations, replicaSet, key, signal } = writer;
  const pods = client.resource(resources.pods);
  const pod = podFromTemplate(replicaSet, resources.replicaSets);
  for (let left = count, batch = slowStartInitialBatchSize; left > 0; batch *= 2) {
    const size = Math.min(left, batch);
    const results = await Promise.allSettled(
      Array.from({ length: size }, async () => {
        try {
          const created = await pods.create(pod, { signal });
          expectations.created(key, created.metadata.uid!);
          events.event(replicaSet, {
            type: 'Normal',
            reason: 'SuccessfulCreate',
            message: `Created pod: ${created.metadata.name}`,
          });
        } catch (error) {
          // Nothing can be created in a namespace that goes away: not a failure of the ReplicaSet.
          if (isNamespaceTerminating(error)) return;
          if (!signal.aborted)
            events.event(replicaSet, {
              type: 'Warning',
              reason: 'FailedCreate',
              message: `Error creating: ${messageOf(error)}`,
            });
          throw error;
        }
      }),
    );
    left -= size;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) return failed.reason;
  }
  return undefined;
}

/** @returns the first error. */
export async function deletePods(writer: PodWriter, victims: readonly Pod[]): Promise<unknown> {
  const { client, events, expectations, replicaSet, key, signal } = writer;
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
        events.event(replicaSet, {
          type: 'Normal',
          reason: 'SuccessfulDelete',
          message: `Deleted pod: ${metadata.name}`,
        });
      } catch (error) {
        // It is not coming back, and no event may follow: do not wait for one.
        expectations.notDeleted(key, metadata.uid!);
        // Gone, or another pod under its name.
        if (isNotFound(error) || isConflict(error)) return;
        if (!signal.aborted)
          events.event(replicaSet, {
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
export function podFromTemplate(owner: ReplicaSet, ref: ResourceRef<ReplicaSet>): Pod {
  const template = owner.spec?.template;
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

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
