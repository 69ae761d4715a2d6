/** From a pod's volume to what is behind it: itself, or the volume its claim is bound to. Source: kubelet/volumemanager/populator. */
import type { PersistentVolume, Pod, Volume } from '../../api/types/core-v1.ts';
import { claimBelongsTo, claimNameOf } from '../../api/volume/claims.ts';
import { EnvironmentError } from '../environment.ts';
import type { ObjectSource } from '../object-source.ts';

export interface ClaimedVolume {
  readonly volume: PersistentVolume;
  /** The pod wants it so, or the volume is so. */
  readonly readOnly: boolean;
}

/** @returns undefined for a volume that needs no claim. @throws EnvironmentError FailedMount when the claim is no use (yet). */
export async function claimedVolume(
  pod: Pod,
  volume: Volume,
  objects: ObjectSource,
): Promise<ClaimedVolume | undefined> {
  const name = claimNameOf(pod, volume);
  if (name === undefined) return undefined;
  const namespace = pod.metadata.namespace ?? '';
  const fail = (why: string): never => {
    throw new EnvironmentError(
      'FailedMount',
      `Unable to attach or mount volumes: unmounted volumes=[${volume.name}], unattached volumes=[], failed to process volumes=[${volume.name}]: error processing PVC ${namespace}/${name}: ${why}`,
    );
  };
  const claim = await objects.claim(namespace, name);
  if (!claim)
    return fail(`failed to fetch PVC from API server: persistentvolumeclaims ${JSON.stringify(name)} not found`);
  if (volume.ephemeral && !claimBelongsTo(claim, pod))
    return fail(
      `PVC ${namespace}/${name} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
    );
  if (claim.metadata.deletionTimestamp !== undefined) return fail('PVC is being deleted');
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !volumeName) return fail('PVC is not bound');
  const found = await objects.volume(volumeName);
  if (!found)
    return fail(
      `failed to get PV ${JSON.stringify(volumeName)} from API server: persistentvolumes ${JSON.stringify(volumeName)} not found`,
    );
  const owner = found.spec?.claimRef;
  if (!owner) return fail(`found PV object ${JSON.stringify(volumeName)} with nil pvc.ClaimRef`);
  if (owner.uid !== claim.metadata.uid)
    return fail(
      `found PV object ${JSON.stringify(volumeName)} with a pvc.ClaimRef.UID ${JSON.stringify(owner.uid ?? '')} that does not point to claim ${JSON.stringify(claim.metadata.uid ?? '')}`,
    );
  return { volume: found, readOnly: volume.persistentVolumeClaim?.readOnly === true };
}
