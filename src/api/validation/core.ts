/** Services, config maps, secrets, nodes, persistent volumes, claims, events, namespaces. */
import { sameJson } from '../edit.ts';
import {
  checkConfigMapKey,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkLabelValue,
  checkPortNumber,
  checkQualifiedName,
} from '../names.ts';
import type {
  ConfigMap,
  Event,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  Secret,
  Service,
  ServicePort,
} from '../types/core-v1.ts';
import { checkCidr, checkIp } from './addresses.ts';
import { validatePort } from './containers.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { validateLabels } from './metadata.ts';
import { validateNodeSelectorTerms } from './pods.ts';

const maxDataBytes = 1024 * 1024;

export function validateConfigMap(errors: ErrorList, map: ConfigMap): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(map.data ?? {})) {
    errors.invalidEach(at('data', key), key, checkConfigMapKey(key));
    if (map.binaryData && Object.hasOwn(map.binaryData, key))
      errors.invalid(at('data', key), key, 'duplicate of key present in binaryData');
    bytes += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(map.binaryData ?? {})) {
    errors.invalidEach(at('binaryData', key), key, checkConfigMapKey(key));
    bytes += Buffer.byteLength(value, 'base64');
  }
  if (bytes > maxDataBytes) errors.tooLong('', maxDataBytes);
}

export function validateConfigMapUpdate(errors: ErrorList, next: ConfigMap, previous: ConfigMap): void {
  if (previous.immutable !== true) return;
  if (next.immutable !== true) errors.forbidden('immutable', 'field is immutable when `immutable` is set');
  for (const name of ['data', 'binaryData'] as const)
    if (!sameJson(next[name], previous[name])) errors.forbidden(name, 'field is immutable when `immutable` is set');
}

const requiredKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

export function validateSecret(errors: ErrorList, secret: Secret): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(secret.data ?? {})) {
    errors.invalidEach(at('data', key), key, checkConfigMapKey(key));
    bytes += Buffer.byteLength(value, 'base64');
  }
  if (bytes > maxDataBytes) errors.tooLong('data', maxDataBytes);
  const { type = '' } = secret;
  for (const key of requiredKeys[type] ?? []) if (secret.data?.[key] === undefined) errors.required(at('data', key));
  if (
    type === 'kubernetes.io/service-account-token' &&
    !secret.metadata.annotations?.['kubernetes.io/service-account.name']
  )
    errors.required('metadata.annotations[kubernetes.io/service-account.name]');
  if (
    type === 'kubernetes.io/basic-auth' &&
    secret.data?.username === undefined &&
    secret.data?.password === undefined
  ) {
    errors.required('data[username]');
    errors.required('data[password]');
  }
  if (type.startsWith('kubernetes.io/dockerc')) {
    const key = requiredKeys[type]![0]!;
    const text = secret.data?.[key] === undefined ? undefined : Buffer.from(secret.data[key], 'base64').toString();
    const problem = text === undefined ? undefined : notJson(text);
    if (problem) errors.invalid(at('data', key), '<secret contents redacted>', problem);
  }
}

/** What Go's decoder says of text that is not JSON. */
function notJson(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const first = text.trimStart()[0];
    return first === undefined
      ? 'unexpected end of JSON input'
      : `invalid character '${first}' looking for beginning of value`;
  }
}

export function validateSecretUpdate(errors: ErrorList, next: Secret, previous: Secret): void {
  if (next.type !== previous.type) errors.invalid('type', next.type, immutable);
  if (previous.immutable !== true) return;
  if (next.immutable !== true) errors.forbidden('immutable', 'field is immutable when `immutable` is set');
  if (!sameJson(next.data, previous.data)) errors.forbidden('data', 'field is immutable when `immutable` is set');
}

