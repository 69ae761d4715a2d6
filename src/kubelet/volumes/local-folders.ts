/**
 * The node's half of the built-in provisioner (see controllers/local-path/local-path.ts): offers a folder for volumes, and removes the folders of
 * volumes that are being deleted. Folders are made when a pod first mounts them.
 */
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { PersistentVolume } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { VolumeAnnotation } from '../../api/volume/claims.ts';
import {
  localPathFolderAnnotation,
  localPathProvisioner,
  localPathRemovedAnnotation,
} from '../../api/volume/local-path.ts';
import { reachableFrom } from '../../api/volume/match.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';

export interface LocalFoldersOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly nodeName: string;
  /** Absolute; volumes are its folders. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export const isLocalPathVolume = ({ metadata }: PersistentVolume): boolean =>
  metadata.annotations?.[VolumeAnnotation.provisionedBy] === localPathProvisioner;

/** Runs until `signal` aborts. */
export async function runLocalFolders(options: LocalFoldersOptions, signal: AbortSignal): Promise<void> {
  const { client, informers, nodeName, folder, clock, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const nodes = informers.informer(resources.nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const volumes = informers.informer(resources.persistentVolumes);
  const queue = createWorkQueue<string>({ clock });
  const wake = (): void => queue.add(nodeName);
  const onVolume = (volume: PersistentVolume): void => {
    if (isLocalPathVolume(volume) && volume.metadata.deletionTimestamp !== undefined) wake();
  };
  const removers = [
    nodes.addHandler({ onAdd: wake, onUpdate: wake }),
    volumes.addHandler({
      onAdd: onVolume,
      onUpdate: (_, volume) => onVolume(volume),
      onDelete: (volume) => {
        if (isLocalPathVolume(volume)) wake();
      },
    }),
  ];

  const reconcile = async (): Promise<void> => {
    const node = nodes.get(nodeName);
    if (!node) return;
    const had = (node.metadata.annotations?.[localPathRemovedAnnotation] ?? '')
      .split(',')
      .filter((name) => name !== '');
    // A name is told until its volume is gone.
    const told = new Set(had.filter((name) => volumes.get(name)));
    for (const volume of volumes.list()) {
      const name = volume.metadata.name!;
      if (!isLocalPathVolume(volume) || volume.metadata.deletionTimestamp === undefined || told.has(name)) continue;
      if (volume.spec?.persistentVolumeReclaimPolicy !== 'Delete' || !reachableFrom(volume, node)) continue;
      const path = volume.spec.local?.path ?? '';
      // Nothing else is ever removed, whatever a volume says.
      if (dirname(path) !== folder || !basename(path).startsWith(`${name}_`)) {
        log.warn('The folder of a volume is not below the folder for volumes: it is left', { volume: name, path });
        continue;
      }
      await rm(path, { recursive: true, force: true });
      log.info('Removed the folder of a volume', { volume: name, path });
      told.add(name);
    }
    const annotations = { [localPathFolderAnnotation]: folder, [localPathRemovedAnnotation]: [...told].sort().join() };
    const same = Object.entries(annotations).every(
      ([key, value]) => (node.metadata.annotations?.[key] ?? '') === value,
    );
    if (same) return;
    await client.resource(resources.nodes).patch(nodeName, {
      type: 'merge',
      patch: {
        metadata: { annotations: { ...annotations, [localPathRemovedAnnotation]: [...told].sort().join() || null } },
      },
    });
  };

  try {
    await Promise.all([nodes.waitForSync(signal), volumes.waitForSync(signal)]);
    wake();
    await runWorkers(queue, 1, reconcile, { clock, log, kind: 'node' }, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const remove of removers) remove();
  }
}
