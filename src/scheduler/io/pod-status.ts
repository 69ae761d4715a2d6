/** Writes what the scheduler has to say about a pod into its status. */
import { isNotFound } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Pod, PodCondition } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';

/**
 * Sets one condition and, when given, the nominated node (`''` clears it). Sends nothing when nothing changes; a pod that is gone is fine.
 * @param nowMs wall clock; the transition time moves only when the condition's status does.
 */
export async function patchPodStatus(
  client: Client,
  pod: Pod,
  change: { readonly condition?: PodCondition; readonly nominatedNodeName?: string },
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const status: Record<string, JsonObject[string]> = {};
  const { condition, nominatedNodeName } = change;
  if (condition) {
    const before = pod.status?.conditions?.find(({ type }) => type === condition.type);
    const isSame =
      before?.status === condition.status && before.reason === condition.reason && before.message === condition.message;
    if (!isSame)
      status.conditions = [
        {
          type: condition.type,
          status: condition.status,
          reason: condition.reason,
          message: condition.message,
          ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
          lastProbeTime: null,
          lastTransitionTime:
            before?.status === condition.status
              ? (before.lastTransitionTime ?? null)
              : `${new Date(nowMs).toISOString().slice(0, 19)}Z`,
        },
      ];
  }
  if (nominatedNodeName !== undefined && nominatedNodeName !== (pod.status?.nominatedNodeName ?? ''))
    status.nominatedNodeName = nominatedNodeName === '' ? null : nominatedNodeName;
  if (Object.keys(status).length === 0) return;
  try {
    await client
      .resource(resources.pods)
      .patch(
        pod.metadata.name!,
        { type: 'strategic', patch: { metadata: { uid: pod.metadata.uid }, status } },
        { namespace: pod.metadata.namespace!, subresource: 'status', signal },
      );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
