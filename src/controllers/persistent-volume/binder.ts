/**
 * Binds claims and volumes to each other, one at a time. A binding is two references that agree; each write may fail, and the next run goes on
 * where it stopped:
 *
 *   1. volume.spec.claimRef = claim (with its uid)     2. volume.status.phase = Bound
 *   3. claim.spec.volumeName = volume, bind-completed  4. claim.status.phase = Bound, capacity and access modes
 *
 * Invariant: step 1 decides. A volume whose claimRef has a uid belongs to that claim and to nobody else.
 * Source: pkg/controller/volume/persistentvolume.
 */
import { sameJson, setIn, withAnnotation, withFields, withMetadata } from '../../api/edit.ts';
import { isNotFound } from '../../api/errors.ts';
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { StorageClass } from '../../api/types/storage-v1.ts';
import { claimClass, claimNamesClass, isBoundTo, sameMode, VolumeAnnotation } from '../../api/volume/claims.ts';
import { defaultStorageClass } from '../../api/volume/default-class.ts';
import { findBestVolume, mismatch } from '../../api/volume/match.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { keyOf } from '../../client/informer.ts';
import type { LatestObjects } from '../latest-objects.ts';
import { deletionPlan, provisionerOf } from './provisioners.ts';

export interface BinderContext {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly claims: LatestObjects<PersistentVolumeClaim>;
  readonly volumes: LatestObjects<PersistentVolume>;
  storageClass(name: string): StorageClass | undefined;
  storageClasses(): readonly StorageClass[];
  /** Names of the pods that use a claim, have not ended and are on no node yet. */
  waitingPods(claimKey: string): readonly string[];
  /** Puts a claim at the end of the queue. */
  enqueueClaim(key: string): void;
}

export class Binder {
  private readonly context: BinderContext;

  constructor(context: BinderContext) {
    this.context = context;
  }

  async syncClaim(key: string, signal: AbortSignal): Promise<void> {
    const claim = this.context.claims.get(key);
    if (!claim) return;
    if (claim.metadata.annotations?.[VolumeAnnotation.bindCompleted] === undefined)
      await this.syncUnbound(claim, signal);
    else await this.syncBound(claim, signal);
  }

