/** AppArmor profiles were annotations before they were a field: a new pod gets the field for the annotation. Source: registry/core/pod, applyAppArmorVersionSkew. */
import { sameJson } from '../../api/edit.ts';
import type { AppArmorProfile, Container, Pod, PodSpec } from '../../api/types/core-v1.ts';

const prefix = 'container.apparmor.security.beta.kubernetes.io/';

/** @returns the spec with the fields, the same one when there is nothing to set. */
export function withAppArmorFields(pod: Pod, warn: ((text: string) => void) | undefined): PodSpec | undefined {
  const { spec, metadata } = pod;
  const annotations = metadata?.annotations;
  if (!spec || !annotations || spec.os?.name === 'windows') return spec;
  if (!Object.keys(annotations).some((key) => key.startsWith(prefix))) return spec;
  const synced = <C extends Pick<Container, 'name' | 'securityContext'>>(container: C): C => {
    const key = `${prefix}${container.name}`;
    const annotation = annotations[key];
    if (annotation === undefined || container.securityContext?.appArmorProfile) return container;
    const profile = profileOf(annotation);
    const copied = profile !== undefined && !sameJson(profile, spec.securityContext?.appArmorProfile);
    // Nobody is warned where the pod as a whole says the same.
    if (profile === undefined || copied)
      warn?.(`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`);
    return copied
      ? { ...container, securityContext: { ...container.securityContext, appArmorProfile: profile } }
      : container;
  };
  return {
    ...spec,
    ...(spec.initContainers ? { initContainers: spec.initContainers.map(synced) } : {}),
    containers: (spec.containers ?? []).map(synced),
  };
}

function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  const name = /^localhost\/(.+)$/s.exec(annotation)?.[1];
  const fits = name !== undefined && name.trim() === name && Buffer.byteLength(name) <= 4095;
  return fits ? { type: 'Localhost', localhostProfile: name } : undefined;
}
