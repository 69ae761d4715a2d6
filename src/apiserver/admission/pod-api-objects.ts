/** Which API object a pod leans on: a mirror pod may lean on none. Source: pkg/api/pod HasAPIObjectReference. */
import type { Pod, Volume } from '../../api/types/core-v1.ts';
import { podReferences } from '../authorization/pod-references.ts';

/** @returns the first reference in upstream's words, or an Error for a volume nobody knows. */
export function referencedApiObject(pod: Pod): string | Error | undefined {
  const { spec } = pod;
  if (!spec) return undefined;
  if (spec.serviceAccountName) return 'serviceaccounts';
  // Mirror pods are left out there, since their references give no rights; here they are what is asked.
  const references = podReferences({ ...pod, metadata: { ...(pod.metadata.name ? { name: pod.metadata.name } : {}) } });
  for (const resource of ['secrets', 'configmaps'])
    if (references.some((reference) => reference.startsWith(`${resource}/`))) return resource;
  if ((spec.resourceClaims ?? []).length > 0) return 'resourceclaims';
  for (const volume of spec.volumes ?? []) {
    const found = ofVolume(volume);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Volumes that need no API object, as far as the pod's own text goes. */
const harmless: readonly (keyof Volume)[] = [
  'awsElasticBlockStore',
  'azureDisk',
  'cephfs',
  'cinder',
  'downwardAPI',
  'emptyDir',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'hostPath',
  'image',
  'iscsi',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
];
const leaning: readonly (readonly [keyof Volume, string])[] = [
  ['configMap', 'configmaps (via configmap volumes)'],
  ['secret', 'secrets (via secret volumes)'],
  ['csi', 'csidrivers (via CSI volumes)'],
  ['glusterfs', 'endpoints (via glusterFS volumes)'],
  ['persistentVolumeClaim', 'persistentvolumeclaims'],
  ['ephemeral', 'persistentvolumeclaims (via ephemeral volumes)'],
  ['azureFile', 'secrets (via azureFile volumes)'],
];

function ofVolume(volume: Volume): string | Error | undefined {
  if (harmless.some((field) => volume[field] !== undefined)) return undefined;
  for (const [field, words] of leaning) if (volume[field] !== undefined) return words;
  if (!volume.projected) return new Error(`unknown volume type for volume  ${JSON.stringify(volume.name)}`);
  for (const source of volume.projected.sources ?? []) {
    if (source.configMap) return 'configmaps (via projected volumes)';
    if (source.secret) return 'secrets (via projected volumes)';
    if (source.serviceAccountToken) return 'serviceaccounts (via projected volumes)';
    if (source.clusterTrustBundle) return 'clustertrustbundles';
    if (source.podCertificate) return 'podcertificates';
    if (!source.downwardAPI) return new Error(`unknown source for projected volume ${JSON.stringify(volume.name)}`);
  }
  return undefined;
}
