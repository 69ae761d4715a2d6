/** Claims and Ingresses that name no class get the default one. Source: plugin/pkg/admission/{storage/storageclass/setdefault,network/defaultingressclass}. */
import type { JsonObject } from '../../api/json.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionPlugin } from './admission.ts';
import { defaultClass, isFor, metadataOf, withSpec } from './attributes.ts';

export function createDefaultStorageClass(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: (operation) => operation === 'CREATE',
    admit(attributes) {
      const { object } = attributes;
      if (!object || !isFor(attributes, '', 'persistentvolumeclaims')) return object;
      // An empty name is a wish, too: for volumes without a class.
      if (isSet(object, 'storageClassName', 'volume.beta.kubernetes.io/storage-class')) return object;
      const found = defaultClass(
        reader.list('storage.k8s.io', 'storageclasses', ''),
        'storageclass.kubernetes.io/is-default-class',
        'storageclass.beta.kubernetes.io/is-default-class',
      );
      return found ? withSpec(object, { storageClassName: metadataOf(found).name ?? '' }) : object;
    },
  };
}

export function createDefaultIngressClass(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: (operation) => operation === 'CREATE',
    admit(attributes) {
      const { object } = attributes;
      if (!object || !isFor(attributes, 'networking.k8s.io', 'ingresses')) return object;
      if (isSet(object, 'ingressClassName', 'kubernetes.io/ingress.class')) return object;
      const found = defaultClass(
        reader.list('networking.k8s.io', 'ingressclasses', ''),
        'ingressclass.kubernetes.io/is-default-class',
      );
      return found ? withSpec(object, { ingressClassName: metadataOf(found).name ?? '' }) : object;
    },
  };
}

function isSet(object: JsonObject, field: string, annotation: string): boolean {
  const value = (object.spec as JsonObject | undefined)?.[field];
  return (value !== undefined && value !== null) || metadataOf(object).annotations?.[annotation] !== undefined;
}
