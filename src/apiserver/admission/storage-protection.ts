/** Volumes and claims that are in use do not vanish: a controller takes the finalizer away. Source: plugin/pkg/admission/storage/storageobjectinuseprotection. */
import { withFinalizer } from '../../api/edit.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isFor } from './attributes.ts';

const finalizers: readonly (readonly [group: string, resource: string, finalizer: string])[] = [
  ['', 'persistentvolumeclaims', 'kubernetes.io/pvc-protection'],
  ['', 'persistentvolumes', 'kubernetes.io/pv-protection'],
  ['storage.k8s.io', 'volumeattributesclasses', 'kubernetes.io/vac-protection'],
];

export const storageObjectInUseProtection: AdmissionPlugin = Object.freeze<AdmissionPlugin>({
  name: 'StorageObjectInUseProtection',
  handles: (operation) => operation === 'CREATE',
  admit(attributes) {
    const { object } = attributes;
    for (const [group, resource, finalizer] of finalizers)
      if (object && isFor(attributes, group, resource)) return withFinalizer(object, finalizer);
    return object;
  },
});
