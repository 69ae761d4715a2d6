/** Access control, scheduling, networking, storage and the other kinds with rules of their own. */
import { sameJson } from '../edit.ts';
import { checkDns1123Label } from '../names.ts';
import type { Lease } from '../types/coordination-v1.ts';
import type { EndpointSlice } from '../types/discovery-v1.ts';
import type {
  Ingress,
  IngressBackend,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../types/networking-v1.ts';
import type { RuntimeClass } from '../types/node-v1.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../types/rbac-v1.ts';
import type { PriorityClass } from '../types/scheduling-v1.ts';
import type { StorageClass } from '../types/storage-v1.ts';
import { checkCidr, checkIp } from './addresses.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { validateLabelSelector } from './metadata.ts';
import { validatePort } from './probes.ts';

export function validateRole(errors: ErrorList, role: Role | ClusterRole, namespaced: boolean): void {
  for (const [i, rule] of (role.rules ?? []).entries()) validateRule(errors, rule, at('rules', i), namespaced);
  const aggregation = 'aggregationRule' in role ? role.aggregationRule : undefined;
  if (aggregation && !aggregation.clusterRoleSelectors?.length)
    errors.required(
      'aggregationRule.clusterRoleSelectors',
      'at least one clusterRoleSelector required if aggregationRule is non-nil',
    );
}

function validateRule(errors: ErrorList, rule: PolicyRule, field: string, namespaced: boolean): void {
  if (!rule.verbs?.length) errors.required(`${field}.verbs`, 'verbs must contain at least one value');
  const urls = rule.nonResourceURLs ?? [];
  if (urls.length > 0) {
    if (namespaced)
      errors.invalid(`${field}.nonResourceURLs`, urls, 'namespaced rules cannot apply to non-resource URLs');
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length)
      errors.invalid(
        `${field}.nonResourceURLs`,
        urls,
        'rules cannot apply to both regular resources and non-resource URLs',
      );
    return;
  }
  if (!rule.apiGroups?.length)
    errors.required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  if (!rule.resources?.length)
    errors.required(`${field}.resources`, 'resource rules must supply at least one resource');
}

const rbacGroup = 'rbac.authorization.k8s.io';

export function validateBinding(
  errors: ErrorList,
  binding: RoleBinding | ClusterRoleBinding,
  namespaced: boolean,
): void {
  const { roleRef } = binding;
  if (roleRef.apiGroup !== rbacGroup) errors.notSupported('roleRef.apiGroup', roleRef.apiGroup, [rbacGroup]);
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (!kinds.includes(roleRef.kind)) errors.notSupported('roleRef.kind', roleRef.kind, kinds);
  if (!roleRef.name) errors.required('roleRef.name');
  for (const [i, subject] of (binding.subjects ?? []).entries()) {
    const path = at('subjects', i);
    if (!subject.name) errors.required(`${path}.name`);
    switch (subject.kind) {
      case 'ServiceAccount':
        if (subject.apiGroup) errors.notSupported(`${path}.apiGroup`, subject.apiGroup, ['']);
        if (!subject.namespace && !namespaced) errors.required(`${path}.namespace`);
        break;
      case 'User':
      case 'Group':
        if (subject.apiGroup !== rbacGroup)
          errors.notSupported(`${path}.apiGroup`, subject.apiGroup ?? '', [rbacGroup]);
        break;
      default:
        errors.notSupported(`${path}.kind`, subject.kind, ['ServiceAccount', 'User', 'Group']);
    }
  }
}

export function validateBindingUpdate(
  errors: ErrorList,
  next: RoleBinding | ClusterRoleBinding,
  previous: RoleBinding | ClusterRoleBinding,
): void {
  const { apiGroup, kind, name } = next.roleRef;
  if (!sameJson(next.roleRef, previous.roleRef))
    errors.invalid('roleRef', { APIGroup: apiGroup, Kind: kind, Name: name }, 'cannot change roleRef');
}

const highestUserPriority = 1_000_000_000;
const systemClasses: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

export function validatePriorityClass(errors: ErrorList, { metadata, value }: PriorityClass): void {
  const name = metadata.name ?? '';
  if (name.startsWith('system-')) {
    if (systemClasses[name] !== value)
      errors.forbidden(
        'metadata.name',
        `priority class names with 'system-' prefix are reserved for system use only. error: ${systemClasses[name] === undefined ? `${name} is not a known system priority class` : `value of ${name} PriorityClass must be ${systemClasses[name]}`}`,
      );
  } else if ((value ?? 0) > highestUserPriority)
    errors.forbidden('value', `maximum allowed value of a user defined priority is ${highestUserPriority}`);
}

