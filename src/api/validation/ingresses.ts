/** Ingresses and their classes, IP addresses and service ranges. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import {
  checkDns1123Label,
  checkDns1123Subdomain,
  checkPathSegmentName,
  checkPortName,
  checkPortNumber,
  checkWildcardSubdomain,
} from '../names.ts';
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressRule,
  IPAddress,
  ServiceCIDR,
} from '../types/networking-v1.ts';
import { checkCanonicalCidr, checkIp, parseAddress, parseRange } from './addresses.ts';
import { checkDomainPath } from './domain-path.ts';
import { at, ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const classAnnotation = 'kubernetes.io/ingress.class';

export function validateIngress(errors: ErrorList, ingress: Ingress): void {
  validateSpec(errors, ingress, {});
  const annotation = ingress.metadata.annotations?.[classAnnotation];
  const name = ingress.spec?.ingressClassName;
  if (annotation !== undefined && name !== undefined && annotation !== name)
    errors.invalid(
      `annotations.${classAnnotation}`,
      annotation,
      'must match `ingressClassName` when both are specified',
    );
}

interface Allowed {
  /** The old object had such. */
  readonly anySecretName?: boolean;
  readonly anyWildcardRule?: boolean;
}

export function validateIngressUpdate(errors: ErrorList, next: Ingress, previous: Ingress): void {
  const found = new ErrorList();
  for (const rule of previous.spec?.rules ?? []) if (rule.host?.includes('*')) validatePaths(found, rule, '');
  validateSpec(errors, next, {
    anySecretName: (previous.spec?.tls ?? []).some(
      ({ secretName }) => secretName && checkDns1123Subdomain(secretName).length > 0,
    ),
    anyWildcardRule: found.errors.length > 0,
  });
}

function validateSpec(errors: ErrorList, { spec = {} }: Ingress, allowed: Allowed): void {
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.invalid('spec', shownField(spec, 'rules'), 'either `defaultBackend` or `rules` must be specified');
  if (spec.defaultBackend) validateBackend(errors, spec.defaultBackend, 'spec.defaultBackend');
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    const { host = '' } = rule;
    const path = `${at('spec.rules', i)}.host`;
    if (host !== '') {
      if (parseAddress(host)) errors.invalid(path, host, 'must be a DNS name, not an IP address');
      errors.invalidEach(path, host, checkHost(host));
    }
    if (!host.includes('*') || !allowed.anyWildcardRule) validatePaths(errors, rule, at('spec.rules', i));
  }
  for (const [i, { hosts = [], secretName = '' }] of (spec.tls ?? []).entries()) {
    const path = at('spec.tls', i);
    for (const [j, host] of hosts.entries()) errors.invalidEach(at(`${path}.hosts`, j), host, checkHost(host));
    if (secretName !== '' && !allowed.anySecretName)
      errors.invalidEach(`${path}.secretName`, secretName, checkDns1123Subdomain(secretName));
  }
  const name = spec.ingressClassName;
  if (name !== undefined) errors.invalidEach('spec.ingressClassName', name, checkDns1123Subdomain(name));
}

const checkHost = (host: string): readonly string[] =>
  host.includes('*') ? checkWildcardSubdomain(host) : checkDns1123Subdomain(host);

function validatePaths(errors: ErrorList, { http }: IngressRule, field: string): void {
  if (!http) return;
  const base = `${field}.http.paths`;
  if (!http.paths?.length) errors.required(base);
  for (const [i, path] of (http.paths ?? []).entries()) validatePath(errors, path, at(base, i));
}

function validatePath(errors: ErrorList, { pathType, path = '', backend }: HTTPIngressPath, field: string): void {
  if (pathType === undefined || pathType === null) {
    errors.required(`${field}.pathType`, 'pathType must be specified');
    return;
  }
  const at_ = `${field}.path`;
  const absolute = (): void => {
    if (!path.startsWith('/')) errors.invalid(at_, path, 'must be an absolute path');
  };
  switch (pathType) {
    case 'Exact':
    case 'Prefix':
      absolute();
      for (const part of ['//', '/./', '/../', '%2f', '%2F'])
        if (path.includes(part)) errors.invalid(at_, path, `must not contain '${part}'`);
      for (const end of ['/..', '/.']) if (path.endsWith(end)) errors.invalid(at_, path, `cannot end with '${end}'`);
      break;
    case 'ImplementationSpecific':
      if (path !== '') absolute();
      break;
    default:
      errors.notSupported(`${field}.pathType`, pathType, pathTypes);
  }
  validateBackend(errors, backend, `${field}.backend`);
}

function validateBackend(errors: ErrorList, { service, resource }: IngressBackend, field: string): void {
  if (service && resource) errors.invalid(field, '', 'cannot set both resource and service backends');
  else if (resource) {
    const group = resource.apiGroup;
    if (group !== undefined && group !== null)
      errors.invalidEach(`${field}.resource.apiGroup`, group, checkDns1123Subdomain(group));
    segment(errors, resource.kind, `${field}.resource.kind`);
    segment(errors, resource.name, `${field}.resource.name`);
  } else if (service) {
    if (!service.name) errors.required(`${field}.service.name`);
    else errors.invalidEach(`${field}.service.name`, service.name, checkDns1123Label(service.name));
    const { name = '', number = 0 } = service.port ?? {};
    if (name !== '' && number !== 0) errors.invalid(field, '', 'cannot set both port name & port number');
    else if (name !== '') errors.invalidEach(`${field}.service.port.name`, name, checkPortName(name));
    else if (number !== 0) errors.invalidEach(`${field}.service.port.number`, number, checkPortNumber(number));
    else errors.required(field, 'port name or number is required');
  } else errors.invalid(field, '', 'resource or service backend is required');
}

