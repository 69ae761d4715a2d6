/** What an update of a pod may change. Source: ValidatePodUpdate and its siblings for status, ephemeral containers and resize. */
import { sameJson } from '../edit.ts';
import type { JsonObject } from '../json.ts';
import { qosClassOf } from '../pod/qos.ts';
import type { Container, Pod, PodSpec, Toleration } from '../types/core-v1.ts';
import type { ErrorList } from './error-list.ts';
import { notNegative } from './error-list.ts';

const allowed =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export function validatePodUpdate(errors: ErrorList, next: Pod, previous: Pod): void {
  const spec = next.spec!;
  const before = previous.spec!;
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field] ?? []).length !== (before[field] ?? []).length) {
      errors.forbidden(`spec.${field}`, 'pod updates may not add or remove containers');
      return;
    }
    for (const [i, container] of (spec[field] ?? []).entries()) {
      if (!container.image) errors.required(`spec.${field}[${i}].image`);
      else if (container.image.trim() !== container.image)
        errors.invalid(`spec.${field}[${i}].image`, container.image, 'must not have leading or trailing whitespace');
    }
  }
  validateDeadline(errors, spec, before);
  validateTolerationAdditions(errors, spec.tolerations ?? [], before.tolerations ?? []);
  const gatesRemoved = (spec.schedulingGates ?? []).every((gate) =>
    (before.schedulingGates ?? []).some((old) => old.name === gate.name),
  );
  if (!gatesRemoved)
    errors.forbidden(
      'spec.schedulingGates',
      `only deletion is allowed, but found new scheduling gate '${(spec.schedulingGates ?? []).find((g) => !(before.schedulingGates ?? []).some((o) => o.name === g.name))?.name}'`,
    );
  const gated = (before.schedulingGates ?? []).length > 0;
  if (!sameJson(comparable(spec, before, gated), comparable(before, before, gated))) errors.forbidden('spec', allowed);
}

function validateDeadline(errors: ErrorList, spec: PodSpec, before: PodSpec): void {
  const next = spec.activeDeadlineSeconds;
  const old = before.activeDeadlineSeconds;
  if (next !== undefined) {
    if (next < 0) errors.invalid('spec.activeDeadlineSeconds', next, notNegative);
    if (old !== undefined && old < next)
      errors.invalid('spec.activeDeadlineSeconds', next, 'must be less than or equal to previous value');
  } else if (old !== undefined)
    errors.invalid('spec.activeDeadlineSeconds', null, 'must not update from a positive integer to nil value');
}

/** Tolerations may be added, and the time of one may change: a controller relies on both. */
function validateTolerationAdditions(
  errors: ErrorList,
  next: readonly Toleration[],
  before: readonly Toleration[],
): void {
  const same = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key &&
    (a.operator ?? '') === (b.operator ?? '') &&
    (a.value ?? '') === (b.value ?? '') &&
    (a.effect ?? '') === (b.effect ?? '');
  for (const old of before)
    if (!next.some((t) => same(t, old)))
      errors.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds');
}

/** The spec with everything that may change taken from the old one. A gated pod may also narrow where it will run. */
function comparable(spec: PodSpec, before: PodSpec, gated: boolean): JsonObject {
  const images = (
    containers: readonly Container[] | undefined,
    old: readonly Container[] | undefined,
  ): readonly Container[] | undefined => containers?.map((c, i) => ({ ...c, image: old?.[i]?.image }) as Container);
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, schedulingGates: _gates, ...rest } = spec;
  const fixed: PodSpec = {
    ...rest,
    containers: images(spec.containers, before.containers) ?? [],
    ...(spec.initContainers ? { initContainers: images(spec.initContainers, before.initContainers)! } : {}),
    ...((before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1
      ? { terminationGracePeriodSeconds: before.terminationGracePeriodSeconds! }
      : {}),
  };
  const { nodeSelector, affinity, ...immutable } = fixed;
  return (gated ? immutable : { ...immutable, nodeSelector, affinity }) as unknown as JsonObject;
}

export function validateResize(errors: ErrorList, next: Pod, previous: Pod): void {
  if (qosClassOf(next) !== (previous.status?.qosClass ?? qosClassOf(previous)))
    errors.invalid(
      'spec',
      previous.status?.qosClass ?? qosClassOf(previous),
      'Pod QOS Class may not change as a result of resizing',
    );
}

export function validateEphemeralContainersUpdate(errors: ErrorList, next: Pod, previous: Pod): void {
  const now = next.spec?.ephemeralContainers ?? [];
  for (const old of previous.spec?.ephemeralContainers ?? []) {
    const index = now.findIndex((c) => c.name === old.name);
    if (index < 0)
      errors.forbidden('spec.ephemeralContainers', `existing ephemeral containers "${old.name}" may not be removed\n`);
    else if (!sameJson(now[index], old))
      errors.forbidden('spec.ephemeralContainers', `existing ephemeral containers "${old.name}" may not be changed\n`);
  }
}

export function validatePodStatusUpdate(errors: ErrorList, next: Pod, previous: Pod): void {
  const nominated = next.spec?.nodeName;
  if (nominated !== undefined && previous.spec?.nodeName !== undefined && nominated !== previous.spec.nodeName)
    errors.forbidden('status.nodeName', 'may not be changed directly');
  for (const field of ['containerStatuses', 'initContainerStatuses'] as const) {
    for (const [i, status] of (next.status?.[field] ?? []).entries()) {
      const old = previous.status?.[field]?.find((s) => s.name === status.name);
      const container = (field === 'containerStatuses' ? next.spec?.containers : next.spec?.initContainers)?.find(
        (c) => c.name === status.name,
      );
      const mayRestart =
        next.spec?.restartPolicy === 'Always' ||
        next.spec?.restartPolicy === 'OnFailure' ||
        container?.restartPolicy !== undefined;
      if (old?.state?.terminated && !status.state?.terminated && !mayRestart)
        errors.forbidden(`status.${field}[${i}].state`, 'may not be transitioned to non-terminated state');
    }
  }
}