export function validatePriorityClassUpdate(errors: ErrorList, next: PriorityClass, previous: PriorityClass): void {
  if (next.value !== previous.value) errors.forbidden('value', 'may not be changed in an update.');
  if (next.preemptionPolicy !== previous.preemptionPolicy)
    errors.invalid('preemptionPolicy', next.preemptionPolicy ?? null, immutable);
}

export function validateRuntimeClass(errors: ErrorList, runtimeClass: RuntimeClass): void {
  errors.invalidEach('handler', runtimeClass.handler, checkDns1123Label(runtimeClass.handler));
}

export function validateLease(errors: ErrorList, { spec = {} }: Lease): void {
  if (spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0)
    errors.invalid('spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0');
  if (spec.leaseTransitions !== undefined && spec.leaseTransitions < 0)
    errors.invalid('spec.leaseTransitions', spec.leaseTransitions, 'must be greater than or equal to 0');
  if (spec.holderIdentity === '') errors.invalid('spec.holderIdentity', '', 'must not be empty');
}

const reclaimPolicies = ['Delete', 'Retain'];
const bindingModes = ['Immediate', 'WaitForFirstConsumer'];

export function validateStorageClass(errors: ErrorList, storageClass: StorageClass): void {
  if (!storageClass.provisioner) errors.required('provisioner');
  if (storageClass.reclaimPolicy && !reclaimPolicies.includes(storageClass.reclaimPolicy))
    errors.notSupported('reclaimPolicy', storageClass.reclaimPolicy, reclaimPolicies);
  if (!storageClass.volumeBindingMode) errors.required('volumeBindingMode');
  else if (!bindingModes.includes(storageClass.volumeBindingMode))
    errors.notSupported('volumeBindingMode', storageClass.volumeBindingMode, bindingModes);
}

export function validateStorageClassUpdate(errors: ErrorList, next: StorageClass, previous: StorageClass): void {
  if (!sameJson(next.parameters, previous.parameters))
    errors.forbidden('parameters', 'updates to parameters are forbidden.');
  if (next.provisioner !== previous.provisioner)
    errors.forbidden('provisioner', 'updates to provisioner are forbidden.');
  if (next.reclaimPolicy !== previous.reclaimPolicy)
    errors.forbidden('reclaimPolicy', 'updates to reclaimPolicy are forbidden.');
  if (next.volumeBindingMode !== previous.volumeBindingMode)
    errors.invalid('volumeBindingMode', next.volumeBindingMode ?? null, immutable);
}

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];

export function validateIngress(errors: ErrorList, { spec = {} }: Ingress): void {
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.invalid('spec', null, 'either `defaultBackend` or `rules` must be specified');
  if (spec.defaultBackend) validateBackend(errors, spec.defaultBackend, 'spec.defaultBackend');
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    if (!rule.http) continue;
    const base = `${at('spec.rules', i)}.http.paths`;
    if (rule.http.paths.length === 0) errors.required(base);
    for (const [j, path] of rule.http.paths.entries()) {
      const field = at(base, j);
      if (!path.pathType) errors.required(`${field}.pathType`, 'pathType must be specified');
      else if (!pathTypes.includes(path.pathType)) errors.notSupported(`${field}.pathType`, path.pathType, pathTypes);
      else if (path.pathType !== 'ImplementationSpecific' && !(path.path ?? '').startsWith('/'))
        errors.invalid(`${field}.path`, path.path ?? '', 'must be an absolute path');
      validateBackend(errors, path.backend, `${field}.backend`);
    }
  }
}

function validateBackend(errors: ErrorList, backend: IngressBackend, field: string): void {
  const { service, resource } = backend;
  if (service && resource) errors.invalid(field, '', 'cannot set both resource and service backends');
  else if (service) {
    if (!service.name) errors.required(`${field}.service.name`);
    const { name = '', number = 0 } = service.port ?? {};
    if (name !== '' && number !== 0) errors.invalid(field, '', 'cannot set both port name & port number');
    else if (name === '' && number === 0) errors.required(field, 'port name or number is required');
  } else if (!resource) errors.invalid(field, '', 'resource or service backend is required');
}

