/** What the level `restricted` asks beyond `baseline`: today's best practice. In the order of their ids. */
import type { PodSpec, Volume } from '../types/core-v1.ts';
import { isAllowedSeccomp, procMount, seccomp } from './baseline.ts';
import {
  type Check,
  containerList,
  containersOf,
  hasOwnUsers,
  isWindows,
  namesOf,
  type PodCheck,
  plural,
  quoted,
  setters,
  sorted,
  type Violation,
} from './check.ts';

/** A Windows pod cannot say these things, and since 1.25 need not. */
const unlessWindows =
  (check: PodCheck): PodCheck =>
  (spec, metadata) =>
    isWindows(spec) ? undefined : check(spec, metadata);
const unlessOwnUsers =
  (check: PodCheck): PodCheck =>
  (spec, metadata) =>
    hasOwnUsers(spec) ? undefined : check(spec, metadata);

function privilegeEscalation(spec: PodSpec): Violation | undefined {
  const bad = namesOf(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containerList(bad)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

function capabilities(spec: PodSpec): Violation | undefined {
  const added = new Set<string>();
  const keeping: string[] = [];
  const adding: string[] = [];
  for (const { name, securityContext } of containersOf(spec)) {
    const own = securityContext?.capabilities;
    if (!(own?.drop ?? []).includes('ALL')) keeping.push(name);
    const wrong = (own?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE');
    for (const capability of wrong) added.add(capability);
    if (wrong.length > 0) adding.push(name);
  }
  const details: string[] = [];
  if (keeping.length > 0) details.push(`${containerList(keeping)} must set securityContext.capabilities.drop=["ALL"]`);
  if (adding.length > 0)
    details.push(
      `${containerList(adding)} must not include ${quoted(sorted(added))} in securityContext.capabilities.add`,
    );
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

const allowedVolumes: readonly (keyof Volume)[] = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const knownVolumes: readonly (keyof Volume)[] = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
];

function volumes({ volumes: all = [] }: PodSpec): Violation | undefined {
  const bad = all.filter((volume) => !allowedVolumes.some((field) => volume[field] !== undefined));
  if (bad.length === 0) return undefined;
  const types = new Set(bad.map((volume) => knownVolumes.find((field) => volume[field] !== undefined) ?? 'unknown'));
  const what = plural(types.size, 'restricted volume type', 'restricted volume types');
  return {
    reason: 'restricted volume types',
    detail: `${plural(bad.length, 'volume', 'volumes')} ${quoted(bad.map(({ name }) => name))} ${plural(bad.length, 'uses', 'use')} ${what} ${quoted(sorted(types))}`,
  };
}

function nonRoot(spec: PodSpec): Violation | undefined {
  const reason = 'runAsNonRoot != true';
  const pod = spec.securityContext?.runAsNonRoot;
  const who = setters(
    pod === false,
    namesOf(spec, ({ securityContext }) => securityContext?.runAsNonRoot === false),
  );
  if (who !== '') return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` };
  if (pod === true) return undefined;
  const silent = namesOf(spec, ({ securityContext }) => (securityContext?.runAsNonRoot ?? undefined) === undefined);
  if (silent.length === 0) return undefined;
  return { reason, detail: `pod or ${containerList(silent)} must set securityContext.runAsNonRoot=true` };
}

function notUserZero(spec: PodSpec): Violation | undefined {
  const isZero = (user: unknown): boolean => user !== undefined && user !== null && Number(user) === 0;
  const who = setters(
    isZero(spec.securityContext?.runAsUser),
    namesOf(spec, ({ securityContext }) => isZero(securityContext?.runAsUser)),
  );
  return who === '' ? undefined : { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` };
}

function seccompSet(spec: PodSpec): Violation | undefined {
  const wrong = seccomp(spec);
  if (wrong || isAllowedSeccomp(spec.securityContext?.seccompProfile?.type)) return wrong;
  const silent = namesOf(spec, ({ securityContext }) => !securityContext?.seccompProfile);
  if (silent.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containerList(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
}

export const restrictedChecks: readonly Check[] = Object.freeze([
  {
    id: 'allowPrivilegeEscalation',
    versions: [
      [8, privilegeEscalation],
      [25, unlessWindows(privilegeEscalation)],
    ],
  },
  {
    id: 'capabilities_restricted',
    versions: [
      [22, capabilities],
      [25, unlessWindows(capabilities)],
    ],
    overrides: ['capabilities_baseline'],
  },
  { id: 'procMount_restricted', versions: [[35, procMount]], overrides: ['procMount'] },
  { id: 'restrictedVolumes', versions: [[0, volumes]], overrides: ['hostPathVolumes'] },
  {
    id: 'runAsNonRoot',
    versions: [
      [0, nonRoot],
      [35, unlessOwnUsers(nonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    versions: [
      [23, notUserZero],
      [35, unlessOwnUsers(notUserZero)],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    versions: [
      [19, seccompSet],
      [25, unlessWindows(seccompSet)],
    ],
    overrides: ['seccompProfile_baseline'],
  },
] satisfies readonly Check[]);
