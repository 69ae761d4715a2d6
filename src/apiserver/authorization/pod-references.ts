/** Which objects of its namespace a pod uses, and its kubelet may therefore read. Source: pkg/api/v1/pod VisitPodSecretNames and others. */
import type { Container, Pod, Volume } from '../../api/types/core-v1.ts';

/** `RESOURCE/NAME` of each, possibly more than once. Not the service account of a mirror pod, nor anything else: a node makes those itself. */
export function podReferences(pod: Pod): readonly string[] {
  const found: string[] = [];
  const add = (resource: string, name: string | undefined): void => {
    if (name !== undefined && name !== '') found.push(`${resource}/${name}`);
  };
  const { spec, status, metadata } = pod;
  if (spec === undefined || metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return found;
  add('serviceaccounts', spec.serviceAccountName);
  for (const secret of spec.imagePullSecrets ?? []) add('secrets', secret.name);
  for (const container of spec.initContainers ?? []) containerReferences(container, add);
  for (const container of spec.containers ?? []) containerReferences(container, add);
  for (const container of spec.ephemeralContainers ?? []) containerReferences(container, add);
  for (const volume of spec.volumes ?? []) volumeReferences(volume, metadata.name ?? '', add);
  for (const claim of spec.resourceClaims ?? []) add('resourceclaims', claim.resourceClaimName);
  for (const claim of status?.resourceClaimStatuses ?? []) add('resourceclaims', claim.resourceClaimName);
  add('resourceclaims', status?.extendedResourceClaimStatus?.resourceClaimName);
  return found;
}

type Add = (resource: string, name: string | undefined) => void;

function containerReferences(container: Pick<Container, 'env' | 'envFrom'>, add: Add): void {
  for (const source of container.envFrom ?? []) {
    add('secrets', source.secretRef?.name);
    add('configmaps', source.configMapRef?.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    add('secrets', valueFrom?.secretKeyRef?.name);
    add('configmaps', valueFrom?.configMapKeyRef?.name);
  }
}

function volumeReferences(volume: Volume, podName: string, add: Add): void {
  add('secrets', volume.secret?.secretName);
  add('secrets', volume.azureFile?.secretName);
  add('secrets', volume.cephfs?.secretRef?.name);
  add('secrets', volume.cinder?.secretRef?.name);
  add('secrets', volume.flexVolume?.secretRef?.name);
  add('secrets', volume.rbd?.secretRef?.name);
  add('secrets', volume.scaleIO?.secretRef?.name);
  add('secrets', volume.iscsi?.secretRef?.name);
  add('secrets', volume.storageos?.secretRef?.name);
  add('secrets', volume.csi?.nodePublishSecretRef?.name);
  add('configmaps', volume.configMap?.name);
  for (const source of volume.projected?.sources ?? []) {
    add('secrets', source.secret?.name);
    add('configmaps', source.configMap?.name);
  }
  add('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral !== undefined) add('persistentvolumeclaims', `${podName}-${volume.name}`);
}