const serviceTypes = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const affinities = ['ClientIP', 'None'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const trafficPolicies = ['Cluster', 'Local'];

export function validateService(errors: ErrorList, service: Service): void {
  const spec = service.spec ?? {};
  const headless = spec.clusterIP === 'None';
  const external = spec.type === 'ExternalName';
  if (!spec.ports?.length && !headless && !external) errors.required('spec.ports');
  if (spec.type === 'LoadBalancer' && headless)
    errors.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services");
  if (spec.type === 'NodePort' && headless)
    errors.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services");
  if (external) {
    if (spec.clusterIPs?.length) errors.forbidden('spec.clusterIPs', 'may not be set for ExternalName services');
    if (!spec.externalName) errors.required('spec.externalName');
    else
      errors.invalidEach(
        'spec.externalName',
        spec.externalName,
        checkDns1123Subdomain(spec.externalName.replace(/\.$/, '')),
      );
  }
  const names = new Set<string>();
  for (const [i, port] of (spec.ports ?? []).entries())
    validateServicePort(errors, port, at('spec.ports', i), (spec.ports ?? []).length > 1, names);
  validateLabels(errors, spec.selector, 'spec.selector');
  if (!spec.sessionAffinity) errors.required('spec.sessionAffinity');
  else if (!affinities.includes(spec.sessionAffinity))
    errors.notSupported('spec.sessionAffinity', spec.sessionAffinity, affinities);
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (seconds !== undefined && (seconds <= 0 || seconds > 86_400))
    errors.invalid(
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      seconds,
      'must be greater than 0 and less than 86400',
    );
  for (const [i, ip] of (spec.clusterIPs ?? []).entries())
    if (ip !== 'None') errors.invalidEach(at('spec.clusterIPs', i), ip, checkIp(ip));
  for (const [i, ip] of (spec.externalIPs ?? []).entries())
    errors.invalidEach(at('spec.externalIPs', i), ip, checkIp(ip));
  if (!spec.type) errors.required('spec.type');
  else if (!serviceTypes.includes(spec.type)) errors.notSupported('spec.type', spec.type, serviceTypes);
  if (spec.type === 'ClusterIP')
    for (const [i, port] of (spec.ports ?? []).entries())
      if (port.nodePort)
        errors.forbidden(`${at('spec.ports', i)}.nodePort`, "may not be used when `type` is 'ClusterIP'");
  const seen = new Set<string>();
  for (const [i, port] of (spec.ports ?? []).entries()) {
    const key = `${port.protocol}/${port.port}`;
    if (seen.has(key)) errors.duplicate(at('spec.ports', i), { protocol: port.protocol, port: port.port });
    seen.add(key);
  }
  validateTraffic(errors, service);
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
  errors.invalidEach(`${field}.port`, port.port, checkPortNumber(port.port));
  if (!port.protocol) errors.required(`${field}.protocol`);
  else if (!protocols.includes(port.protocol)) errors.notSupported(`${field}.protocol`, port.protocol, protocols);
  if (port.targetPort !== undefined) validatePort(errors, port.targetPort, `${field}.targetPort`);
  if (port.appProtocol !== undefined)
    errors.invalidEach(`${field}.appProtocol`, port.appProtocol, checkQualifiedName(port.appProtocol));
}

function validateTraffic(errors: ErrorList, { spec = {} }: Service): void {
  const external =
    spec.type === 'NodePort' ||
    spec.type === 'LoadBalancer' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  if (spec.externalTrafficPolicy) {
    if (!external)
      errors.invalid(
        'spec.externalTrafficPolicy',
        spec.externalTrafficPolicy,
        'may only be set for externally-accessible services',
      );
    else if (!trafficPolicies.includes(spec.externalTrafficPolicy))
      errors.notSupported('spec.externalTrafficPolicy', spec.externalTrafficPolicy, trafficPolicies);
  }
  if (
    spec.type !== 'ExternalName' &&
    spec.internalTrafficPolicy !== undefined &&
    !trafficPolicies.includes(spec.internalTrafficPolicy)
  )
    errors.notSupported('spec.internalTrafficPolicy', spec.internalTrafficPolicy, trafficPolicies);
  const distributions = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
  if (spec.trafficDistribution !== undefined && !distributions.includes(spec.trafficDistribution))
    errors.notSupported('spec.trafficDistribution', spec.trafficDistribution, distributions);
  if (spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts !== undefined)
      errors.forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'");
    if (spec.loadBalancerClass !== undefined)
      errors.forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'");
  }
}

export function validateServiceUpdate(errors: ErrorList, next: Service, previous: Service): void {
  const stays = previous.spec?.type !== 'ExternalName' && next.spec?.type !== 'ExternalName';
  const before = previous.spec?.clusterIPs?.[0];
  if (stays && before !== undefined && next.spec?.clusterIPs?.[0] !== before)
    errors.invalid('spec.clusterIPs[0]', next.spec?.clusterIPs?.[0] ?? null, 'may not change once set');
}

