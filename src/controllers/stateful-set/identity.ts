/** Who the pods of a StatefulSet are: ordinals, names, and the pod and claims of an ordinal. Pure. Source: pkg/controller/statefulset/stateful_set_utils.go. */
import type { StatefulSet } from '../../api/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, Volume } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { podFromTemplate } from '../pod-writer.ts';
import { revisionHashLabel } from '../revisions.ts';

export const podNameLabel = 'statefulset.kubernetes.io/pod-name';
export const podIndexLabel = 'apps.kubernetes.io/pod-index';

export const replicasOf = ({ spec }: StatefulSet): number => spec?.replicas ?? 1;
export const startOrdinal = ({ spec }: StatefulSet): number => spec?.ordinals?.start ?? 0;
export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name}-${ordinal}`;
const claimName = (set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string =>
  `${template.metadata.name}-${podName(set, ordinal)}`;

/** -1 when the pod's name is not `<set>-<number>`. */
export function ordinalOf(set: StatefulSet, pod: Pod): number {
  const match = /^(.*)-([0-9]+)$/s.exec(pod.metadata.name ?? '');
  if (!match || match[1] !== set.metadata.name) return -1;
  const ordinal = Number(match[2]);
  return ordinal < 2 ** 31 ? ordinal : -1;
}
export function isInRange(set: StatefulSet, ordinal: number): boolean {
  const start = startOrdinal(set);
  return ordinal >= start && ordinal < start + replicasOf(set);
}

/** The name of the revision a pod is of. */
export const revisionOf = ({ metadata }: Pod): string => metadata.labels?.[revisionHashLabel] ?? '';

export function statefulPod(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): Pod {
  const { metadata, spec, ...rest } = podFromTemplate(set, resources.statefulSets, template);
  const { generateName: _none, ...others } = metadata;
  const name = podName(set, ordinal);
  const { serviceName } = set.spec!;
  return {
    ...rest,
    metadata: {
      ...others,
      name,
      labels: { ...labelsFor({ ...metadata.labels }, name, ordinal), [revisionHashLabel]: revision },
    },
    spec: {
      ...spec!,
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      ...(set.spec?.volumeClaimTemplates?.length ? { volumes: volumesFor(set, spec!.volumes, ordinal) } : {}),
    },
  };
}

const labelsFor = (labels: Readonly<Record<string, string>>, name: string, ordinal: number) => ({
  ...labels,
  [podNameLabel]: name,
  [podIndexLabel]: String(ordinal),
});

/** The claims' volumes take the place of the template's own with the same names. */
function volumesFor(set: StatefulSet, volumes: readonly Volume[] | undefined, ordinal: number): readonly Volume[] {
  const templates = set.spec?.volumeClaimTemplates ?? [];
  const claimed = new Set(templates.map(({ metadata }) => metadata.name));
  return [
    ...templates.map((template) => ({
      name: template.metadata.name!,
      persistentVolumeClaim: { claimName: claimName(set, template, ordinal) },
    })),
    ...(volumes ?? []).filter(({ name }) => !claimed.has(name)),
  ];
}

/** The claims of an ordinal, named `<template>-<set>-<ordinal>`. */
export function claimsOf(set: StatefulSet, ordinal: number): readonly PersistentVolumeClaim[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    ...template,
    metadata: {
      ...template.metadata,
      name: claimName(set, template, ordinal),
      namespace: set.metadata.namespace!,
      labels: { ...template.metadata.labels, ...set.spec?.selector.matchLabels },
    },
  }));
}

/** Name and label agree, and each claim is mounted. */
export function hasIdentity(set: StatefulSet, pod: Pod, ordinal: number): boolean {
  if (pod.metadata.labels?.[podNameLabel] !== pod.metadata.name) return false;
  return (set.spec?.volumeClaimTemplates ?? []).every((template) => {
    const volume = pod.spec?.volumes?.find(({ name }) => name === template.metadata.name);
    return volume?.persistentVolumeClaim?.claimName === claimName(set, template, ordinal);
  });
}
export function withIdentity(set: StatefulSet, pod: Pod, ordinal: number): Pod {
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: labelsFor({ ...pod.metadata.labels }, pod.metadata.name!, ordinal) },
    spec: { ...pod.spec!, volumes: volumesFor(set, pod.spec?.volumes, ordinal) },
  };
}
