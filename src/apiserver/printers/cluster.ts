/** Rows of networking, storage, access control, admission, scheduling and the other cluster kinds. */

import { humanDuration } from '../../api/time.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../api/types/admissionregistration-v1.ts';
import type { APIService } from '../../api/types/apiregistration-v1.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import type { Lease } from '../../api/types/coordination-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/types/flowcontrol-v1.ts';
import type { ObjectMeta } from '../../api/types/meta-v1.ts';
import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '../../api/types/networking-v1.ts';
import type { RuntimeClass } from '../../api/types/node-v1.ts';
import type { ClusterRoleBinding, RoleBinding } from '../../api/types/rbac-v1.ts';
import type { ResourceClaim, ResourceSlice } from '../../api/types/resource-v1.ts';
import type { PriorityClass } from '../../api/types/scheduling-v1.ts';
import type {
  CSIDriver,
  CSINode,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../api/types/storage-v1.ts';
import { age, nameOf, none, type Printer, selector, some, unknown, unset } from './cells.ts';

export const nameAndAge: Printer<{ readonly metadata: ObjectMeta }> = (o, now) => [nameOf(o), age(o, now)];
export const lease: Printer<Lease> = (l, now) => [nameOf(l), l.spec?.holderIdentity ?? '', age(l, now)];

const slicePorts = 3;
const sliceEndpoints = 3;
export const endpointSlice: Printer<EndpointSlice> = (s, now) => {
  const ports = (s.ports ?? []).map((p) => (p.port === undefined ? '*' : String(p.port)));
  const portText =
    s.ports === null || s.ports === undefined ? unset : ports.length === 0 ? unset : some(ports, slicePorts);
  const addresses = (s.endpoints ?? []).flatMap((e) => e.addresses);
  return [
    nameOf(s),
    s.addressType,
    portText,
    addresses.length === 0 ? unset : some(addresses, sliceEndpoints),
    age(s, now),
  ];
};

export const ingress: Printer<Ingress> = (i, now) => {
  const hosts = (i.spec?.rules ?? []).map((r) => r.host || '*');
  const hostText = hosts.length === 0 ? '*' : some(hosts, 3);
  const addresses = (i.status?.loadBalancer?.ingress ?? [])
    .map((a) => a.ip || a.hostname || '')
    .filter((a) => a !== '');
  return [
    nameOf(i),
    i.spec?.ingressClassName ?? none,
    hostText,
    addresses.join(','),
    i.spec?.tls?.length ? '80, 443' : '80',
    age(i, now),
  ];
};

export const ingressClass: Printer<IngressClass> = (c, now) => {
  const p = c.spec?.parameters;
  return [
    nameOf(c),
    c.spec?.controller ?? '',
    p ? `${p.kind}${p.apiGroup ? `.${p.apiGroup}` : ''}/${p.name}` : none,
    age(c, now),
  ];
};
export const networkPolicy: Printer<NetworkPolicy> = (p, now) => [
  nameOf(p),
  selector(p.spec?.podSelector),
  age(p, now),
];
export const serviceCidr: Printer<ServiceCIDR> = (s, now) => [nameOf(s), (s.spec?.cidrs ?? []).join(','), age(s, now)];
export const ipAddress: Printer<IPAddress> = (a) => {
  const parent = a.spec?.parentRef;
  return [
    nameOf(a),
    parent
      ? [parent.group, parent.resource, parent.namespace, parent.name]
          .filter((part) => part)
          .join('/')
          .replace(/^\//, '')
      : none,
  ];
};

export const runtimeClass: Printer<RuntimeClass> = (r, now) => [nameOf(r), r.handler, age(r, now)];
export const priorityClass: Printer<PriorityClass> = (p, now) => [
  nameOf(p),
  p.value ?? 0,
  p.globalDefault ?? false,
  age(p, now),
  p.preemptionPolicy ?? '',
];

export const binding: Printer<RoleBinding | ClusterRoleBinding> = (b, now) => {
  const subjects = b.subjects ?? [];
  const of = (kind: string): string =>
    subjects
      .filter((s) => s.kind === kind)
      .map((s) => (kind === 'ServiceAccount' ? `${s.namespace ?? ''}/${s.name}` : s.name))
      .join(', ');
  return [nameOf(b), `${b.roleRef.kind}/${b.roleRef.name}`, age(b, now), of('User'), of('Group'), of('ServiceAccount')];
};

export const storageClass: Printer<StorageClass> = (s, now) => {
  const isDefault = [
    'storageclass.kubernetes.io/is-default-class',
    'storageclass.beta.kubernetes.io/is-default-class',
  ].some((key) => s.metadata.annotations?.[key] === 'true');
  return [
    `${nameOf(s)}${isDefault ? ' (default)' : ''}`,
    s.provisioner,
    s.reclaimPolicy ?? 'Delete',
    s.volumeBindingMode ?? 'Immediate',
    s.allowVolumeExpansion ?? false,
    age(s, now),
  ];
};
export const volumeAttributesClass: Printer<VolumeAttributesClass> = (v, now) => {
  const isDefault = v.metadata.annotations?.['storage.alpha.kubernetes.io/is-default-class'] === 'true';
  return [`${nameOf(v)}${isDefault ? ' (default)' : ''}`, v.driverName, age(v, now)];
};
export const volumeAttachment: Printer<VolumeAttachment> = (v, now) => [
  nameOf(v),
  v.spec.attacher,
  v.spec.source.persistentVolumeName ?? '',
  v.spec.nodeName,
  v.status?.attached ?? false,
  age(v, now),
];
export const csiNode: Printer<CSINode> = (n, now) => [nameOf(n), n.spec?.drivers?.length ?? 0, age(n, now)];
export const csiDriver: Printer<CSIDriver> = (d, now) => [
  nameOf(d),
  d.spec.attachRequired ?? true,
  d.spec.podInfoOnMount ?? false,
  d.spec.storageCapacity ?? false,
  (d.spec.tokenRequests ?? []).map((t) => t.audience).join(',') || unset,
  d.spec.requiresRepublish ?? false,
  (d.spec.volumeLifecycleModes ?? []).join(',') || none,
  age(d, now),
];

export const certificateSigningRequest: Printer<CertificateSigningRequest> = (c, now) => {
  const seconds = c.spec.expirationSeconds;
  return [
    nameOf(c),
    age(c, now),
    c.spec.signerName || none,
    c.spec.username ?? '',
    seconds === undefined ? none : humanDuration(seconds * 1000),
    csrCondition(c),
  ];
};
function csrCondition({ status }: CertificateSigningRequest): string {
  const types = new Set((status?.conditions ?? []).map((c) => c.type));
  const parts = types.has('Denied') ? ['Denied'] : types.has('Approved') ? ['Approved'] : ['Pending'];
  if (types.has('Failed')) parts.push('Failed');
  if (status?.certificate) parts.push('Issued');
  return parts.join(',');
}

export const apiService: Printer<APIService> = (a, now) => {
  const service = a.spec?.service;
  const available = a.status?.conditions?.find((c) => c.type === 'Available');
  const status = available
    ? available.status === 'True'
      ? 'True'
      : `${available.status} (${available.reason ?? ''})`
    : 'Unknown';
  return [nameOf(a), service ? `${service.namespace ?? ''}/${service.name ?? ''}` : 'Local', status, age(a, now)];
};

export const flowSchema: Printer<FlowSchema> = (f, now) => {
  const dangling = f.status?.conditions?.find((c) => c.type === 'Dangling');
  return [
    nameOf(f),
    f.spec?.priorityLevelConfiguration.name ?? '',
    f.spec?.matchingPrecedence ?? 0,
    f.spec?.distinguisherMethod?.type ?? none,
    age(f, now),
    dangling?.status ?? '?',
  ];
};
/** The order in which they are asked. Source: apihelpers.FlowSchemaSequence. */
export function byPrecedence(a: FlowSchema, b: FlowSchema): number {
  const difference = (a.spec?.matchingPrecedence ?? 0) - (b.spec?.matchingPrecedence ?? 0);
  return difference || (nameOf(a) < nameOf(b) ? -1 : 1);
}
export const priorityLevel: Printer<PriorityLevelConfiguration> = (p, now) => {
  const { limited, type } = p.spec ?? {};
  const queuing = limited?.limitResponse?.queuing;
  const number = (value: number | undefined): string | number => value ?? none;
  return [
    nameOf(p),
    type ?? '',
    number(limited?.nominalConcurrencyShares),
    number(queuing?.queues),
    number(queuing?.handSize),
    number(queuing?.queueLengthLimit),
    age(p, now),
  ];
};

export const webhooks: Printer<{ readonly metadata: ObjectMeta; readonly webhooks?: readonly unknown[] }> = (
  w,
  now,
) => [nameOf(w), w.webhooks?.length ?? 0, age(w, now)];
const paramKind = (kind: ParamKind | undefined): string => (kind ? `${kind.apiVersion}/${kind.kind}` : unset);
export const validatingPolicy: Printer<ValidatingAdmissionPolicy> = (p, now) => [
  nameOf(p),
  p.spec?.validations?.length ?? 0,
  paramKind(p.spec?.paramKind),
  age(p, now),
];
export const mutatingPolicy: Printer<MutatingAdmissionPolicy> = (p, now) => [
  nameOf(p),
  p.spec?.mutations?.length ?? 0,
  paramKind(p.spec?.paramKind),
  age(p, now),
];
export const policyBinding: Printer<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding> = (b, now) => [
  nameOf(b),
  b.spec?.policyName ?? '',
  paramRef(b.spec?.paramRef),
  age(b, now),
];
function paramRef(reference: ParamRef | undefined): string {
  if (!reference) return unset;
  const name = reference.name || (reference.selector ? selector(reference.selector) : '*');
  return reference.namespace ? `${reference.namespace}/${name}` : `*/${name}`;
}

export const resourceClaim: Printer<ResourceClaim> = (c, now) => {
  const states = [
    ...(c.metadata.deletionTimestamp ? ['deleted'] : []),
    ...(c.status?.allocation ? ['allocated'] : []),
    ...(c.status?.reservedFor?.length ? ['reserved'] : []),
  ];
  return [nameOf(c), states.join(',') || 'pending', age(c, now)];
};
export const resourceSlice: Printer<ResourceSlice> = (s, now) => [
  nameOf(s),
  s.spec.nodeName ?? (s.spec.allNodes ? '<all>' : s.spec.nodeSelector ? '<selector>' : unknown),
  s.spec.driver,
  s.spec.pool.name,
  age(s, now),
];