  /** A claim that never was bound. */
  private async syncUnbound(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { volumes, events } = this.context;
    const wanted = claim.spec?.volumeName;
    if (wanted) {
      const volume = volumes.get(wanted);
      if (!volume) {
        await this.setClaimPhase(claim, 'Pending', undefined, signal);
      } else if (!volume.spec?.claimRef) {
        const why = mismatch(volume, claim);
        if (why === undefined) return this.bind(volume, claim, signal);
        const message = `Cannot bind to requested volume ${JSON.stringify(wanted)}: ${why}`;
        events.event(claim, { type: 'Warning', reason: 'VolumeMismatch', message });
        await this.setClaimPhase(claim, 'Pending', undefined, signal);
      } else if (isBoundTo(volume, claim)) {
        await this.bind(volume, claim, signal);
      } else {
        const message = `volume ${JSON.stringify(wanted)} already bound to a different claim.`;
        events.event(claim, { type: 'Warning', reason: 'FailedBinding', message });
        // The user asked for it: the volume may come free. Ours would be a mistake of the controller.
        if (claim.metadata.annotations?.[VolumeAnnotation.boundByController] !== undefined)
          throw new Error(
            `invalid binding of claim ${JSON.stringify(keyOf(claim))} to volume ${JSON.stringify(wanted)}: volume already claimed by "${volume.spec.claimRef.namespace}/${volume.spec.claimRef.name}"`,
          );
        await this.setClaimPhase(claim, 'Pending', undefined, signal);
      }
      return;
    }
    const waits = this.context.storageClass(claimClass(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
    const found = findBestVolume(claim, volumes.list(), { onlyPreBound: waits });
    if (found) return this.bind(found, claim, signal);
    if (await this.giveDefaultClass(claim, signal)) return;
    if (waits && claim.metadata.annotations?.[VolumeAnnotation.selectedNode] === undefined)
      this.tellWhoIsAwaited(claim);
    else if (claimClass(claim) !== '') {
      await this.provision(claim, signal);
      return;
    } else
      events.event(claim, {
        type: 'Normal',
        reason: 'FailedBinding',
        message: 'no persistent volumes available for this claim and no storage class is set',
      });
    await this.setClaimPhase(claim, 'Pending', undefined, signal);
  }

  private tellWhoIsAwaited(claim: PersistentVolumeClaim): void {
    const pods = this.context.waitingPods(keyOf(claim));
    const [reason, message] =
      pods.length === 0
        ? ['WaitForFirstConsumer', 'waiting for first consumer to be created before binding']
        : ['WaitForPodScheduled', `waiting for pod${pods.length > 1 ? 's' : ''} ${pods.join(',')} to be scheduled`];
    this.context.events.event(claim, { type: 'Normal', reason, message });
  }

  /** A default class that appeared after the claim is the claim's too (KEP-3333). */
  private async giveDefaultClass(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<boolean> {
    if (claimNamesClass(claim)) return false;
    const found = defaultStorageClass(this.context.storageClasses());
    if (!found) return false;
    await this.updateClaim(claim, setIn(claim, ['spec', 'storageClassName'], found.metadata.name), signal);
    return true;
  }

  /** Provisioners are programs of their own: they are told by annotations and answer with a volume. */
  private async provision(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { events } = this.context;
    const found = provisionerOf(claimClass(claim), this.context.storageClass(claimClass(claim)));
    if ('failure' in found) {
      events.event(claim, { type: 'Warning', reason: 'ProvisioningFailed', message: found.failure });
      return;
    }
    const { name } = found;
    const annotated = withAnnotation(
      withAnnotation(claim, VolumeAnnotation.storageProvisioner, name),
      VolumeAnnotation.betaStorageProvisioner,
      name,
    );
    const next = sameJson(annotated.metadata.annotations, claim.metadata.annotations)
      ? claim
      : await this.updateClaim(claim, annotated, signal);
    if (next.status?.phase !== 'Pending') await this.setClaimPhase(next, 'Pending', undefined, signal);
    events.event(next, {
      type: 'Normal',
      reason: 'ExternalProvisioning',
      message: `Waiting for a volume to be created either by the external provisioner '${name}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
    });
  }

  private async syncBound(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const name = claim.spec?.volumeName;
    const lost = (reason: string, message: string) => this.loseClaim(claim, reason, message, signal);
    if (!name)
      return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
    const volume = this.context.volumes.get(name);
    if (!volume) return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
    const owner = volume.spec?.claimRef;
    if (owner && owner.uid !== claim.metadata.uid)
      return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
    await this.bind(volume, claim, signal);
  }

  private async loseClaim(
    claim: PersistentVolumeClaim,
    reason: string,
    message: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (claim.status?.phase === 'Lost') return;
    const next = await this.setClaimPhase(claim, 'Lost', undefined, signal);
    this.context.events.event(next, { type: 'Warning', reason, message });
  }

  async syncVolume(name: string, signal: AbortSignal): Promise<void> {
    const volume = this.context.volumes.get(name);
    if (!volume) return;
    const ref = volume.spec?.claimRef;
    // Nobody's, or kept by the user for a claim that is not there yet.
    if (!ref?.uid) {
      await this.setVolumePhase(volume, 'Available', '', signal);
      return;
    }
    const claim = await this.claimOf(volume, signal);
    if (!claim) return this.release(volume, signal);
    if (!claim.spec?.volumeName) {
      if (sameMode(claim, volume)) {
        this.context.enqueueClaim(keyOf(claim));
        return;
      }
      const why = 'due to incompatible volumeMode.';
      this.context.events.event(volume, {
        type: 'Warning',
        reason: 'VolumeMismatch',
        message: `Cannot bind PersistentVolume to requested PersistentVolumeClaim ${JSON.stringify(claim.metadata.name)} ${why}`,
      });
      this.context.events.event(claim, {
        type: 'Warning',
        reason: 'VolumeMismatch',
        message: `Cannot bind PersistentVolume ${JSON.stringify(name)} to requested PersistentVolumeClaim ${why}`,
      });
    } else if (claim.spec.volumeName === name) await this.setVolumePhase(volume, 'Bound', '', signal);
    else if (
      volume.metadata.annotations?.[VolumeAnnotation.provisionedBy] !== undefined &&
      volume.spec?.persistentVolumeReclaimPolicy === 'Delete'
    )
      // Made for this claim, which found another meanwhile.
      await this.release(volume, signal);
    else await this.unbind(volume, signal);
  }

  /** The claim that a volume belongs to; a live look tells a claim that is gone from one the cache has not seen. */
  private async claimOf(volume: PersistentVolume, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined> {
    const { namespace = '', name = '', uid } = volume.spec!.claimRef!;
    const cached = this.context.claims.get(`${namespace}/${name}`);
    if (cached?.metadata.uid === uid) return cached;
    const phase = volume.status?.phase;
    if (!cached && (phase === 'Released' || phase === 'Failed')) return undefined;
    try {
      const live = await this.context.client
        .resource(resources.persistentVolumeClaims)
        .get(name, { namespace, signal });
      return live.metadata.uid === uid ? live : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Its claim is gone. */
  private async release(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const phase = volume.status?.phase;
    const released =
      phase === 'Released' || phase === 'Failed' ? volume : await this.setVolumePhase(volume, 'Released', '', signal);
    if (volume.metadata.annotations?.[VolumeAnnotation.migratedTo]) return;
    const fail = async (reason: string, message: string): Promise<void> => {
      if (released.status?.phase === 'Failed') return;
      const failed = await this.setVolumePhase(released, 'Failed', message, signal);
      this.context.events.event(failed, { type: 'Warning', reason, message });
    };
    switch (volume.spec?.persistentVolumeReclaimPolicy) {
      case 'Retain':
        return;
      case 'Recycle':
        return fail('VolumeFailedRecycle', 'No recycler plugin found for the volume!');
      case 'Delete': {
        const plan = deletionPlan(volume);
        // The provisioner that made it sees it as Released and deletes it.
        if (plan.kind === 'failure') await fail('VolumeFailedDelete', plan.message);
        return;
      }
      default:
        return fail('VolumeUnknownReclaimPolicy', 'Volume has unrecognized PersistentVolumeReclaimPolicy');
    }
  }

  private async unbind(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const ours = volume.metadata.annotations?.[VolumeAnnotation.boundByController] !== undefined;
    const next = ours
      ? withAnnotation(setIn(volume, ['spec', 'claimRef'], undefined), VolumeAnnotation.boundByController, undefined)
      : setIn(volume, ['spec', 'claimRef', 'uid'], undefined);
    const { annotations } = next.metadata;
    const tidy =
      annotations && Object.keys(annotations).length === 0 ? withMetadata(next, { annotations: undefined }) : next;
    await this.setVolumePhase(await this.updateVolume(volume, tidy, signal), 'Available', '', signal);
  }

  private async bind(volume: PersistentVolume, claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const owned = await this.updateVolume(volume, bindVolumeTo(volume, claim), signal);
    const bound = await this.setVolumePhase(owned, 'Bound', '', signal);
    const name = bound.metadata.name!;
    let next = claim;
    if (claim.spec?.volumeName !== name) {
      next = setIn(next, ['spec', 'volumeName'], name);
      if (claim.metadata.annotations?.[VolumeAnnotation.boundByController] === undefined)
        next = withAnnotation(next, VolumeAnnotation.boundByController, 'yes');
    }
    if (claim.metadata.annotations?.[VolumeAnnotation.bindCompleted] === undefined)
      next = withAnnotation(next, VolumeAnnotation.bindCompleted, 'yes');
    const named = await this.updateClaim(claim, next, signal);
    await this.setClaimPhase(named, 'Bound', bound, signal);
  }

  private async updateClaim(
    before: PersistentVolumeClaim,
    next: PersistentVolumeClaim,
    signal: AbortSignal,
  ): Promise<PersistentVolumeClaim> {
    if (next === before) return before;
    const { client, claims } = this.context;
    return claims.wrote(before, await client.resource(resources.persistentVolumeClaims).update(next, { signal }));
  }

  private async updateVolume(
    before: PersistentVolume,
    next: PersistentVolume,
    signal: AbortSignal,
  ): Promise<PersistentVolume> {
    if (next === before) return before;
    const { client, volumes } = this.context;
    return volumes.wrote(before, await client.resource(resources.persistentVolumes).update(next, { signal }));
  }

  private async setVolumePhase(
    volume: PersistentVolume,
    phase: string,
    message: string,
    signal: AbortSignal,
  ): Promise<PersistentVolume> {
    if (volume.status?.phase === phase) return volume;
    const status = withFields(volume.status ?? {}, { phase, message: message === '' ? undefined : message });
    const { client, volumes } = this.context;
    const after = await client.resource(resources.persistentVolumes).updateStatus({ ...volume, status }, { signal });
    return volumes.wrote(volume, after);
  }

  /** @param volume what the claim is bound to; absent: it has nothing. */
  private async setClaimPhase(
    claim: PersistentVolumeClaim,
    phase: string,
    volume: PersistentVolume | undefined,
    signal: AbortSignal,
  ): Promise<PersistentVolumeClaim> {
    const status = claimStatus(claim, phase, volume);
    if (sameJson(status, claim.status)) return claim;
    const { client, claims } = this.context;
    const after = await client
      .resource(resources.persistentVolumeClaims)
      .updateStatus({ ...claim, status }, { signal });
    return claims.wrote(claim, after);
  }
}

/** Points a volume at a claim; whether that was the user's wish is remembered. Source: GetBindVolumeToClaim. */
export function bindVolumeTo(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const ref = volume.spec?.claimRef;
  const wished = isBoundTo(volume, claim);
  let next = volume;
  if (ref?.name !== name || ref?.namespace !== namespace || ref?.uid !== uid)
    next = setIn(next, ['spec', 'claimRef'], {
      kind: 'PersistentVolumeClaim',
      namespace,
      name,
      uid,
      apiVersion: 'v1',
      resourceVersion,
    });
  if (!wished && volume.metadata.annotations?.[VolumeAnnotation.boundByController] === undefined)
    next = withAnnotation(next, VolumeAnnotation.boundByController, 'yes');
  return next;
}

type ClaimStatus = NonNullable<PersistentVolumeClaim['status']>;

/** What the claim shows of its volume. Its size is set once, when it becomes bound: later the expansion keeps it. */
function claimStatus(
  { status = {} }: PersistentVolumeClaim,
  phase: string,
  volume: PersistentVolume | undefined,
): ClaimStatus {
  if (!volume)
    return withFields<ClaimStatus>(status, {
      phase,
      accessModes: undefined,
      capacity: undefined,
      currentVolumeAttributesClassName: undefined,
    });
  const next = withFields<ClaimStatus>(status, { phase, accessModes: volume.spec?.accessModes });
  if (status.phase === phase) return next;
  const full = volume.spec?.capacity?.storage;
  if (full === undefined)
    throw new Error(`PersistentVolume ${JSON.stringify(volume.metadata.name)} is without a storage capacity`);
  const before = volume.metadata.annotations?.[VolumeAnnotation.preResizeCapacity];
  const known = status.capacity?.storage;
  const capacity =
    before !== undefined
      ? { ...status.capacity, storage: before }
      : known !== undefined && compareQuantities(parseQuantity(known), parseQuantity(full)) === 0
        ? status.capacity
        : volume.spec?.capacity;
  const attributes = volume.spec?.volumeAttributesClassName;
  return withFields(next, {
    capacity,
    ...((status.phase ?? 'Pending') === 'Pending' && phase === 'Bound'
      ? { currentVolumeAttributesClassName: attributes }
      : {}),
  });
}
