/** What claims and volumes say about themselves: class, mode, reference to each other. Source: k8s.io/component-helpers/storage/volume. */
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../types/core-v1.ts';

/** Annotations of binding; their values do not matter unless said so. */
export const VolumeAnnotation = {
  /** On a claim: it went through binding once; a missing volume is a loss from now on. */
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  /** On either: the controller set the reference; absent: the user did. */
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  /** On a claim: the node that the scheduler chose, for provisioning. */
  selectedNode: 'volume.kubernetes.io/selected-node',
  /** On a volume: who made it. */
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  migratedTo: 'pv.kubernetes.io/migrated-to',
  /** On a claim: who is to make its volume. */
  storageProvisioner: 'volume.kubernetes.io/storage-provisioner',
  betaStorageProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
  /** On a volume: its size before an expansion that its file system has not followed. */
  preResizeCapacity: 'volume.alpha.kubernetes.io/pre-resize-capacity',
} as const;

/** The name of a class that says there is nobody to provision. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

const betaClass = 'volume.beta.kubernetes.io/storage-class';

/** The class that a claim asks for; empty: volumes without a class. */
export const claimClass = ({ metadata, spec }: PersistentVolumeClaim): string =>
  metadata.annotations?.[betaClass] ?? spec?.storageClassName ?? '';
/** Whether a claim said anything about its class, even "none". */
export const claimNamesClass = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[betaClass] !== undefined || spec?.storageClassName !== undefined;
export const volumeClass = ({ metadata, spec }: PersistentVolume): string =>
  metadata.annotations?.[betaClass] ?? spec?.storageClassName ?? '';

/** The volume is meant for this claim: by the user (no uid yet) or bound. */
export function isBoundTo(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const ref = volume.spec?.claimRef;
  if (!ref || ref.name !== claim.metadata.name || ref.namespace !== claim.metadata.namespace) return false;
  return !ref.uid || ref.uid === claim.metadata.uid;
}

export const sameMode = (claim: PersistentVolumeClaim, volume: PersistentVolume): boolean =>
  (claim.spec?.volumeMode ?? 'Filesystem') === (volume.spec?.volumeMode ?? 'Filesystem');
/** The volume offers each access mode that the claim asks for. */
export const offersAccessModes = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (claim.spec?.accessModes ?? []).every((mode) => volume.spec?.accessModes?.includes(mode));
export const sameAttributesClass = (claim: PersistentVolumeClaim, volume: PersistentVolume): boolean =>
  (claim.spec?.volumeAttributesClassName ?? '') === (volume.spec?.volumeAttributesClassName ?? '');

/** The claim of one of a pod's volumes; undefined for a volume of another kind. Source: component-helpers/storage/ephemeral. */
export function claimNameOf(pod: Pod, volume: Volume): string | undefined {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName;
  return volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined;
}

/** `namespace/name` of all claims a pod uses. */
export function claimKeysOf(pod: Pod): string[] {
  const keys: string[] = [];
  for (const volume of pod.spec?.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name !== undefined) keys.push(`${pod.metadata.namespace}/${name}`);
  }
  return keys;
}

/** An ephemeral volume's claim belongs to its pod; one made by somebody else under that name must not be used. */
export const claimBelongsTo = (claim: PersistentVolumeClaim, pod: Pod): boolean =>
  claim.metadata.ownerReferences?.some(({ controller, uid }) => controller === true && uid === pod.metadata.uid) ===
  true;
