/**
 * Who makes and who deletes volumes. No volume plugin of this controller provisions or deletes by itself: all provisioners are programs of their
 * own, the built-in one (`local-path/`) included. Source: pv_controller.go findProvisionablePlugin, findDeletablePlugin.
 */
import type { PersistentVolume } from '../../api/types/core-v1.ts';
import type { StorageClass } from '../../api/types/storage-v1.ts';
import { VolumeAnnotation } from '../../api/volume/claims.ts';

/** Names of plugins that were part of Kubernetes once, and the CSI drivers that took over. Source: k8s.io/csi-translation-lib. */
const migrated: Readonly<Record<string, string>> = {
  'kubernetes.io/aws-ebs': 'ebs.csi.aws.com',
  'kubernetes.io/gce-pd': 'pd.csi.storage.gke.io',
  'kubernetes.io/cinder': 'cinder.csi.openstack.org',
  'kubernetes.io/azure-disk': 'disk.csi.azure.com',
  'kubernetes.io/azure-file': 'file.csi.azure.com',
  'kubernetes.io/vsphere-volume': 'csi.vsphere.vmware.com',
  'kubernetes.io/portworx-volume': 'pxd.portworx.com',
};
const inTree = 'kubernetes.io/';

/** The provisioner to wait for, or why there is none. */
export function provisionerOf(
  className: string,
  found: StorageClass | undefined,
): { readonly name: string } | { readonly failure: string } {
  if (!found) return { failure: `storageclass.storage.k8s.io ${JSON.stringify(className)} not found` };
  const { provisioner } = found;
  const successor = migrated[provisioner];
  if (successor !== undefined) return { name: successor };
  if (provisioner.startsWith(inTree)) return { failure: `no volume plugin matched name: ${provisioner}` };
  return { name: provisioner };
}

export type DeletionPlan = { readonly kind: 'external' } | { readonly kind: 'failure'; readonly message: string };

/** What becomes of a released volume whose policy is Delete. */
export function deletionPlan(volume: PersistentVolume): DeletionPlan {
  const provisioner = volume.metadata.annotations?.[VolumeAnnotation.provisionedBy];
  if (provisioner) {
    if (!provisioner.startsWith(inTree)) return { kind: 'external' };
    return { kind: 'failure', message: `no volume plugin matched name: ${provisioner}` };
  }
  if (volume.spec?.csi) return { kind: 'external' };
  return {
    kind: 'failure',
    message: `error getting deleter volume plugin for volume ${JSON.stringify(volume.metadata.name)}: no deletable volume plugin matched`,
  };
}