const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateNode(errors: ErrorList, node: Node): void {
  const seen = new Set<string>();
  for (const [i, taint] of (node.spec?.taints ?? []).entries()) {
    const path = at('metadata.taints', i);
    errors.invalidEach(`${path}.key`, taint.key, checkQualifiedName(taint.key));
    if (taint.value) errors.invalidEach(`${path}.value`, taint.value, checkLabelValue(taint.value));
    if (!taint.effect) errors.required(`${path}.effect`);
    else if (!taintEffects.includes(taint.effect)) errors.notSupported(`${path}.effect`, taint.effect, taintEffects);
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) errors.duplicate(path, taint);
    seen.add(key);
  }
  for (const [i, cidr] of (node.spec?.podCIDRs ?? []).entries())
    errors.invalidEach(at('spec.podCIDRs', i), cidr, checkCidr(cidr));
}

export function validateNodeUpdate(errors: ErrorList, next: Node, previous: Node): void {
  const before = previous.spec?.podCIDRs ?? [];
  if (before.length > 0 && !sameJson(next.spec?.podCIDRs ?? [], before))
    errors.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
  if (previous.spec?.providerID && next.spec?.providerID !== previous.spec.providerID)
    errors.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
}

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const volumeModes = ['Block', 'Filesystem'];
const volumeFields = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);

export function validatePersistentVolume(errors: ErrorList, { spec = {} }: PersistentVolume): void {
  if (!spec.accessModes?.length) errors.required('spec.accessModes');
  for (const mode of spec.accessModes ?? [])
    if (!accessModes.includes(mode)) errors.notSupported('spec.accessModes', mode, accessModes);
  if (Object.keys(spec.capacity ?? {}).length === 0) errors.required('spec.capacity');
  if (spec.capacity?.storage === undefined || Object.keys(spec.capacity).length > 1)
    errors.notSupported('spec.capacity', spec.capacity ?? null, ['storage']);
  const sources = Object.keys(spec).filter((name) => !volumeFields.has(name));
  if (sources.length === 0) errors.required('spec', 'must specify a volume type');
  for (const name of sources.slice(1)) errors.forbidden(`spec.${name}`, 'may not specify more than 1 volume type');
  if (spec.hostPath && !spec.hostPath.path) errors.required('spec.hostPath.path');
  const policies = ['Delete', 'Recycle', 'Retain'];
  if (spec.persistentVolumeReclaimPolicy && !policies.includes(spec.persistentVolumeReclaimPolicy))
    errors.notSupported('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, policies);
  if (spec.volumeMode && !volumeModes.includes(spec.volumeMode))
    errors.notSupported('spec.volumeMode', spec.volumeMode, volumeModes);
  if (spec.nodeAffinity?.required)
    validateNodeSelectorTerms(
      errors,
      spec.nodeAffinity.required.nodeSelectorTerms,
      'spec.nodeAffinity.required.nodeSelectorTerms',
    );
}

export function validatePersistentVolumeClaim(errors: ErrorList, claim: PersistentVolumeClaim): void {
  validateClaimSpec(errors, claim.spec ?? {}, 'spec');
}

function validateClaimSpec(errors: ErrorList, spec: PersistentVolumeClaimSpec, field: string): void {
  if (!spec.accessModes?.length) errors.required(`${field}.accessModes`, 'at least 1 access mode is required');
  for (const mode of spec.accessModes ?? [])
    if (!accessModes.includes(mode)) errors.notSupported(`${field}.accessModes`, mode, accessModes);
  if (spec.resources?.requests?.storage === undefined) errors.required(`${field}.resources[storage]`);
  if (spec.storageClassName)
    errors.invalidEach(
      `${field}.storageClassName`,
      spec.storageClassName,
      checkDns1123Subdomain(spec.storageClassName),
    );
  if (spec.volumeMode && !volumeModes.includes(spec.volumeMode))
    errors.notSupported(`${field}.volumeMode`, spec.volumeMode, volumeModes);
}

/** A namespaced subject's events lie in its namespace, a cluster-wide one's in `default` (old clients) or wherever the reporter says. */
export function validateEvent(errors: ErrorList, event: Event): void {
  const namespace = event.involvedObject?.namespace ?? '';
  if (namespace === '') {
    // Events written through events.k8s.io are checked there: they may be anywhere.
    const legacy = !event.eventTime;
    if (legacy && event.metadata.namespace !== 'default')
      errors.invalid('involvedObject.namespace', namespace, 'does not match event.namespace');
  } else if (namespace !== event.metadata.namespace)
    errors.invalid('involvedObject.namespace', namespace, 'does not match event.namespace');
}
