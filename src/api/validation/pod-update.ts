/** What an update of a pod may change: little, through the pod itself; containers for debugging through their own endpoint. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import type { Container, NodeAffinity, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../types/core-v1.ts';
import { at, type ErrorList, nowhere } from './error-list.ts';
import { internalForm, internalList } from './internal-form.ts';
import { mirror, validatePodAnnotationsUpdate } from './pod-annotations.ts';
import { validatePod } from './pods.ts';
import { validateTolerations } from './scheduling.ts';
import { jsonDiff } from './unified-diff.ts';

const maxInt32 = 2_147_483_647;
const updatable =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export function validatePodUpdate(errors: ErrorList, next: Pod, previous: Pod): void {
  const spec = next.spec ?? ({} as PodSpec);
  const before = previous.spec ?? ({} as PodSpec);
  validatePod(errors, next);
  validatePodAnnotationsUpdate(errors, next.metadata, previous.metadata, spec);
  for (const field of ['containers', 'initContainers'] as const)
    if (!sameContainers(errors, spec[field] ?? [], before[field] ?? [], `spec.${field}`)) return;
  if (!validateDeadline(errors, spec.activeDeadlineSeconds, before.activeDeadlineSeconds)) return;
  validateAddedTolerations(errors, spec.tolerations ?? [], before.tolerations ?? []);
  for (const [i, { name }] of (spec.schedulingGates ?? []).entries())
    if (!before.schedulingGates?.some((gate) => gate.name === name))
      errors.forbidden(
        `${at('spec.schedulingGates', i)}.name`,
        `only deletion is allowed, but found new scheduling gate '${name}'`,
      );
  if (spec === before || sameJson(spec, before)) return;
  const munged = withOldMutables(errors, spec, before);
  const shown = internalForm(munged, 'core.PodSpec');
  const shownBefore = internalForm(before, 'core.PodSpec');
  if (!sameJson(shown, shownBefore))
    errors.forbidden(
      'spec',
      `pod updates may not change fields other than ${updatable}\n${jsonDiff(shownBefore, shown)}`,
    );
}

/** @returns false where nothing further can be compared. */
function sameContainers(
  errors: ErrorList,
  next: readonly Container[],
  before: readonly Container[],
  field: string,
): boolean {
  if (next.length !== before.length) {
    errors.forbidden(field, 'pod updates may not add or remove containers');
    return false;
  }
  for (const [i, { image = '' }] of next.entries()) {
    if (image === '') errors.required(`${at(field, i)}.image`);
    if (image.trim() !== image)
      errors.invalid(`${at(field, i)}.image`, image, 'must not have leading or trailing whitespace');
  }
  return true;
}

/** It may appear and it may shrink. */
function validateDeadline(errors: ErrorList, next: number | undefined, before: number | undefined): boolean {
  const field = 'spec.activeDeadlineSeconds';
  if (next === undefined) {
    if (before !== undefined) errors.invalid(field, null, 'must not update from a positive integer to nil value');
    return true;
  }
  if (next < 0 || next > maxInt32) {
    errors.invalid(field, next, `must be between 0 and ${maxInt32}, inclusive`);
    return false;
  }
  if (before === undefined || before >= next) return true;
  errors.invalid(field, next, 'must be less than or equal to previous value');
  return false;
}

/** Tolerations may be added, and the time of one may change: a controller relies on both. */
function validateAddedTolerations(errors: ErrorList, next: readonly Toleration[], before: readonly Toleration[]): void {
  const same = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key && a.operator === b.operator && a.value === b.value && a.effect === b.effect;
  if (before.some((old) => !next.some((t) => same(t, old))))
    errors.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds');
  else validateTolerations(errors, next, 'spec.tolerations');
}

