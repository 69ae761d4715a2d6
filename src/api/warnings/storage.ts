/** Warnings of the storage kinds. */
import { sameJson } from '../edit.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../types/core-v1.ts';
import type { RuntimeClass } from '../types/node-v1.ts';
import type { CSIDriver, CSIStorageCapacity, StorageClass } from '../types/storage-v1.ts';
import { deprecatedNodeLabel, nodeTermWarnings } from './node-labels.ts';
import { claimSpecWarnings } from './pods.ts';

const storageClass = 'volume.beta.kubernetes.io/storage-class';
const mountOptions = 'volume.beta.kubernetes.io/mount-options';

const oldPlugins = [
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageOS', 'deprecated in v1.22, non-functional in v1.25+', 'storageos'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

export function volumeWarnings({ metadata, spec = {} }: PersistentVolume): readonly string[] {
  const out: string[] = [];
  const { annotations } = metadata;
  if (annotations?.[storageClass] !== undefined)
    out.push(`metadata.annotations[${storageClass}]: deprecated since v1.8; use "storageClassName" attribute instead`);
  if (annotations?.[mountOptions] !== undefined)
    out.push(`metadata.annotations[${mountOptions}]: deprecated since v1.31; use "mountOptions" attribute instead`);
  if (spec.persistentVolumeReclaimPolicy === 'Recycle')
    out.push(
      'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    );
  for (const [i, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries())
    out.push(...nodeTermWarnings(`spec.nodeAffinity.required.nodeSelectorTerms[${i}]`, term));
  for (const [name, message, json = name] of oldPlugins)
    if (spec[json as keyof typeof spec]) out.push(`spec.${name}: ${message}`);
  return out;
}

export function claimWarnings({ metadata, spec }: PersistentVolumeClaim): readonly string[] {
  const out: string[] = [];
  if (metadata.annotations?.[storageClass] !== undefined)
    out.push(`metadata.annotations[${storageClass}]: deprecated since v1.8; use "storageClassName" attribute instead`);
  claimSpecWarnings(out, spec, 'spec');
  return out;
}

export function storageClassWarnings({ allowedTopologies = [] }: StorageClass): readonly string[] {
  return allowedTopologies.flatMap(({ matchLabelExpressions = [] }, i) =>
    matchLabelExpressions.flatMap(({ key }, j) => {
      const message = deprecatedNodeLabel(key);
      return message ? [`allowedTopologies[${i}].matchLabelExpressions[${j}].key: ${message}`] : [];
    }),
  );
}

export function storageCapacityWarnings({ nodeTopology }: CSIStorageCapacity): readonly string[] {
  const out: string[] = [];
  for (const [i, { key }] of (nodeTopology?.matchExpressions ?? []).entries()) {
    const message = deprecatedNodeLabel(key);
    if (message) out.push(`nodeTopology.matchExpressions[${i}].key: ${key} is ${message}`);
  }
  for (const label in nodeTopology?.matchLabels) {
    const message = deprecatedNodeLabel(label);
    if (message) out.push(`nodeTopology.matchLabels.${label}: ${message}`);
  }
  return out;
}

export function csiDriverWarnings({ spec }: CSIDriver, previous?: CSIDriver): readonly string[] {
  const asked = spec?.tokenRequests ?? [];
  if (asked.length === 0 || (spec.serviceAccountTokenInSecrets ?? null) !== null) return [];
  if (previous && sameJson(previous.spec.tokenRequests ?? [], asked)) return [];
  return [
    'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes',
  ];
}

export function runtimeClassWarnings({ scheduling }: RuntimeClass): readonly string[] {
  return Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
    const message = deprecatedNodeLabel(key);
    return message ? [`scheduling.nodeSelector: ${message}`] : [];
  });
}
