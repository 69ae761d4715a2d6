/** A pod's sandbox and containers in the runtime's words. Pure: everything that had to be looked up comes in. */
import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Container, Pod } from '../../api/types/core-v1.ts';
import type {
  ContainerConfig,
  LinuxContainerResources,
  Mount,
  PodSandboxConfig,
  Signal,
  UserNamespace,
} from '../../runtime/cri-types.ts';
import type { ContainerSurroundings, SandboxSurroundings } from '../environment.ts';
import { gracePeriodSeconds, isHostNetwork } from '../pods/pod-info.ts';
import { cpuQuota, cpuShares, oomScoreAdjust } from '../pods/qos.ts';
import { effectiveResources } from '../pods/resize.ts';
import { containerHash } from './container-hash.ts';
import { expand } from './expansion.ts';
import { annotations, labels } from './runtime-status.ts';
import { containerSecurityContext, sandboxSecurityContext } from './security-context.ts';

export function sandboxConfig(pod: Pod, attempt: number, surroundings: SandboxSurroundings): PodSandboxConfig {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  const sysctls = Object.fromEntries((pod.spec?.securityContext?.sysctls ?? []).map((s) => [s.name, s.value]));
  return {
    metadata: { name, namespace, uid, attempt },
    hostname: isHostNetwork(pod) ? '' : surroundings.hostname,
    logDirectory: surroundings.logDirectory,
    ...(surroundings.dns ? { dnsConfig: surroundings.dns } : {}),
    // Upstream hands over the pod's labels and annotations and its own on top.
    labels: { ...pod.metadata.labels, [labels.podName]: name, [labels.podNamespace]: namespace, [labels.podUid]: uid },
    annotations: pod.metadata.annotations ?? {},
    portMappings: isHostNetwork(pod)
      ? []
      : (pod.spec?.containers ?? []).flatMap((container) =>
          (container.ports ?? [])
            .filter((port) => port.hostPort)
            .map((port) => ({
              protocol: (port.protocol ?? 'TCP') as 'TCP' | 'UDP' | 'SCTP',
              containerPort: port.containerPort,
              hostPort: port.hostPort!,
              hostIp: port.hostIP ?? '',
            })),
        ),
    linux: {
      cgroupParent: surroundings.cgroupParent,
      securityContext: sandboxSecurityContext(pod, surroundings.userNamespace),
      sysctls,
    },
  };
}

export interface ContainerConfigInputs {
  /** Container whose process namespace to join (ephemeral containers). */
  readonly targetId?: string;
  readonly userNamespace?: UserNamespace;
  readonly restartCount: number;
  readonly imageRef: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly surroundings: ContainerSurroundings;
  readonly nodeMemoryBytes: number;
  readonly cpuCFSQuota: boolean;
}

export function containerConfig(pod: Pod, container: Container, inputs: ContainerConfigInputs): ContainerConfig {
  const { restartCount, environment, surroundings } = inputs;
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  const lookup = (variable: string): string | undefined => environment.get(variable);
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: inputs.imageRef, userSpecifiedImage: container.image ?? '' },
    command: (container.command ?? []).map((word) => expand(word, lookup)),
    args: (container.args ?? []).map((word) => expand(word, lookup)),
    workingDir: container.workingDir ?? '',
    envs: [...environment].map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: mappedMounts(surroundings.mounts, inputs.userNamespace),
    labels: {
      [labels.podName]: name,
      [labels.podNamespace]: namespace,
      [labels.podUid]: uid,
      [labels.containerName]: container.name,
    },
    annotations: {
      [annotations.hash]: containerHash(container),
      [annotations.restartCount]: String(restartCount),
      [annotations.terminationMessagePath]: container.terminationMessagePath ?? '',
      [annotations.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
      [annotations.terminationGracePeriod]: String(gracePeriodSeconds(pod)),
    },
    logPath: `${container.name}/${restartCount}.log`,
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    ...(container.lifecycle?.stopSignal ? { stopSignal: container.lifecycle.stopSignal as Signal } : {}),
    linux: {
      resources: linuxResources(pod, container, inputs),
      securityContext: containerSecurityContext(pod, container, inputs),
    },
  };
}

/** In a user namespace, files of volumes belong to the same users as outside: the runtime maps the mounts. */
const mappedMounts = (mounts: readonly Mount[], users: UserNamespace | undefined): readonly Mount[] =>
  users?.mode === 'POD'
    ? mounts.map((mount) => ({ ...mount, uidMappings: users.uids ?? [], gidMappings: users.gids ?? [] }))
    : mounts;

export function linuxResources(
  pod: Pod,
  container: Container,
  { nodeMemoryBytes, cpuCFSQuota }: Pick<ContainerConfigInputs, 'nodeMemoryBytes' | 'cpuCFSQuota'>,
): LinuxContainerResources {
  const { requests, limits } = effectiveResources(container.resources ?? {}, pod.spec?.resources);
  const cpuLimit = limits?.cpu === undefined ? 0 : parseMilli(limits.cpu);
  const cpuRequest = requests?.cpu === undefined ? cpuLimit : parseMilli(requests.cpu);
  const memoryLimit = limits?.memory === undefined ? 0 : parseValue(limits.memory);
  return {
    cpuShares: cpuShares(cpuRequest),
    cpuPeriod: 100_000,
    cpuQuota: cpuCFSQuota ? cpuQuota(cpuLimit) : 0,
    memoryLimitInBytes: memoryLimit,
    oomScoreAdj: oomScoreAdjust(pod, container, nodeMemoryBytes),
  };
}
