/** Services: fields that depend on the type come and go with it, and what was allocated stays until it is given up. */
import { sameJson } from '../../api/edit.ts';
import type { JsonObject } from '../../api/json.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { ServicePort, ServiceSpec } from '../../api/types/core-v1.ts';
import { rebuildKind } from './common.ts';
import type { Strategy } from './strategy.ts';

export function serviceStrategy(type: StructType): Strategy {
  const inOrder = (object: JsonObject, spec: ServiceSpec): JsonObject =>
    sameJson(spec, object.spec) ? object : rebuildKind(object, type, { spec: withoutUndefined(spec) });
  return {
    prepareForCreate: (object) => inOrder(object, normalizedClusterIps(specOf(object), undefined)),
    prepareForUpdate: (next, previous) => {
      const before = specOf(previous);
      return inOrder(next, keepAllocated(dropDependent(normalizedClusterIps(specOf(next), before), before), before));
    },
  };
}

const specOf = (object: JsonObject): ServiceSpec => (object.spec ?? {}) as unknown as ServiceSpec;
const needsClusterIp = (spec: ServiceSpec): boolean => spec.type !== 'ExternalName';
const needsNodePort = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
const isExternal = (spec: ServiceSpec): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';
const needsHealthCheckPort = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** `clusterIP` is the first of `clusterIPs`: an old client that knows only the one must not fight the other. */
function normalizedClusterIps(spec: ServiceSpec, before: ServiceSpec | undefined): ServiceSpec {
  const { clusterIP = '', clusterIPs = [] } = spec;
  if (!before) return clusterIP !== '' && clusterIPs.length === 0 ? { ...spec, clusterIPs: [clusterIP] } : spec;
  if (clusterIP === (before.clusterIP ?? '')) return spec;
  if (clusterIP === '' && sameJson(clusterIPs, before.clusterIPs ?? [])) return { ...spec, clusterIPs: undefined };
  if (sameJson(clusterIPs, before.clusterIPs ?? [])) return { ...spec, clusterIPs: [clusterIP] };
  return spec;
}

/** A type that has no use for a field loses it, unless the user changed it in the same breath (then validation speaks up). */
function dropDependent(spec: ServiceSpec, before: ServiceSpec): ServiceSpec {
  const changes: { -readonly [K in keyof ServiceSpec]?: ServiceSpec[K] | undefined } = {};
  if (needsClusterIp(before) && !needsClusterIp(spec)) {
    if ((spec.clusterIP ?? '') === (before.clusterIP ?? '') && sameJson(spec.clusterIPs ?? [], before.clusterIPs ?? []))
      Object.assign(changes, { clusterIP: undefined, clusterIPs: undefined });
    if (sameJson(spec.ipFamilies ?? [], before.ipFamilies ?? [])) changes.ipFamilies = undefined;
    if (spec.ipFamilyPolicy === before.ipFamilyPolicy) changes.ipFamilyPolicy = undefined;
    if (spec.internalTrafficPolicy === before.internalTrafficPolicy) changes.internalTrafficPolicy = undefined;
  }
  if (needsNodePort(before) && !needsNodePort(spec) && sameJson(nodePorts(spec), nodePorts(before)))
    changes.ports = spec.ports?.map(({ nodePort: _dropped, ...port }) => port);
  if (
    needsHealthCheckPort(before) &&
    !needsHealthCheckPort(spec) &&
    spec.healthCheckNodePort === before.healthCheckNodePort
  )
    changes.healthCheckNodePort = undefined;
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts)
      changes.allocateLoadBalancerNodePorts = undefined;
    if (spec.loadBalancerClass === before.loadBalancerClass) changes.loadBalancerClass = undefined;
  }
  if (
    isExternal(before) &&
    !isExternal(spec) &&
    !spec.externalIPs?.length &&
    spec.externalTrafficPolicy === before.externalTrafficPolicy
  )
    changes.externalTrafficPolicy = undefined;
  return Object.keys(changes).length === 0 ? spec : ({ ...spec, ...changes } as ServiceSpec);
}

/** A PUT that leaves allocated values out means "as they are": manifests seldom name them. */
function keepAllocated(spec: ServiceSpec, before: ServiceSpec): ServiceSpec {
  const changes: { -readonly [K in keyof ServiceSpec]?: ServiceSpec[K] } = {};
  if (needsClusterIp(before) && needsClusterIp(spec)) {
    if (!spec.clusterIP && before.clusterIP) changes.clusterIP = before.clusterIP;
    if (!spec.clusterIPs?.length && before.clusterIPs && (!spec.clusterIP || spec.clusterIP === before.clusterIP))
      changes.clusterIPs = before.clusterIPs;
    if (!spec.ipFamilies?.length && before.ipFamilies) changes.ipFamilies = before.ipFamilies;
    if (!spec.ipFamilyPolicy && before.ipFamilyPolicy) changes.ipFamilyPolicy = before.ipFamilyPolicy;
  }
  if (needsNodePort(before) && needsNodePort(spec) && spec.ports?.some((p) => !p.nodePort)) {
    const known = new Map((before.ports ?? []).map((p) => [portKey(p), p.nodePort]));
    const taken = new Set(spec.ports.map((p) => p.nodePort).filter(Boolean));
    changes.ports = spec.ports.map((p) => {
      const nodePort = known.get(portKey(p));
      return p.nodePort || !nodePort || taken.has(nodePort) ? p : { ...p, nodePort };
    });
  }
  if (
    needsHealthCheckPort(before) &&
    needsHealthCheckPort(spec) &&
    !spec.healthCheckNodePort &&
    before.healthCheckNodePort
  )
    changes.healthCheckNodePort = before.healthCheckNodePort;
  return Object.keys(changes).length === 0 ? spec : { ...spec, ...changes };
}

const portKey = (port: ServicePort): string => `${port.protocol ?? 'TCP'}/${port.port}`;
const nodePorts = (spec: ServiceSpec): readonly number[] => (spec.ports ?? []).map((p) => p.nodePort ?? 0);
const withoutUndefined = (spec: ServiceSpec): ServiceSpec =>
  Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)) as unknown as ServiceSpec;