/** A required part of a URL. */
function segment(errors: ErrorList, value: string | undefined, field: string): void {
  if (!value) errors.required(field);
  else errors.invalidEach(field, value, checkPathSegmentName(value));
}

export function validateIngressStatus(errors: ErrorList, next: Ingress, previous: Ingress): void {
  const kept = (previous.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '').filter((ip) => ip !== '');
  for (const [i, { ip = '', hostname = '' }] of (next.status?.loadBalancer?.ingress ?? []).entries()) {
    const path = at('status.loadBalancer.ingress', i);
    if (ip !== '') errors.invalidEach(`${path}.ip`, ip, checkIp(ip, kept));
    if (hostname === '') continue;
    errors.invalidEach(`${path}.hostname`, hostname, checkDns1123Subdomain(hostname));
    if (parseAddress(hostname)) errors.invalid(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address');
  }
}

const scopes = ['Cluster', 'Namespace'];

export function validateIngressClass(errors: ErrorList, { spec = {} }: IngressClass): void {
  const { controller = '', parameters } = spec;
  if (Buffer.byteLength(controller) > 250) errors.tooLong('spec.controller', 250);
  checkDomainPath(errors, controller, 'spec.controller');
  if (!parameters) return;
  const field = 'spec.parameters';
  const { apiGroup, kind, name, scope, namespace } = parameters;
  if (apiGroup !== undefined && apiGroup !== null)
    errors.invalidEach(`${field}.apiGroup`, apiGroup, checkDns1123Subdomain(apiGroup));
  segment(errors, kind, `${field}.kind`);
  segment(errors, name, `${field}.name`);
  if (scope === undefined || scope === null) errors.required(`${field}.scope`);
  else if (!scopes.includes(scope)) errors.notSupported(`${field}.scope`, scope, scopes);
  else if (scope === 'Namespace') {
    if (namespace === undefined) errors.required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'");
    else errors.invalidEach(`${field}.namespace`, namespace, checkDns1123Label(namespace));
  } else if (namespace !== undefined) errors.forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'");
}

export function validateIngressClassUpdate(errors: ErrorList, next: IngressClass, previous: IngressClass): void {
  const controller = next.spec?.controller ?? '';
  if (controller !== (previous.spec?.controller ?? '')) errors.invalid('spec.controller', controller, immutable);
}

export function validateIpAddress(errors: ErrorList, { spec }: IPAddress): void {
  const parent = spec?.parentRef;
  const field = 'spec.parentRef';
  if (!parent) {
    errors.required(field);
    return;
  }
  if (parent.group) errors.invalidEach(`${field}.group`, parent.group, checkDns1123Subdomain(parent.group));
  segment(errors, parent.resource, `${field}.resource`);
  segment(errors, parent.name, `${field}.name`);
  if (parent.namespace)
    errors.invalidEach(`${field}.namespace`, parent.namespace, checkPathSegmentName(parent.namespace));
}

export function validateIpAddressUpdate(errors: ErrorList, next: IPAddress, previous: IPAddress): void {
  const parent = next.spec?.parentRef;
  if (!sameJson(parent, previous.spec?.parentRef))
    errors.invalid('spec.parentRef', parent ? internalForm(parent, 'networking.ParentReference') : null, immutable);
}

export function validateServiceCidr(errors: ErrorList, { spec }: ServiceCIDR): void {
  const cidrs = spec?.cidrs ?? [];
  const field = 'spec.cidrs';
  if (cidrs.length === 0) errors.required(field, 'at least one CIDR required');
  else if (cidrs.length > 2) errors.invalid(field, { CIDRs: cidrs }, 'may only hold up to 2 values');
  else {
    for (const [i, cidr] of cidrs.entries()) errors.invalidEach(at(field, i), cidr, checkCanonicalCidr(cidr));
    const [first, second] = cidrs.map((cidr) => parseRange(cidr)?.address.family);
    if (cidrs.length === 2 && first !== undefined && first === second)
      errors.invalid(
        field,
        cidrs,
        'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      );
  }
}

/** A second family may come; nothing else changes. */
export function validateServiceCidrUpdate(errors: ErrorList, next: ServiceCIDR, previous: ServiceCIDR): void {
  const cidrs = next.spec?.cidrs ?? [];
  const before = previous.spec?.cidrs ?? [];
  const field = 'spec.cidrs';
  if (before.length !== cidrs.length && !(before.length === 1 && cidrs.length === 2)) {
    errors.invalid(field, shownField(next.spec, 'cidrs'), immutable);
    return;
  }
  for (const [i, cidr] of before.entries()) if (cidr !== cidrs[i]) errors.invalid(at(field, i), cidrs[i], immutable);
  if (before.length < cidrs.length) validateServiceCidr(errors, next);
}
