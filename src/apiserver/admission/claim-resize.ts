/** A claim grows only when it is bound and its class allows that. Source: plugin/pkg/admission/storage/persistentvolume/resize. */
import { compareQuantities } from '../../api/quantity.ts';
import { readResources, zero } from '../../api/resource-list.ts';
import type { PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import type { StorageClass } from '../../api/types/storage-v1.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isFor, refusal } from './attributes.ts';

export function createClaimResize(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    handles: (operation) => operation === 'UPDATE',
    validate(attributes) {
      if (!isFor(attributes, '', 'persistentvolumeclaims')) return;
      const next = attributes.object as unknown as PersistentVolumeClaim;
      const old = attributes.oldObject as unknown as PersistentVolumeClaim;
      if (compareQuantities(sizeOf(next), sizeOf(old)) <= 0) return;
      if (old.status?.phase !== 'Bound')
        throw refusal(attributes, 'Only bound persistent volume claims can be expanded');
      const className = classOf(next);
      const found = className === '' ? undefined : reader.get('storage.k8s.io', 'storageclasses', '', className);
      const mayGrow = (found as unknown as StorageClass | undefined)?.allowVolumeExpansion === true;
      if (!mayGrow || className !== classOf(old))
        throw refusal(
          attributes,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        );
    },
  };
}

const sizeOf = ({ spec }: PersistentVolumeClaim) => readResources(spec?.resources?.requests).get('storage') ?? zero;
const classOf = ({ metadata, spec }: PersistentVolumeClaim): string =>
  metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec?.storageClassName ?? '';
