/** The persistent volume binder: claims and volumes, one at a time, in one queue. Source: pkg/controller/volume/persistentvolume. */
import { isPodTerminal } from '../../api/pod/conditions.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { claimKeysOf } from '../../api/volume/claims.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { LatestObjects } from '../latest-objects.ts';
import { observe, untilSynced } from '../observe.ts';
import { Binder } from './binder.ts';

export interface PersistentVolumeBinderOptions {
  /** --pvclaimbinder-sync-period: how often what waits is looked at again (and its events are repeated). */
  readonly syncPeriodMs?: number;
}

const claimPrefix = 'claim:';
const volumePrefix = 'volume:';
const claimIndex = 'claims';

export function persistentVolumeBinder({ syncPeriodMs = 15_000 }: PersistentVolumeBinderOptions = {}): Controller {
  return {
    name: 'persistentvolume-binder-controller',
    async run({ client, informers, events, clock, log, metrics }, signal) {
      const claims = informers.informer(resources.persistentVolumeClaims);
      const volumes = informers.informer(resources.persistentVolumes);
      const classes = informers.informer(resources.storageClasses);
      const pods = informers.informer(resources.pods);
      pods.addIndex(claimIndex, claimKeysOf);
      // One queue and one worker: two claims must not be given the same volume.
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'persistentvolumes' } });
      const addClaim = (key: string): void => queue.add(`${claimPrefix}${key}`);
      const addVolume = (name: string): void => queue.add(`${volumePrefix}${name}`);
      const binder = new Binder({
        client,
        events,
        claims: new LatestObjects(claims),
        volumes: new LatestObjects(volumes),
        storageClass: (name) => classes.get(name),
        storageClasses: () => classes.list(),
        waitingPods: (key) =>
          pods
            .byIndex(claimIndex, key)
            .filter((pod) => !pod.spec?.nodeName && !isPodTerminal(pod))
            .map((pod) => pod.metadata.name ?? ''),
        enqueueClaim: addClaim,
      });
      /** What a change elsewhere may help. */
      const waiting = (): void => {
        for (const claim of claims.list()) if (isWaiting(claim)) addClaim(keyOf(claim));
      };
      const volumeChanged = (volume: PersistentVolume): void => {
        addVolume(volume.metadata.name!);
        const ref = volume.spec?.claimRef;
        if (ref) addClaim(`${ref.namespace}/${ref.name}`);
        else if (volume.status?.phase === 'Available') waiting();
      };
      const claimChanged = (claim: PersistentVolumeClaim): void => {
        addClaim(keyOf(claim));
        if (claim.spec?.volumeName) addVolume(claim.spec.volumeName);
      };
      observe(
        volumes,
        { onAdd: volumeChanged, onUpdate: (_, volume) => volumeChanged(volume), onDelete: volumeChanged },
        signal,
      );
      observe(classes, { onAdd: waiting, onUpdate: waiting }, signal);
      if (!(await untilSynced([claims, volumes, classes, pods], signal))) return;
      // After the volumes: a claim then finds those free that are.
      observe(
        claims,
        { onAdd: claimChanged, onUpdate: (_, claim) => claimChanged(claim), onDelete: claimChanged },
        signal,
      );

      let timer = clock.timer(syncPeriodMs, function again() {
        waiting();
        for (const volume of volumes.list()) if (isUnsettled(volume)) addVolume(volume.metadata.name!);
        timer = clock.timer(syncPeriodMs, again);
      });
      try {
        await runWorkers(
          queue,
          1,
          (key) =>
            key.startsWith(claimPrefix)
              ? binder.syncClaim(key.slice(claimPrefix.length), signal)
              : binder.syncVolume(key.slice(volumePrefix.length), signal),
          { clock, log, kind: 'object' },
          signal,
        );
      } finally {
        timer.cancel();
      }
    },
  };
}

const isWaiting = ({ status, metadata }: PersistentVolumeClaim): boolean =>
  status?.phase !== 'Bound' && status?.phase !== 'Lost' && metadata.deletionTimestamp === undefined;
const isUnsettled = ({ spec, status }: PersistentVolume): boolean =>
  status?.phase !== 'Bound' && !(status?.phase === 'Available' && !spec?.claimRef);
