/**
 * What the runtime knows of one pod, in the kubelet's words. Everything the kubelet makes carries labels and annotations from which this is
 * read back, so a restarted kubelet finds its containers again.
 */
import type { CriRuntime } from '../../runtime/cri.ts';
import { isCriNotFound } from '../../runtime/cri.ts';
import type { ContainerStatus } from '../../runtime/cri-types.ts';

export const labels = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;
export const annotations = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  terminationGracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  preStopHandler: 'io.kubernetes.container.preStopHandler',
} as const;

export type ContainerState = 'created' | 'running' | 'exited' | 'unknown';

export interface RuntimeContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: ContainerState;
  /** Milliseconds since the epoch; 0 when it has not happened. */
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  /** Digest reference. */
  readonly imageRef: string;
  readonly imageId: string;
  readonly hash: string;
  readonly restartCount: number;
  readonly logPath: string;
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: string;
  /** Whom its first process runs as; undefined when the runtime does not say. */
  readonly user?: ContainerStatus['user'];
  /** Where the runtime mounted what, to find the termination message file. */
  readonly mounts: ContainerStatus['mounts'];
}

export interface RuntimeSandbox {
  readonly id: string;
  readonly ready: boolean;
  readonly attempt: number;
  readonly createdAtMs: number;
  /** Empty for pods on the host's network. */
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
}

/** Newest first in both lists. */
export interface PodRuntimeStatus {
  readonly uid: string;
  readonly sandboxes: readonly RuntimeSandbox[];
  readonly containers: readonly RuntimeContainer[];
}

export const emptyRuntimeStatus = (uid: string): PodRuntimeStatus => ({ uid, sandboxes: [], containers: [] });

/** The newest container of that name. */
export function findContainer(status: PodRuntimeStatus, name: string): RuntimeContainer | undefined {
  const { containers } = status;
  for (let i = 0; i < containers.length; i++) if (containers[i]!.name === name) return containers[i];
  return undefined;
}

/** Asks the runtime for one pod. What vanishes between listing and asking is left out. */
export async function fetchPodRuntimeStatus(
  runtime: CriRuntime,
  uid: string,
  options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
): Promise<PodRuntimeStatus> {
  const labelSelector = { [labels.podUid]: uid };
  const [sandboxList, containerList] = await Promise.all([
    runtime.listPodSandbox({ filter: { labelSelector } }, options),
    runtime.listContainers({ filter: { labelSelector } }, options),
  ]);
  const sandboxes: RuntimeSandbox[] = [];
  for (const item of sandboxList.items) {
    try {
      const { status } = await runtime.podSandboxStatus({ podSandboxId: item.id }, options);
      if (!status) continue;
      const ip = status.network?.ip ?? '';
      sandboxes.push({
        id: item.id,
        ready: status.state === 'SANDBOX_READY',
        attempt: item.metadata?.attempt ?? 0,
        createdAtMs: item.createdAt / 1e6,
        ips: ip === '' ? [] : [ip, ...(status.network?.additionalIps ?? []).map((extra) => extra.ip)],
        hostNetwork: status.linux?.namespaces?.options?.network === 'NODE',
      });
    } catch (error) {
      if (!isCriNotFound(error)) throw error;
    }
  }
  const containers: RuntimeContainer[] = [];
  for (const item of containerList.containers) {
    try {
      const { status } = await runtime.containerStatus({ containerId: item.id }, options);
      if (status) containers.push(readContainer(status, item.podSandboxId));
    } catch (error) {
      if (!isCriNotFound(error)) throw error;
    }
  }
  if (sandboxes.length > 1) sandboxes.sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs);
  if (containers.length > 1)
    containers.sort((a, b) => b.createdAtMs - a.createdAtMs || b.restartCount - a.restartCount);
  return { uid, sandboxes, containers };
}

const states: Readonly<Record<ContainerStatus['state'], ContainerState>> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
};

function readContainer(status: ContainerStatus, sandboxId: string): RuntimeContainer {
  return {
    id: status.id,
    name: status.labels[labels.containerName] ?? status.metadata?.name ?? '',
    sandboxId,
    state: states[status.state],
    createdAtMs: status.createdAt / 1e6,
    startedAtMs: status.startedAt / 1e6,
    finishedAtMs: status.finishedAt / 1e6,
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    image: status.image?.userSpecifiedImage || status.image?.image || '',
    imageRef: status.imageRef,
    imageId: status.imageId || status.imageRef,
    hash: status.annotations[annotations.hash] ?? '',
    restartCount: Number(status.annotations[annotations.restartCount] ?? 0) || 0,
    logPath: status.logPath,
    terminationMessagePath: status.annotations[annotations.terminationMessagePath] ?? '',
    terminationMessagePolicy: status.annotations[annotations.terminationMessagePolicy] ?? 'File',
    ...(status.user ? { user: status.user } : {}),
    mounts: status.mounts,
  };
}
