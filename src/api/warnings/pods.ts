/** What a pod, or a template of pods, asks for that is valid but old, idle or probably not meant. Source of behaviour: pkg/api/pod/warnings.go. */

import type {
  Affinity,
  Container,
  ContainerPort,
  PersistentVolumeClaimSpec,
  PodSpec,
  PodTemplateSpec,
  Volume,
} from '../types/core-v1.ts';
import type { ObjectMeta } from '../types/meta-v1.ts';
import { addressWarnings } from './addresses.ts';
import { deprecatedNodeLabel, nodeTermWarnings } from './node-labels.ts';
import { fractionWarning, fractionWarnings } from './quantities.ts';
import { overlapWarnings } from './virtual-paths.ts';

interface PodLike {
  readonly metadata?: ObjectMeta;
  readonly spec?: PodSpec;
}

type Visit = (container: Container, path: string) => void;

const oldAnnotations = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
] as const;

const oldVolumes: readonly { readonly name: string; readonly message: string; readonly json: keyof Volume }[] = [
  {
    name: 'photonPersistentDisk',
    message: 'deprecated in v1.11, non-functional in v1.16+',
    json: 'photonPersistentDisk',
  },
  { name: 'gitRepo', message: 'deprecated in v1.11, and disabled by default in v1.33+', json: 'gitRepo' },
  { name: 'scaleIO', message: 'deprecated in v1.16, non-functional in v1.22+', json: 'scaleIO' },
  { name: 'flocker', message: 'deprecated in v1.22, non-functional in v1.25+', json: 'flocker' },
  { name: 'storageOS', message: 'deprecated in v1.22, non-functional in v1.25+', json: 'storageos' },
  { name: 'quobyte', message: 'deprecated in v1.22, non-functional in v1.25+', json: 'quobyte' },
  { name: 'glusterfs', message: 'deprecated in v1.25, non-functional in v1.26+', json: 'glusterfs' },
  { name: 'cephfs', message: 'deprecated in v1.28, non-functional in v1.31+', json: 'cephfs' },
  { name: 'rbd', message: 'deprecated in v1.28, non-functional in v1.31+', json: 'rbd' },
];

const bytes = ['memory', 'ephemeral-storage'];
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';
const appArmor = 'container.apparmor.security.beta.kubernetes.io/';
const noSelector = 'a null labelSelector results in matching no pod';

export const podWarnings = (pod: PodLike): readonly string[] => warningsOf(pod, '');

export const templateWarnings = (template: PodTemplateSpec | undefined, field: string): readonly string[] =>
  template ? warningsOf(template as PodLike, `${field}.`) : [];

