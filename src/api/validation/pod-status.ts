/** What a kubelet may report of a pod. */
import { checkDns1123Label, checkDns1123Subdomain, checkQualifiedName, rangeMessage } from '../names.ts';
import type { Container, ContainerStatus, Pod, PodSpec, PodStatus } from '../types/core-v1.ts';
import { validateAddressPair } from './addresses.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalList } from './internal-form.ts';
import { validatePodAnnotationsUpdate } from './pod-annotations.ts';

const systemConditions = ['PodScheduled', 'Ready', 'Initialized'];
const statusFields = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const;
const notNegativeInteger = 'must be a non-negative integer';

export function validatePodStatusUpdate(errors: ErrorList, next: Pod, previous: Pod): void {
  const spec = next.spec ?? ({} as PodSpec);
  const before = previous.spec ?? ({} as PodSpec);
  const status = next.status ?? {};
  const old = previous.status ?? {};
  validatePodAnnotationsUpdate(errors, next.metadata, previous.metadata, spec);
  for (const [i, condition] of (status.conditions ?? []).entries()) {
    const path = at('status.conditions', i);
    if ((condition.observedGeneration ?? 0) < 0)
      errors.invalid(`${path}.observedGeneration`, condition.observedGeneration, notNegativeInteger);
    if (!systemConditions.includes(condition.type))
      errors.invalidEach(`${path}.Type`, condition.type, checkQualifiedName(condition.type));
  }
  if ((spec.nodeName ?? '') !== (before.nodeName ?? ''))
    errors.forbidden('status.nodeName', 'may not be changed directly');
  const nominated = status.nominatedNodeName;
  if (nominated && nominated !== old.nominatedNodeName) {
    errors.invalidEach('status.nominatedNodeName', nominated, checkDns1123Subdomain(nominated));
    if (before.nodeName)
      errors.forbidden('status.nominatedNodeName', 'may not be set on pods that are already bound to a node');
  }
  if ((status.observedGeneration ?? 0) < 0)
    errors.invalid('status.observedGeneration', status.observedGeneration, notNegativeInteger);
  if ((status.qosClass ?? '') !== (old.qosClass ?? ''))
    errors.invalid('status.qosClass', status.qosClass ?? '', immutable);
  validateTransitions(errors, status, old, before);
  validateClaimStatuses(errors, status, spec);
  validateExtendedClaimStatus(errors, status, spec);
  if (status.podIPs)
    validateAddressPair(errors, status.podIPs, old.podIPs, internalList(status.podIPs, 'core.PodIP'), 'status.podIPs');
  if (status.hostIPs?.length) {
    if ((status.hostIP ?? '') !== (status.hostIPs[0]!.ip ?? ''))
      errors.invalid('status.hostIPs[0].ip', status.hostIPs[0]!.ip ?? '', 'must be equal to `hostIP`');
    validateAddressPair(
      errors,
      status.hostIPs,
      old.hostIPs,
      internalList(status.hostIPs, 'core.HostIP'),
      'status.hostIPs',
    );
  }
  for (const field of statusFields)
    if (status[field]) validateUsers(errors, status[field], spec.os?.name ?? 'linux', `status.${field}`);
  for (const [i, container] of (status.ephemeralContainerStatuses ?? []).entries())
    if (container.allocatedResourcesStatus?.length)
      errors.forbidden(
        `${at('status.ephemeralContainerStatuses', i)}.allocatedResourcesStatus`,
        'cannot be set for a container status',
      );
}

/** What has ended starts again only where a restart policy says so. */
function validateTransitions(errors: ErrorList, next: PodStatus, previous: PodStatus, spec: PodSpec): void {
  const all = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const anyRestartsAll = all.some((c) => c.restartPolicyRules?.some((r) => r.action === 'RestartAllContainers'));
  for (const field of statusFields) {
    const ephemeral = field === 'ephemeralContainerStatuses';
    if (!ephemeral && anyRestartsAll) continue;
    const containers = (field === 'containerStatuses' ? spec.containers : spec.initContainers) ?? [];
    for (const [i, old] of (previous[field] ?? []).entries()) {
      const ended = old.state?.terminated;
      if (!ended) continue;
      const now = next[field]?.find(({ name }) => name === old.name);
      if (!now || now.state?.terminated) continue;
      const container = containers.find(({ name }) => name === old.name);
      if (ephemeral || !container || !mayRestart(container, spec, ended.exitCode))
        errors.forbidden(`${at(`status.${field}`, i)}.state`, 'may not be transitioned to non-terminated state');
    }
  }
}

