/** Keeps a volume that is being deleted while a claim is bound to it. Source: pkg/controller/volume/pvprotection. */
import { withFinalizer, withoutFinalizer } from '../../api/edit.ts';
import { isNotFound } from '../../api/errors.ts';
import { hasFinalizer, isBeingDeleted } from '../../api/meta.ts';
import type { PersistentVolume } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

const finalizer = 'kubernetes.io/pv-protection';

export function volumeProtectionController(): Controller {
  return {
    name: 'persistentvolume-protection-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const volumes = informers.informer(resources.persistentVolumes);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'pvprotection' } });
      const consider = (volume: PersistentVolume): void => {
        if (isBeingDeleted(volume) === hasFinalizer(volume, finalizer)) queue.add(volume.metadata.name!);
      };
      observe(volumes, { onAdd: consider, onUpdate: (_, volume) => consider(volume) }, signal);
      if (!(await untilSynced([volumes], signal))) return;
      const api = client.resource(resources.persistentVolumes);
      const reconcile = async (name: string): Promise<void> => {
        const volume = volumes.get(name);
        if (!volume) return;
        const deleted = isBeingDeleted(volume);
        // Bound: the binder's update of the phase brings us here again.
        if (deleted && volume.status?.phase === 'Bound') return;
        const next = deleted ? withoutFinalizer(volume, finalizer) : withFinalizer(volume, finalizer);
        if (next === volume) return;
        try {
          await api.update(next, { signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      };
      await runWorkers(queue, 1, reconcile, { clock, log, kind: 'volume' }, signal);
    },
  };
}