/** @param base what stands before `spec` and `metadata`. */
function warningsOf({ metadata = {}, spec }: PodLike, base: string): readonly string[] {
  const out: string[] = [];
  if (!spec) return out;
  const path = `${base}spec`;
  const { annotations } = metadata;
  for (const key in spec.nodeSelector) {
    const message = deprecatedNodeLabel(key);
    if (message) out.push(`${path}.nodeSelector[${key}]: ${message}`);
  }
  nodeAffinityWarnings(out, spec.affinity, `${path}.affinity.nodeAffinity`);
  for (const [i, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const constraint = `${path}.topologySpreadConstraints[${i}]`;
    const message = deprecatedNodeLabel(topologyKey);
    if (message) out.push(`${constraint}.topologyKey: ${topologyKey} is ${message}`);
    if (!labelSelector) out.push(`${constraint}.labelSelector: ${noSelector}`);
  }
  if (annotations)
    for (const [key, message] of oldAnnotations)
      if (annotations[key] !== undefined) out.push(`${base}metadata.annotations[${key}]: ${message}`);
  if (spec.volumes) volumeWarnings(out, spec.volumes, `${path}.volumes`);
  repeated(out, spec.hostAliases, 'ip', `${path}.hostAliases`);
  repeated(out, spec.imagePullSecrets, 'name', `${path}.imagePullSecrets`);
  for (const [i, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!name) out.push(`${path}.imagePullSecrets[${i}].name: invalid empty name ""`);
  fractionWarnings(out, `${path}.overhead`, spec.overhead, bytes);
  if (!spec.securityContext?.seccompProfile && annotations?.[seccompPod] !== undefined)
    out.push(
      `${base}metadata.annotations[${seccompPod}]: non-functional in v1.27+; use the "seccompProfile" field instead`,
    );
  eachContainer(spec, path, (container, at) => containerWarnings(out, container, at, { annotations, base, spec }));
  portWarnings(out, spec, path);
  if (Number(spec.terminationGracePeriodSeconds ?? 0) < 0)
    out.push(
      `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
    );
  podAffinityWarnings(out, spec.affinity, `${path}.affinity`);
  for (const [i, server] of (spec.dnsConfig?.nameservers ?? []).entries())
    out.push(...addressWarnings(`${path}.dnsConfig.nameservers[${i}]`, server));
  for (const [i, { ip }] of (spec.hostAliases ?? []).entries())
    out.push(...addressWarnings(`${path}.hostAliases[${i}].ip`, ip));
  return out;
}

function nodeAffinityWarnings(out: string[], affinity: Affinity | undefined, field: string): void {
  const node = affinity?.nodeAffinity;
  if (!node) return;
  const required = node.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const [i, term] of required.entries())
    out.push(
      ...nodeTermWarnings(`${field}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`, term),
    );
  for (const [i, { preference }] of (node.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    out.push(
      ...nodeTermWarnings(`${field}.preferredDuringSchedulingIgnoredDuringExecution[${i}].preference`, preference, {
        weighted: true,
      }),
    );
}

function podAffinityWarnings(out: string[], affinity: Affinity | undefined, field: string): void {
  for (const name of ['podAffinity', 'podAntiAffinity'] as const) {
    const rule = affinity?.[name];
    for (const [i, term] of (rule?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      if (!term.labelSelector)
        out.push(`${field}.${name}.requiredDuringSchedulingIgnoredDuringExecution[${i}].labelSelector: ${noSelector}`);
    for (const [i, { podAffinityTerm }] of (rule?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      if (!podAffinityTerm.labelSelector)
        out.push(
          `${field}.${name}.preferredDuringSchedulingIgnoredDuringExecution[${i}].podAffinityTerm.labelSelector: ${noSelector}`,
        );
  }
}

function volumeWarnings(out: string[], volumes: readonly Volume[], field: string): void {
  for (let i = 0; i < volumes.length; i++) {
    const volume = volumes[i]!;
    for (let old = 0; old < oldVolumes.length; old++) {
      const { name, message, json } = oldVolumes[old]!;
      if (volume[json]) out.push(`${field}[${i}].${name}: ${message}`);
    }
    const claim = volume.ephemeral?.volumeClaimTemplate;
    if (claim) claimSpecWarnings(out, claim.spec, `${field}[${i}].ephemeral.volumeClaimTemplate.spec`);
  }
  for (let i = 0; i < volumes.length; i++) overlapWarnings(out, volumes[i]!);
}

export function claimSpecWarnings(out: string[], spec: PersistentVolumeClaimSpec | undefined, field: string): void {
  fractionWarnings(out, `${field}.resources.requests`, spec?.resources?.requests, ['storage']);
  fractionWarnings(out, `${field}.resources.limits`, spec?.resources?.limits, ['storage']);
}

function repeated<K extends string>(
  out: string[],
  items: readonly Readonly<Partial<Record<K, string>>>[] | undefined,
  key: K,
  field: string,
): void {
  if (!items || items.length < 2) return;
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    const value = item[key] ?? '';
    if (seen.has(value)) out.push(`${field}[${i}].${key}: duplicate ${key} ${JSON.stringify(value)}`);
    seen.add(value);
  }
}

function containerWarnings(
  out: string[],
  container: Container,
  path: string,
  pod: { readonly annotations?: ObjectMeta['annotations']; readonly base: string; readonly spec: PodSpec },
): void {
  const { annotations, base, spec } = pod;
  const { name, securityContext, resources, env } = container;
  if (annotations) {
    const seccomp = seccompContainer + name;
    if (!securityContext?.seccompProfile && annotations[seccomp] !== undefined)
      out.push(
        `${base}metadata.annotations[${seccomp}]: non-functional in v1.27+; use the "seccompProfile" field instead`,
      );
    // A pod's own annotations are told of where they become fields.
    const profile = annotations[appArmor + name];
    if (base !== '' && profile !== undefined && !securityContext?.appArmorProfile && profile !== podProfile(spec))
      out.push(
        `${base}metadata.annotations[${appArmor}${name}]: deprecated since v1.30; use the "appArmorProfile" field instead`,
      );
  }
  if (resources)
    for (let i = 0; i < bytes.length; i++) {
      fractionWarning(out, `${path}.resources.limits`, resources.limits, bytes[i]!);
      fractionWarning(out, `${path}.resources.requests`, resources.requests, bytes[i]!);
    }
  if (!env || env.length < 2) return;
  const seen = new Set<string>();
  for (let i = 0; i < env.length; i++) {
    const { name: variable, value = '', valueFrom } = env[i]!;
    if (!seen.has(variable)) {
      seen.add(variable);
      continue;
    }
    const reference = `$(${variable})`;
    if (valueFrom || value === reference || !value.includes(reference))
      out.push(
        `${path}.env[${i}]: hides previous definition of ${JSON.stringify(variable)}, which may be dropped when using apply`,
      );
  }
}

/** The pod's AppArmor profile in the words of the old annotation. */
function podProfile({ securityContext }: PodSpec): string | undefined {
  const profile = securityContext?.appArmorProfile;
  switch (profile?.type) {
    case 'RuntimeDefault':
      return 'runtime/default';
    case 'Unconfined':
      return 'unconfined';
    case 'Localhost':
      return `localhost/${profile.localhostProfile ?? ''}`;
    default:
      return undefined;
  }
}

function portWarnings(out: string[], spec: PodSpec, path: string): void {
  const taken = new Map<string, { readonly field: string; readonly port: ContainerPort }[]>();
  eachContainer(spec, path, ({ ports = [] }, at) => {
    for (const [i, port] of ports.entries()) {
      const field = `${at}.ports[${i}]`;
      if (port.hostIP && !port.hostPort) out.push(`${field}: hostIP set without hostPort: ${goPort(port)}`);
      const key = `${port.containerPort}/${port.protocol ?? ''}`;
      const others = taken.get(key);
      if (others === undefined) {
        taken.set(key, [{ field, port }]);
        continue;
      }
      for (const other of others) {
        const kind = overlap(port, other.port);
        if (kind) out.push(`${field}: ${kind} port definition with ${other.field}`);
      }
      others.push({ field, port });
    }
  });
  const names = new Map<string, string>();
  eachContainer(spec, path, ({ ports = [] }, at) => {
    for (const [i, { name }] of ports.entries()) {
      if (!name) continue;
      const field = `${at}.ports[${i}]`;
      const other = names.get(name);
      if (other)
        out.push(
          `${field}: duplicate port name ${JSON.stringify(name)} with ${other}, services and probes that select ports by name will use ${other}`,
        );
      else names.set(name, field);
    }
  });
}

function overlap(one: ContainerPort, other: ContainerPort): string | undefined {
  const [ip, otherIp] = [one.hostIP ?? '', other.hostIP ?? ''];
  const [port, otherPort] = [one.hostPort ?? 0, other.hostPort ?? 0];
  if (ip === otherIp && port === otherPort) return 'duplicate';
  if (port === 0 || otherPort === 0) return 'overlapping';
  if (port === otherPort && (ip === '') !== (otherIp === '')) return 'dangerously ambiguous';
  return undefined;
}

const goPort = ({ name = '', hostPort = 0, containerPort, protocol = '', hostIP = '' }: ContainerPort): string =>
  `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;

function eachContainer(spec: PodSpec, path: string, visit: Visit): void {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    const containers = spec[list];
    if (!containers) continue;
    for (let i = 0; i < containers.length; i++) visit(containers[i] as Container, `${path}.${list}[${i}]`);
  }
}
