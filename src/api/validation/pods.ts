/** Pod specs, alone and in templates. Source of behaviour: pkg/apis/core/validation. */
import { checkDns1123Label, checkDns1123Subdomain, checkQualifiedName } from '../names.ts';
import type { Pod, PodResourceClaim, PodSpec, PodTemplateSpec } from '../types/core-v1.ts';
import { checkIp } from './addresses.ts';
import { validateAffinity } from './affinity.ts';
import {
  type PodScope,
  validateContainers,
  validateEphemeralContainers,
  validateImageWhitespace,
  validateInitContainers,
} from './containers.ts';
import { at, type ErrorList, nowhere } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { containersOf, mirror, validatePodAnnotations, validateProfilesAgree } from './pod-annotations.ts';
import { validatePodDns } from './pod-dns.ts';
import { validateHostProcess, validateOs } from './pod-os.ts';
import { validatePodResources } from './pod-resources.ts';
import { validateResourceRequirements } from './resources.ts';
import { validateSchedulingGates, validateSpread, validateTolerations } from './scheduling.ts';
import { validatePodSecurityContext } from './security-context.ts';
import { validateVolumes } from './volumes.ts';

const restartPolicies = ['Always', 'OnFailure', 'Never'];
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const preemptionPolicies = ['PreemptLowerPriority', 'Never'];
const maxInt32 = 2_147_483_647;
const noClaims: ReadonlySet<string> = new Set();

/** A pod's metadata and spec, as on create and as a base of every update. */
export function validatePod(errors: ErrorList, pod: Pod): void {
  const { metadata, spec = {} as PodSpec } = pod;
  if (metadata.annotations) validatePodAnnotations(errors, metadata.annotations, spec, 'metadata.annotations');
  validatePodSpec(errors, spec, 'spec', pod);
  if (!spec.serviceAccountName)
    for (const [i, volume] of (spec.volumes ?? []).entries())
      for (const [j, source] of (volume.projected?.sources ?? []).entries())
        if (source.serviceAccountToken)
          errors.forbidden(
            `${at(`${at('spec.volumes', i)}.projected.sources`, j)}.serviceAccountToken`,
            'must not be specified when serviceAccountName is not set',
          );
  for (const [i, c] of (spec.containers ?? []).entries())
    if (c.image) validateImageWhitespace(errors, c, `spec.containers[${i}]`);
  if (spec.initContainers)
    for (const [i, c] of spec.initContainers.entries())
      if (c.image) validateImageWhitespace(errors, c, `spec.initContainers[${i}]`);
}

export function validatePodCreate(errors: ErrorList, { metadata, spec }: Pod): void {
  if (!spec) return;
  if (spec.ephemeralContainers?.length) errors.forbidden('spec.ephemeralContainers', 'cannot be set on create');
  if (spec.nodeName && spec.schedulingGates?.length)
    errors.forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared');
  if (metadata.annotations) validateProfilesAgree(errors, metadata, spec, 'spec');
}

export function validateTemplate(errors: ErrorList, template: PodTemplateSpec | undefined, field: string): void {
  const metadata = template?.metadata;
  const spec = template?.spec ?? ({} as PodSpec);
  if (metadata?.labels) validateLabels(errors, metadata.labels, `${field}.labels`);
  if (metadata?.annotations) {
    validateAnnotations(errors, metadata.annotations, `${field}.annotations`);
    validatePodAnnotations(errors, metadata.annotations, spec, `${field}.annotations`);
  }
  validatePodSpec(errors, spec, `${field}.spec`);
  validateProfilesAgree(errors, metadata, spec, `${field}.spec`);
  if (spec.ephemeralContainers?.length)
    errors.forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
}

