/** Makes the claims of generic ephemeral volumes. They belong to their pods, so the garbage collector takes them away. Source: pkg/controller/volume/ephemeral. */
import { isAlreadyExists } from '../api/errors.ts';
import { isBeingDeleted, newControllerRef } from '../api/meta.ts';
import type { PersistentVolumeClaim } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { claimBelongsTo, claimNameOf } from '../api/volume/claims.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { keyOf } from '../client/informer.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { observe, untilSynced } from './observe.ts';
import { isNamespaceTerminating } from './pod-writer.ts';

const podKind = { group: '', version: 'v1', kind: 'Pod' } as const;

export function ephemeralVolumeController(): Controller {
  return {
    name: 'ephemeral-volume-controller',
    async run({ client, informers, events, clock, log, metrics }, signal) {
      const pods = informers.informer(resources.pods);
      const claims = informers.informer(resources.persistentVolumeClaims);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'ephemeral_volume' } });
      observe(
        pods,
        {
          onAdd: (pod) => {
            if (pod.spec?.volumes?.some((volume) => volume.ephemeral)) queue.add(keyOf(pod));
          },
        },
        signal,
      );
      observe(
        claims,
        {
          onDelete: (claim) => {
            const owner = claim.metadata.ownerReferences?.find((o) => o.controller && o.kind === 'Pod');
            if (owner) queue.add(`${claim.metadata.namespace}/${owner.name}`);
          },
        },
        signal,
      );
      if (!(await untilSynced([pods, claims], signal))) return;
      const reconcile = async (key: string): Promise<void> => {
        const pod = pods.get(key);
        if (!pod || isBeingDeleted(pod)) return;
        for (const volume of pod.spec?.volumes ?? []) {
          const template = volume.ephemeral?.volumeClaimTemplate;
          if (!template) continue;
          const fail = (why: string): never => {
            const message = `ephemeral volume ${volume.name}: ${why}`;
            events.event(pod, { type: 'Warning', reason: 'FailedBinding', message });
            throw new Error(`pod ${key}, ${message}`);
          };
          const name = claimNameOf(pod, volume)!;
          const known = claims.get(`${pod.metadata.namespace}/${name}`);
          if (known) {
            if (claimBelongsTo(known, pod)) continue;
            fail(`PVC ${keyOf(known)} was not created for pod ${key} (pod is not owner)`);
          }
          const claim: PersistentVolumeClaim = {
            metadata: {
              name,
              namespace: pod.metadata.namespace!,
              ownerReferences: [newControllerRef(pod, podKind)],
              ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
              ...(template.metadata?.labels ? { labels: template.metadata.labels } : {}),
            },
            spec: template.spec,
          };
          try {
            await client.resource(resources.persistentVolumeClaims).create(claim, { signal });
          } catch (error) {
            // Nothing new comes to be in it, and its pods go.
            if (isNamespaceTerminating(error)) return;
            // The cache was behind: its event does not wake us, so look again.
            if (isAlreadyExists(error)) throw error;
            fail(`create PVC ${name}: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      };
      await runWorkers(queue, 10, reconcile, { clock, log, kind: 'pod' }, signal);
    },
  };
}
