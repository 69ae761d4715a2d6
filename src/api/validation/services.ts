/** Services. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import { checkDns1123Label, checkDns1123Subdomain, checkPortNumber, checkQualifiedName } from '../names.ts';
import type { LoadBalancerStatus, Service, ServicePort, ServiceSpec } from '../types/core-v1.ts';
import { checkCidr, checkIp, parseAddress, validateEndpointIp } from './addresses.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateLabels } from './metadata.ts';
import { validatePort } from './probes.ts';
import { validateServiceAddresses } from './service-addresses.ts';

const serviceTypes = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const affinities = ['ClientIP', 'None'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const trafficPolicies = ['Cluster', 'Local'];
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const hintsAnnotation = 'service.kubernetes.io/topology-aware-hints';
const modeAnnotation = 'service.kubernetes.io/topology-mode';
const rangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'";

export const isHeadless = ({ clusterIPs }: ServiceSpec): boolean =>
  clusterIPs?.length === 1 && clusterIPs[0] === 'None';

/** @param previous of an update: what was valid once stays so. */
export function validateService(errors: ErrorList, service: Service, previous?: Service): void {
  const spec = service.spec ?? {};
  const annotations = service.metadata.annotations ?? {};
  const mode = annotations[modeAnnotation];
  const hints = annotations[hintsAnnotation];
  if (mode !== undefined && hints !== undefined && mode !== hints)
    errors.invalid(
      at('metadata.annotations', modeAnnotation),
      mode,
      `must match annotations[${hintsAnnotation}] when both are specified`,
    );
  const headless = isHeadless(spec);
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !headless && spec.type !== 'ExternalName') errors.required('spec.ports');
  if (headless && (spec.type === 'LoadBalancer' || spec.type === 'NodePort'))
    errors.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`);
  if (spec.type === 'ExternalName') validateExternalName(errors, spec);
  const names = new Set<string>();
  for (const [i, port] of ports.entries())
    validateServicePort(errors, port, at('spec.ports', i), ports.length > 1, names);
  if (spec.selector) validateLabels(errors, spec.selector, 'spec.selector');
  validateSessionAffinity(errors, spec);
  validateServiceAddresses(errors, spec, previous?.spec);
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const messages = checkIp(ip, previous?.spec?.externalIPs);
    errors.invalidEach(at('spec.externalIPs', i), ip, messages);
    if (messages.length === 0) validateEndpointIp(errors, ip, at('spec.externalIPs', i));
  }
  if (!spec.type) errors.required('spec.type');
  else if (!serviceTypes.includes(spec.type)) errors.notSupported('spec.type', spec.type, serviceTypes);
  validatePortUse(errors, spec, ports);
  validateSourceRanges(errors, service, previous);
  const balancer = spec.type === 'LoadBalancer';
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balancer)
    errors.forbidden('spec.allocateLoadBalancerNodePorts', onlyLoadBalancer);
  if (balancer && spec.allocateLoadBalancerNodePorts === undefined) errors.required('allocateLoadBalancerNodePorts');
  validateBalancerClass(errors, spec);
  validateTraffic(errors, spec);
}

function validateExternalName(errors: ErrorList, spec: ServiceSpec): void {
  const why = 'may not be set for ExternalName services';
  if (spec.clusterIPs?.length) errors.forbidden('spec.clusterIPs', why);
  if (spec.ipFamilies?.length) errors.forbidden('spec.ipFamilies', why);
  if (spec.ipFamilyPolicy !== undefined) errors.forbidden('spec.ipFamilyPolicy', why);
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') errors.required('spec.externalName');
  else errors.invalidEach('spec.externalName', name, checkDns1123Subdomain(name));
}

function validateServicePort(
  errors: ErrorList,
  port: ServicePort,
  field: string,
  nameRequired: boolean,
  names: Set<string>,
): void {
  if (nameRequired && !port.name) errors.required(`${field}.name`);
  else if (port.name) {
    errors.invalidEach(`${field}.name`, port.name, checkDns1123Label(port.name));
    if (names.has(port.name)) errors.duplicate(`${field}.name`, port.name);
    names.add(port.name);
  }
  errors.invalidEach(`${field}.port`, port.port ?? 0, checkPortNumber(port.port ?? 0));
  if (!port.protocol) errors.required(`${field}.protocol`);
  else if (!protocols.includes(port.protocol)) errors.notSupported(`${field}.protocol`, port.protocol, protocols);
  validatePort(errors, port.targetPort ?? 0, `${field}.targetPort`);
  if (port.appProtocol !== undefined)
    errors.invalidEach(`${field}.appProtocol`, port.appProtocol, checkQualifiedName(port.appProtocol));
}

const maxAffinitySeconds = 86_400;

function validateSessionAffinity(errors: ErrorList, { sessionAffinity, sessionAffinityConfig }: ServiceSpec): void {
  const field = 'spec.sessionAffinityConfig';
  if (!sessionAffinity) errors.required('spec.sessionAffinity');
  else if (!affinities.includes(sessionAffinity))
    errors.notSupported('spec.sessionAffinity', sessionAffinity, affinities);
  if (sessionAffinity === 'None') {
    if (sessionAffinityConfig) errors.forbidden(field, 'must not be set when session affinity is None');
    return;
  }
  if (sessionAffinity !== 'ClientIP') return;
  const why = 'when session affinity type is ClientIP';
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (!sessionAffinityConfig) errors.required(field, why);
  else if (!sessionAffinityConfig.clientIP) errors.required(`${field}.clientIP`, why);
  else if (seconds === undefined) errors.required(`${field}.clientIP.timeoutSeconds`, why);
  else if (seconds <= 0 || seconds > maxAffinitySeconds)
    errors.invalid(
      `${field}.clientIP.timeoutSeconds`,
      seconds,
      `must be greater than 0 and less than ${maxAffinitySeconds}`,
    );
}

function validatePortUse(errors: ErrorList, spec: ServiceSpec, ports: readonly ServicePort[]): void {
  if (spec.type === 'ClusterIP')
    for (const [i, port] of ports.entries())
      if (port.nodePort)
        errors.forbidden(`${at('spec.ports', i)}.nodePort`, "may not be used when `type` is 'ClusterIP'");
  const nodePorts = new Set<string>();
  for (const [i, { protocol, nodePort }] of ports.entries()) {
    if (!nodePort) continue;
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) errors.duplicate(`${at('spec.ports', i)}.nodePort`, nodePort);
    nodePorts.add(key);
  }
  const seen = new Set<string>();
  for (const [i, { protocol, port }] of ports.entries()) {
    const key = `${protocol}/${port}`;
    if (seen.has(key)) errors.duplicate(at('spec.ports', i), internalForm({ protocol, port }, 'core.ServicePort'));
    seen.add(key);
  }
}

function validateSourceRanges(
  errors: ErrorList,
  { metadata, spec = {} }: Service,
  previous: Service | undefined,
): void {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0) {
    const field = 'spec.LoadBalancerSourceRanges';
    if (spec.type !== 'LoadBalancer') errors.forbidden(field, onlyLoadBalancer);
    const kept = previous?.spec?.loadBalancerSourceRanges?.map((range) => range.trim());
    for (const [i, range] of ranges.entries())
      errors.invalidEach(at(field, i), range.trim(), checkCidr(range.trim(), kept));
    return;
  }
  const text = metadata.annotations?.[rangesAnnotation];
  if (text === undefined) return;
  const field = at('metadata.annotations', rangesAnnotation);
  if (spec.type !== 'LoadBalancer') errors.forbidden(field, onlyLoadBalancer);
  if (previous?.metadata.annotations?.[rangesAnnotation] === text || text.trim() === '') return;
  for (const range of text.trim().split(',')) errors.invalidEach(field, range.trim(), checkCidr(range.trim()));
}

function validateBalancerClass(errors: ErrorList, { type, loadBalancerClass: name }: ServiceSpec): void {
  if (name === undefined) return;
  if (type === 'LoadBalancer') errors.invalidEach('spec.loadBalancerClass', name, checkQualifiedName(name));
  else errors.forbidden('spec.loadBalancerClass', onlyLoadBalancer);
}

const needsHealthCheck = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

function validateTraffic(errors: ErrorList, spec: ServiceSpec): void {
  const { type, externalTrafficPolicy: policy, healthCheckNodePort: port = 0 } = spec;
  const external =
    type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  const field = 'spec.externalTrafficPolicy';
  if (!external) {
    if (policy) errors.invalid(field, policy, 'may only be set for externally-accessible services');
  } else if (!policy) errors.required(field);
  else if (!trafficPolicies.includes(policy)) errors.notSupported(field, policy, trafficPolicies);
  if (!needsHealthCheck(spec)) {
    if (port !== 0)
      errors.invalid(
        'spec.healthCheckNodePort',
        port,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      );
  } else if (port === 0) errors.required('spec.healthCheckNodePort');
  else errors.invalidEach('spec.healthCheckNodePort', port, checkPortNumber(port));
  const internal = spec.internalTrafficPolicy;
  if (internal === undefined) {
    if (type === 'NodePort' || type === 'LoadBalancer' || type === 'ClusterIP')
      errors.required('spec.internalTrafficPolicy');
  } else if (!trafficPolicies.includes(internal))
    errors.notSupported('spec.internalTrafficPolicy', internal, trafficPolicies);
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined && !distributions.includes(distribution))
    errors.notSupported('spec.trafficDistribution', distribution, distributions);
}

export function validateServiceUpdate(errors: ErrorList, next: Service, previous: Service): void {
  const spec = next.spec ?? {};
  const before = previous.spec ?? {};
  if (spec.type !== 'ExternalName' && before.type !== 'ExternalName') validateKeptAddresses(errors, spec, before);
  if (
    spec.type === 'LoadBalancer' &&
    before.type === 'LoadBalancer' &&
    spec.loadBalancerClass !== before.loadBalancerClass
  )
    errors.invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set');
  validateBalancerClass(errors, spec);
  if (
    needsHealthCheck(spec) &&
    needsHealthCheck(before) &&
    (spec.healthCheckNodePort ?? 0) !== (before.healthCheckNodePort ?? 0)
  )
    errors.forbidden('spec.healthCheckNodePort', immutable);
  validateService(errors, next, previous);
}

/** The first address and family stay; a second one may come, and go with `SingleStack`. */
function validateKeptAddresses(errors: ErrorList, spec: ServiceSpec, before: ServiceSpec): void {
  const wasHeadless = isHeadless(before);
  const headless = isHeadless(spec);
  const fixed = 'may not change once set';
  const ips = spec.clusterIPs ?? [];
  const oldIps = before.clusterIPs ?? [];
  const shownIps = shownField(spec, 'clusterIPs');
  if (!(wasHeadless && headless)) {
    if (oldIps.length === ips.length) {
      for (const [i, ip] of oldIps.entries())
        if (ip !== ips[i]) errors.invalid(at('spec.clusterIPs', i), shownIps, fixed);
    } else {
      if (ips.length === 0) errors.invalid('spec.clusterIPs[0]', shownIps, 'primary clusterIP can not be unset');
      else if (oldIps.length > 0 && ips[0] !== oldIps[0]) errors.invalid('spec.clusterIPs[0]', shownIps, fixed);
      if (oldIps.length > ips.length && ips.length === 1 && spec.ipFamilyPolicy !== 'SingleStack')
        errors.invalid(
          'spec.ipFamilyPolicy',
          spec.ipFamilyPolicy ?? null,
          "must be set to 'SingleStack' when releasing the secondary clusterIP",
        );
    }
  }
  if (headless || wasHeadless) return;
  const families = spec.ipFamilies ?? [];
  const oldFamilies = before.ipFamilies ?? [];
  if (oldFamilies.length === families.length) {
    for (const [i, family] of oldFamilies.entries())
      if (family !== families[i]) errors.invalid('spec.ipFamilies[0]', families, fixed);
    return;
  }
  const released = oldFamilies.length > families.length;
  if (released && ips.length === 0)
    errors.invalid('spec.ipFamilies[0]', shownField(spec, 'ipFamilies'), 'primary ipFamily can not be unset');
  if (oldFamilies.length > 0 && families.length > 0 && families[0] !== oldFamilies[0])
    errors.invalid('spec.ipFamilies[0]', shownIps, fixed);
  if (released && families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack')
    errors.invalid(
      'spec.ipFamilyPolicy',
      spec.ipFamilyPolicy ?? null,
      "must be set to 'SingleStack' when releasing the secondary ipFamily",
    );
}

const modes = ['Proxy', 'VIP'];

export function validateServiceStatusUpdate(errors: ErrorList, next: Service, previous: Service): void {
  const type = next.spec?.type;
  validateLoadBalancer(
    errors,
    next.status?.loadBalancer,
    previous.status?.loadBalancer,
    type === 'LoadBalancer' ? undefined : "may only be used when `spec.type` is 'LoadBalancer'",
  );
}

/** @param refused why there may be no ingress at all. */
function validateLoadBalancer(
  errors: ErrorList,
  status: LoadBalancerStatus | undefined,
  previous: LoadBalancerStatus | undefined,
  refused: string | undefined,
): void {
  const field = 'status.loadBalancer.ingress';
  const ingress = status?.ingress ?? [];
  if (refused !== undefined && ingress.length > 0) {
    errors.forbidden(field, refused);
    return;
  }
  if (sameJson(ingress, previous?.ingress)) return;
  const kept = (previous?.ingress ?? []).map(({ ip }) => ip ?? '').filter((ip) => ip !== '');
  for (const [i, { ip = '', ipMode, hostname = '' }] of ingress.entries()) {
    const path = at(field, i);
    if (ip !== '') errors.invalidEach(`${path}.ip`, ip, checkIp(ip, kept));
    if (ipMode === undefined) {
      if (ip !== '') errors.required(`${path}.ipMode`, 'must be specified when `ip` is set');
    } else if (ip === '') errors.forbidden(`${path}.ipMode`, 'may not be specified when `ip` is not set');
    else if (!modes.includes(ipMode)) errors.notSupported(`${path}.ipMode`, ipMode, modes);
    if (hostname === '') continue;
    errors.invalidEach(`${path}.hostname`, hostname, checkDns1123Subdomain(hostname));
    if (parseAddress(hostname)) errors.invalid(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address');
  }
}