function mayRestart(container: Container, spec: PodSpec, exitCode: number): boolean {
  for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
    const listed = exitCodes?.values?.includes(exitCode) === true;
    if (exitCodes && (exitCodes.operator === 'In' ? listed : !listed)) return action === 'Restart';
  }
  const policy = container.restartPolicy ?? spec.restartPolicy;
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

function validateClaimStatuses(errors: ErrorList, status: PodStatus, spec: PodSpec): void {
  const seen = new Set<string>();
  for (const [i, claim] of (status.resourceClaimStatuses ?? []).entries()) {
    const path = at('status.resourceClaimStatuses', i);
    if (!spec.resourceClaims?.some(({ name }) => name === claim.name))
      errors.invalid(`${path}.name`, claim.name, 'must match the name of an entry in `spec.resourceClaims`');
    if (seen.has(claim.name)) errors.duplicate(`${path}.name`, claim.name);
    seen.add(claim.name);
    const name = claim.resourceClaimName;
    if (name !== undefined) errors.invalidEach(`${path}.resourceClaimName`, name, checkDns1123Subdomain(name));
  }
}

function validateExtendedClaimStatus(errors: ErrorList, status: PodStatus, spec: PodSpec): void {
  const claim = status.extendedResourceClaimStatus;
  if (!claim) return;
  const field = 'status.extendedResourceClaimStatus';
  const containers = new Map([...(spec.initContainers ?? []), ...spec.containers].map((c) => [c.name, c]));
  const mappings = claim.requestMappings ?? [];
  if (mappings.length === 0) errors.required(`${field}.requestMappings`, 'at least one request mapping is required');
  const seen = new Set<string>();
  for (const [i, { containerName, resourceName, requestName }] of mappings.entries()) {
    const path = at(`${field}.requestMappings`, i);
    const container = containers.get(containerName);
    if (!container)
      errors.invalid(
        `${path}.containerName`,
        containerName,
        'must match the name of an entry in spec.initContainers.name or spec.containers.name',
      );
    else if (container.resources?.requests?.[resourceName] === undefined)
      errors.invalid(
        `${path}.resourceName`,
        resourceName,
        'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests',
      );
    errors.invalidEach(`${field}.requestName`, requestName, checkDns1123Label(requestName));
    const key = JSON.stringify([containerName, resourceName, requestName]);
    if (seen.has(key)) {
      errors.duplicate(`${path}.containerName`, containerName);
      errors.duplicate(`${path}.resourceName`, resourceName);
      errors.duplicate(`${path}.requestName`, requestName);
    }
    seen.add(key);
  }
  if (!claim.resourceClaimName) errors.required(`${field}.resourceClaimName`);
  else
    errors.invalidEach(
      `${field}.resourceClaimName`,
      claim.resourceClaimName,
      checkDns1123Subdomain(claim.resourceClaimName),
    );
}

const maxId = 2_147_483_647;

function validateUsers(errors: ErrorList, statuses: readonly ContainerStatus[], osName: string, field: string): void {
  for (const [i, { user }] of statuses.entries()) {
    const linux = user?.linux;
    if (!linux) continue;
    const path = `${at(field, i)}.user.linux`;
    if (osName === 'windows') {
      errors.forbidden(path, 'cannot be set for a windows pod');
      continue;
    }
    const check = (id: number, at_: string): void => {
      if (id < 0 || id > maxId) errors.invalid(at_, id, rangeMessage(0, maxId));
    };
    check(linux.uid, `${path}.uid`);
    check(linux.gid, `${path}.gid`);
    for (const [j, group] of (linux.supplementalGroups ?? []).entries())
      check(group, at(`${path}.supplementalGroups`, j));
  }
}
