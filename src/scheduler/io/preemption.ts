/** Carries out a preemption: the victims are told why and deleted. Source: prepareCandidate in framework/preemption. */
import { isNotFound } from '../../api/errors.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Nominator } from '../core/nominator.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { patchPodStatus } from './pod-status.ts';

export interface PreemptionContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly nominator: Nominator;
  readonly schedulerName: string;
}

export async function preempt(
  { client, clock, events, nominator, schedulerName }: PreemptionContext,
  {
    pod,
    nodeName,
    victims,
  }: { readonly pod: PodInfo; readonly nodeName: string; readonly victims: readonly PodInfo[] },
  signal: AbortSignal,
): Promise<void> {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: `${schedulerName}: preempting to accommodate a higher priority pod`,
  };
  await Promise.all(
    victims.map(async (victim) => {
      await patchPodStatus(client, victim.pod, { condition }, clock.now(), signal);
      try {
        await client.resource(resources.pods).delete(victim.name, {
          namespace: victim.namespace,
          body: { preconditions: { uid: victim.uid } },
          signal,
        });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      events.event(victim.pod, {
        type: 'Normal',
        reason: 'Preempted',
        action: 'Preempting',
        message: `Preempted by pod ${pod.uid} on node ${nodeName}`,
        related: pod.pod,
      });
    }),
  );
  // Pods of lower priority that were promised this node must look elsewhere.
  for (const rival of nominator.on(nodeName)) {
    if (rival.uid === pod.uid || rival.priority >= pod.priority) continue;
    nominator.delete(rival.uid);
    await patchPodStatus(client, rival.pod, { nominatedNodeName: '' }, clock.now(), signal);
  }
}
