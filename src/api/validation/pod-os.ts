/** Fields that make sense on one operating system only. */
import type { PodSpec } from '../types/core-v1.ts';
import type { ErrorList } from './error-list.ts';
import { containersOf } from './pod-annotations.ts';

export function validateOs(errors: ErrorList, spec: PodSpec, field: string): void {
  const name = spec.os!.name;
  if (!name) errors.required(`${field}.os.name`);
  else if (name === 'linux') validateLinux(errors, spec, field);
  else if (name === 'windows') validateWindows(errors, spec, field);
  else errors.notSupported(`${field}.os`, name, ['linux', 'windows']);
}

function validateLinux(errors: ErrorList, spec: PodSpec, field: string): void {
  const why = 'windows options cannot be set for a linux pod';
  if (spec.securityContext?.windowsOptions) errors.forbidden(`${field}.securityContext.windowsOptions`, why);
  for (const [container, path] of containersOf(spec))
    if (container.securityContext?.windowsOptions)
      errors.forbidden(`${field}.${path}.securityContext.windowsOptions`, why);
}

const podContextBefore = ['appArmorProfile', 'seLinuxOptions'] as const;
const host = ['hostUsers', 'hostPID', 'hostIPC'] as const;
const podContextMiddle = ['seccompProfile', 'fsGroup', 'fsGroupChangePolicy', 'sysctls'] as const;
const podContextAfter = [
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const;
const containerContext = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const;

function validateWindows(errors: ErrorList, spec: PodSpec, field: string): void {
  const why = 'cannot be set for a windows pod';
  const security = spec.securityContext ?? {};
  const refuseOf = (names: readonly (keyof typeof security)[]): void => {
    for (const name of names) {
      const value = security[name];
      const empty = name === 'sysctls' && Array.isArray(value) && value.length === 0;
      if (value !== undefined && !empty) errors.forbidden(`${field}.securityContext.${name}`, why);
    }
  };
  refuseOf(podContextBefore);
  for (const name of host)
    if (name === 'hostUsers' ? spec.hostUsers !== undefined : spec[name] === true)
      errors.forbidden(`${field}.${name}`, why);
  refuseOf(podContextMiddle);
  if (spec.shareProcessNamespace !== undefined) errors.forbidden(`${field}.shareProcessNamespace`, why);
  refuseOf(podContextAfter);
  for (const [container, path] of containersOf(spec))
    for (const name of containerContext)
      if (container.securityContext?.[name] !== undefined)
        errors.forbidden(`${field}.${path}.securityContext.${name}`, why);
}

/** HostProcess is for all containers of a pod or for none. */
export function validateHostProcess(errors: ErrorList, spec: PodSpec, field: string): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  if (ofPod === undefined && !spec.containers?.some(mentions) && !spec.initContainers?.some(mentions)) return;
  const containers = containersOf(spec);
  let count = 0;
  for (const [container, path] of containers) {
    const own = container.securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && ofPod !== own)
      errors.invalid(
        `${field}.${path}.securityContext.windowsOptions.hostProcess`,
        own,
        `pod hostProcess value must be identical if both are specified, was ${ofPod}`,
      );
    if (own ?? ofPod) count++;
  }
  if (count === 0) return;
  if (count !== containers.length)
    errors.invalid(
      field,
      '',
      'If pod contains any hostProcess containers then all containers must be HostProcess containers',
    );
  if (!spec.hostNetwork)
    errors.invalid(
      `${field}.hostNetwork`,
      false,
      'hostNetwork must be true if pod contains any hostProcess containers',
    );
}

const mentions = (container: {
  readonly securityContext?: { readonly windowsOptions?: { readonly hostProcess?: boolean } };
}): boolean => container.securityContext?.windowsOptions?.hostProcess !== undefined;
