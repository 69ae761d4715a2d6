/** Defaults of pods and what pods are made of. Source: pkg/apis/core/v1/defaults.go's observable behaviour in v1.36. */

import { imageTag } from '../../image-name.ts';
import { addQuantities, formatQuantity, parseQuantity } from '../../quantity.ts';
import type {
  Container,
  EphemeralContainer,
  GRPCAction,
  HostPathVolumeSource,
  HTTPGetAction,
  ImageVolumeSource,
  ObjectFieldSelector,
  Pod,
  PodSpec,
  PodStatus,
  Probe,
  ResourceRequirements,
  ServiceAccountTokenProjection,
  Volume,
} from '../../types/core-v1.ts';
import type { DefaultingRules } from '../defaulting.ts';

const defaultMode = 0o644;

export const podRules: DefaultingRules = {
  'core.v1.FileKeySelector': ({ optional }: { readonly optional?: boolean }) =>
    optional === undefined ? { optional: false } : undefined,
  'core.v1.Pod': (pod: Pod) => {
    const spec = pod.spec;
    if (!spec) return undefined;
    const changes: Partial<Record<keyof PodSpec, unknown>> = {};
    const containers = podContainers(spec.containers, spec.hostNetwork === true);
    const initContainers = podContainers(spec.initContainers, spec.hostNetwork === true);
    if (containers !== spec.containers) changes.containers = containers;
    if (initContainers !== spec.initContainers) changes.initContainers = initContainers;
    if (spec.enableServiceLinks === undefined) changes.enableServiceLinks = true;
    // A negative one means "at once", as it always did for pods; templates say what was written.
    if (spec.terminationGracePeriodSeconds !== undefined && spec.terminationGracePeriodSeconds < 0)
      changes.terminationGracePeriodSeconds = 1;
    const resources = podLevelResources(spec, containers ?? [], initContainers ?? []);
    if (resources) changes.resources = resources;
    return Object.keys(changes).length === 0 ? undefined : { spec: { ...spec, ...changes } };
  },
  'core.v1.PodSpec': (spec: PodSpec) => ({
    ...(spec.restartPolicy ? {} : { restartPolicy: 'Always' }),
    ...(spec.terminationGracePeriodSeconds === undefined ? { terminationGracePeriodSeconds: 30 } : {}),
    ...(spec.dnsPolicy ? {} : { dnsPolicy: 'ClusterFirst' }),
    ...(spec.securityContext === undefined ? { securityContext: {} } : {}),
    ...(spec.schedulerName ? {} : { schedulerName: 'default-scheduler' }),
    // The old name of the field is kept in step, whichever was given.
    ...(spec.serviceAccountName && spec.serviceAccount !== spec.serviceAccountName
      ? { serviceAccount: spec.serviceAccountName }
      : {}),
    ...(!spec.serviceAccountName && spec.serviceAccount ? { serviceAccountName: spec.serviceAccount } : {}),
  }),
  'core.v1.PodStatus': (status: PodStatus) => podAddresses(status),
  'core.v1.Container': containerDefaults,
  'core.v1.EphemeralContainer': containerDefaults,
  'core.v1.Probe': (probe: Probe) => ({
    ...(probe.timeoutSeconds ? {} : { timeoutSeconds: 1 }),
    ...(probe.periodSeconds ? {} : { periodSeconds: 10 }),
    ...(probe.successThreshold ? {} : { successThreshold: 1 }),
    ...(probe.failureThreshold ? {} : { failureThreshold: 3 }),
  }),
  'core.v1.HTTPGetAction': (action: HTTPGetAction) => ({
    ...(action.path ? {} : { path: '/' }),
    ...(action.scheme ? {} : { scheme: 'HTTP' }),
  }),
  'core.v1.GRPCAction': (action: GRPCAction) => ((action.service ?? null) === null ? { service: '' } : undefined),
  'core.v1.ObjectFieldSelector': (selector: ObjectFieldSelector) =>
    selector.apiVersion ? undefined : { apiVersion: 'v1' },
  'core.v1.Volume': (volume: Volume) =>
    Object.keys(volume).length === 1 && volume.name !== undefined ? { emptyDir: {} } : undefined,
  'core.v1.AzureDiskVolumeSource': (disk: { readonly readOnly?: boolean }) =>
    disk.readOnly === undefined ? { readOnly: false } : undefined,
  'core.v1.SecretVolumeSource': withDefaultMode,
  'core.v1.ConfigMapVolumeSource': withDefaultMode,
  'core.v1.DownwardAPIVolumeSource': withDefaultMode,
  'core.v1.ProjectedVolumeSource': withDefaultMode,
  'core.v1.ServiceAccountTokenProjection': (token: ServiceAccountTokenProjection) =>
    token.expirationSeconds === undefined ? { expirationSeconds: 3600 } : undefined,
  'core.v1.HostPathVolumeSource': (source: HostPathVolumeSource) =>
    source.type === undefined ? { type: '' } : undefined,
  'core.v1.ImageVolumeSource': (source: ImageVolumeSource) =>
    source.pullPolicy ? undefined : { pullPolicy: pullPolicyOf(source.reference ?? '') },
};

