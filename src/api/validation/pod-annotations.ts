/** Annotations of pods that mean something: old forms of fields, and marks that may not change. */
import type { AppArmorProfile, Container, PodSpec, SeccompProfile, Toleration } from '../types/core-v1.ts';
import type { ObjectMeta } from '../types/meta-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateDescendingPath } from './paths.ts';
import { validateTolerations } from './scheduling.ts';

export const mirror = 'kubernetes.io/config.mirror';
const tolerationsKey = 'scheduler.alpha.kubernetes.io/tolerations';
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost';
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';
const appArmor = 'container.apparmor.security.beta.kubernetes.io/';

type Annotations = Readonly<Record<string, string>> | undefined;

export function validatePodAnnotations(
  errors: ErrorList,
  annotations: Annotations,
  spec: PodSpec,
  field: string,
): void {
  if (!annotations) return;
  const isMirror = annotations[mirror];
  if (isMirror !== undefined && !spec.nodeName)
    errors.invalid(at(field, mirror), isMirror, 'must set spec.nodeName if mirror pod annotation is set');
  if (annotations[tolerationsKey]) validateSerialized(errors, annotations[tolerationsKey], field);
  const cost = annotations[deletionCost];
  // Go's ParseInt with a plain decimal: no sign `+` in front, no leading zero but for zero itself.
  if (cost !== undefined && !isInt32(cost)) errors.invalid(at(field, deletionCost), cost, 'must be a 32bit integer');
  const pod = annotations[seccompPod];
  if (pod !== undefined) validateSeccompText(errors, pod, `${field}.${seccompPod}`);
  for (const key of Object.keys(annotations)) {
    const value = annotations[key]!;
    if (key.startsWith(seccompContainer)) validateSeccompText(errors, value, `${field}.${key}`);
    if (!key.startsWith(appArmor)) continue;
    const name = key.slice(appArmor.length);
    if (!containersOf(spec).some(([container]) => container.name === name))
      errors.invalid(at(field, key), name, 'container not found');
    if (value !== '' && value !== 'runtime/default' && value !== 'unconfined' && !value.startsWith('localhost/'))
      errors.invalid(at(field, key), value, `invalid AppArmor profile name: ${JSON.stringify(value)}`);
  }
}

const isInt32 = (text: string): boolean =>
  /^(0|[1-9]\d*|-[1-9]\d*)$/.test(text) && Number(text) >= -(2 ** 31) && Number(text) < 2 ** 31;

function validateSerialized(errors: ErrorList, text: string, field: string): void {
  let tolerations: unknown;
  try {
    tolerations = JSON.parse(text);
  } catch (error) {
    // Text of the user's that is no JSON is the user's error.
    if (!(error instanceof SyntaxError)) throw error;
    errors.invalid(field, tolerationsKey, `invalid character '${text.trim()[0] ?? ''}' looking for beginning of value`);
    return;
  }
  if (Array.isArray(tolerations))
    validateTolerations(errors, tolerations as readonly Toleration[], `${field}.${tolerationsKey}`);
}

function validateSeccompText(errors: ErrorList, text: string, field: string): void {
  if (text === 'runtime/default' || text === 'docker/default' || text === 'unconfined') return;
  if (text.startsWith('localhost/')) validateDescendingPath(errors, text.slice('localhost/'.length), field);
  else errors.invalid(field, text, 'must be a valid seccomp profile');
}

export function validatePodAnnotationsUpdate(
  errors: ErrorList,
  next: ObjectMeta,
  previous: ObjectMeta,
  spec: PodSpec,
): void {
  const field = 'metadata.annotations';
  const now = next.annotations ?? {};
  const before = previous.annotations ?? {};
  if (next.annotations !== previous.annotations) {
    for (const key of Object.keys(before)) {
      if (now[key] === before[key]) continue;
      if (key.startsWith(appArmor)) errors.forbidden(at(field, key), 'may not remove or update AppArmor annotations');
      if (key === mirror) errors.forbidden(at(field, key), 'may not remove or update mirror pod annotation');
    }
    for (const key of Object.keys(now)) {
      if (before[key] !== undefined) continue;
      if (key.startsWith(appArmor)) errors.forbidden(at(field, key), 'may not add AppArmor annotations');
      if (key === mirror) errors.forbidden(at(field, key), 'may not add mirror pod annotation');
    }
  }
  validatePodAnnotations(errors, next.annotations, spec, field);
}

/** Where a profile stands both in an annotation and in a field, they say the same. */
export function validateProfilesAgree(
  errors: ErrorList,
  metadata: ObjectMeta | undefined,
  spec: PodSpec,
  field: string,
): void {
  const annotations = metadata?.annotations;
  if (!annotations) return;
  const podSeccomp = spec.securityContext?.seccompProfile;
  if (podSeccomp && annotations[seccompPod] !== undefined)
    agree(errors, annotations[seccompPod], podSeccomp, 'seccomp', `${field}.securityContext.seccompProfile`);
  const containers = containersOf(spec);
  for (const [container, path] of containers) {
    const profile = container.securityContext?.seccompProfile;
    const text = annotations[`${seccompContainer}${container.name}`];
    if (profile && text !== undefined)
      agree(errors, text, profile, 'seccomp', `${field}.${path}.securityContext.seccompProfile`);
  }
  if (spec.os?.name === 'windows') return;
  for (const [container, path] of containers) {
    const profile = container.securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile;
    const text = annotations[`${appArmor}${container.name}`];
    if (profile && text !== undefined)
      agree(errors, text, profile, 'apparmor', `${field}.${path}.securityContext.appArmorProfile`);
  }
}

function agree(
  errors: ErrorList,
  text: string,
  profile: SeccompProfile | AppArmorProfile,
  kind: 'seccomp' | 'apparmor',
  field: string,
): void {
  const typeDiffers = (): void => errors.forbidden(`${field}.type`, `${kind} type in annotation and field must match`);
  switch (profile.type) {
    case 'Unconfined':
      if (text !== 'unconfined') typeDiffers();
      break;
    case 'RuntimeDefault':
      if (text !== 'runtime/default' && !(kind === 'seccomp' && text === 'docker/default')) typeDiffers();
      break;
    case 'Localhost':
      if (!text.startsWith('localhost/')) typeDiffers();
      else if (profile.localhostProfile !== text.slice('localhost/'.length))
        errors.forbidden(`${field}.localhostProfile`, `${kind} profile in annotation and field must match`);
      break;
    default:
      break;
  }
}

/** All containers with their paths below the spec, in upstream's order. */
export function containersOf(spec: PodSpec): readonly (readonly [container: Container, path: string])[] {
  return [
    ...(spec.initContainers ?? []).map((c, i) => [c, at('initContainers', i)] as const),
    ...(spec.containers ?? []).map((c, i) => [c, at('containers', i)] as const),
    ...(spec.ephemeralContainers ?? []).map((c, i) => [c as Container, at('ephemeralContainers', i)] as const),
  ];
}
