/** Security contexts of pods and containers, and what they must not combine. */
import { checkDns1123Subdomain, rangeMessage } from '../names.ts';
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
  WindowsSecurityContextOptions,
} from '../types/core-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateDescendingPath } from './paths.ts';

const maxId = 2_147_483_647;

function validateId(errors: ErrorList, id: number | undefined, field: string): void {
  if (id !== undefined && (id < 0 || id > maxId)) errors.invalid(field, id, rangeMessage(0, maxId));
}

export function validateSecurityContext(
  errors: ErrorList,
  security: SecurityContext,
  hostUsers: boolean,
  field: string,
): void {
  validateId(errors, security.runAsUser, `${field}.runAsUser`);
  validateId(errors, security.runAsGroup, `${field}.runAsGroup`);
  const { procMount } = security;
  if (procMount !== undefined) {
    if (procMount !== 'Default' && procMount !== 'Unmasked')
      errors.notSupported(`${field}.procMount`, procMount, ['Default', 'Unmasked']);
    if (hostUsers && procMount === 'Unmasked')
      errors.invalid(`${field}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`');
  }
  validateSeccomp(errors, security.seccompProfile, `${field}.seccompProfile`);
  if (security.allowPrivilegeEscalation === false) {
    const refuse = (what: string): void =>
      errors.invalid(
        field,
        internalForm(security, 'core.SecurityContext'),
        `cannot set \`allowPrivilegeEscalation\` to false and ${what}`,
      );
    if (security.privileged) refuse('`privileged` to true');
    for (const capability of security.capabilities?.add ?? [])
      if (capability === 'CAP_SYS_ADMIN') refuse('`capabilities.Add` CAP_SYS_ADMIN');
  }
  validateWindowsOptions(errors, security.windowsOptions, `${field}.windowsOptions`);
  validateAppArmor(errors, security.appArmorProfile, `${field}.appArmorProfile`);
}

const sysctlPattern = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const sysctlText =
  'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';

export function validatePodSecurityContext(
  errors: ErrorList,
  security: PodSecurityContext,
  spec: PodSpec,
  field: string,
): void {
  validateId(errors, security.fsGroup, `${field}.fsGroup`);
  validateId(errors, security.runAsUser, `${field}.runAsUser`);
  validateId(errors, security.runAsGroup, `${field}.runAsGroup`);
  for (const [i, group] of (security.supplementalGroups ?? []).entries())
    validateId(errors, group, at(`${field}.supplementalGroups`, i));
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.invalid(`${field}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  if (security.sysctls) validateSysctls(errors, security, spec, `${field}.sysctls`);
  oneOf(errors, security.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], `${field}.fsGroupChangePolicy`);
  validateSeccomp(errors, security.seccompProfile, `${field}.seccompProfile`);
  validateWindowsOptions(errors, security.windowsOptions, `${field}.windowsOptions`);
  validateAppArmor(errors, security.appArmorProfile, `${field}.appArmorProfile`);
  oneOf(errors, security.supplementalGroupsPolicy, ['Merge', 'Strict'], `${field}.supplementalGroupsPolicy`);
  // MountOption comes with SELinuxMount, which v1.36 leaves off.
  oneOf(errors, security.seLinuxChangePolicy, ['Recursive'], `${field}.seLinuxChangePolicy`);
}

function oneOf(errors: ErrorList, value: string | undefined, values: readonly string[], field: string): void {
  if (value !== undefined && !values.includes(value)) errors.notSupported(field, value, values);
}

/** Sysctls of the kernel's namespaces that a pod may have of its own. */
const ipcSysctls = /^(kernel\.(sem|msg.*|shm.*)|fs\.mqueue\..*)$/;

function validateSysctls(errors: ErrorList, security: PodSecurityContext, spec: PodSpec, field: string): void {
  const names = new Set<string>();
  for (const [i, { name }] of security.sysctls!.entries()) {
    const path = `${at(field, i)}.name`;
    if (!name) errors.required(path);
    else if (name.length > 253 || !sysctlPattern.test(name)) errors.invalid(path, name, sysctlText);
    else if (names.has(name)) errors.duplicate(path, name);
    const dotted = normalSysctl(name ?? '');
    if (spec.hostNetwork && dotted.startsWith('net.'))
      errors.invalid(path, name, "may not be specified when 'hostNetwork' is true");
    else if (spec.hostIPC && ipcSysctls.test(dotted))
      errors.invalid(path, name, "may not be specified when 'hostIPC' is true");
    names.add(name);
  }
}

/** `net/ipv4/x.y` is `net.ipv4.x/y`: whichever separator comes first separates. */
function normalSysctl(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '/') return name;
  return name.replace(/[./]/g, (c) => (c === '/' ? '.' : '/'));
}

const seccompTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function validateSeccomp(errors: ErrorList, profile: SeccompProfile | undefined, field: string): void {
  if (!profile) return;
  if (!profile.type) errors.required(`${field}.type`, 'type is required when seccompProfile is set');
  else if (!seccompTypes.includes(profile.type)) errors.notSupported(`${field}.type`, profile.type, seccompTypes);
  const path = `${field}.localhostProfile`;
  if (profile.type === 'Localhost') {
    if (profile.localhostProfile === undefined) errors.required(path, 'must be set when seccomp type is Localhost');
    else validateDescendingPath(errors, profile.localhostProfile, path);
  } else if (profile.localhostProfile !== undefined)
    errors.invalid(
      path,
      { Type: profile.type ?? '', LocalhostProfile: profile.localhostProfile },
      'can only be set when seccomp type is Localhost',
    );
}

function validateAppArmor(errors: ErrorList, profile: AppArmorProfile | undefined, field: string): void {
  if (!profile) return;
  const path = `${field}.localhostProfile`;
  const given = profile.localhostProfile;
  switch (profile.type) {
    case 'Localhost':
      if (given === undefined) errors.required(path, 'must be set when AppArmor type is Localhost');
      else {
        if (given.trim() !== given) errors.invalid(path, given, 'must not be padded with whitespace');
        else if (given === '') errors.required(path, 'must be set when AppArmor type is Localhost');
        if (Buffer.byteLength(given) > 4095) errors.tooLong(path, 4095);
      }
      break;
    case 'RuntimeDefault':
    case 'Unconfined':
      if (given !== undefined) errors.invalid(path, given, 'can only be set when AppArmor type is Localhost');
      break;
    case '':
    case undefined:
      errors.required(`${field}.type`, 'type is required when appArmorProfile is set');
      break;
    default:
      errors.notSupported(`${field}.type`, profile.type, seccompTypes);
  }
}

const controls = /[\x00-\x1f\x7f]/;
const netBios = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const domainPattern = new RegExp(`^${label}(?:\\.${label})*$`);

function validateWindowsOptions(
  errors: ErrorList,
  options: WindowsSecurityContextOptions | undefined,
  field: string,
): void {
  if (!options) return;
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: spec, runAsUserName: user } = options;
  if (name !== undefined) errors.invalidEach(`${field}.gmsaCredentialSpecName`, name, checkDns1123Subdomain(name));
  if (spec === '') errors.invalid(`${field}.gmsaCredentialSpec`, spec, 'gmsaCredentialSpec cannot be an empty string');
  else if (spec !== undefined && Buffer.byteLength(spec) > 65_536)
    errors.invalid(`${field}.gmsaCredentialSpec`, spec, 'gmsaCredentialSpec size must be under 64 KiB');
  if (user !== undefined) errors.invalidEach(`${field}.runAsUserName`, user, userNameMessages(user));
}

function userNameMessages(name: string): readonly string[] {
  if (name === '') return ['runAsUserName cannot be an empty string'];
  if (controls.test(name)) return ['runAsUserName cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const domain = parts.length === 2 ? parts[0]! : undefined;
  const user = parts.at(-1)!;
  const messages: string[] = [];
  if ((domain ?? '').length >= 256) messages.push("runAsUserName's Domain length must be under 256 characters");
  if (domain !== undefined && !netBios.test(domain) && !domainPattern.test(domain))
    messages.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  if (user === '') messages.push("runAsUserName's User cannot be empty");
  else if (user.length > 104) messages.push("runAsUserName's User length must not be longer than 104 characters");
  if (/^[. ]+$/.test(user)) messages.push("runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user))
    messages.push('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]');
  return messages;
}