/** The old single address and the first of the new list are one thing; where they differ the old one is right. */
function podAddresses({ podIP, podIPs }: PodStatus): object | undefined {
  const first = podIPs?.[0]?.ip;
  if (podIP) return first === podIP ? undefined : { podIPs: [{ ip: podIP }] };
  return first ? { podIP: first } : undefined;
}

function withDefaultMode(source: { readonly defaultMode?: number }): object | undefined {
  return source.defaultMode === undefined ? { defaultMode } : undefined;
}

function containerDefaults(container: Container | EphemeralContainer): object {
  return {
    ...(container.terminationMessagePath ? {} : { terminationMessagePath: '/dev/termination-log' }),
    ...(container.terminationMessagePolicy ? {} : { terminationMessagePolicy: 'File' }),
    ...(container.imagePullPolicy ? {} : { imagePullPolicy: pullPolicyOf(container.image ?? '') }),
  };
}

/** Always for `latest` and for no tag at all; what is pinned by tag or digest is pulled once. */
function pullPolicyOf(image: string): 'Always' | 'IfNotPresent' {
  return imageTag(image) === 'latest' ? 'Always' : 'IfNotPresent';
}

/** Requests follow limits, and on the host's network a container port is a host port. Only in pods: a template says what was written. */
function podContainers(
  containers: readonly Container[] | undefined,
  hostNetwork: boolean,
): readonly Container[] | undefined {
  if (!containers) return containers;
  let copy: Container[] | undefined;
  for (let i = 0; i < containers.length; i++) {
    const container = containers[i]!;
    const resources = requestsFromLimits(container.resources);
    const ports =
      hostNetwork && container.ports?.some((p) => !p.hostPort)
        ? container.ports.map((p) => (p.hostPort ? p : { ...p, hostPort: p.containerPort }))
        : undefined;
    if (!resources && !ports) continue;
    (copy ??= containers.slice())[i] = {
      ...container,
      ...(resources ? { resources } : {}),
      ...(ports ? { ports } : {}),
    };
  }
  return copy ?? containers;
}

function requestsFromLimits(resources: ResourceRequirements | undefined): ResourceRequirements | undefined {
  if (!resources?.limits) return undefined;
  const missing = Object.entries(resources.limits).filter(([name]) => resources.requests?.[name] === undefined);
  if (missing.length === 0) return undefined;
  const requests = sortedByKey({ ...resources.requests, ...Object.fromEntries(missing) });
  return { ...resources, requests };
}

const podLevelNames = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name);

/** Pod-level requests follow what the containers ask for together, then the pod's own limits (KEP-2837). */
function podLevelResources(
  spec: PodSpec,
  containers: readonly Container[],
  initContainers: readonly Container[],
): ResourceRequirements | undefined {
  const { resources } = spec;
  const requests: Record<string, string> = { ...resources?.requests };
  const limits: Record<string, string> = { ...resources?.limits };
  const [asked, limited] = [Object.keys(requests).length, Object.keys(limits).length];
  if (!resources || asked + limited === 0) return undefined;
  const running = [...containers, ...initContainers.filter((c) => c.restartPolicy === 'Always')];
  // Huge pages have limits first: what is asked of them is what they are limited to.
  for (const [name, quantity] of summed(running, 'limits'))
    if (isHugePages(name) && requests[name] === undefined) limits[name] ??= quantity;
  if (Object.keys(limits).length > 0) {
    for (const [name, quantity] of summed(running, 'requests'))
      if (podLevelNames(name) && !isHugePages(name)) requests[name] ??= quantity;
    for (const [name, quantity] of Object.entries(limits)) if (podLevelNames(name)) requests[name] ??= quantity;
  }
  if (Object.keys(requests).length === asked && Object.keys(limits).length === limited) return undefined;
  return {
    ...resources,
    ...(Object.keys(limits).length > 0 ? { limits: sortedByKey(limits) } : {}),
    ...(Object.keys(requests).length > 0 ? { requests: sortedByKey(requests) } : {}),
  };
}

const isHugePages = (name: string): boolean => name.startsWith('hugepages-');

function summed(containers: readonly Container[], part: 'limits' | 'requests'): Map<string, string> {
  const sums = new Map<string, string>();
  for (const container of containers) {
    for (const [name, quantity] of Object.entries(container.resources?.[part] ?? {})) {
      const known = sums.get(name);
      sums.set(
        name,
        known === undefined ? quantity : formatQuantity(addQuantities(parseQuantity(known), parseQuantity(quantity))),
      );
    }
  }
  return sums;
}

const sortedByKey = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
