/** Keeps a VolumeAttributesClass that is being deleted while a claim or a volume names it. Source: pkg/controller/volume/vacprotection. */
import { withFinalizer, withoutFinalizer } from '../../api/edit.ts';
import { isNotFound } from '../../api/errors.ts';
import { hasFinalizer, isBeingDeleted } from '../../api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { VolumeAttributesClass } from '../../api/types/storage-v1.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

const finalizer = 'kubernetes.io/vac-protection';
const classIndex = 'attributes-class';

export function attributesClassProtectionController(): Controller {
  return {
    name: 'volumeattributesclass-protection-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const classes = informers.informer(resources.volumeAttributesClasses);
      const claims = informers.informer(resources.persistentVolumeClaims);
      const volumes = informers.informer(resources.persistentVolumes);
      claims.addIndex(classIndex, classesOfClaim);
      volumes.addIndex(classIndex, classesOfVolume);
      const queue = createWorkQueue<string>({
        clock,
        metrics: { registry: metrics, name: 'volumeattributesclassprotection' },
      });
      const consider = (found: VolumeAttributesClass): void => {
        if (isBeingDeleted(found) === hasFinalizer(found, finalizer)) queue.add(found.metadata.name!);
      };
      const freed = (names: readonly string[]): void => {
        for (const name of names) {
          const found = classes.get(name);
          if (found && isBeingDeleted(found)) queue.add(name);
        }
      };
      observe(classes, { onAdd: consider, onUpdate: (_, found) => consider(found) }, signal);
      observe(
        claims,
        { onUpdate: (before) => freed(classesOfClaim(before)), onDelete: (claim) => freed(classesOfClaim(claim)) },
        signal,
      );
      observe(
        volumes,
        { onUpdate: (before) => freed(classesOfVolume(before)), onDelete: (gone) => freed(classesOfVolume(gone)) },
        signal,
      );
      if (!(await untilSynced([classes, claims, volumes], signal))) return;
      const api = client.resource(resources.volumeAttributesClasses);
      const reconcile = async (name: string): Promise<void> => {
        const found = classes.get(name);
        if (!found) return;
        const deleted = isBeingDeleted(found);
        if (deleted && (claims.byIndex(classIndex, name).length > 0 || volumes.byIndex(classIndex, name).length > 0))
          return;
        const next = deleted ? withoutFinalizer(found, finalizer) : withFinalizer(found, finalizer);
        if (next === found) return;
        try {
          await api.update(next, { signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      };
      await runWorkers(queue, 1, reconcile, { clock, log, kind: 'volumeattributesclass' }, signal);
    },
  };
}

/** Wished, in force, and on the way. */
const classesOfClaim = ({ spec, status }: PersistentVolumeClaim): string[] =>
  [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name) => name !== undefined && name !== '') as string[];
const classesOfVolume = ({ spec }: PersistentVolume): string[] =>
  spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
