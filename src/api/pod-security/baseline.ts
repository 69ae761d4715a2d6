/** The checks of the level `baseline`: nothing that is known to give a pod its node. In the order of their ids, as messages name them. */
import type { Container, LifecycleHandler, PodSecurityContext, PodSpec, Probe } from '../types/core-v1.ts';
import type { ObjectMeta } from '../types/meta-v1.ts';
import {
  type Check,
  containerList,
  containersOf,
  hasOwnUsers,
  namesOf,
  type PodCheck,
  plural,
  quoted,
  setters,
  sorted,
  type Violation,
} from './check.ts';

type SELinuxOptions = NonNullable<PodSecurityContext['seLinuxOptions']>;

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';

function appArmor(spec: PodSpec, { annotations = {} }: ObjectMeta): Violation | undefined {
  const values = new Set<string>();
  const isBad = (type: string | undefined): boolean => {
    if (type === undefined || type === 'RuntimeDefault' || type === 'Localhost') return false;
    values.add(type);
    return true;
  };
  const pod = isBad(spec.securityContext?.appArmorProfile?.type);
  const who = setters(
    pod,
    namesOf(spec, ({ securityContext }) => isBad(securityContext?.appArmorProfile?.type)),
  );
  const annotated = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(appArmorPrefix) && !isAllowedProfile(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  if (who === '' && annotated.length === 0) return undefined;
  const all = [...sorted(values), ...sorted(annotated)];
  const blame = [who, annotated.length === 0 ? '' : plural(annotated.length, 'annotation', 'annotations')];
  return {
    reason: plural(all.length, 'forbidden AppArmor profile', 'forbidden AppArmor profiles'),
    detail: `${blame.filter((part) => part !== '').join(' and ')} must not set AppArmor profile type to ${quoted(all)}`,
  };
}

const isAllowedProfile = (value: string): boolean =>
  value === '' || value === 'runtime/default' || value.startsWith('localhost/');

const defaultCapabilities: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

function capabilities(spec: PodSpec): Violation | undefined {
  const added = new Set<string>();
  const bad = namesOf(spec, ({ securityContext }) => {
    const wrong = (securityContext?.capabilities?.add ?? []).filter((name) => !defaultCapabilities.has(name));
    for (const name of wrong) added.add(name);
    return wrong.length > 0;
  });
  if (bad.length === 0) return undefined;
  return {
    reason: 'non-default capabilities',
    detail: `${containerList(bad)} must not include ${quoted(sorted(added))} in securityContext.capabilities.add`,
  };
}

function hostNamespaces(spec: PodSpec): Violation | undefined {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true);
  if (used.length === 0) return undefined;
  return { reason: 'host namespaces', detail: used.map((field) => `${field}=true`).join(', ') };
}

function hostPathVolumes({ volumes = [] }: PodSpec): Violation | undefined {
  const names = volumes.filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural(names.length, 'volume', 'volumes')} ${quoted(names)}` };
}

function hostPorts(spec: PodSpec): Violation | undefined {
  const ports = new Set<string>();
  const bad = namesOf(spec, (container) => {
    const used = (container.ports ?? []).filter(({ hostPort }) => hostPort !== undefined && hostPort !== 0);
    for (const { hostPort } of used) ports.add(String(hostPort));
    return used.length > 0;
  });
  if (bad.length === 0) return undefined;
  return {
    reason: 'hostPort',
    detail: `${containerList(bad)} ${plural(bad.length, 'uses', 'use')} ${plural(ports.size, 'hostPort', 'hostPorts')} ${sorted(ports).join(', ')}`,
  };
}

/** A probe of another host lets a pod ask questions as its node. */
function hostProbes(spec: PodSpec): Violation | undefined {
  const hosts = new Set<string>();
  const bad = new Set<string>();
  for (const container of containersOf(spec)) {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
    const handlers: readonly (Probe | LifecycleHandler | undefined)[] = [
      livenessProbe,
      readinessProbe,
      startupProbe,
      lifecycle?.postStart,
      lifecycle?.preStop,
    ];
    for (const handler of handlers)
      for (const host of [handler?.httpGet?.host, handler?.tcpSocket?.host])
        if (host !== undefined && host !== '') {
          hosts.add(host);
          bad.add(container.name);
        }
  }
  if (bad.size === 0) return undefined;
  const what = plural(hosts.size, 'probe or lifecycle host', 'probe or lifecycle hosts');
  return {
    reason: 'probe or lifecycle host',
    detail: `${containerList(sorted(bad))} ${plural(bad.size, 'uses', 'use')} ${what} ${quoted(sorted(hosts))}`,
  };
}

function privileged(spec: PodSpec): Violation | undefined {
  const bad = namesOf(spec, ({ securityContext }) => securityContext?.privileged === true);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containerList(bad)} must not set securityContext.privileged=true` };
}

export function procMount(spec: PodSpec): Violation | undefined {
  const types = new Set<string>();
  const bad = namesOf(spec, ({ securityContext }) => {
    const type = securityContext?.procMount;
    if (type === undefined || type === null || type === 'Default') return false;
    types.add(type);
    return true;
  });
  if (bad.length === 0) return undefined;
  return {
    reason: 'procMount',
    detail: `${containerList(bad)} must not set securityContext.procMount to ${quoted(sorted(types))}`,
  };
}

const seLinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t'];

function seLinux(allowed: readonly string[]): PodCheck {
  return (spec) => {
    const types = new Set<string>();
    let user = false;
    let role = false;
    const isBad = (options: SELinuxOptions | undefined): boolean => {
      if (!options) return false;
      const wrongType = !allowed.includes(options.type ?? '');
      if (wrongType) types.add(options.type ?? '');
      if (options.user) user = true;
      if (options.role) role = true;
      return wrongType || Boolean(options.user) || Boolean(options.role);
    };
    const pod = isBad(spec.securityContext?.seLinuxOptions);
    const who = setters(
      pod,
      namesOf(spec, ({ securityContext }) => isBad(securityContext?.seLinuxOptions)),
    );
    if (who === '') return undefined;
    const what = [
      ...(types.size > 0 ? [`${plural(types.size, 'type', 'types')} ${quoted(sorted(types))}`] : []),
      ...(user ? ['user may not be set'] : []),
      ...(role ? ['role may not be set'] : []),
    ];
    return {
      reason: 'seLinuxOptions',
      detail: `${who} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`,
    };
  };
}

const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';

/** Before 1.19 the profile was an annotation. */
function seccompAnnotations(spec: PodSpec, { annotations = {} }: ObjectMeta): Violation | undefined {
  const forbidden = new Set<string>();
  for (const key of [seccompPod, ...containersOf(spec).map(({ name }) => seccompContainer + name)]) {
    const value = annotations[key];
    if (value === undefined || value === 'runtime/default' || value === 'docker/default') continue;
    if (!value.startsWith('localhost/')) forbidden.add(`${key}=${JSON.stringify(value)}`);
  }
  if (forbidden.size === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural(forbidden.size, 'annotation', 'annotations')} ${sorted(forbidden).join(', ')}`,
  };
}

export const isAllowedSeccomp = (type: string | undefined): boolean =>
  type === 'Localhost' || type === 'RuntimeDefault';

export function seccomp(spec: PodSpec): Violation | undefined {
  const values = new Set<string>();
  const isBad = ({ securityContext }: Pick<Container | PodSpec, 'securityContext'>): boolean => {
    const profile = securityContext?.seccompProfile;
    if (!profile || isAllowedSeccomp(profile.type)) return false;
    values.add(profile.type);
    return true;
  };
  const pod = isBad(spec);
  const who = setters(pod, namesOf(spec, isBad));
  if (who === '') return undefined;
  return {
    reason: 'seccompProfile',
    detail: `${who} must not set securityContext.seccompProfile.type to ${quoted(sorted(values))}`,
  };
}

const sysctlsSince: readonly (readonly [number, readonly string[]])[] = [
  [
    0,
    [
      'kernel.shm_rmid_forced',
      'net.ipv4.ip_local_port_range',
      'net.ipv4.tcp_syncookies',
      'net.ipv4.ping_group_range',
      'net.ipv4.ip_unprivileged_port_start',
    ],
  ],
  [27, ['net.ipv4.ip_local_reserved_ports']],
  [
    29,
    [
      'net.ipv4.tcp_keepalive_time',
      'net.ipv4.tcp_fin_timeout',
      'net.ipv4.tcp_keepalive_intvl',
      'net.ipv4.tcp_keepalive_probes',
    ],
  ],
  [32, ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']],
];

function sysctls(minor: number): PodCheck {
  const allowed = new Set(sysctlsSince.flatMap(([since, names]) => (since <= minor ? names : [])));
  return ({ securityContext }) => {
    const forbidden = (securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.has(name));
    return forbidden.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: forbidden.join(', ') };
  };
}

function windowsHostProcess(spec: PodSpec): Violation | undefined {
  const isBad = ({ securityContext }: Pick<Container | PodSpec, 'securityContext'>): boolean =>
    securityContext?.windowsOptions?.hostProcess === true;
  const who = setters(isBad(spec), namesOf(spec, isBad));
  if (who === '') return undefined;
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` };
}

export const baselineChecks: readonly Check[] = Object.freeze([
  { id: 'appArmorProfile', versions: [[0, appArmor]] },
  { id: 'capabilities_baseline', versions: [[0, capabilities]] },
  { id: 'hostNamespaces', versions: [[0, hostNamespaces]] },
  { id: 'hostPathVolumes', versions: [[0, hostPathVolumes]] },
  { id: 'hostPorts', versions: [[0, hostPorts]] },
  { id: 'hostProbesAndHostLifecycle', versions: [[34, hostProbes]] },
  { id: 'privileged', versions: [[0, privileged]] },
  {
    id: 'procMount',
    versions: [
      [0, procMount],
      [35, (spec) => (hasOwnUsers(spec) ? undefined : procMount(spec))],
    ],
  },
  {
    id: 'seLinuxOptions',
    versions: [
      [0, seLinux(seLinuxTypes)],
      [31, seLinux([...seLinuxTypes, 'container_engine_t'])],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    versions: [
      [0, seccompAnnotations],
      [19, seccomp],
    ],
  },
  { id: 'sysctls', versions: sysctlsSince.map(([since]) => [since, sysctls(since)] as const) },
  { id: 'windowsHostProcess', versions: [[0, windowsHostProcess]] },
] satisfies readonly Check[]);