export function validateNetworkPolicy(errors: ErrorList, { spec }: NetworkPolicy): void {
  if (!spec) return;
  validateLabelSelector(errors, spec.podSelector, 'spec.podSelector');
  for (const [i, rule] of (spec.ingress ?? []).entries()) {
    const path = at('spec.ingress', i);
    for (const [j, port] of (rule.ports ?? []).entries()) validatePolicyPort(errors, port, at(`${path}.ports`, j));
    for (const [j, peer] of (rule.from ?? []).entries()) validatePeer(errors, peer, at(`${path}.from`, j));
  }
  for (const [i, rule] of (spec.egress ?? []).entries()) {
    const path = at('spec.egress', i);
    for (const [j, port] of (rule.ports ?? []).entries()) validatePolicyPort(errors, port, at(`${path}.ports`, j));
    for (const [j, peer] of (rule.to ?? []).entries()) validatePeer(errors, peer, at(`${path}.to`, j));
  }
}

function validatePolicyPort(errors: ErrorList, port: NetworkPolicyPort, field: string): void {
  const protocols = ['SCTP', 'TCP', 'UDP'];
  if (port.protocol !== undefined && !protocols.includes(port.protocol))
    errors.notSupported(`${field}.protocol`, port.protocol, protocols);
  if (port.port === undefined) {
    if (port.endPort !== undefined)
      errors.invalid(`${field}.endPort`, port.endPort, 'may not be specified when `port` is not specified');
    return;
  }
  validatePort(errors, port.port, `${field}.port`);
  if (port.endPort === undefined) return;
  if (typeof port.port === 'string')
    errors.invalid(`${field}.endPort`, port.endPort, 'may not be specified when `port` is non-numeric');
  else if (port.endPort < port.port)
    errors.invalid(`${field}.endPort`, port.port, 'must be greater than or equal to `port`');
}

function validatePeer(errors: ErrorList, peer: NetworkPolicyPeer, field: string): void {
  if (!peer.podSelector && !peer.namespaceSelector && !peer.ipBlock) errors.required(field, 'must specify a peer');
  if (peer.ipBlock && (peer.podSelector || peer.namespaceSelector))
    errors.forbidden(field, 'may not specify both ipBlock and another peer');
  validateLabelSelector(errors, peer.podSelector, `${field}.podSelector`);
  validateLabelSelector(errors, peer.namespaceSelector, `${field}.namespaceSelector`);
  if (peer.ipBlock) {
    if (!peer.ipBlock.cidr) errors.required(`${field}.ipBlock.cidr`);
    else errors.invalidEach(`${field}.ipBlock.cidr`, peer.ipBlock.cidr, checkCidr(peer.ipBlock.cidr));
    for (const [i, cidr] of (peer.ipBlock.except ?? []).entries())
      errors.invalidEach(at(`${field}.ipBlock.except`, i), cidr, checkCidr(cidr));
  }
}

const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const maxAddresses = 100;

export function validateEndpointSlice(errors: ErrorList, slice: EndpointSlice): void {
  if (!slice.addressType) errors.required('addressType');
  else if (!addressTypes.includes(slice.addressType))
    errors.notSupported('addressType', slice.addressType, addressTypes);
  const protocols = ['SCTP', 'TCP', 'UDP'];
  for (const [i, port] of (slice.ports ?? []).entries()) {
    const path = at('ports', i);
    if (!port.protocol) errors.required(`${path}.protocol`);
    else if (!protocols.includes(port.protocol)) errors.notSupported(`${path}.protocol`, port.protocol, protocols);
  }
  for (const [i, endpoint] of (slice.endpoints ?? []).entries()) {
    const path = `${at('endpoints', i)}.addresses`;
    if (endpoint.addresses.length === 0) errors.required(path, 'must contain at least 1 address');
    if (endpoint.addresses.length > maxAddresses) errors.tooMany(path, endpoint.addresses.length, maxAddresses);
    for (const [j, address] of endpoint.addresses.entries())
      validateEndpointAddress(errors, slice.addressType, address, path, j);
  }
}

function validateEndpointAddress(errors: ErrorList, type: string, address: string, field: string, index: number): void {
  if (type === 'FQDN') return;
  const messages = checkIp(address);
  errors.invalidEach(at(field, index), address, messages);
  if (messages.length > 0) return;
  if ((type === 'IPv6') !== address.includes(':')) errors.invalid(field, address, `must be an ${type} address`);
  if (address.startsWith('127.') || address === '::1')
    errors.invalid(at(field, index), address, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (address === '0.0.0.0' || address === '::')
    errors.invalid(at(field, index), address, `may not be unspecified (${address})`);
  if (address.startsWith('169.254.'))
    errors.invalid(at(field, index), address, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
}

export function validateEndpointSliceUpdate(errors: ErrorList, next: EndpointSlice, previous: EndpointSlice): void {
  if (next.addressType !== previous.addressType) errors.invalid('addressType', next.addressType, immutable);
}