/** The new spec with everything that may change taken from the old one. A gated pod may also narrow where it will run. */
function withOldMutables(errors: ErrorList, spec: PodSpec, before: PodSpec): PodSpec {
  const images = (containers: readonly Container[] | undefined, old: readonly Container[] | undefined) =>
    containers?.map((c, i) => ({ ...c, image: old![i]!.image }));
  const munged: Record<string, unknown> = {
    ...spec,
    containers: images(spec.containers, before.containers),
    initContainers: images(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    schedulingGates: before.schedulingGates,
    tolerations: before.tolerations,
  };
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1)
    munged.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds;
  if (!before.schedulingGates?.length) return munged as unknown as PodSpec;
  validateSelectorAdditions(errors, spec, before);
  munged.nodeSelector = before.nodeSelector;
  const old = before.affinity?.nodeAffinity;
  if (!sameJson(spec.affinity?.nodeAffinity, old)) {
    validateAffinityAdditions(errors, spec.affinity?.nodeAffinity, old);
    const rest = { ...spec.affinity, nodeAffinity: old };
    munged.affinity = before.affinity || rest.podAffinity || rest.podAntiAffinity ? rest : undefined;
  }
  return munged as unknown as PodSpec;
}

function validateSelectorAdditions(errors: ErrorList, spec: PodSpec, before: PodSpec): void {
  const now = spec.nodeSelector ?? {};
  for (const [key, value] of Object.entries(before.nodeSelector ?? {}))
    if (now[key] !== value) {
      errors.invalid(
        'spec.nodeSelector',
        shownField(spec, 'nodeSelector'),
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      );
      return;
    }
}

function validateAffinityAdditions(
  errors: ErrorList,
  next: NodeAffinity | undefined,
  before: NodeAffinity | undefined,
): void {
  const field = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  const old = before?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const now = next?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? undefined;
  if (old.length === 0) return;
  if (old.length !== (now?.length ?? 0)) {
    errors.invalid(
      field,
      internalList(now, 'core.NodeSelectorTerm'),
      'no additions/deletions to non-empty NodeSelectorTerms list are allowed',
    );
    return;
  }
  for (const [i, term] of old.entries())
    if (!onlyAdds(now![i]!, term))
      errors.invalid(
        at(field, i),
        internalForm(now![i], 'core.NodeSelectorTerm'),
        'only additions are allowed (no mutations or deletions)',
      );
}

function onlyAdds(next: NodeSelectorTerm, before: NodeSelectorTerm): boolean {
  const { matchExpressions = [], matchFields = [] } = before;
  if (matchExpressions.length === 0 && matchFields.length === 0)
    return !next.matchExpressions?.length && !next.matchFields?.length;
  const starts = (now: readonly unknown[] | undefined, old: readonly unknown[]): boolean =>
    old.length === 0 || sameJson((now ?? []).slice(0, old.length), old);
  return starts(next.matchExpressions, matchExpressions) && starts(next.matchFields, matchFields);
}

export function validateEphemeralContainersUpdate(errors: ErrorList, next: Pod, previous: Pod): void {
  validatePod(errors, next);
  validatePodAnnotationsUpdate(errors, next.metadata, previous.metadata, next.spec ?? ({} as PodSpec));
  if (previous.metadata.annotations?.[mirror] !== undefined) {
    errors.errors.length = 0;
    errors.forbidden(nowhere, 'static pods do not support ephemeral containers');
    return;
  }
  const field = 'spec.ephemeralContainers';
  const now = next.spec?.ephemeralContainers ?? [];
  for (const old of previous.spec?.ephemeralContainers ?? []) {
    const name = JSON.stringify(old.name);
    const kept = now.findLast((container) => container.name === old.name);
    if (!kept) errors.forbidden(field, `existing ephemeral containers ${name} may not be removed\n`);
    else if (!sameJson(kept, old))
      errors.forbidden(
        field,
        `existing ephemeral containers ${name} may not be changed\n${jsonDiff(internalForm(old, 'core.EphemeralContainer'), internalForm(kept, 'core.EphemeralContainer'))}`,
      );
  }
}
