/** Changes of a running pod's resources (KEP-1287): cpu and memory only, and none taken away. */
import { sameJson } from '../edit.ts';
import { qosClassOf } from '../pod/qos.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../types/core-v1.ts';
import { at, type ErrorList, nowhere } from './error-list.ts';
import { mirror } from './pod-annotations.ts';
import { validatePod } from './pods.ts';

type Amounts = Readonly<Record<string, string>> | undefined;

export function validatePodResize(errors: ErrorList, next: Pod, previous: Pod): void {
  validatePod(errors, next);
  const only = (why: string): void => {
    errors.errors.length = 0;
    errors.forbidden(nowhere, why);
  };
  if (previous.metadata.annotations?.[mirror] !== undefined) {
    only('static pods cannot be resized');
    return;
  }
  if (previous.spec?.os?.name === 'windows') {
    only('windows pods cannot be resized');
    return;
  }
  const spec = next.spec!;
  const before = previous.spec!;
  if ((previous.status?.qosClass ?? qosClassOf(previous)) !== qosClassOf(next))
    errors.invalid('spec', next.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing');
  const running = previous.status?.containerStatuses?.find(({ state }) => state?.running);
  if (running && !running.resources) errors.forbidden('spec', 'Pod running on node without support for resize');
  if (hasAny(spec.resources) || hasAny(before.resources)) validatePodLevel(errors, spec, before);
  if (previous.status?.nodeAllocatableResourceClaimStatuses?.length)
    errors.forbidden('spec', 'pods with node allocatable resource claims cannot be resized');
  if (!sameOrder(errors, spec, before)) return;
  for (const field of ['initContainers', 'containers'] as const)
    for (const [i, old] of (before[field] ?? []).entries()) {
      const now = spec[field]![i]!;
      const path = `${at(`spec.${field}`, i)}.resources`;
      if (removed(now.resources?.requests, old.resources?.requests))
        errors.forbidden(`${path}.requests`, 'resource requests cannot be removed');
      if (removed(now.resources?.limits, old.resources?.limits))
        errors.forbidden(`${path}.limits`, 'resource limits cannot be removed');
    }
  for (const [i, old] of (before.containers ?? []).entries())
    if (differs(spec.containers[i]!, old)) errors.forbidden('spec', 'only cpu and memory resources are mutable');
  for (const [i, old] of (before.initContainers ?? []).entries()) {
    const now = spec.initContainers![i]!;
    const path = at('spec.initContainers', i);
    if (differs(now, old))
      errors.forbidden(path, 'only cpu and memory resources for init or sidecar containers are mutable');
    if (now.restartPolicy === 'Always' || sameJson(now, old)) continue;
    for (const { restartPolicy } of now.resizePolicy ?? [])
      if (restartPolicy === 'RestartContainer')
        errors.forbidden(
          path,
          'non-sidecar init containers with a resize policy of RestartContainer cannot be resized',
        );
  }
}

const hasAny = (resources: ResourceRequirements | undefined): boolean =>
  Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length > 0;

const removed = (now: Amounts, before: Amounts): boolean =>
  Object.keys(before ?? {}).some((name) => now?.[name] === undefined);

function validatePodLevel(errors: ErrorList, spec: PodSpec, before: PodSpec): void {
  const path = 'spec.resources';
  if (before.resources && !spec.resources) {
    errors.forbidden(path, 'pod-level resources cannot be removed');
    return;
  }
  if (before.resources) {
    if (removed(spec.resources!.requests, before.resources.requests))
      errors.forbidden(`${path}.requests`, 'pod-level resource requests cannot be removed');
    if (removed(spec.resources!.limits, before.resources.limits))
      errors.forbidden(`${path}.limits`, 'pod-level resource limits cannot be removed');
  }
  if (!sameJson(others(spec.resources), others(before.resources)))
    errors.forbidden('spec', 'only cpu and memory resources are mutable at pod-level');
}

/** Everything but cpu and memory. */
function others(resources: ResourceRequirements | undefined): object {
  const rest = (amounts: Amounts): object =>
    Object.fromEntries(Object.entries(amounts ?? {}).filter(([name]) => name !== 'cpu' && name !== 'memory'));
  return { limits: rest(resources?.limits), requests: rest(resources?.requests) };
}

const differs = (now: Container, before: Container): boolean =>
  !sameJson({ ...now, resources: others(now.resources) }, { ...before, resources: others(before.resources) });

function sameOrder(errors: ErrorList, spec: PodSpec, before: PodSpec): boolean {
  let same = true;
  for (const field of ['containers', 'initContainers'] as const) {
    const now = spec[field] ?? [];
    const old = before[field] ?? [];
    if (now.length !== old.length) {
      same = false;
      errors.forbidden(`spec.${field}`, `${field} may not be added or removed on resize`);
      continue;
    }
    for (const [i, { name }] of old.entries())
      if (now[i]!.name !== name) {
        same = false;
        errors.forbidden(`${at(`spec.${field}`, i)}.name`, `${field} may not be renamed or reordered on resize`);
      }
  }
  return same;
}
