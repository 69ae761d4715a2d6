/**
 * Tells the owner of a claim that grows who is waited for: volumes are expanded by the programs that made them (a CSI driver's resizer, the
 * built-in local-path provisioner). Source: pkg/controller/volume/expand.
 */
import { compareQuantities, parseQuantity } from '../api/quantity.ts';
import type { PersistentVolumeClaim } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { VolumeAnnotation } from '../api/volume/claims.ts';
import { requestedSize } from '../api/volume/match.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { keyOf } from '../client/informer.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { observe, untilSynced } from './observe.ts';

export interface VolumeExpansionOptions {
  /** Provisioners whose volumes are expanded elsewhere in this program, at once. */
  readonly builtIn?: ReadonlySet<string>;
}

export function volumeExpansionController({ builtIn = new Set() }: VolumeExpansionOptions = {}): Controller {
  return {
    name: 'persistentvolume-expander-controller',
    async run({ informers, events, clock, log, metrics }, signal) {
      const claims = informers.informer(resources.persistentVolumeClaims);
      const volumes = informers.informer(resources.persistentVolumes);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'volume_expand' } });
      observe(
        claims,
        {
          onAdd: (claim) => wantsToGrow(claim) && queue.add(keyOf(claim)),
          onUpdate: (before, claim) => {
            if (
              before.spec?.resources?.requests?.storage !== claim.spec?.resources?.requests?.storage &&
              wantsToGrow(claim)
            )
              queue.add(keyOf(claim));
          },
        },
        signal,
      );
      if (!(await untilSynced([claims, volumes], signal))) return;
      const reconcile = (key: string): void => {
        const claim = claims.get(key);
        if (!claim || !wantsToGrow(claim)) return;
        const volume = volumes.get(claim.spec!.volumeName!);
        if (!volume) throw new Error(`persistentvolume ${JSON.stringify(claim.spec!.volumeName)} not found`);
        if (volume.spec?.claimRef?.uid !== claim.metadata.uid)
          throw new Error(`persistent Volume is not bound to PVC being updated : ${key}`);
        if (builtIn.has(volume.metadata.annotations?.[VolumeAnnotation.provisionedBy] ?? '')) return;
        // A CSI volume has its resizer; for any other nobody here can know one.
        const type = volume.spec?.csi ? 'Normal' : 'Warning';
        events.event(claim, {
          type,
          reason: 'ExternalExpanding',
          message: 'waiting for an external controller to expand this PVC',
        });
      };
      await runWorkers(queue, 1, reconcile, { clock, log, kind: 'claim', maxRetries: 5 }, signal);
    },
  };
}

/** A bound claim asks for more than it has. */
export function wantsToGrow(claim: PersistentVolumeClaim): boolean {
  const has = claim.status?.capacity?.storage;
  if (claim.status?.phase !== 'Bound' || has === undefined || !claim.spec?.volumeName) return false;
  return compareQuantities(requestedSize(claim), parseQuantity(has)) > 0;
}
