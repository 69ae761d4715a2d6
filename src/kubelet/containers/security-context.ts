/** Pod and container security contexts as the runtime wants them. Source: kuberuntime/security_context.go, pkg/securitycontext. */
import type { Container, Pod, SeccompProfile } from '../../api/types/core-v1.ts';
import type {
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  SecurityProfile,
  UserNamespace,
} from '../../runtime/cri-types.ts';
import { ContainerConfigError } from '../pods/env.ts';

export function namespaceOptions(pod: Pod, userNamespace: UserNamespace | undefined): NamespaceOption {
  return {
    usernsOptions: userNamespace ?? { mode: 'NODE' },
    network: pod.spec?.hostNetwork ? 'NODE' : 'POD',
    pid: pod.spec?.hostPID ? 'NODE' : pod.spec?.shareProcessNamespace ? 'POD' : 'CONTAINER',
    ipc: pod.spec?.hostIPC ? 'NODE' : 'POD',
  };
}

export function sandboxSecurityContext(
  pod: Pod,
  userNamespace: UserNamespace | undefined,
): LinuxSandboxSecurityContext {
  const context = pod.spec?.securityContext;
  const privileged = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].some(
    (container) => container.securityContext?.privileged === true,
  );
  return {
    namespaceOptions: namespaceOptions(pod, userNamespace),
    privileged,
    seccomp: { profileType: 'RuntimeDefault' },
    ...(context?.runAsUser === undefined ? {} : { runAsUser: { value: Number(context.runAsUser) } }),
    ...(context?.runAsGroup === undefined ? {} : { runAsGroup: { value: Number(context.runAsGroup) } }),
    supplementalGroups: supplementalGroups(pod),
    ...(context?.seLinuxOptions ? { selinuxOptions: context.seLinuxOptions } : {}),
  };
}

export function containerSecurityContext(
  pod: Pod,
  container: Container,
  { targetId, userNamespace }: { readonly targetId?: string; readonly userNamespace?: UserNamespace } = {},
): LinuxContainerSecurityContext {
  const own = container.securityContext ?? {};
  const ofPod = pod.spec?.securityContext ?? {};
  const runAsUser = own.runAsUser ?? ofPod.runAsUser;
  const runAsGroup = own.runAsGroup ?? ofPod.runAsGroup;
  const privileged = own.privileged === true;
  const unmasked = own.procMount === 'Unmasked';
  const selinux = own.seLinuxOptions ?? ofPod.seLinuxOptions;
  return {
    privileged,
    namespaceOptions:
      targetId === undefined
        ? namespaceOptions(pod, userNamespace)
        : { ...namespaceOptions(pod, userNamespace), pid: 'TARGET', targetId },
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    ...(runAsUser === undefined ? {} : { runAsUser: { value: Number(runAsUser) } }),
    ...(runAsGroup === undefined ? {} : { runAsGroup: { value: Number(runAsGroup) } }),
    supplementalGroups: supplementalGroups(pod),
    ...(ofPod.supplementalGroupsPolicy === 'Strict' ? { supplementalGroupsPolicy: 'Strict' as const } : {}),
    ...(own.capabilities
      ? {
          capabilities: {
            addCapabilities: [...(own.capabilities.add ?? [])],
            dropCapabilities: [...(own.capabilities.drop ?? [])],
          },
        }
      : {}),
    ...(selinux ? { selinuxOptions: selinux } : {}),
    seccomp: seccomp(own.seccompProfile ?? ofPod.seccompProfile, privileged),
    ...apparmor(own.appArmorProfile ?? ofPod.appArmorProfile),
    maskedPaths: privileged || unmasked ? [] : maskedPaths,
    readonlyPaths: privileged || unmasked ? [] : readonlyPaths,
  };
}

/** The user an image runs as, when the pod does not say. */
export interface ImageUser {
  readonly uid?: number;
  readonly username: string;
}

/** runAsNonRoot. @throws ContainerConfigError with upstream's words. */
export function verifyNonRoot(pod: Pod, container: Container, image: ImageUser | undefined): void {
  const own = container.securityContext ?? {};
  const ofPod = pod.spec?.securityContext ?? {};
  if ((own.runAsNonRoot ?? ofPod.runAsNonRoot) !== true) return;
  const name = `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
  const runAsUser = own.runAsUser ?? ofPod.runAsUser;
  if (runAsUser !== undefined) {
    if (Number(runAsUser) === 0)
      throw new ContainerConfigError(
        `container's runAsUser breaks non-root policy (pod: "${name}", container: ${container.name})`,
      );
    return;
  }
  if (image?.uid === 0)
    throw new ContainerConfigError(
      `container has runAsNonRoot and image will run as root (pod: "${name}", container: ${container.name})`,
    );
  if (image?.uid === undefined && image?.username)
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root (pod: "${name}", container: ${container.name})`,
    );
}

function supplementalGroups(pod: Pod): readonly number[] {
  const context = pod.spec?.securityContext;
  const groups = (context?.supplementalGroups ?? []).map(Number);
  return context?.fsGroup === undefined ? groups : [...groups, Number(context.fsGroup)];
}

function seccomp(profile: SeccompProfile | undefined, privileged: boolean): SecurityProfile {
  if (privileged) return { profileType: 'Unconfined' };
  switch (profile?.type) {
    case 'RuntimeDefault':
      return { profileType: 'RuntimeDefault' };
    case 'Localhost':
      return { profileType: 'Localhost', localhostRef: `/var/lib/kubelet/seccomp/${profile.localhostProfile ?? ''}` };
    default:
      return { profileType: 'Unconfined' };
  }
}

/** Left out when the pod does not say: the runtime's default then, and no failure on machines without AppArmor. */
function apparmor(profile: { readonly type: string; readonly localhostProfile?: string } | undefined): {
  readonly apparmor?: SecurityProfile;
} {
  switch (profile?.type) {
    case 'Localhost':
      return { apparmor: { profileType: 'Localhost', localhostRef: profile.localhostProfile ?? '' } };
    case 'Unconfined':
      return { apparmor: { profileType: 'Unconfined' } };
    case 'RuntimeDefault':
      return { apparmor: { profileType: 'RuntimeDefault' } };
    default:
      return {};
  }
}

const maskedPaths: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