/** @param pod the pod the spec belongs to; absent for a template. */
export function validatePodSpec(errors: ErrorList, spec: PodSpec, field: string, pod?: Pod): void {
  const grace = spec.terminationGracePeriodSeconds;
  if (grace === undefined) errors.required(`${field}.terminationGracePeriodSeconds`);
  const claims = spec.resourceClaims;
  const scope: PodScope = {
    volumes: validateVolumes(errors, spec.volumes, `${field}.volumes`, pod ? (pod.metadata.name ?? '') : undefined),
    claims: claims ? new Set(claims.map(({ name }) => name).filter(Boolean)) : noClaims,
    gracePeriod: grace,
    restartPolicy: spec.restartPolicy ?? '',
    osName: spec.os?.name,
    hostUsers: spec.hostUsers !== false,
  };
  if (claims) validateClaims(errors, claims, pod, `${field}.resourceClaims`);
  validateContainers(errors, spec, scope, `${field}.containers`);
  if (spec.initContainers) validateInitContainers(errors, spec, scope, `${field}.initContainers`);
  if (spec.ephemeralContainers) validateEphemeralContainers(errors, spec, scope, `${field}.ephemeralContainers`);
  if (spec.resources) validatePodResources(errors, spec, scope.claims, field);
  if (spec.hostNetwork) validateHostNetwork(errors, spec, field, pod !== undefined);
  oneOf(errors, spec.restartPolicy, restartPolicies, `${field}.restartPolicy`);
  oneOf(errors, spec.dnsPolicy, dnsPolicies, `${field}.dnsPolicy`);
  if (spec.nodeSelector) validateLabels(errors, spec.nodeSelector, `${field}.nodeSelector`);
  if (spec.securityContext) validatePodSecurityContext(errors, spec.securityContext, spec, `${field}.securityContext`);
  if (spec.affinity) validateAffinity(errors, spec.affinity, `${field}.affinity`);
  if (spec.dnsConfig || spec.dnsPolicy === 'None') validatePodDns(errors, spec, `${field}.dnsConfig`);
  for (const [i, gate] of (spec.readinessGates ?? []).entries())
    errors.invalidEach(
      `${at(`${field}.readinessGates`, i)}.conditionType`,
      gate.conditionType,
      checkQualifiedName(gate.conditionType),
    );
  if (spec.schedulingGates) validateSchedulingGates(errors, spec.schedulingGates, `${field}.schedulingGates`);
  if (spec.topologySpreadConstraints)
    validateSpread(errors, spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`);
  validateHostProcess(errors, spec, field);
  if (spec.hostUsers === false) validateOwnUsers(errors, spec, field);
  validateNames(errors, spec, field);
  if (spec.preemptionPolicy !== undefined)
    oneOf(errors, spec.preemptionPolicy, preemptionPolicies, `${field}.preemptionPolicy`);
  if (spec.overhead) validateResourceRequirements(errors, { limits: spec.overhead }, `${field}.overhead`);
  if (spec.os) validateOs(errors, spec, field);
  if (spec.schedulingGroup) {
    const name = spec.schedulingGroup.podGroupName;
    const path = `${field}.schedulingGroup.podGroupName`;
    if (name === undefined) errors.invalid(path, null, 'must specify one of: `podGroupName`');
    else errors.invalidEach(path, name, checkDns1123Subdomain(name));
  }
  validateVariableFiles(errors, spec, field);
}

function oneOf(errors: ErrorList, value: string | undefined, values: readonly string[], field: string): void {
  if (!value) errors.required(field);
  else if (!values.includes(value)) errors.notSupported(field, value, values);
}

/** Names of other objects and of the host, and times. */
function validateNames(errors: ErrorList, spec: PodSpec, field: string): void {
  const override = spec.hostnameOverride;
  if (override !== undefined) {
    const path = `${field}.hostnameOverride`;
    if (spec.setHostnameAsFQDN) errors.forbidden(path, 'may not be specified when setHostnameAsFQDN is true');
    if (spec.hostNetwork) errors.forbidden(path, 'may not be specified when hostNetwork is true');
    if (Buffer.byteLength(override) > 64) errors.tooLong(path, 64);
    errors.invalidEach(path, override, checkDns1123Subdomain(override));
  }
  subdomain(errors, spec.serviceAccountName, `${field}.serviceAccountName`);
  subdomain(errors, spec.nodeName, `${field}.nodeName`);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > maxInt32))
    errors.invalid(`${field}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`);
  if (spec.hostname) errors.invalidEach(`${field}.hostname`, spec.hostname, checkDns1123Label(spec.hostname));
  if (spec.subdomain) errors.invalidEach(`${field}.subdomain`, spec.subdomain, checkDns1123Label(spec.subdomain));
  if (spec.tolerations) validateTolerations(errors, spec.tolerations, `${field}.tolerations`);
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    const path = at(`${field}.hostAliases`, i);
    errors.invalidEach(`${path}.ip`, alias.ip ?? '', checkIp(alias.ip ?? ''));
    for (const [j, name] of (alias.hostnames ?? []).entries())
      errors.invalidEach(at(`${path}.hostnames`, j), name, checkDns1123Subdomain(name));
  }
  subdomain(errors, spec.priorityClassName, `${field}.priorityClassName`);
  const runtime = spec.runtimeClassName;
  if (runtime !== undefined) errors.invalidEach(`${field}.runtimeClassName`, runtime, checkDns1123Subdomain(runtime));
}

function subdomain(errors: ErrorList, name: string | undefined, field: string): void {
  if (name) errors.invalidEach(field, name, checkDns1123Subdomain(name));
}

function validateClaims(
  errors: ErrorList,
  claims: readonly PodResourceClaim[],
  pod: Pod | undefined,
  field: string,
): void {
  const isMirror = pod?.metadata.annotations?.[mirror] !== undefined;
  const seen = new Set<string>();
  for (const [i, claim] of claims.entries()) {
    if (isMirror) {
      errors.forbidden(nowhere, 'static pods do not support resource claims');
      continue;
    }
    const path = at(field, i);
    if (!claim.name) errors.required(`${path}.name`);
    else if (seen.has(claim.name)) errors.duplicate(`${path}.name`, claim.name);
    else {
      errors.invalidEach(`${path}.name`, claim.name, checkDns1123Label(claim.name));
      seen.add(claim.name);
    }
    const { resourceClaimName: name, resourceClaimTemplateName: template } = claim;
    const refuse = (why: string): void => errors.invalid(path, internalForm(claim, 'core.PodResourceClaim'), why);
    if (name !== undefined && template !== undefined)
      refuse('at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified');
    if (name === undefined && template === undefined)
      refuse('must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    if (name !== undefined) errors.invalidEach(`${path}.resourceClaimName`, name, checkDns1123Subdomain(name));
    if (template !== undefined)
      errors.invalidEach(`${path}.resourceClaimTemplateName`, template, checkDns1123Subdomain(template));
  }
}

/** On the host's network a port is the host's port; a template may leave that to the pod's defaults. */
function validateHostNetwork(errors: ErrorList, spec: PodSpec, field: string, isPod: boolean): void {
  for (const [i, container] of (spec.containers ?? []).entries())
    for (const [j, port] of (container.ports ?? []).entries()) {
      const hostPort = port.hostPort ?? 0;
      if ((isPod || hostPort !== 0) && hostPort !== port.containerPort)
        errors.invalid(
          `${at(`${at(`${field}.containers`, i)}.ports`, j)}.hostPort`,
          hostPort,
          'must match `containerPort` when `hostNetwork` is true',
        );
    }
}

/** User namespaces go with no other namespace of the host. */
function validateOwnUsers(errors: ErrorList, spec: PodSpec, field: string): void {
  const why = 'when `hostUsers` is false';
  if (spec.hostNetwork) errors.forbidden(`${field}.hostNetwork`, why);
  if (spec.hostPID) errors.forbidden(`${field}.HostPID`, why);
  if (spec.hostIPC) errors.forbidden(`${field}.HostIPC`, why);
  for (const [container, path] of containersOf(spec))
    if (container.volumeDevices?.length) errors.forbidden(`${field}.${path}.volumeDevices`, why);
}

/** Files that variables are read from stand in an emptyDir. */
function validateVariableFiles(errors: ErrorList, spec: PodSpec, field: string): void {
  if (!spec.containers?.some(readsFiles) && !spec.initContainers?.some(readsFiles)) return;
  for (const [container, path] of containersOf(spec))
    for (const [i, variable] of (container.env ?? []).entries()) {
      const reference = variable.valueFrom?.fileKeyRef;
      if (!reference) continue;
      const name = `${at(`${field}.${path}.env`, i)}.valueFrom.fileKeyRef.volumeName`;
      const volume = spec.volumes?.findLast((v) => v.name === reference.volumeName);
      if (!volume) errors.notFound(name, reference.volumeName);
      else if (!volume.emptyDir)
        errors.invalid(name, reference.volumeName, 'referenced volume must be of type emptyDir');
    }
}

const readsFiles = ({
  env,
}: {
  readonly env?: readonly { readonly valueFrom?: { readonly fileKeyRef?: unknown } }[];
}): boolean => env?.some((variable) => variable.valueFrom?.fileKeyRef !== undefined) === true;
